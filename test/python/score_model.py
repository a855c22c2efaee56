"""Scores the rows of a feature file with an exported model, slowly and plainly: a control for the other evaluator."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from kval_models.matrix import read_matrix


def score(head: dict[str, Any], row: list[float]) -> float:
    scores = [walk(trees, row) for trees in head["boosted"]]
    if head["random"] is not None:
        share = min(0.999, max(0.001, walk(head["random"], row)))
        scores.append(math.log(share / (1 - share)))
    return sum(scores) / len(scores)


def walk(trees: dict[str, Any], row: list[float]) -> float:
    total = float(trees["base"])
    for root in trees["roots"]:
        node = root
        while node >= 0:
            value = row[trees["feature"][node]]
            missing = trees["missing"][node]
            if math.isnan(value):
                left = missing == 1 if missing else trees["threshold"][node] >= 0.0
            else:
                left = value <= trees["threshold"][node]
            node = trees["left"][node] if left else trees["right"][node]
        total += float(trees["leaves"][-1 - node])
    return total


def main() -> None:
    matrix = read_matrix(Path(sys.argv[1]))
    model = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    grams = matrix.grams[:, model["grams"]].toarray()
    rows = np.hstack([matrix.parsed, grams]).astype(np.float64).tolist()
    sys.stdout.write(json.dumps([score(model["heads"]["compiled"], row) for row in rows]))


if __name__ == "__main__":
    main()
