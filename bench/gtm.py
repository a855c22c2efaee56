"""A language model of 88 million parameters from random weights, on a built data set: does it learn, and how fast?

    bench/gpu.sh gtm                                                          on a GPU, ten minutes
    .venv/bin/python bench/gtm.py --base config:models/recipes/tiny-qwen2.json --dataset set --minutes 1     anywhere

It is the fine-tuning of `kval finetune --recipe gtm-full`, told to start from a config. Interrupted, it goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kval_models.gtm import train_gtm
from kval_models.gtm_recipe import read_recipe
from kval_models.gtm_rows import Row, read_rows
from kval_models.gtm_score import score_gtm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "models" / "recipes"
CHANGES = ("learning_rate=5e-4", "adam_beta2=0.95", "weight_decay=0.1", "num_train_epochs=4", "max_length=8192")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=f"config:{RECIPES / 'small-qwen2.json'}")
    parser.add_argument("--dataset", type=Path, required=True, help="a built set")
    parser.add_argument("--minutes", type=float, default=6, help="of training, in this call")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    dataset: Path = asked.dataset
    work: Path = asked.out / "gtm"
    work.mkdir(parents=True, exist_ok=True)
    recipe = read_recipe(RECIPES / "gtm-full.yaml", base=asked.base, changes=[*CHANGES, *asked.changes])
    training = train_gtm(recipe, dataset, work, seed=1, minutes=asked.minutes, progress=tell)
    score_gtm(work / "model", dataset, work / "scores.json", progress=tell)
    scores = json.loads((work / "scores.json").read_text(encoding="utf-8"))
    rows = list(read_rows(dataset, "test"))
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    figures = {
        "dataset": manifest["id"],
        "training": training,
        "test": {head: judge(head, scores, rows) for head in ("compiled", "correct")},
    }
    (asked.out / "gtm.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return 0


def judge(head: str, scores: dict[str, dict[str, float | None]], rows: list[Row]) -> object:
    """Of the rows of the test split; `correct` among those that compile, where somebody knows."""
    truths: list[bool] = []
    said: list[float] = []
    for row in rows:
        score, truth = scores[row.id][head], row.compiled if head == "compiled" else row.correct
        if score is not None and truth is not None and (head == "compiled" or row.compiled):
            truths.append(truth)
            said.append(score)
    if len(set(truths)) < 2:
        return {"rows": len(truths), "reason": "one class alone"}
    verdicts = [score > 0 for score in said]
    return {
        "rows": len(truths),
        "majority": max(sum(truths), len(truths) - sum(truths)) / len(truths),
        "accuracy": sum(a == b for a, b in zip(truths, verdicts, strict=True)) / len(truths),
        "balancedAccuracy": float(balanced_accuracy_score(truths, verdicts)),
        "auc": float(roc_auc_score(truths, said)),
    }


def tell(line: dict[str, object]) -> None:
    done, total = line["done"], line["total"]
    if done == total or (isinstance(done, int) and done % 20 == 0):
        print(f"{line['stage']} {done}/{total}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
