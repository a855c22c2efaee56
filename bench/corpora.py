"""Other people's kernels and their problems, where somebody has them (`KVAL_CORPORA`, else `../shared/corpora`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rows import read_rows


def corpora_folder() -> Path:
    """Ends the program where there is none."""
    place = Path(os.environ.get("KVAL_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
    if not place.is_dir():
        sys.exit(f"no corpora at {place}; set KVAL_CORPORA to the folder that holds candidates-*.jsonl")
    return place


def read_problems(corpora: Path) -> dict[tuple[int, int], str]:
    """The official problems' sources by level and number."""
    rows = read_rows(corpora / "kernelbench-problems.jsonl")
    return {(row["level"], row["problem_id"]): row["code"] for row in rows}


def read_cuda_candidates(corpora: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every candidate with a CUDA kernel, named `file:line`."""
    for file in sorted(corpora.glob("candidates-*.jsonl")):
        for number, row in enumerate(read_rows(file)):
            if row.get("backend") in (None, "cuda") and "__global__" in row["code"]:
                yield f"{file.stem.removeprefix('candidates-')}:{number}", row
