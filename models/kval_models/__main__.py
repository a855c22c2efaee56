"""`python -m kval_models <command>`: progress goes to standard output, one JSON object a line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kval_models.embedded import train_embedded
from kval_models.matrix import MatrixError, read_matrix


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kval_models")
    commands = parser.add_subparsers(dest="command", required=True)
    embedded = commands.add_parser("train-embedded", help="train the embedded simulator and export it")
    embedded.add_argument("--matrix", type=Path, required=True, help="features and labels, as kval wrote them")
    embedded.add_argument("--out", type=Path, required=True, help="folder for model.json and scores.json")
    embedded.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    try:
        train_embedded(read_matrix(parsed.matrix), parsed.out, seed=parsed.seed, progress=tell)
    except MatrixError as error:
        tell({"type": "error", "message": str(error)})
        return 2
    return 0


def tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
