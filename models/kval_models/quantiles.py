"""How long a correct kernel takes, or how much faster than its reference it is: three quantiles of a logarithm."""

from __future__ import annotations

import lightgbm
import numpy as np
from numpy.typing import NDArray

from kval_models.columns import Columns, Floats, Rows, folds, tree_rounds, tree_settings
from kval_models.forest import Json, export_forest

QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}
LEAST_TIMED = 40


class Quantiles:
    """Trees for each quantile, and how far the outer two must move apart to hold what they promise on new problems."""

    def __init__(self, columns: Columns, rows: Rows, logs: Floats, groups: NDArray[np.int64], seed: int) -> None:
        self._trees = {name: _fit(columns, rows, logs, at, seed) for name, at in QUANTILES.items()}
        self._widened = _missed_by(columns, rows, logs, groups, seed)

    def predict(self, values: NDArray[np.float32]) -> Floats:
        """Columns low, median, high of the logarithm; rows are kernels."""
        found = [
            np.asarray(self._trees[name].predict(values)) + shift * self._widened
            for name, shift in (("low", -1), ("median", 0), ("high", 1))
        ]
        return np.sort(np.stack(found, axis=1), axis=1)

    def export(self) -> Json:
        return {
            name: export_forest(self._trees[name], base=shift * self._widened)
            for name, shift in (("low", -1), ("median", 0), ("high", 1))
        }


def _fit(columns: Columns, rows: Rows, logs: Floats, quantile: float, seed: int) -> lightgbm.Booster:
    return lightgbm.train(
        {**tree_settings(len(rows), seed), "objective": "quantile", "alpha": quantile},
        lightgbm.Dataset(columns.values[rows], logs[rows], params={"verbose": -1}),
        num_boost_round=tree_rounds(len(rows)),
    )


def _missed_by(columns: Columns, rows: Rows, logs: Floats, groups: NDArray[np.int64], seed: int) -> float:
    """How much the interval must widen to hold 80% of the kernels of unseen problems.

    Conformalised quantile regression (Romano et al., 2019), over held-out groups of the training rows.
    """
    misses: list[float] = []
    for held in folds(groups[rows], seed):
        if not held.any() or held.all():
            continue
        low, high = (
            np.asarray(_fit(columns, rows[~held], logs, QUANTILES[name], seed).predict(columns.values[rows[held]]))
            for name in ("low", "high")
        )
        truth = logs[rows[held]]
        misses += np.maximum(low - truth, truth - high).tolist()
    return max(0.0, float(np.quantile(misses, 0.8))) if misses else 0.0
