"""LightGBM's trees as parallel arrays, in the format that kval evaluates without LightGBM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

import lightgbm

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
