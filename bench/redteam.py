"""Do the cheats fail, and do the honest kernels pass?

    python bench/redteam.py                    all that this machine can run: on a GPU, else on the CPU device
    python bench/redteam.py --device none      builds alone
    python bench/redteam.py --only 03_         the files whose names hold the text
    python bench/redteam.py --again            also what has been judged before

Every file of `kernelbench/redteam` goes through a worker of the harness, as any candidate does. Results are kept in
`.kval/redteam` by the text of the file and of the harness; what is there is not run again. The table comes last, the
figures go to `bench/results/redteam.json`. KernelBench's column is its published rule applied to the text (its static
checker) and what the file's head says its evaluation would see: by logic, not run. Exit status 1 where a cheat is
accepted, an honest kernel refused, or the harness itself failed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rows import append_row, read_rows
from worker import Device, Judged, Worker

ROOT = Path(__file__).resolve().parent.parent
REDTEAM = ROOT / "kernelbench" / "redteam"
HARNESS = ROOT / "cuda-harness" / "kval_harness"
CACHE = ROOT / ".kval" / "redteam"
RESULT = ROOT / "bench" / "results" / "redteam.json"
ROWS = range(1, 28)
FIELDS = ("problem", "cheat", "honest", "expected", "kernelbench", "needs", "harmless")
AT_BUILD = ("invalid", "compile-error", "load-error")
Verdict = Literal["OK", "harmless", "differs", "FAIL", "not run"]


@dataclass(frozen=True)
class Case:
    """One file: what it answers, what it tries (`row` 0: nothing), what must come of it and why."""

    path: Path
    source: str
    problem: Path
    row: int
    slug: str
    expected: tuple[str, ...]
    kernelbench: str
    needs: str | None
    harmless: str | None
    how: str


def main() -> None:
    options = _options()
    cases = [one for one in read_cases() if options.only in one.path.stem]
    if not cases:
        sys.exit(f"no file of {REDTEAM} has {options.only!r} in its name")
    results = Results(CACHE / "runs.jsonl", options.device, again=options.again)
    with Worker(options.device, CACHE) as worker:
        for number, case in enumerate(cases, 1):
            if results.find(case) is None and can_run(case, options.device):
                print(f"{number}/{len(cases)} {case.path.stem}", file=sys.stderr, flush=True)
                results.keep(case, worker.judge(case.source, case.problem.read_text(encoding="utf-8")))
    rows = [_row(case, results.find(case), options.device) for case in cases]
    if not options.only and options.device != "none":
        _write(rows, options.device)
    print(_table(rows))
    counted = Counter((row["kind"], row["verdict"]) for row in rows)
    for kind in ("cheat", "honest"):
        said = ", ".join(f"{count} {verdict}" for (one, verdict), count in sorted(counted.items()) if one == kind)
        print(f"{kind}: {said or 'none'}")
    caught = Counter(row["kernelbench"].split(":")[0] for row in rows if row["kind"] == "cheat")
    print("KernelBench, by logic: " + ", ".join(f"{count} {what}" for what, count in caught.most_common()))
    sys.exit(1 if any(row["verdict"] == "FAIL" for row in rows) else 0)


def read_cases() -> list[Case]:
    """Every file of the red team, the cheats by their row first. Raises ValueError for a head that does not fit."""
    return [_read(path) for folder in ("cheats", "honest") for path in sorted((REDTEAM / folder).glob("*.py"))]


def can_run(case: Case, device: Device) -> bool:
    return device != "cpu" or case.needs is None


def verdict_of(case: Case, judged: Judged | None, device: Device) -> Verdict:
    """`differs`: refused, but not as the file says; where nothing is executed, `built` is as far as one can come."""
    if judged is None:
        return "not run"
    expected = case.expected
    if device == "none":
        expected = tuple(one if one.split()[0] in AT_BUILD else "built" for one in expected)
    fits = any(judged.status == one or judged.status.startswith(one + " ") for one in expected)
    if judged.left_behind or (judged.status.startswith("error") and not fits):
        return "FAIL"
    if fits:
        return "harmless" if judged.status == "correct" and case.row else "OK"
    if case.row == 0 or judged.status in ("correct", "built"):
        return "FAIL"
    return "differs"


# --- the files -------------------------------------------------------------------------------------------------------


def _read(path: Path) -> Case:
    source = path.read_text(encoding="utf-8")
    head = [line[2:] for line in source.split("\nimport ")[0].split("\n") if line.startswith("# ")]
    named = {line: re.fullmatch(r"(\w+): (.+)", line) for line in head}
    fields = {found.group(1): found.group(2) for found in named.values() if found is not None and found[1] in FIELDS}
    prose = [line for line, found in named.items() if found is None or found[1] not in FIELDS]
    cheat = re.fullmatch(r"(\d+) ([\w-]+)", fields.get("cheat", "0 " + fields.get("honest", "")))
    level = re.fullmatch(r"(level\d)/(\d+)", fields.get("problem", ""))
    if cheat is None or level is None or "expected" not in fields or len(prose) != 1:
        raise ValueError(f"{path}: its head must say problem, cheat or honest, and expected, and in one line how")
    problems = list((ROOT / "kernelbench" / "starter" / level.group(1)).glob(f"{level.group(2)}_*.py"))
    if len(problems) != 1:
        raise ValueError(f"{path}: there is no problem {fields['problem']}")
    return Case(
        path=path,
        source=source,
        problem=problems[0],
        row=int(cheat.group(1)),
        slug=cheat.group(2),
        expected=tuple(one.strip() for one in fields["expected"].split("|")),
        kernelbench=fields.get("kernelbench", ""),
        needs=fields.get("needs"),
        harmless=fields.get("harmless"),
        how=prose[0],
    )


class Results:
    """What has been judged, by the texts of candidate, problem and harness."""

    def __init__(self, file: Path, device: Device, *, again: bool) -> None:
        self._file = file
        self._device = device
        self._harness = _fingerprint()
        self._known: dict[str, Judged] = {}
        for row in [] if again else read_rows(file):
            key = row.pop("key")
            self._known[key] = Judged(**row)

    def find(self, case: Case) -> Judged | None:
        return self._known.get(self._key(case))

    def keep(self, case: Case, judged: Judged) -> None:
        self._known[self._key(case)] = judged
        append_row(self._file, {"key": self._key(case), **vars(judged)})

    def _key(self, case: Case) -> str:
        text = "\0".join((self._harness, self._device, case.problem.read_text(encoding="utf-8"), case.source))
        return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint() -> str:
    files = sorted(path for path in HARNESS.rglob("*") if path.suffix in (".py", ".cpp", ".h", ".cuh"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


# --- KernelBench's rule ----------------------------------------------------------------------------------------------

STRICT = {
    "code_bypass": (r"\btry\s*:", r"\bexcept\s*:", r"\bexcept\s+\w", r"\bpass\b"),
    "timing_event_patch": (
        r"torch\.cuda\.(?:Event(?:\.record|\.elapsed_time)?|synchronize)\s*=",
        r"\btime\.(?:perf_counter|time)\s*=",
    ),
    "thread_injection": (r"(?:import|from)\s+threading", r"multiprocessing", r"concurrent\.futures", r"PoolExecutor"),
    "lazy_eval": (r"_make_subclass", r"class\s+\w+.*\((?:torch\.)?Tensor\)", r"torch\.Tensor\.__new__"),
}
WARNED = {
    "pytorch_wrap": (r"torch\.nn\.(?!(?:Module|[pP]arameter|Parameter(?:List|Dict)|Module(?:List|Dict)|init)\b)",),
    "torch_computation_ops": (
        r"\btorch\.(?:b?mm|matmul|einsum|relu|gelu|softmax|sigmoid|tanh|silu|clamp)\s*\(",
        r"nn\.functional\.",
    ),
    "stream_injection": (r"cuda\.Stream\s*\(", r"with\s+torch\.cuda\.stream", r"\.(?:wait|record)_stream\s*\("),
    "precision_downgrade": (
        r"__float2half(?:_rn)?\s*\(",
        r"static_cast\s*<\s*(?:__)?half\s*>",
        r"\.half\s*\(|\.to\s*\(\s*(?:dtype\s*=\s*)?torch\.(?:float16|half)\b",
    ),
}
KERNEL_SIGNS = re.compile(
    r"\b(?:thread|block)Idx\.|\b(?:block|grid)Dim\.|__syncthreads|__shared__|__device__|atomic\w+\s*\("
)


def kernelbench_static(source: str) -> tuple[list[str], list[str]]:
    """What KernelBench's static checker (backend cuda, fp32, its default lists) calls an error and what it warns of.

    It looks for patterns in the text, without what follows a '#' or '//' on a line.
    """
    text = "\n".join(re.split(r"#|//", line, maxsplit=1)[0] for line in source.split("\n"))
    errors = [name for name, signs in STRICT.items() if any(re.search(one, text) for one in signs)]
    built = "load_inline" in text or "cpp_extension" in text
    if "__global__" not in text or not built or not KERNEL_SIGNS.search(text):
        errors.append("cuda_impl")
    return errors, [name for name, signs in WARNED.items() if any(re.search(one, text) for one in signs)]


def kernelbench_rule(case: Case) -> str:
    """`refused`, `static` (by the checker alone, which its batch evaluation does not run) or `accepted`, and why."""
    errors, warnings = kernelbench_static(case.source)
    if case.row == 0:
        return f"static: {', '.join(errors)}" if errors else "accepted"
    if case.kernelbench == "refused":
        return "refused: by its outputs"
    if errors:
        return f"static: {', '.join(errors)}"
    more = "flagged above 10x" if case.kernelbench == "flagged" else ", ".join(f"warns of {one}" for one in warnings)
    return f"accepted: {more}" if more else "accepted"


# --- the table -------------------------------------------------------------------------------------------------------


def _row(case: Case, judged: Judged | None, device: Device) -> dict[str, Any]:
    verdict = verdict_of(case, judged, device)
    why = f"needs a device of kind {case.needs}" if judged is None else judged.evidence
    if judged is not None and judged.left_behind:
        why = f"{judged.left_behind} processes left behind; {why}"
    return {
        "name": case.path.stem,
        "kind": "cheat" if case.row else "honest",
        "row": case.row,
        "how": case.how,
        "problem": case.problem.stem,
        "expected": " | ".join(case.expected),
        "kernelbench": kernelbench_rule(case),
        "ours": "not run here" if judged is None else judged.status,
        "evidence": case.harmless if verdict == "harmless" else why,
        "verdict": verdict,
        "seconds": None if judged is None else round(judged.seconds, 2),
    }


def _table(rows: list[dict[str, Any]]) -> str:
    widths = {"name": 30, "kernelbench": 34, "ours": 30, "evidence": 70, "verdict": 8}
    heads = {"name": "file", "kernelbench": "KernelBench (by logic, not run)", "ours": "ours"}
    lines = ["  ".join(heads.get(key, key).ljust(width) for key, width in widths.items())]
    for row in rows:
        cells = [textwrap.shorten(str(row[key]), width, placeholder="...") for key, width in widths.items()]
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths.values(), strict=True)).rstrip())
    return "\n".join(lines)


def _write(rows: list[dict[str, Any]], device: Device) -> None:
    import torch

    figures = {
        "command": " ".join(["npm run redteam --", *sys.argv[1:]]).strip(" -"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda},
        "machine": f"{os.cpu_count()} cores, {'a GPU' if device == 'cuda' else 'no GPU'}",
        "device": device,
        "totals": Counter(f"{row['kind']} {row['verdict']}" for row in rows),
        "cases": rows,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="cheats and honest kernels through the harness")
    parser.add_argument("--device", choices=("cpu", "cuda", "none"), default=None, help="default: a GPU, else cpu")
    parser.add_argument("--only", default="", metavar="NAME", help="only files whose name holds this")
    parser.add_argument("--again", action="store_true", help="run also what has been judged before")
    options = parser.parse_args()
    if options.device is None:
        import torch

        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    return options


if __name__ == "__main__":
    main()
