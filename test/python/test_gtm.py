"""Fine-tuning, on a model so small that seconds teach it something. Everything else is what a GPU box runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kval_models.gtm import train_gtm
from kval_models.gtm_base import BaseError, load_tokenizer
from kval_models.gtm_recipe import Recipe, RecipeError, read_recipe
from kval_models.gtm_rows import IGNORED, RowsError, read_chats, read_rows, tokenize
from kval_models.gtm_score import score_gtm
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

RECIPES = Path(__file__).parents[2] / "models" / "recipes"
CONFIG = f"config:{RECIPES / 'tiny-qwen2.json'}"
SMALL = (
    *("max_length=512", "max_steps=8", "eval_steps=4", "logging_steps=1", "global_batch_size=8"),
    *("per_device_train_batch_size=8", "learning_rate=3e-3", "gradient_checkpointing=false"),
)
STEPS = 8
PAUSE_AFTER = 6


def full() -> Recipe:
    return read_recipe(RECIPES / "gtm-full.yaml", base=CONFIG, changes=SMALL)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """A forked child of a process with a pool of threads would wait for them forever."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    for split, rows in (("train", 64), ("validation", 12), ("test", 12)):
        lines = [json.dumps(row(f"{split}{index}", compiled=index % 3 != 0)) for index in range(rows)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def row(name: str, *, compiled: bool) -> dict[str, object]:
    answer = {"compiled": compiled, "correctness": compiled, "runtime_ms": 1.5 if compiled else None}
    messages = [
        {"role": "system", "content": "You simulate a tool."},
        {"role": "user", "content": f"y[i] = {'fmaxf(x[i], 0.0f)' if compiled else 'undeclared(x[i])'}; // {name}"},
        {"role": "assistant", "content": json.dumps(answer, separators=(",", ":"))},
    ]
    label = {"compiled": compiled, "correct": compiled, "runtimeMs": answer["runtime_ms"]}
    return {"id": name, "messages": messages, "label": label}


def quiet(_: dict[str, object]) -> None:
    return None


def train(recipe: Recipe, dataset: Path, work: Path, **options: bool) -> dict[str, object]:
    work.mkdir(exist_ok=True)
    return train_gtm(recipe, dataset, work, seed=1, progress=quiet, **options)


def pausing() -> Callable[[dict[str, object]], None]:
    def told(line: dict[str, object]) -> None:
        if line["done"] == PAUSE_AFTER:
            time.sleep(600)

    return told


def train_and_pause(recipe: Recipe, dataset: Path, work: Path) -> None:
    train_gtm(recipe, dataset, work, seed=1, progress=pausing())


@pytest.fixture(scope="module")
def killed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was killed between two checkpoints. First of all, for nothing may have run before a fork."""
    work = tmp_path_factory.mktemp("killed")
    child = multiprocessing.get_context("fork").Process(target=train_and_pause, args=(full(), dataset, work))
    child.start()
    state = work / "checkpoints" / "checkpoint-4" / "trainer_state.json"
    while not state.exists() and child.is_alive():
        time.sleep(0.1)
    time.sleep(1)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    return work


@pytest.fixture(scope="module")
def trained(killed: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("whole")
    train(full(), dataset, work)
    return work / "model"


def test_a_killed_training_goes_on_and_ends_as_one_that_was_never_killed(
    killed: Path, trained: Path, dataset: Path
) -> None:
    (killed / "checkpoints" / "checkpoint-5").mkdir()  # half a checkpoint, as a kill in the middle of saving leaves it
    report = train(full(), dataset, killed)
    whole = json.loads((trained / "training.json").read_text())
    assert (report["resumedFrom"], report["steps"]) == ("checkpoint-4", STEPS)
    assert (whole["resumedFrom"], whole["steps"]) == (None, STEPS)
    assert report["validationLoss"] == pytest.approx(whole["validationLoss"], rel=1e-4)
    for name, weight in AutoModelForCausalLM.from_pretrained(killed / "model").state_dict().items():
        assert torch.allclose(
            weight, AutoModelForCausalLM.from_pretrained(trained).state_dict()[name], rtol=0, atol=1e-5
        )


def test_the_loss_falls_and_the_folder_is_whole(trained: Path, dataset: Path) -> None:
    report = json.loads((trained / "training.json").read_text())
    first, best = report["validationLoss"]
    assert best < first < report["trainLoss"][0]
    assert report["rows"] == {"train": 64, "validation": 12}
    assert report["recipe"]["training"]["learning_rate"] == 3e-3
    assert list((trained / "runs").rglob("events.*"))
    assert not (trained.parent / "checkpoints").exists()
    assert train(full(), dataset, trained.parent) == report, "what is finished is not trained again"


def test_the_loss_falls_on_the_answer_alone(trained: Path, dataset: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    rows = list(read_rows(dataset, "train"))
    made = tokenize(list(read_chats(dataset, "train")), tokenizer, 512).rows
    for given, tokens in zip(rows, made, strict=True):
        learned = [
            token for token, label in zip(tokens["input_ids"], tokens["labels"], strict=True) if label != IGNORED
        ]
        assert tokenizer.decode(learned) == given.messages[2]["content"] + "<|im_end|>\n"
        assert tokenizer.decode(tokens["input_ids"]).startswith("<|im_start|>system\nYou simulate")


def test_a_row_that_is_too_long_is_left_out_and_counted(trained: Path, dataset: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    lengths = sorted(len(one["input_ids"]) for one in tokenize(list(read_chats(dataset, "train")), tokenizer, 512).rows)
    cut = tokenize(list(read_chats(dataset, "train")), tokenizer, lengths[10])
    assert len(cut.rows) + cut.too_long == 64
    assert 0 < cut.too_long <= 53
    assert max(len(one["input_ids"]) for one in cut.rows) <= lengths[10]


def test_malformed_calls_are_taught_beside_the_kernels(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    shutil.copytree(dataset, copy)
    words = [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    (copy / "malformed-train.jsonl").write_text(json.dumps({"id": "m", "messages": words}) + "\n")
    assert [*read_chats(copy, "train")] == [*read_chats(dataset, "train"), tuple(words)]
    assert [*read_chats(copy, "validation")] == [*read_chats(dataset, "validation")]


def test_adapters_merged_say_what_they_say_unmerged(trained: Path, dataset: Path, tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "gtm-lora.yaml", base=str(trained), changes=SMALL)
    apart, merged = tmp_path / "apart", tmp_path / "merged"
    report = train(recipe, dataset, apart)
    train(recipe, dataset, merged, merge=True)
    adapter = AutoPeftModelForCausalLM.from_pretrained(apart / "model").eval()
    whole = AutoModelForCausalLM.from_pretrained(merged / "model").eval()
    base = AutoModelForCausalLM.from_pretrained(trained).eval()
    ids = AutoTokenizer.from_pretrained(merged / "model")("y[i] = undeclared(x[i]);", return_tensors="pt")
    with torch.inference_mode():
        of_adapter, of_whole, of_base = (one(**ids).logits for one in (adapter, whole, base))
    assert torch.allclose(of_adapter, of_whole, rtol=0, atol=1e-4)
    assert not torch.allclose(of_base, of_whole, rtol=0, atol=1e-2)
    first, best = json.loads((trained / "training.json").read_text())["validationLoss"]
    assert min(report["validationLoss"]) < best < first, "adapters on top of the full fine-tuning learn on"


def test_scores_are_the_models_own_log_odds(trained: Path, dataset: Path, tmp_path: Path) -> None:
    score_gtm(trained, dataset, tmp_path / "scores.json", batch_size=5, progress=quiet)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert len(scores) == 24
    assert all(scores[f"test{index}"]["runtimeMs"] is None for index in (0, 3, 6, 9)), "not timed, not asked"
    tokenizer, model = AutoTokenizer.from_pretrained(trained), AutoModelForCausalLM.from_pretrained(trained).eval()
    asked = list(read_rows(dataset, "test"))[4]
    text = tokenizer.apply_chat_template(asked.prompt, add_generation_prompt=True, tokenize=False)
    for key, before in (("compiled", '{"compiled":'), ("correct", '{"compiled":true,"correctness":')):
        ids = tokenizer(text + before, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            last = model(**ids).logits[0, -1]
        yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("true", "false"))
        assert scores["test4"][key] == pytest.approx(float(last[yes] - last[no]), abs=1e-3)


def test_a_recipe_says_what_is_wrong_with_it(dataset: Path, tmp_path: Path) -> None:
    for change, words in (
        ("learning_rate", "NAME=VALUE"),
        ("max_length=-3", "whole number"),
        ("global_batch_size=many", "whole number"),
    ):
        with pytest.raises(RecipeError, match=words):
            read_recipe(RECIPES / "gtm-full.yaml", changes=[change])
    (tmp_path / "empty.yaml").write_text("method: full\n")
    with pytest.raises(RecipeError, match="not a recipe"):
        read_recipe(tmp_path / "empty.yaml")
    for changes, words in (
        (["no_such_setting=1"], "TRL refuses"),
        (["max_length=9999"], "positions"),
    ):
        with pytest.raises(RecipeError, match=words):
            train(read_recipe(RECIPES / "gtm-full.yaml", base=CONFIG, changes=[*SMALL, *changes]), dataset, tmp_path)
    with pytest.raises(RecipeError, match="trained base"):
        train(read_recipe(RECIPES / "gtm-lora.yaml", base=CONFIG), dataset, tmp_path)
    with pytest.raises(RowsError, match="longer than 5"):
        train(read_recipe(RECIPES / "gtm-full.yaml", base=CONFIG, changes=["max_length=5"]), dataset, tmp_path)
    with pytest.raises(BaseError, match="not a model config"):
        load_tokenizer("config:/nowhere.json", ["text"])
