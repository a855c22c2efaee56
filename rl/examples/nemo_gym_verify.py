"""NeMo-Gym's protocol: a finished rollout in, the same with its reward out. A test runs it, and replays what NeMo-Gym's
own rollout collection and simple agent sent when they were run against kval.

NeMo-Gym needs a port of its own (`kval serve --nemo-gym-port 8701`), as the host and port of its resource server;
prime-rl's NeMo-Gym taskset, not run here, takes the address `http://127.0.0.1:8700/nemo-gym`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import httpx2


def main(problem_id: str, answer: str) -> dict[str, Any]:
    """The verified row for an agent's answer."""
    url = os.environ.get("KVAL_URL", "http://127.0.0.1:8700") + "/nemo-gym/verify"
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answer}]}
    row = {
        "responses_create_params": {"input": [{"role": "user", "content": "Write a kernel."}]},
        "verifier_metadata": {"problem_id": problem_id},
        "response": {"output": [message]},
    }
    verified: dict[str, Any] = httpx2.post(url, json=row, timeout=600, trust_env=False).raise_for_status().json()
    return verified


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"))["reward"])
