"""rLLM: the reward function, as rLLM calls it. A test runs it without rLLM; rLLM's SimpleWorkflow and evaluator loader
were run against kval with `reward_fn` and `evaluate`; not run here: rLLM's trainer.

Give `reward_fn` to whatever takes a RewardFunction, such as `SimpleWorkflow`, or a verifier's import path
`kval.rllm:evaluate` to what takes that.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kval.rllm import reward_fn


def main(problem_id: str, answer: str) -> float:
    """The reward of an answer; tasks name `problem_id`, `reference`, or either as `ground_truth`."""
    return float(reward_fn({"question": "Write a kernel.", "ground_truth": problem_id}, answer).reward)


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")))
