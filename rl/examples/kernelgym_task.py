"""KernelGYM's protocol: an evaluation, then its result by id. A test runs it, and replays what KernelGYM's own reward
manager sent when it was run against kval.

KernelGYM's own clients need only the address `http://127.0.0.1:8700/kernelgym`.
"""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx2


def main(reference: str, kernel: str) -> dict[str, Any]:
    """The result for two sources."""
    base = os.environ.get("KVAL_URL", "http://127.0.0.1:8700") + "/kernelgym"
    task = {"task_id": str(uuid.uuid4()), "reference_code": reference, "kernel_code": kernel, "backend": "cuda"}
    with httpx2.Client(timeout=600, trust_env=False) as http:
        http.post(f"{base}/evaluate", json=task).raise_for_status()
        result: dict[str, Any] = http.get(f"{base}/results/{task['task_id']}").raise_for_status().json()
    return result


if __name__ == "__main__":
    print(main(*(Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])))
