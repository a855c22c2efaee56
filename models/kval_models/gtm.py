"""Fine-tunes a language model into a simulator of the validator, with TRL, on one process or many (accelerate)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
import trl
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from kval_models.gtm_base import CONFIG, load_model, load_tokenizer
from kval_models.gtm_recipe import Recipe, RecipeError
from kval_models.gtm_rows import RowsError, Tokenized, read_chats, tokenize

Progress = Callable[[dict[str, object]], None]


def train_gtm(
    recipe: Recipe,
    dataset: Path,
    work: Path,
    *,
    seed: int,
    merge: bool = False,
    minutes: float | None = None,
    progress: Progress,
) -> dict[str, object]:
    """Trains on the training split; the validation split says when to stop and which step was best.

    `work` keeps the checkpoints: called again after a kill, it goes on from the last one. `minutes` bounds this call's
    training, in one process: what is best by then is the model. In the end `work/model` holds
    model, tokenizer and chat template, `training.json` (also returned) and TensorBoard's `runs`.

    Raises `RowsError`, `RecipeError` and `BaseError` for what the caller can mend.
    """
    state = PartialState(cpu=not torch.cuda.is_available())  # without the word it joins no group of processors
    done = work / "model" / "training.json"
    if done.exists():
        finished: dict[str, object] = json.loads(done.read_text(encoding="utf-8"))
        return finished
    if recipe.method == "lora" and recipe.base.startswith(CONFIG):
        raise RecipeError("adapters need a trained base: train the config with gtm-full first, then name its folder")
    tokenizer = _tokenizer(recipe, dataset, work, state)
    tokens = {
        split: tokenize(list(read_chats(dataset, split)), tokenizer, recipe.max_length)
        for split in ("train", "validation")
    }
    if not tokens["train"].rows:
        raise RowsError(f"no row to train on ({tokens['train'].too_long} are longer than {recipe.max_length} tokens)")
    set_seed(seed)  # new weights and new adapters are drawn before the trainer sets its own
    model = load_model(recipe.base, tokenizer)
    positions = getattr(model.config, "max_position_embeddings", recipe.max_length)
    if recipe.max_length > positions:
        raise RecipeError(f"max_length {recipe.max_length} is more than the {positions} positions of {recipe.base}")
    checkpoints = work / "checkpoints"
    trainer = SFTTrainer(
        model=model,
        args=_arguments(recipe, checkpoints, seed, state.num_processes, evaluated=bool(tokens["validation"].rows)),
        train_dataset=Dataset.from_list(tokens["train"].rows),
        eval_dataset=Dataset.from_list(tokens["validation"].rows) if tokens["validation"].rows else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", **recipe.lora) if recipe.method == "lora" else None,
        callbacks=[_Told(progress, None if minutes is None else time.monotonic() + 60 * minutes)],
    )
    trainer.remove_callback(PrinterCallback)
    if tokens["validation"].rows:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=recipe.early_stopping_patience))
    resumed = _last_whole(checkpoints)
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    _save(trainer, tokenizer, work / "model.part", merge=merge and recipe.method == "lora")
    report = _report(recipe, trainer, tokens, seed, time.monotonic() - began, resumed)
    if state.is_main_process:
        if (checkpoints / "runs").exists():
            shutil.copytree(checkpoints / "runs", work / "model.part" / "runs")
        (work / "model.part" / "training.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (work / "model.part").rename(work / "model")
        shutil.rmtree(checkpoints)
    state.wait_for_everyone()
    return report


def _tokenizer(recipe: Recipe, dataset: Path, work: Path, state: PartialState) -> Any:  # noqa: ANN401
    """One process makes it, all read it: also after a kill, the same one."""
    kept = work / "tokenizer"
    if state.is_main_process and not kept.exists():
        shutil.rmtree(work / "tokenizer.part", ignore_errors=True)
        texts = (message["content"] for chat in read_chats(dataset, "train") for message in chat)
        load_tokenizer(recipe.base, texts).save_pretrained(work / "tokenizer.part")
        (work / "tokenizer.part").rename(kept)
    state.wait_for_everyone()
    return load_tokenizer(str(kept), ())


def _arguments(recipe: Recipe, checkpoints: Path, seed: int, processes: int, *, evaluated: bool) -> SFTConfig:
    """The recipe's `training`, with what must hold whatever it says."""
    wanted = dict(recipe.training)
    at_once = max(1, min(int(wanted.pop("per_device_train_batch_size", 1)), recipe.global_batch_size // processes))
    accumulated, rest = divmod(recipe.global_batch_size, at_once * processes)
    if rest or accumulated == 0:
        raise RecipeError(
            f"global_batch_size {recipe.global_batch_size} is no multiple of {processes} processes with {at_once} rows"
        )
    every = wanted.pop("eval_steps", 0.1)
    try:
        return SFTConfig(
            **{
                **wanted,
                "output_dir": str(checkpoints),
                "per_device_train_batch_size": at_once,
                "gradient_accumulation_steps": accumulated,
                "max_length": None,
                "seed": seed,
                "data_seed": seed,
                "bf16": torch.cuda.is_available(),
                "use_cpu": not torch.cuda.is_available(),
                "eval_strategy": "steps" if evaluated else "no",
                "eval_steps": every if evaluated else None,
                "save_strategy": "steps",
                "save_steps": every,
                "save_total_limit": 2,
                "load_best_model_at_end": evaluated,
                "metric_for_best_model": "eval_loss" if evaluated else None,
                "restore_callback_states_from_checkpoint": True,
                "report_to": "tensorboard",
                "disable_tqdm": True,
            }
        )
    except (TypeError, ValueError) as error:
        raise RecipeError(f"TRL refuses the recipe: {error}") from error


class _Told(TrainerCallback):  # type: ignore[misc]
    """Steps, as lines that kval reads; and the end, where time is up."""

    def __init__(self, progress: Progress, deadline: float | None) -> None:
        self.progress = progress
        self.deadline = deadline

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if state.is_world_process_zero:
            self.progress(
                {"type": "progress", "stage": "steps", "done": int(state.global_step), "total": int(state.max_steps)}
            )
        if self.deadline is not None and time.monotonic() > self.deadline:
            control.should_evaluate = args.eval_strategy != "no"
            control.should_save = control.should_training_stop = True


def _last_whole(checkpoints: Path) -> Path | None:
    """The trainer's state is written last: without it the checkpoint is half of one, and is dropped."""
    found = sorted(checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    while found:
        try:
            json.loads((found[-1] / "trainer_state.json").read_text(encoding="utf-8"))
            return found[-1]
        except (OSError, ValueError):
            found.pop()
    return None


def _save(trainer: SFTTrainer, tokenizer: Any, folder: Path, *, merge: bool) -> None:  # noqa: ANN401
    """Every process takes part: sharded weights are gathered."""
    if PartialState().is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
    PartialState().wait_for_everyone()
    if merge:
        merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
        if PartialState().is_main_process:
            merged.save_pretrained(folder)
    else:
        trainer.save_model(str(folder))
    if PartialState().is_main_process:
        tokenizer.save_pretrained(folder)
        (folder / "training_args.bin").unlink(missing_ok=True)
        (folder / "README.md").unlink(missing_ok=True)


def _report(
    recipe: Recipe,
    trainer: SFTTrainer,
    tokens: dict[str, Tokenized],
    seed: int,
    seconds: float,
    resumed: Path | None,
) -> dict[str, object]:
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    held_out = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return {
        "recipe": asdict(recipe),
        "seed": seed,
        "parameters": sum(one.numel() for one in trainer.accelerator.unwrap_model(trainer.model).parameters()),
        "processes": PartialState().num_processes,
        "device": str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "cpu",
        "steps": trainer.state.global_step,
        "resumedFrom": None if resumed is None else resumed.name,
        "seconds": round(seconds, 1),
        "trainLoss": [losses[0], losses[-1]] if losses else None,
        "validationLoss": [held_out[0], min(held_out)] if held_out else None,
        "rows": {split: len(one.rows) for split, one in tokens.items()},
        "tooLong": {split: one.too_long for split, one in tokens.items()},
        "tokens": sum(len(row["input_ids"]) for row in tokens["train"].rows),
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
            "peft": peft.__version__,
        },
    }
