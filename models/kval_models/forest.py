"""LightGBM's trees as parallel arrays, in the format that kval evaluates without LightGBM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]

MISSING_AS_ZERO, MISSING_LEFT, MISSING_RIGHT = 0, 1, 2


@dataclass
class _Arrays:
    roots: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)


def export_forest(booster: lightgbm.Booster | None, base: float = 0.0) -> Json:
    """A child that is not negative is another split, and always a later one; `-1 - n` is leaf `n`."""
    arrays = _Arrays()
    if booster is not None:
        for tree in booster.dump_model()["tree_info"]:
            arrays.roots.append(_add(arrays, tree["tree_structure"]))
    return _json(arrays, base)


def export_random_forest(forest: ExtraTreesClassifier, columns: NDArray[np.int64]) -> Json:
    """The leaves hold shares of the positive class over the number of trees, so that a walk's sum is the mean share.

    `columns`: which column each of the forest's features is. They are never NaN.
    """
    arrays = _Arrays()
    for estimator in forest.estimators_:
        tree = estimator.tree_
        shares = tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) / len(forest.estimators_)
        place = {}
        for node in range(tree.node_count):
            if tree.children_left[node] == -1:
                arrays.leaves.append(float(f"{shares[node]:.6g}"))
                place[node] = -len(arrays.leaves)
            else:
                place[node] = len(arrays.feature)
                arrays.feature.append(int(columns[tree.feature[node]]))
                arrays.threshold.append(float(f"{tree.threshold[node]:.9g}"))
                arrays.missing.append(MISSING_AS_ZERO)
                arrays.left.append(int(tree.children_left[node]))
                arrays.right.append(int(tree.children_right[node]))
        for at in place.values():
            if at >= 0:
                arrays.left[at], arrays.right[at] = place[arrays.left[at]], place[arrays.right[at]]
        arrays.roots.append(place[0])
    return _json(arrays, 0.0)


def _json(arrays: _Arrays, base: float) -> Json:
    return {
        "base": base,
        "roots": list(arrays.roots),
        "feature": list(arrays.feature),
        "threshold": list(arrays.threshold),
        "left": list(arrays.left),
        "right": list(arrays.right),
        "missing": list(arrays.missing),
        "leaves": list(arrays.leaves),
    }


def _add(arrays: _Arrays, node: dict[str, Any]) -> int:
    if "split_feature" not in node:
        arrays.leaves.append(float(node["leaf_value"]))
        return -len(arrays.leaves)
    if node["decision_type"] != "<=":
        raise ValueError(f"a split by {node['decision_type']!r} cannot be exported")
    place = len(arrays.feature)
    arrays.feature.append(int(node["split_feature"]))
    arrays.threshold.append(float(node["threshold"]))
    arrays.missing.append(
        MISSING_AS_ZERO if node["missing_type"] != "NaN" else MISSING_LEFT if node["default_left"] else MISSING_RIGHT
    )
    arrays.left.append(0)
    arrays.right.append(0)
    arrays.left[place] = _add(arrays, node["left_child"])
    arrays.right[place] = _add(arrays, node["right_child"])
    return place
