"""One yes-or-no question about a kernel: shallow boosted trees, the same with random thresholds, and randomised trees.

On a few hundred kernels each of the three errs differently, and the mean of their log-odds errs less than any; the
figures are in `models/embedded/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from kval_models.columns import Columns, Floats, Rows, tree_settings
from kval_models.forest import Json, export_forest, export_random_forest

LEAST_OF_A_CLASS = 4
RANDOM_TREES = 200
# Few rows bear only shallow trees.
LEAVES, MANY, MOST_LEAVES = 4, 2000, 31
# The share of made-up rows, see `_with_findings`.
MADE_UP = 0.3


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
    boosted: tuple[lightgbm.Booster, ...] = ()
    random: Random | None = None

    def score(self, values: NDArray[np.float32]) -> Floats:
        """Log-odds, one a row."""
        if self.random is None:
            return np.full(len(values), self.prior)
        scores = [np.asarray(one.predict(values, raw_score=True)) for one in self.boosted]
        return np.asarray(np.mean([*scores, self.random.score(values)], axis=0))

    def export(self) -> dict[str, Json]:
        if self.random is None:
            return {"boosted": [export_forest(None, base=self.prior)], "random": None}
        return {
            "boosted": [export_forest(one) for one in self.boosted],
            "random": export_random_forest(self.random.model, self.random.columns),
        }


def fit_head(columns: Columns, rows: Rows, labels: Floats, seed: int, *, name: str) -> Head:
    """Learns from `rows` alone. `name` is the head whose findings are known to speak against it."""
    positives = float(labels[rows].sum())
    prior = float(np.log((positives + 0.5) / (len(rows) - positives + 0.5)))
    if min(positives, len(rows) - positives) < LEAST_OF_A_CLASS:
        return Head(prior)
    places, total = columns.findings.get(name, (np.empty(0, np.int64), 0))
    values, truth = _with_findings(columns.values[rows], labels[rows], places, total, seed)
    # More of what is known to break a kernel never makes it better.
    constraints = np.zeros(values.shape[1], dtype=int)
    constraints[np.append(places, total)] = -1 if len(places) else 0
    settings = {
        **tree_settings(len(rows), seed),
        "num_leaves": LEAVES if len(rows) < MANY else MOST_LEAVES,
        "objective": "binary",
        "monotone_constraints": constraints.tolist(),
    }
    boosted = tuple(
        lightgbm.train(
            {**settings, "extra_trees": extra}, lightgbm.Dataset(values, truth, params={"verbose": -1}), rounds
        )
        for extra, rounds in ((False, 300), (True, 400))
    )
    random = ExtraTreesClassifier(
        RANDOM_TREES, max_features=0.4, min_samples_leaf=max(2, len(rows) // 500), random_state=seed, n_jobs=1
    )
    random.fit(values[:, columns.plain], truth)
    return Head(prior, boosted, Random(random, columns.plain))


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
