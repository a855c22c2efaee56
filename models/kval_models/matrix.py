"""The features and labels of a data set, as kval writes them: one JSON line, then four little-endian arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from kval_models.refused import Refused

FORMAT = "kval-features"


class MatrixError(Refused):
    """The file is not what kval writes, or holds nothing to train on."""


@dataclass(frozen=True)
class Findings:
    """Features that are known to speak against a kernel, and the feature that counts them."""

    names: tuple[str, ...]
    total: str


@dataclass(frozen=True)
class Matrix:
    """One row a kernel. Labels are 0 or 1, or logarithms; NaN where nobody knows, or (`built`) where no
    build is at hand. `findings` by head."""

    feature_version: str
    dataset: str
    names: tuple[str, ...]
    parsed: NDArray[np.float32]
    built: NDArray[np.float32]
    grams: csr_matrix
    train: NDArray[np.bool_]
    groups: NDArray[np.int64]
    compiled: NDArray[np.float64]
    correct: NDArray[np.float64]
    invalid: NDArray[np.float64]
    ran: NDArray[np.float64]
    log_runtime: NDArray[np.float64]
    log_speedup: NDArray[np.float64]
    findings: dict[str, Findings]


def read_matrix(path: Path) -> Matrix:
    """Raises `MatrixError` when the file is damaged, and `OSError` when it cannot be read."""
    data = path.read_bytes()
    end = data.find(b"\n")
    try:
        header = json.loads(data[: max(end, 0)])
        if header["format"] != FORMAT:
            raise MatrixError(f"{path} is not a feature file")
        rows, names, nonzero = int(header["rows"]), tuple(map(str, header["names"])), int(header["nonzero"])
        at = end + 1
        parsed = np.frombuffer(data, "<f4", rows * len(names), at).reshape(rows, len(names))
        at += parsed.nbytes
        width = len(header["builtNames"])
        built = np.frombuffer(data, "<f4", rows * width, at).reshape(rows, width)
        at += built.nbytes
        starts = np.frombuffer(data, "<u4", rows + 1, at)
        at += starts.nbytes
        columns = np.frombuffer(data, "<u4", nonzero, at)
        at += columns.nbytes
        counts = np.frombuffer(data, "<f4", nonzero, at)
        shape = (rows, int(header["gramColumns"]))
        return Matrix(
            feature_version=str(header["featureVersion"]),
            dataset=str(header["dataset"]),
            names=names,
            parsed=parsed,
            built=built,
            grams=csr_matrix((counts, columns.astype(np.int64), starts.astype(np.int64)), shape=shape),
            train=np.array([split == "train" for split in header["split"]], dtype=np.bool_),
            groups=np.array(header["group"], dtype=np.int64),
            compiled=_numbers(header["compiled"]),
            correct=_numbers(header["correct"]),
            invalid=_numbers(header["invalid"]),
            ran=_numbers(header["ran"]),
            log_runtime=_numbers(header["logRuntimeMs"]),
            log_speedup=_numbers(header["logSpeedup"]),
            findings={
                head: Findings(tuple(map(str, found["names"])), str(found["total"]))
                for head, found in header["findings"].items()
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MatrixError(f"{path} is damaged: {error}") from error


def _numbers(values: list[float | bool | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
