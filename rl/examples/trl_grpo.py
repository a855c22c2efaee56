"""TRL's GRPO with kval's verdicts as reward. A test runs `main` for three steps on a CPU, from random weights.

KVAL_URL=http://127.0.0.1:8700 python rl/examples/trl_grpo.py Qwen/Qwen2.5-Coder-0.5B-Instruct
"""

from __future__ import annotations

import sys
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

import kval.trl

PROBLEMS = ["starter/level1/1", "starter/level1/2"]


def main(model: Any, reward_func: Any = kval.trl.reward_func, tokenizer: Any = None, **settings: Any) -> Any:  # noqa: ANN401
    prompt = "Write a CUDA kernel for the problem %s, as a Python file with class ModelNew."
    rows = [{"prompt": prompt % problem, "problem_id": problem} for problem in PROBLEMS] * 8
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=[reward_func],
        train_dataset=Dataset.from_list(rows),
        args=GRPOConfig(**settings),
    )
    trainer.train()
    return trainer


if __name__ == "__main__":
    main(sys.argv[1], output_dir="grpo", num_generations=8, max_completion_length=2048)
