"""verifiers up to 0.3: an environment whose rubric is kval's reward. A test scores rollouts with it.

From 0.3 on there are tasks instead: verifiers_task.py.
"""

from __future__ import annotations

import verifiers as vf
from datasets import Dataset

from kval.verifiers import kernel_reward


def load_environment() -> vf.Environment:
    rows = [{"question": "Write a CUDA kernel for a square matrix product.", "answer": "starter/level1/1"}]
    return vf.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=vf.Rubric(funcs=[kernel_reward]))
