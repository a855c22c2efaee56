"""A short soak: the benchmark's own mix and checks, on fewer jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_sixty_mixed_jobs_leave_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "soak.py"), "--jobs", "60", "--results", str(tmp_path / "soak")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "soak").read_text())
    assert report["sound"] and report["hostile"] == 18 and len(report["kinds"]) == 22
    assert (report["wrong"], report["processesLeft"], report["filesLeft"]) == ([], 0, [])
