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

Chat = tuple[Message, ...]
"""Messages that ask, and one that answers."""

IGNORED = -100
"""The label of a token that bears no loss."""


class RowsError(Refused):
    """The data set holds nothing to train on, or a row that the model cannot be taught."""


@dataclass(frozen=True)
class Row:
    """One labelled kernel: two messages that ask, one that answers. `correct` is None where nobody knows."""

    id: str
    messages: Chat
    compiled: bool
    correct: bool | None
    timed: bool

    @property
    def prompt(self) -> list[Message]:
        return list(self.messages[:-1])


def read_rows(folder: Path, split: str) -> Iterator[Row]:
    """Raises `RowsError` when there is no such split, `ValueError` when a line is damaged."""
    file = _file(folder, split)
    if file is None:
        raise RowsError(f"{folder} has no {split} split")
    for row in _objects(file):
        label = row["label"]
        timed = label["runtimeMs"] is not None
        yield Row(row["id"], tuple(row["messages"]), label["compiled"], label["correct"], timed)


def read_chats(folder: Path, split: str) -> Iterator[Chat]:
    """All that a split teaches: its labelled kernels, then malformed calls where there are any. Raises as above."""
    yield from (row.messages for row in read_rows(folder, split))
    malformed = _file(folder, f"malformed-{split}")
    if malformed is not None:
        yield from (tuple(row["messages"]) for row in _objects(malformed))


def _file(folder: Path, stem: str) -> Path | None:
    return next((one for one in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz") if one.exists()), None)


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@dataclass(frozen=True)
class Tokenized:
    """`rows` holds `input_ids` and `labels` of the rows that fit; `too_long` counts those that do not."""

    rows: list[dict[str, NDArray[np.int32]]]
    too_long: int


def tokenize(chats: Sequence[Chat], tokenizer: Any, max_length: int) -> Tokenized:  # noqa: ANN401
    """A chat longer than `max_length` is left out: cut short it would lack its answer, or part of its kernel."""
    kept: list[dict[str, NDArray[np.int32]]] = []
    too_long = 0
    for chat in chats:
        prompt = prompt_ids(list(chat[:-1]), tokenizer)
        whole = chat_ids(list(chat), tokenizer)
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
