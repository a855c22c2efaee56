"""verifiers with the legacy rubric, which 0.4.0 no longer has (there: `kval.verifiers.judged`). Not run here."""

from __future__ import annotations

import verifiers as vf
from datasets import Dataset

from kval.verifiers import kernel_reward


def load_environment() -> vf.Environment:
    rows = [{"question": "Write a CUDA kernel for a square matrix product.", "answer": "starter/level1/1"}]
    return vf.SingleTurnEnv(dataset=Dataset.from_list(rows), rubric=vf.Rubric(funcs=[kernel_reward]))
