"""The chat rows of a data set, as tokens: the loss falls on the answer alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kval_models.refused import Refused

Message = dict[str, str]
"""`role` and `content`."""

IGNORED = -100
"""The label of a token that bears no loss."""


class RowsError(Refused):
    """The data set holds nothing to train on, or a row that the model cannot be taught."""


@dataclass(frozen=True)
class Row:
    """One labelled kernel: two messages that ask, one that answers. `correct` is None where nobody knows."""

    id: str
    messages: tuple[Message, ...]
    compiled: bool
    correct: bool | None
    timed: bool

    @property
    def prompt(self) -> list[Message]:
        return list(self.messages[:-1])


def read_rows(folder: Path, split: str) -> Iterator[Row]:
    """Raises `RowsError` when there is no such split, `ValueError` when a line is damaged."""
    plain, packed = folder / f"{split}.jsonl", folder / f"{split}.jsonl.gz"
    if not plain.exists() and not packed.exists():
        raise RowsError(f"{folder} has no {split} split")
    with plain.open(encoding="utf-8") if plain.exists() else gzip.open(packed, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            label = row["label"]
            timed = label["runtimeMs"] is not None
            yield Row(row["id"], tuple(row["messages"]), label["compiled"], label["correct"], timed)


@dataclass(frozen=True)
class Tokenized:
    """`rows` holds `input_ids` and `labels` of the rows that fit; `too_long` counts those that do not."""

    rows: list[dict[str, NDArray[np.int32]]]
    too_long: int


def tokenize(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Tokenized:  # noqa: ANN401
    """A row longer than `max_length` is left out: cut short it would lack its answer, or part of its kernel."""
    kept: list[dict[str, NDArray[np.int32]]] = []
    too_long = 0
    for row in rows:
        prompt = prompt_ids(row.prompt, tokenizer)
        whole = chat_ids(list(row.messages), tokenizer)
        if len(whole) > max_length:
            too_long += 1
            continue
        if whole[: len(prompt)] != prompt:
            raise RowsError("the chat template renders a prompt differently once its answer follows")
        labels = [IGNORED] * len(prompt) + whole[len(prompt) :]
        kept.append({"input_ids": np.array(whole, np.int32), "labels": np.array(labels, np.int32)})
    return Tokenized(kept, too_long)


def prompt_ids(prompt: list[Message], tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Ends where the answer begins."""
    text = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def chat_ids(messages: list[Message], tokenizer: Any) -> list[int]:  # noqa: ANN401
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
