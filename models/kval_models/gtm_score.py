"""What a fine-tuned model says of held-out rows, as log-odds: for its calibration and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from kval_models.gtm_rows import Row, prompt_ids, read_rows

Progress = Callable[[dict[str, object]], None]

# Where the answer says the one thing or the other: the text before, and after it the two words.
COMPILED = '{"compiled":'
CORRECT = '{"compiled":true,"correctness":'
RUNTIME = '{"compiled":true,"correctness":true,"runtime_ms":'

RUNTIME_TOKENS = 24


def score_gtm(model_folder: Path, dataset: Path, out: Path, *, batch_size: int = 8, progress: Progress) -> None:
    """Writes `out`: by row, log-odds that it compiles and, given that, is correct; for timed rows the runtime in ms.

    Both splits that were not trained on. A row that is longer than the model reads gets null.
    """
    tokenizer = AutoTokenizer.from_pretrained(model_folder, padding_side="left")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    opened = AutoPeftModelForCausalLM if (model_folder / "adapter_config.json").exists() else AutoModelForCausalLM
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = opened.from_pretrained(model_folder, dtype=dtype).to(device).eval()
    longest = int(model.config.max_position_embeddings) - RUNTIME_TOKENS - 16
    places = _places(tokenizer)
    scores: dict[str, dict[str, float | None]] = {}
    asked: list[tuple[Row, list[int]]] = []
    for split in ("validation", "test"):
        for row in read_rows(dataset, split):
            ids = prompt_ids(row.prompt, tokenizer)
            scores[row.id] = {"compiled": None, "correct": None, "runtimeMs": None}
            if len(ids) <= longest:
                asked.append((row, ids))
    asked.sort(key=lambda one: len(one[1]), reverse=True)
    for start in range(0, len(asked), batch_size):
        batch = asked[start : start + batch_size]
        for (row, _), (compiled, correct) in zip(
            batch, _log_odds(model, tokenizer, [ids for _, ids in batch], places), strict=True
        ):
            scores[row.id] |= {"compiled": compiled, "correct": correct}
        timed = [one for one in batch if one[0].timed]
        if timed:
            runtimes = _runtimes(model, tokenizer, [ids for _, ids in timed], places.runtime)
            for (row, _), runtime in zip(timed, runtimes, strict=True):
                scores[row.id]["runtimeMs"] = runtime
        progress(
            {
                "type": "progress",
                "stage": "evaluation",
                "done": min(start + batch_size, len(asked)),
                "total": len(asked),
            }
        )
    out.write_text(json.dumps(scores, allow_nan=False), encoding="utf-8")


@dataclass(frozen=True)
class Places:
    """The verdicts are the tokens that follow `answer`, at its end and `compiled_back - 1` tokens before it."""

    answer: list[int]
    compiled_back: int
    compiled: tuple[int, int]
    correct: tuple[int, int]
    runtime: list[int]


def _places(tokenizer: Any) -> Places:  # noqa: ANN401
    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    first = _parting(encode(f"{COMPILED}true,"), encode(f"{COMPILED}false,"))
    second = _parting(encode(f"{CORRECT}true,"), encode(f"{CORRECT}false,"))
    runtime = _parting(encode(f"{RUNTIME}1"), encode(f"{RUNTIME}null"))
    return Places(
        answer=second[0],
        compiled_back=len(second[0]) - len(first[0]) + 1,
        compiled=first[1],
        correct=second[1],
        runtime=runtime[0],
    )


def _parting(yes: list[int], no: list[int]) -> tuple[list[int], tuple[int, int]]:
    """The tokens that two answers share, and the first of each that they do not."""
    at = next(index for index, (one, other) in enumerate(zip(yes, no, strict=False)) if one != other)
    return yes[:at], (yes[at], no[at])


def _log_odds(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    prompts: Sequence[list[int]],
    places: Places,
) -> list[tuple[float, float]]:
    batch = tokenizer.pad({"input_ids": [ids + places.answer for ids in prompts]}, return_tensors="pt").to(model.device)
    positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        out = model(**batch, position_ids=positions, use_cache=False, logits_to_keep=places.compiled_back)
    logits = out.logits.float()
    compiled = logits[:, 0, places.compiled[0]] - logits[:, 0, places.compiled[1]]
    correct = logits[:, -1, places.correct[0]] - logits[:, -1, places.correct[1]]
    return list(zip(compiled.tolist(), correct.tolist(), strict=True))


def _runtimes(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    prompts: Sequence[list[int]],
    answer: list[int],
) -> list[float | None]:
    """Greedy, told that the kernel is correct."""
    batch = tokenizer.pad({"input_ids": [ids + answer for ids in prompts]}, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        made = model.generate(**batch, do_sample=False, max_new_tokens=RUNTIME_TOKENS)
    texts: list[str] = tokenizer.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [_number(text.partition("}")[0]) for text in texts]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
