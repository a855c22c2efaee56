"""The real `kval serve`, one process for each mode, shared by the tests of a file."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLI = ROOT / "dist" / "cli.js"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service in simulated mode."""
    with serving("simulated", tmp_path_factory.mktemp("simulated")) as url:
        yield url


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service in real mode, which executes in software."""
    with serving("real", tmp_path_factory.mktemp("real")) as url:
        yield url


@contextmanager
def serving(mode: str, folder: Path) -> Iterator[str]:
    command = [node(), str(CLI), "serve", "--port", "0", "--mode", mode, "--device", "cpu"]
    command += ["--sandbox", "best-effort", "--log-level", "warn", "--store", str(folder / "labels.db")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", line)
        assert found is not None, line + (folder / "log").read_text()
        yield found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def node() -> str:
    found = shutil.which("node")
    assert found is not None and CLI.exists(), "needs node and dist/cli.js: npm run setup"
    return found


def example(name: str) -> dict[str, Any]:
    """What an example of `rl/examples` defines."""
    return runpy.run_path(str(ROOT / "rl" / "examples" / f"{name}.py"))
