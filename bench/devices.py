"""Do the CPU device and a GPU say the same of the same kernels?

    python bench/devices.py                 the shipped candidates and the honest red team, on `cpu` and on `cuda`
    python bench/devices.py --device cpu    a rehearsal without a GPU: the CPU device against what the files expect
    python bench/devices.py --only Softmax

A kernel's two verdicts agree when status and detail are the same. Whatever is measured is appended to `devices.jsonl`
in `--out` (else `bench/results`) and not measured again; the table comes last, the figures go to `devices.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redteam import Case, read_cases
from rows import append_row, read_rows
from worker import Device, Worker

ROOT = Path(__file__).resolve().parent.parent
CANDIDATES = ROOT / "kernelbench" / "candidates"
CACHE = ROOT / ".kval" / "redteam"  # the builds are the same
STARTER = ROOT / "kernelbench" / "starter"


@dataclass(frozen=True)
class Kernel:
    name: str
    case: Case

    @property
    def key(self) -> str:
        text = self.case.source + "\0" + self.case.problem.read_text(encoding="utf-8")
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def main() -> None:
    options = _options()
    kernels = [one for one in [*shipped_kernels(), *_honest()] if options.only in one.name]
    file = Path(options.out) / "devices.jsonl"
    devices: list[Device] = ["cpu", "cuda"] if options.device == "cuda" else ["cpu"]
    for device in devices:
        _measure(kernels, device, file)
    _report(kernels, devices, file)


def _measure(kernels: list[Kernel], device: Device, file: Path) -> None:
    done = {(row["device"], row["key"]) for row in read_rows(file)}
    waiting = [one for one in kernels if (device, one.key) not in done]
    with Worker(device, CACHE) as worker:
        for number, kernel in enumerate(waiting, 1):
            judged = worker.judge(kernel.case.source, kernel.case.problem.read_text(encoding="utf-8"))
            row: dict[str, Any] = {"device": device, "name": kernel.name, "key": kernel.key, "status": judged.status}
            row |= {"seconds": round(judged.seconds, 3), "evidence": judged.evidence[:300]}
            append_row(file, row)
            print(f"{device} {number}/{len(waiting)} {kernel.name}: {judged.status}", file=sys.stderr, flush=True)


def _report(kernels: list[Kernel], devices: list[Device], file: Path) -> None:
    found = {(row["device"], row["key"]): row for row in read_rows(file)}
    differing: list[dict[str, Any]] = []
    compared = 0
    for kernel in kernels:
        said: dict[str, Any] = {
            device: found[device, kernel.key]["status"] for device in devices if (device, kernel.key) in found
        }
        expected = kernel.case.expected
        if len(devices) == 2 and len(said) == 2:
            compared += 1
            if said["cpu"] != said["cuda"]:
                differing.append({"name": kernel.name, **said})
        elif len(devices) == 1 and said:
            compared += 1
            if not any(said["cpu"] == one or said["cpu"].startswith(one + " ") for one in expected):
                differing.append({"name": kernel.name, "expected": " | ".join(expected), **said})
    figures = {
        "command": " ".join(["python", *sys.argv]),
        "machine": platform.machine(),
        "measured": time.strftime("%Y-%m-%d"),
        "against": "cuda" if len(devices) == 2 else "what the files expect",
        "compared": compared,
        "agreeing": compared - len(differing),
        "differing": differing,
    }
    file.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for row in differing:
        print("  ".join(f"{name}: {value}" for name, value in row.items()))
    share = (compared - len(differing)) / compared if compared else 0.0
    print(f"{compared} kernels, {compared - len(differing)} agree with {figures['against']} ({share:.1%})")


def shipped_kernels() -> list[Kernel]:
    kernels = []
    for path in sorted(CANDIDATES.glob("*/*.py")):
        problems = [one for one in STARTER.glob("level*/*.py") if one.stem == path.parent.name]
        source = path.read_text(encoding="utf-8")
        head = re.match(r"# expected: (.+)", source)
        if len(problems) != 1 or head is None:
            raise ValueError(f"{path}: needs a problem of its folder's name and a first line `# expected: ...`")
        expected = tuple(one.strip() for one in head.group(1).split("|"))
        case = Case(path, source, problems[0], 0, "", expected, "", None, None, "")
        kernels.append(Kernel(f"{path.parent.name}/{path.stem}", case))
    return kernels


def _honest() -> list[Kernel]:
    return [Kernel(f"honest/{one.path.stem}", one) for one in read_cases() if one.row == 0]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares the CPU device's verdicts with a GPU's.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--out", default=str(ROOT / "bench" / "results"))
    parser.add_argument("--only", default="", metavar="TEXT")
    return parser.parse_args()


if __name__ == "__main__":
    main()
