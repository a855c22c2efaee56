"""Trains the embedded simulator in folds, each on its training part alone, beside a TF-IDF baseline. For embedded.ts.

    python bench/embedded.py --matrix features.bin --rows rows.jsonl --out scores.jsonl [--seed 1]

One line a fold: `split`, `fold`, the rows that were judged (`test`) and learned from, and for each head what was said
of them; `heldOut` holds what models that had not seen them said of the training rows, for calibration.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))

from kval_models.columns import with_build
from kval_models.embedded import Fitted, Trained, train_heads
from kval_models.matrix import Matrix, read_matrix

from rows import read_rows

Mask = NDArray[np.bool_]
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="the embedded simulator in folds")
    parser.add_argument("--matrix", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    matrix, rows = read_matrix(options.matrix), read_rows(options.rows)
    judged = np.array([row["judged"] for row in rows])
    with options.out.open("w", encoding="utf-8") as file:
        for split, fold, learned in _folds(rows, judged, options.seed):
            test = np.flatnonzero(~learned & judged)
            trained = train_heads(
                dataclasses.replace(matrix, train=learned), seed=options.seed, step=lambda stage: None
            )
            compared = np.flatnonzero(~learned & ~np.isnan(matrix.log_speedup))
            line = {
                "split": split,
                "fold": fold,
                "test": test.tolist(),
                "learned": np.flatnonzero(learned).tolist(),
                "heads": _heads(trained, matrix, test),
                "gainsByBuild": trained.gains_by_build(matrix),
                "speedup": _speedup(trained, compared),
                "tfidf": _baseline(matrix, rows, learned & judged, test),
            }
            file.write(json.dumps(line) + "\n")
            print(f"{split} {fold}: {len(test)} judged, {int(learned.sum())} learned from", flush=True)


def _folds(rows: list[dict[str, Any]], judged: Mask, seed: int) -> Iterator[tuple[str, str, Mask]]:
    """Five folds of whole problems; then each generator in turn, learned from all others."""
    problems = np.array([row["problem"] for row in rows])
    unique = np.unique(problems)
    fold = (np.random.RandomState(seed).permutation(len(unique)) % FOLDS)[np.searchsorted(unique, problems)]
    for turn in range(FOLDS):
        yield "problem", str(turn), fold != turn
    generators = np.array([row["generator"] for row in rows])
    for name in sorted(set(generators[judged])):
        yield "generator", str(name), generators != name


def _heads(trained: Trained, matrix: Matrix, test: NDArray[np.int64]) -> dict[str, Any]:
    values = trained.columns.values[test]

    def said(fitted: Fitted | None) -> dict[str, Any] | None:
        return None if fitted is None else {"scores": fitted.head.score(values).tolist(), "heldOut": _held_out(fitted)}

    return {
        "compiled": said(trained.compiled),
        "correct": said(trained.correct),
        "correctOnceBuilt": _once_built(trained, matrix, test),
        "ran": said(trained.ran),
        "logRuntimeMs": None if trained.runtime is None else trained.runtime.predict(values).tolist(),
    }


def _once_built(trained: Trained, matrix: Matrix, test: NDArray[np.int64]) -> dict[str, Any] | None:
    """None, too, for each kernel whose build is not at hand."""
    fitted = trained.once_built
    if fitted is None:
        return None
    told = ~np.isnan(matrix.built[test]).any(axis=1)
    scores: list[float | None] = [None] * len(test)
    values = with_build(trained.columns, matrix).values[test[told]]
    for place, score in zip(np.flatnonzero(told), fitted.head.score(values), strict=True):
        scores[place] = float(score)
    return {"scores": scores, "heldOut": _held_out(fitted)}


def _held_out(fitted: Fitted) -> dict[str, Any]:
    return {"rows": fitted.rows.tolist(), "scores": fitted.held_out.tolist()}


def _speedup(trained: Trained, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    if trained.speedup is None or len(rows) == 0:
        return None
    return {"rows": rows.tolist(), "logs": trained.speedup.predict(trained.columns.values[rows]).tolist()}


def _baseline(matrix: Matrix, rows: list[dict[str, Any]], learned: Mask, test: NDArray[np.int64]) -> dict[str, Any]:
    """TF-IDF over words, pairs and triples of the candidate's text, and balanced logistic regression."""
    texts = [row["code"] for row in rows]
    said = {}
    for name, labels in (("compiled", matrix.compiled), ("correct", matrix.correct)):
        known = np.flatnonzero(learned & ~np.isnan(labels))
        words = TfidfVectorizer(ngram_range=(1, 3), token_pattern=r"[A-Za-z_]\w*|\S", min_df=2, max_features=200_000)
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(words.fit_transform([texts[row] for row in known]), labels[known])
        said[name] = model.predict_proba(words.transform([texts[row] for row in test]))[:, 1].tolist()
    return said


if __name__ == "__main__":
    main()
