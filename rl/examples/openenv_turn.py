"""OpenEnv's own client plays one turn. A test runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from openenv.core.generic_client import GenericEnvClient


def main(problem_id: str, code: str) -> Any:  # noqa: ANN401
    """What the environment answers to a kernel: observation, reward, done."""
    url = os.environ.get("KVAL_URL", "http://127.0.0.1:8700") + "/openenv"
    with GenericEnvClient(base_url=url).sync() as client:
        client.reset(problem_id=problem_id)
        return client.step({"code": code})


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")))
