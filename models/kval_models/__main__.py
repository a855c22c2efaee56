"""`python -m kval_models <command>`: progress goes to standard output, one JSON object a line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kval_models.refused import Refused


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kval_models")
    commands = parser.add_subparsers(dest="command", required=True)
    embedded = commands.add_parser("train-embedded", help="train the embedded simulator and export it")
    embedded.add_argument("--matrix", type=Path, required=True, help="features and labels, as kval wrote them")
    embedded.add_argument("--out", type=Path, required=True, help="folder for model.json and scores.json")
    embedded.add_argument("--seed", type=int, default=1)
    gtm = commands.add_parser("train-gtm", help="fine-tune a language model on the chat rows of a data set")
    gtm.add_argument("--recipe", type=Path, required=True, help="a YAML file")
    gtm.add_argument("--base", help="a folder, the name of a model on the hub, or config:FILE")
    gtm.add_argument("--dataset", type=Path, required=True)
    gtm.add_argument("--work", type=Path, required=True, help="folder for checkpoints and, in the end, the model")
    gtm.add_argument("--seed", type=int, default=1)
    gtm.add_argument("--merge", action="store_true", help="merge the adapters into the base")
    gtm.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    score = commands.add_parser("score-gtm", help="ask a fine-tuned model about the held-out rows")
    score.add_argument("--model", type=Path, required=True)
    score.add_argument("--dataset", type=Path, required=True)
    score.add_argument("--out", type=Path, required=True, help="a JSON file")
    parsed = parser.parse_args(arguments)
    try:
        run(parsed)
    except Refused as error:
        tell({"type": "error", "message": str(error)})
        return 2
    return 0


def run(parsed: argparse.Namespace) -> None:
    """Each command imports what it alone needs."""
    if parsed.command == "train-embedded":
        from kval_models.embedded import train_embedded
        from kval_models.matrix import read_matrix

        train_embedded(read_matrix(parsed.matrix), parsed.out, seed=parsed.seed, progress=tell)
    elif parsed.command == "train-gtm":
        from kval_models.gtm_recipe import read_recipe

        recipe = read_recipe(parsed.recipe, base=parsed.base, changes=parsed.changes)
        from kval_models.gtm import train_gtm  # takes seconds: not before the recipe is known to be one

        train_gtm(recipe, parsed.dataset, parsed.work, seed=parsed.seed, merge=parsed.merge, progress=tell)
    else:
        from kval_models.gtm_score import score_gtm

        score_gtm(parsed.model, parsed.dataset, parsed.out, progress=tell)


def tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
