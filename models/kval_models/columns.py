"""What the models see of a kernel: its parsed features and the hashed counts that are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack

from kval_models.matrix import Findings, Matrix

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

FOLDS = 5
# Known of kernels that ran, or ran well: they say how fast a kernel may be, and would betray its verdict.
CIRCUMSTANCES = ("device", "referenceMs")


@dataclass(frozen=True)
class Columns:
    """The parsed features, then the chosen hashed counts. `plain`: parsed features that are always known, without the
    `circumstances`; `findings`: for each head the places of what is known to speak against a kernel, and of their
    count."""

    values: NDArray[np.float32]
    grams: tuple[int, ...]
    plain: Rows
    findings: dict[str, tuple[Rows, int]]
    circumstances: Rows

    def for_verdicts(self) -> Columns:
        """The same, blind for the circumstances."""
        values = self.values.copy()
        values[:, self.circumstances] = np.nan
        return replace(self, values=values)


def choose_columns(matrix: Matrix, labelled: list[tuple[Rows, Floats]], seed: int) -> Columns:
    """Keeps the hashed counts that a first, quick model of each head gains most from: they are many, most are noise.

    `labelled`: for each head the rows to learn from and the labels of all rows. No other row is looked at.
    """
    width = len(matrix.names)
    train = np.unique(np.concatenate([rows for rows, _ in labelled]))
    frequency = np.asarray((matrix.grams[train] > 0).sum(axis=0)).ravel()
    common = np.flatnonzero((frequency >= 4) & (frequency <= 0.95 * len(train)))
    wanted = min(384, len(train) // 10)
    gain = np.zeros(len(common))
    circumstances = np.flatnonzero(np.isin(matrix.names, CIRCUMSTANCES))
    parsed = np.nan_to_num(matrix.parsed)
    parsed[:, circumstances] = 0
    both = csr_matrix(hstack([csr_matrix(parsed), csc_matrix(matrix.grams)[:, common]]))
    for rows, labels in labelled if wanted > 0 and len(common) > 0 else []:
        first = lightgbm.train(
            {**tree_settings(len(rows), seed), "objective": "binary"},
            lightgbm.Dataset(both[rows], labels[rows], params={"verbose": -1}),
            num_boost_round=100,
        )
        importance = first.feature_importance("gain")
        gain += importance[width:] / max(float(importance.sum()), 1e-9)
    best = np.argsort(-gain, kind="stable")[:wanted]
    chosen = np.sort(common[best[gain[best] > 0]])
    values = np.hstack([matrix.parsed, matrix.grams[:, chosen].toarray().astype(np.float32)])
    known = ~np.isnan(matrix.parsed).any(axis=0) & ~np.isin(matrix.names, CIRCUMSTANCES)
    places = {head: _places(matrix, findings) for head, findings in matrix.findings.items()}
    return Columns(values, tuple(int(gram) for gram in chosen), np.flatnonzero(known), places, circumstances)


def with_build(columns: Columns, matrix: Matrix) -> Columns:
    """The same, and what the build said; for rows that have a build."""
    built = np.arange(columns.values.shape[1], columns.values.shape[1] + matrix.built.shape[1])
    values = np.hstack([columns.values, matrix.built])
    return replace(columns, values=values, plain=np.concatenate([columns.plain, built]))


def _places(matrix: Matrix, findings: Findings) -> tuple[Rows, int]:
    return np.array([matrix.names.index(name) for name in findings.names]), matrix.names.index(findings.total)


def folds(groups: NDArray[np.int64], seed: int) -> list[NDArray[np.bool_]]:
    """Masks of the rows held out in turn: whole groups, in seeded order."""
    unique = np.unique(groups)
    order = np.random.RandomState(seed).permutation(len(unique)) % FOLDS
    fold = order[np.searchsorted(unique, groups)]
    return [fold == turn for turn in range(FOLDS)]


def tree_settings(rows: int, seed: int) -> dict[str, object]:
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


def tree_rounds(rows: int) -> int:
    return 200 if rows < 2000 else 400
