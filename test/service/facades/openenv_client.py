"""OpenEnv's own validator and client against a running service: `python openenv_client.py URL PROBLEM KERNEL_FILE`."""

import json
import sys
from pathlib import Path

from openenv.cli._validation import validate_running_environment
from openenv.core.generic_client import GenericEnvClient


def main(url: str, problem_id: str, kernel_file: str) -> None:
    report = validate_running_environment(url)
    with GenericEnvClient(base_url=url).sync() as client:
        first = client.reset(problem_id=problem_id)
        second = client.step({"code": Path(kernel_file).read_text()})
        state = client.state()
    said = {
        "passed": report["passed"],
        "criteria": {each["id"]: each["passed"] for each in report["criteria"]},
        "reset": first.observation["turn"],
        "step": second.observation["compilation_success"],
        "reward": second.reward,
        "state": state,
    }
    print(json.dumps(said))


main(*sys.argv[1:])
