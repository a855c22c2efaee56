"""The embedded simulator: small models over features that kval computed.

Features are computed in one place only (TypeScript, where the model also runs); this file trains and exports.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kval_models.columns import FOLDS, Columns, Floats, Rows, choose_columns, folds, with_build
from kval_models.forest import Json
from kval_models.head import LEAST_OF_A_CLASS, Head, fit_head
from kval_models.matrix import Matrix, MatrixError
from kval_models.quantiles import LEAST_TIMED, Quantiles

Progress = Callable[[dict[str, object]], None]

LEAST_ROWS = 10


@dataclass(frozen=True)
class Fitted:
    """A head, and what models of the same kind said of its own training rows without having seen them."""

    head: Head
    rows: Rows
    held_out: Floats

    def loss(self, labels: Floats, among: Rows) -> float:
        """Mean log loss of what was said of the rows `among`, all of which must be its own."""
        scores = self.held_out[np.searchsorted(self.rows, among)]
        return float(np.logaddexp(0, np.where(labels[among] == 1, -scores, scores)).mean())


@dataclass(frozen=True)
class Trained:
    columns: Columns
    compiled: Fitted
    correct: Fitted | None
    once_built: Fitted | None
    invalid: Fitted | None
    ran: Fitted | None
    runtime: Quantiles | None
    speedup: Quantiles | None

    def gains_by_build(self, matrix: Matrix) -> bool:
        """Whether the head that is told what the build said foretells held-out problems better than the other."""
        told, untold = self.once_built, self.correct
        if told is None or untold is None:
            return False
        both = np.intersect1d(told.rows, untold.rows)
        return told.loss(matrix.correct, both) < untold.loss(matrix.correct, both)


def train_embedded(matrix: Matrix, out: Path, *, seed: int, progress: Progress) -> None:
    """Trains every head for which there are labels; writes `model.json` and, for calibration, `scores.json`.

    The head that is told what the build said is kept only where that helps on held-out problems. Only rows of the
    training split are looked at.
    """
    done = 0
    total = _steps(matrix)

    def step(stage: str) -> None:
        nonlocal done
        done += 1
        progress({"type": "progress", "stage": stage, "done": done, "total": total})

    trained = train_heads(matrix, seed=seed, step=step)
    once_built = trained.once_built if trained.gains_by_build(matrix) else None
    out.mkdir(parents=True, exist_ok=True)
    model = {
        "format": "kval-embedded",
        "formatVersion": 4,
        "featureVersion": matrix.feature_version,
        "dataset": matrix.dataset,
        "grams": list(trained.columns.grams),
        "heads": {
            "compiled": trained.compiled.head.export(),
            "correct": _export(trained.correct),
            "correctOnceBuilt": _export(once_built),
            "invalid": _export(trained.invalid),
            "ran": _export(trained.ran),
            "runtime": None if trained.runtime is None else trained.runtime.export(),
            "speedup": None if trained.speedup is None else trained.speedup.export(),
        },
    }
    scores = {
        "compiled": _scores(trained.compiled),
        "correct": _scores(trained.correct),
        "correctOnceBuilt": _scores(once_built),
        "invalid": _scores(trained.invalid),
        "ran": _scores(trained.ran),
    }
    (out / "model.json").write_text(json.dumps(model, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    (out / "scores.json").write_text(json.dumps(scores, allow_nan=False), encoding="utf-8")
    step("export")


def train_heads(matrix: Matrix, *, seed: int, step: Callable[[str], None]) -> Trained:
    """The heads: log-odds that it compiles; that it is correct given that it compiles, and the same told what the build
    said; that there is no kernel at all given that it does not compile; that it runs to its end given that it compiles
    and is not correct; logarithms of the runtime in milliseconds and of the speed-up over the reference, given that it
    is correct, at three quantiles.

    Raises `MatrixError` where there is too little to train on.
    """
    built, judged, timed, compared = _rows(matrix)
    if len(built) < LEAST_ROWS:
        raise MatrixError(f"{len(built)} rows to train on; at least {LEAST_ROWS} are needed")
    with_correct = _both_classes(matrix.correct, judged)
    labelled = [(built, matrix.compiled)] + ([(judged, matrix.correct)] if with_correct else [])
    columns = choose_columns(matrix, labelled, seed)
    verdicts = columns.for_verdicts()
    step("columns")
    compiled = _fit(matrix, verdicts, "compiled", built, matrix.compiled, seed, step)
    correct = _fit(matrix, verdicts, "correct", judged, matrix.correct, seed, step) if with_correct else None
    told = _told(matrix)
    once_built = None
    if _both_classes(matrix.correct, told):
        once_built = _fit(matrix, with_build(verdicts, matrix), "correct", told, matrix.correct, seed, step)
    failed: dict[str, Fitted | None] = {"invalid": None, "ran": None}
    for name, labels in _failures(matrix):
        rows = np.flatnonzero(matrix.train & ~np.isnan(labels))
        if _both_classes(labels, rows):
            failed[name] = _fit(matrix, verdicts, name, rows, labels, seed, step)
    quantiles: dict[str, Quantiles | None] = {"runtime": None, "speedup": None}
    for name, rows, logs in (("runtime", timed, matrix.log_runtime), ("speedup", compared, matrix.log_speedup)):
        if len(rows) >= LEAST_TIMED:
            quantiles[name] = Quantiles(columns, rows, logs, matrix.groups, seed)
            step(name)
    return Trained(
        columns,
        compiled,
        correct,
        once_built,
        failed["invalid"],
        failed["ran"],
        quantiles["runtime"],
        quantiles["speedup"],
    )


def _rows(matrix: Matrix) -> tuple[Rows, Rows, Rows, Rows]:
    train = matrix.train
    return (
        np.flatnonzero(train & ~np.isnan(matrix.compiled)),
        np.flatnonzero(train & (matrix.compiled != 0) & ~np.isnan(matrix.correct)),
        np.flatnonzero(train & ~np.isnan(matrix.log_runtime)),
        np.flatnonzero(train & ~np.isnan(matrix.log_speedup)),
    )


def _told(matrix: Matrix) -> Rows:
    """The rows to learn from whose build says enough, and of which it is known whether they are correct."""
    return np.flatnonzero(
        matrix.train & (matrix.compiled != 0) & ~np.isnan(matrix.correct) & ~np.isnan(matrix.built[:, 0])
    )


def _failures(matrix: Matrix) -> tuple[tuple[str, Floats], ...]:
    return ("invalid", matrix.invalid), ("ran", matrix.ran)


def _both_classes(labels: Floats, rows: Rows) -> bool:
    return bool(min((labels[rows] == 1).sum(), (labels[rows] == 0).sum()) >= LEAST_OF_A_CLASS)


def _steps(matrix: Matrix) -> int:
    _, judged, timed, compared = _rows(matrix)
    heads = 1 + sum(_both_classes(matrix.correct, rows) for rows in (judged, _told(matrix)))
    heads += sum(
        _both_classes(labels, np.flatnonzero(matrix.train & ~np.isnan(labels))) for _, labels in _failures(matrix)
    )
    return 2 + (FOLDS + 1) * heads + int(len(timed) >= LEAST_TIMED) + int(len(compared) >= LEAST_TIMED)


def _fit(
    matrix: Matrix, columns: Columns, name: str, rows: Rows, labels: Floats, seed: int, step: Callable[[str], None]
) -> Fitted:
    held_out = np.full(len(rows), np.nan)
    for held in folds(matrix.groups[rows], seed):
        if held.any() and not held.all():
            head = fit_head(columns, rows[~held], labels, seed, name=name)
            held_out[held] = head.score(columns.values[rows[held]])
        step(name)
    final = fit_head(columns, rows, labels, seed, name=name)
    step(name)
    known = ~np.isnan(held_out)
    return Fitted(final, rows[known], held_out[known])


def _export(fitted: Fitted | None) -> Json:
    return None if fitted is None else fitted.head.export()


def _scores(fitted: Fitted | None) -> Json:
    return None if fitted is None else {"rows": fitted.rows.tolist(), "scores": fitted.held_out.tolist()}
