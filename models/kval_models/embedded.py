"""The embedded simulator: gradient-boosted trees and a linear model over features that kval computed.

Features are computed in one place only (TypeScript, where the model also runs); this file trains and exports.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from kval_models.forest import Json, export_forest
from kval_models.matrix import Matrix, MatrixError

Progress = Callable[[dict[str, object]], None]
Floats = NDArray[np.float64]

QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}
FOLDS = 5
LEAST_ROWS = 10
LEAST_OF_A_CLASS = 4
LEAST_TIMED = 40
CLIP = 4.0
# A number that stands for a name: trees can split on it, a linear model would take it for a quantity.
NOT_LINEAR = ("device",)


@dataclass(frozen=True)
class Columns:
    """What the models see: the parsed features, then the chosen hashed counts."""

    values: NDArray[np.float32]
    grams: tuple[int, ...]
    linear: NDArray[np.int64]


def train_embedded(matrix: Matrix, out: Path, *, seed: int, progress: Progress) -> None:
    """Trains every head for which there are labels; writes `model.json` and, for calibration, `scores.json`.

    The heads: log-odds that it compiles; log-odds that it is correct given that it compiles; logarithm of the runtime
    in milliseconds given that it is correct, at three quantiles. Only rows of the training split are looked at.
    """
    train = matrix.train
    if int(train.sum()) < LEAST_ROWS:
        raise MatrixError(f"{int(train.sum())} rows to train on; at least {LEAST_ROWS} are needed")
    judged = train & (matrix.compiled == 1) & ~np.isnan(matrix.correct)
    timed = train & ~np.isnan(matrix.log_runtime)
    with_correct = min((matrix.correct[judged] == 1).sum(), (matrix.correct[judged] == 0).sum()) >= LEAST_OF_A_CLASS
    with_runtime = timed.sum() >= LEAST_TIMED
    total = 2 + (FOLDS + 1) * (1 + int(with_correct)) + (1 + len(QUANTILES) if with_runtime else 0)
    done = 0

    def step(stage: str) -> None:
        nonlocal done
        done += 1
        progress({"type": "progress", "stage": stage, "done": done, "total": total})

    columns = _choose_columns(matrix, train, judged if with_correct else None, seed)
    step("columns")
    heads: dict[str, Json] = {}
    scores: dict[str, Json] = {}
    for name, rows, labels in (
        ("compiled", train, matrix.compiled),
        ("correct", judged if with_correct else None, matrix.correct),
    ):
        if rows is None:
            heads[name], scores[name] = None, None
            continue
        places = np.flatnonzero(rows)
        held_out = np.full(len(places), np.nan)
        for held in _folds(matrix.groups[places], seed):
            if held.any() and not held.all():
                head = _fit_head(columns, places[~held], labels, seed)
                held_out[held] = head.score(columns.values[places[held]])
            step(name)
        final = _fit_head(columns, places, labels, seed)
        heads[name] = final.export()
        known = ~np.isnan(held_out)
        scores[name] = {"rows": places[known].tolist(), "scores": held_out[known].tolist()}
        step(name)
    heads["runtime"] = None
    if with_runtime:
        places = np.flatnonzero(timed)
        widened = _missed_by(columns, places, matrix.log_runtime, matrix.groups, seed)
        step("runtime")
        forests: dict[str, Json] = {}
        for name, quantile in QUANTILES.items():
            booster = _fit_runtime(columns, places, matrix.log_runtime, quantile, seed)
            forests[name] = export_forest(booster, base=widened * {"low": -1, "median": 0, "high": 1}[name])
            step("runtime")
        heads["runtime"] = forests
    out.mkdir(parents=True, exist_ok=True)
    model = {
        "format": "kval-embedded",
        "formatVersion": 1,
        "featureVersion": matrix.feature_version,
        "dataset": matrix.dataset,
        "grams": list(columns.grams),
        "heads": heads,
    }
    (out / "model.json").write_text(json.dumps(model, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    (out / "scores.json").write_text(json.dumps(scores, allow_nan=False), encoding="utf-8")
    step("export")


@dataclass(frozen=True)
class Linear:
    """Logistic regression over standardised, clipped columns."""

    model: LogisticRegression
    columns: NDArray[np.int64]
    mean: Floats
    scale: Floats

    def score(self, values: NDArray[np.float32]) -> Floats:
        return np.asarray(self.model.decision_function(_standard(values[:, self.columns], self.mean, self.scale)))

    def export(self) -> Json:
        return {
            "columns": self.columns.tolist(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weight": self.model.coef_[0].tolist(),
            "bias": float(self.model.intercept_[0]),
            "clip": CLIP,
        }


@dataclass(frozen=True)
class Head:
    """Trees and a linear model, whose log-odds are averaged; where one class was hardly seen, its share alone."""

    prior: float
    trees: lightgbm.Booster | None = None
    linear: Linear | None = None

    def score(self, values: NDArray[np.float32]) -> Floats:
        if self.trees is None or self.linear is None:
            return np.full(len(values), self.prior)
        trees: Floats = np.asarray(self.trees.predict(values, raw_score=True))
        return (trees + self.linear.score(values)) / 2

    def export(self) -> dict[str, Json]:
        if self.trees is None or self.linear is None:
            return {"trees": export_forest(None, base=self.prior), "linear": None}
        return {"trees": export_forest(self.trees), "linear": self.linear.export()}


def _fit_head(columns: Columns, rows: NDArray[np.int64], labels: Floats, seed: int) -> Head:
    values, truth = columns.values[rows], labels[rows]
    positives = float(truth.sum())
    prior = float(np.log((positives + 0.5) / (len(rows) - positives + 0.5)))
    if min(positives, len(rows) - positives) < LEAST_OF_A_CLASS:
        return Head(prior)
    trees = lightgbm.train(
        {**_tree_settings(len(rows), seed), "objective": "binary"},
        lightgbm.Dataset(values, truth, params={"verbose": -1}),
        num_boost_round=_rounds(len(rows)),
    )
    return Head(prior, trees, _fit_linear(values, truth, columns.linear))


def _fit_linear(values: NDArray[np.float32], truth: Floats, among: NDArray[np.int64]) -> Linear:
    plain = values[:, among].astype(np.float64)
    mean: Floats = plain.mean(axis=0)
    scale: Floats = plain.std(axis=0)
    varying = scale > 1e-9
    columns, mean, scale = among[varying], mean[varying], scale[varying]
    model = LogisticRegression(C=0.1, max_iter=2000)
    model.fit(_standard(values[:, columns], mean, scale), truth)
    return Linear(model, columns, mean, scale)


def _standard(values: NDArray[np.float32], mean: Floats, scale: Floats) -> Floats:
    standard: Floats = np.clip((values.astype(np.float64) - mean) / scale, -CLIP, CLIP)
    return standard


def _fit_runtime(
    columns: Columns, rows: NDArray[np.int64], logs: Floats, quantile: float, seed: int
) -> lightgbm.Booster:
    return lightgbm.train(
        {**_tree_settings(len(rows), seed), "objective": "quantile", "alpha": quantile},
        lightgbm.Dataset(columns.values[rows], logs[rows], params={"verbose": -1}),
        num_boost_round=_rounds(len(rows)),
    )


def _missed_by(columns: Columns, rows: NDArray[np.int64], logs: Floats, groups: NDArray[np.int64], seed: int) -> float:
    """How much the interval must widen to hold 80% of the kernels of unseen problems.

    Conformalised quantile regression (Romano et al., 2019), over held-out groups of the training rows.
    """
    misses: list[float] = []
    for held in _folds(groups[rows], seed):
        if not held.any() or held.all():
            continue
        low, high = (
            np.asarray(
                _fit_runtime(columns, rows[~held], logs, QUANTILES[name], seed).predict(columns.values[rows[held]])
            )
            for name in ("low", "high")
        )
        truth = logs[rows[held]]
        misses += np.maximum(low - truth, truth - high).tolist()
    return max(0.0, float(np.quantile(misses, 0.8))) if misses else 0.0


def _tree_settings(rows: int, seed: int) -> dict[str, Any]:
    """Small trees for small sets; the same data, settings and seed give the same trees."""
    return {
        "learning_rate": 0.05,
        "num_leaves": 7 if rows < 2000 else 31,
        "min_data_in_leaf": max(2, min(20, rows // 50)),
        "feature_fraction": 0.3,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1 if rows < 5000 else 0,
        "seed": seed,
        "verbose": -1,
    }


def _rounds(rows: int) -> int:
    return 200 if rows < 2000 else 400


def _choose_columns(matrix: Matrix, train: NDArray[np.bool_], judged: NDArray[np.bool_] | None, seed: int) -> Columns:
    """Keeps the hashed counts that a first, quick model gains most from: they are many, and most are noise."""
    width = len(matrix.names)
    frequency = np.asarray((matrix.grams[train] > 0).sum(axis=0)).ravel()
    common = np.flatnonzero((frequency >= 4) & (frequency <= 0.95 * train.sum()))
    wanted = min(384, int(train.sum()) // 10)
    gain = np.zeros(len(common))
    grams = csc_matrix(matrix.grams)[:, common]
    both = csr_matrix(hstack([csr_matrix(np.nan_to_num(matrix.parsed)), grams]))
    for rows, labels in ((train, matrix.compiled), (judged, matrix.correct)):
        if rows is None or wanted == 0 or len(common) == 0:
            continue
        places = np.flatnonzero(rows)
        first = lightgbm.train(
            {**_tree_settings(len(places), seed), "objective": "binary"},
            lightgbm.Dataset(both[places], labels[places], params={"verbose": -1}),
            num_boost_round=100,
        )
        importance = first.feature_importance("gain")
        gain += importance[width:] / max(float(importance.sum()), 1e-9)
    best = np.argsort(-gain, kind="stable")[:wanted]
    chosen = np.sort(common[best[gain[best] > 0]])
    values = np.hstack([matrix.parsed, matrix.grams[:, chosen].toarray().astype(np.float32)])
    never_unknown = ~np.isnan(matrix.parsed).any(axis=0)
    named = np.array([name not in NOT_LINEAR for name in matrix.names])
    return Columns(values, tuple(int(gram) for gram in chosen), np.flatnonzero(never_unknown & named))


def _folds(groups: NDArray[np.int64], seed: int) -> list[NDArray[np.bool_]]:
    """Masks of the rows held out in turn: whole groups, in seeded order."""
    unique = np.unique(groups)
    order = np.random.RandomState(seed).permutation(len(unique)) % FOLDS
    folds = order[np.searchsorted(unique, groups)]
    return [folds == fold for fold in range(FOLDS)]
