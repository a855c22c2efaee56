"""Seeded bugs in CUDA kernels, found on the `cpu` device, beside good kernels without a false alarm.

Every file in `cuda_bugs` is one kernel with its host function, named like the file. Its header says what it shows, what
must be found, and the problem: inputs x, y, ... and what is expected of them. The kernels of a folder build together as
one extension; each is judged alone, as a candidate whose `ModelNew` calls its function.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_worker import ROOT, Conversation

CACHE = ROOT / ".kval" / "builds"  # kernels, their translations and the runtime are made once for a machine
FOLDER = Path(__file__).parent / "cuda_bugs"
LINTS = {
    "divergent-barrier": "meet at different barriers",
    "exited-at-barrier": "end without the barrier",
    "race": "a race on",
    "absent-lanes": "mask names lanes that do not come",
    "foreign-mask": "mask does not name the lane",
}
HEADER = re.compile(r"// (?P<name>found|inputs|expected|with|limit): (?P<text>.*)")


@dataclass(frozen=True)
class Kernel:
    """`found`: "correct", or the ways in which a bug may show, or "nothing" where this device cannot see it.
    `line`: where a fault must be said to be, if given."""

    path: Path
    shows: str
    found: tuple[str, ...]
    inputs: str
    expected: str
    with_: str
    limit_s: float
    line: int | None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def group(self) -> str:
        return self.path.parent.name


def read(path: Path) -> Kernel:
    lines = path.read_text().splitlines()
    head = list(itertools.takewhile(lambda line: line.startswith("// "), lines))
    fields = {found["name"]: found["text"] for line in head[1:] if (found := HEADER.fullmatch(line))}
    assert len(fields) == len(head) - 1 and {"found", "inputs", "expected"} <= set(fields), f"{path}: {head}"
    marked = [number for number, line in enumerate(lines, 1) if line.endswith("// here")]
    return Kernel(
        path=path,
        shows=head[0].removeprefix("// "),
        found=tuple(fields["found"].split(" or ")),
        inputs=fields["inputs"],
        expected=fields["expected"],
        with_=fields.get("with", ""),
        limit_s=float(fields.get("limit", "60")),
        line=marked[0] if marked else None,
    )


KERNELS = [read(path) for path in sorted(FOLDER.glob("*/*.cu"))]
GOOD = [one for one in KERNELS if one.found == ("correct",)]
MISSED = [one for one in KERNELS if one.found == ("nothing",)]
BUGS = [one for one in KERNELS if one not in GOOD and one not in MISSED]


def problem(kernel: Kernel) -> str:
    return f"""
import torch

{kernel.with_}

class Model(torch.nn.Module):
    def forward(self, x, y=None):
        return {kernel.expected}

def get_inputs():
    return [{kernel.inputs}]

def get_init_inputs():
    return []
"""


def candidate(kernel: Kernel) -> str:
    together = [one for one in KERNELS if one.group == kernel.group]
    cuda = "#include <torch/extension.h>\n#include <cuda_runtime.h>\n#include <vector>\n" + "".join(
        f'#line 1 "{one.path.name}"\n{one.path.read_text()}' for one in together
    )
    declared = "\n".join(signature(one) for one in together)
    return f"""
import torch
from torch.utils.cpp_extension import load_inline

kernels = load_inline(
    name="bugs_{kernel.group}",
    cpp_sources={declared!r},
    cuda_sources={cuda!r},
    functions={[one.name for one in together]!r},
)

class ModelNew(torch.nn.Module):
    def forward(self, *inputs):
        return kernels.{kernel.name}(*inputs)
"""


def signature(kernel: Kernel) -> str:
    found = re.search(rf"^torch::Tensor {kernel.name}\([^)]*\)", kernel.path.read_text(), re.MULTILINE)
    assert found, f"{kernel.path} has no host function of its name"
    return found.group() + ";"


@pytest.fixture(scope="module")
def worker() -> Iterator[Conversation]:
    conversation = Conversation("--cpu-device", str(CACHE), "--cpu-threads", "1", hello_s=300)
    yield conversation
    conversation.close()


def judge(worker: Conversation, kernel: Kernel, folder: Path) -> dict[str, Any]:
    settings = {
        "arch": "sm_90",
        "path": "auto",
        "buildTimeoutMs": 600_000,
        "cacheFolder": str(CACHE),
        "cacheMaxBytes": 10**10,
        "precision": "fp32",
        "trials": 2,
        "timingTrials": 0,
        "executeTimeoutMs": kernel.limit_s * 1000,
        "compat": "kval",
    }
    reply = worker.ask(
        "execute",
        {
            "candidate": {"source": candidate(kernel), "language": "python"},
            "problem": {"source": problem(kernel), "small": False},
            "settings": settings,
            "folder": str(folder),
            "device": {"kind": "cpu", "index": 0},
        },
    )
    assert reply["type"] == "result", reply
    result: dict[str, Any] = reply["result"]
    return result


def lints(result: dict[str, Any]) -> list[str]:
    """What the device remarks about kernels; the harness's own notes speak of no kernel."""
    return [note for note in (result["execution"] or {"notes": []})["notes"] if "kernel" in note]


def test_there_are_enough() -> None:
    assert len(BUGS) >= 60
    assert len(GOOD) >= 40
    assert all(one.group.startswith("good_") == (one in GOOD) for one in KERNELS)
    assert all((one.group == "missed") == (one in MISSED) for one in KERNELS)


@pytest.mark.parametrize("kernel", BUGS, ids=lambda one: f"{one.group}/{one.name}")
def test_a_bug_is_found(worker: Conversation, kernel: Kernel, tmp_path: Path) -> None:
    result = judge(worker, kernel, tmp_path)
    outcome = result["outcome"]
    seen = {outcome["status"], *(f"lint {kind}" for kind, words in LINTS.items() if words in " ".join(lints(result)))}
    assert seen & set(kernel.found), (outcome, lints(result))
    if outcome["status"] == "runtime-error" and kernel.line is not None:
        assert kernel.name in outcome["message"], outcome
        assert re.search(rf"\b{kernel.path.name}:{kernel.line}\b", outcome["message"]), outcome


@pytest.mark.parametrize("kernel", GOOD, ids=lambda one: f"{one.group}/{one.name}")
def test_a_good_kernel_is_correct_and_nothing_is_held_against_it(
    worker: Conversation, kernel: Kernel, tmp_path: Path
) -> None:
    result = judge(worker, kernel, tmp_path)
    assert result["outcome"]["status"] == "correct", result["outcome"]
    assert lints(result) == []


@pytest.mark.parametrize("kernel", MISSED, ids=lambda one: one.name)
def test_what_this_device_cannot_see(worker: Conversation, kernel: Kernel, tmp_path: Path) -> None:
    """The limits are known: when one of them falls, its kernel belongs to the bugs that are found."""
    result = judge(worker, kernel, tmp_path)
    assert result["outcome"]["status"] == "correct" and lints(result) == [], result
