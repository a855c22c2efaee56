"""One yes-or-no question about a kernel: boosted trees, randomised trees and a linear model, log-odds averaged.

On a few hundred kernels each of the three errs differently, and their mean errs less than any; the figures are in
`models/embedded/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from kval_models.columns import Columns, Floats, Rows, tree_rounds, tree_settings
from kval_models.forest import Json, export_forest, export_random_forest

LEAST_OF_A_CLASS = 4
CLIP = 4.0
RANDOM_TREES = 200
# The share of made-up rows, see `_with_findings`.
MADE_UP = 0.3


@dataclass(frozen=True)
class Linear:
    """Logistic regression over standardised, clipped columns."""

    model: LogisticRegression
    columns: Rows
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
class Random:
    """Extremely randomised trees (Geurts et al., 2006) over the columns that are always known."""

    model: ExtraTreesClassifier
    columns: Rows

    def score(self, values: NDArray[np.float32]) -> Floats:
        share = np.clip(self.model.predict_proba(values[:, self.columns])[:, 1], 1e-3, 1 - 1e-3)
        return np.asarray(np.log(share / (1 - share)))


@dataclass(frozen=True)
class Head:
    """Where one class was hardly seen, its share alone: `prior`, in log-odds."""

    prior: float
    trees: lightgbm.Booster | None = None
    random: Random | None = None
    linear: Linear | None = None

    def score(self, values: NDArray[np.float32]) -> Floats:
        """Log-odds, one a row."""
        if self.trees is None or self.random is None or self.linear is None:
            return np.full(len(values), self.prior)
        boosted: Floats = np.asarray(self.trees.predict(values, raw_score=True))
        return (boosted + self.random.score(values) + self.linear.score(values)) / 3

    def export(self) -> dict[str, Json]:
        if self.trees is None or self.random is None or self.linear is None:
            return {"trees": export_forest(None, base=self.prior), "random": None, "linear": None}
        return {
            "trees": export_forest(self.trees),
            "random": export_random_forest(self.random.model, self.random.columns),
            "linear": self.linear.export(),
        }


def fit_head(columns: Columns, rows: Rows, labels: Floats, seed: int, *, name: str) -> Head:
    """Learns from `rows` alone. `name` is the head whose findings are known to speak against it."""
    positives = float(labels[rows].sum())
    prior = float(np.log((positives + 0.5) / (len(rows) - positives + 0.5)))
    if min(positives, len(rows) - positives) < LEAST_OF_A_CLASS:
        return Head(prior)
    places, total = columns.findings.get(name, (np.empty(0, np.int64), 0))
    values, truth = _with_findings(columns.values[rows], labels[rows], places, total, seed)
    settings = tree_settings(len(rows), seed)
    # More of what is known to break a kernel never makes it better.
    constraints = np.zeros(values.shape[1], dtype=int)
    constraints[np.append(places, total)] = -1 if len(places) else 0
    trees = lightgbm.train(
        {**settings, "objective": "binary", "monotone_constraints": constraints.tolist()},
        lightgbm.Dataset(values, truth, params={"verbose": -1}),
        num_boost_round=tree_rounds(len(rows)),
    )
    random = ExtraTreesClassifier(
        RANDOM_TREES, max_features=0.2, min_samples_leaf=max(2, len(rows) // 500), random_state=seed, n_jobs=1
    )
    random.fit(values[:, columns.plain], truth)
    return Head(prior, trees, Random(random, columns.plain), _fit_linear(values, truth, columns.plain))


def _with_findings(
    values: NDArray[np.float32], truth: Floats, places: Rows, total: int, seed: int
) -> tuple[NDArray[np.float32], Floats]:
    """The rows, and copies of good ones with one finding set that breaks a kernel, labelled as broken.

    What CUDA, torch and pybind11 refuse is known without examples: a set in which nobody forgot a header should still
    teach that a forgotten header is an error.
    """
    good = np.flatnonzero((truth == 1) & (values[:, total] == 0))
    if len(places) == 0 or len(good) == 0:
        return values, truth
    random = np.random.RandomState(seed)
    count = int(MADE_UP * len(values))
    copies = values[random.choice(good, count)].copy()
    copies[np.arange(count), random.choice(places, count)] = 1
    copies[:, total] += 1
    return np.vstack([values, copies]), np.concatenate([truth, np.zeros(count)])


def _fit_linear(values: NDArray[np.float32], truth: Floats, among: Rows) -> Linear:
    plain = values[:, among].astype(np.float64)
    mean: Floats = plain.mean(axis=0)
    scale: Floats = plain.std(axis=0)
    varying = scale > 1e-9
    columns, mean, scale = among[varying], mean[varying], scale[varying]
    model = LogisticRegression(C=0.03, max_iter=2000)
    model.fit(_standard(values[:, columns], mean, scale), truth)
    return Linear(model, columns, mean, scale)


def _standard(values: NDArray[np.float32], mean: Floats, scale: Floats) -> Floats:
    standard: Floats = np.clip((values.astype(np.float64) - mean) / scale, -CLIP, CLIP)
    return standard
