"""rLLM: `kval.rllm.reward_fn` wherever rLLM takes a `RewardFunction`; the task names `problem_id` or `reference`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kval.shared import shared_client
from kval.task import request_of


@dataclass
class RewardOutput:
    """rLLM's own is used where it is installed; this one has the same fields."""

    reward: float
    metadata: dict[str, Any] = field(default_factory=dict)
    is_correct: bool | None = None


def reward_fn(task_info: dict[str, Any], action: object) -> Any:  # noqa: ANN401
    """`metadata` holds all flat keys; `infra_ok` is 0, and the reward 0.0, where the service could not
    answer. Actions of rLLM are texts, or hold one under `action`."""
    request = request_of(getattr(action, "action", action), task_info.get("ground_truth"), task_info)
    reply = shared_client().score(request)
    return _output()(reward=reply.reward, metadata=reply.flat(), is_correct=bool(reply.correct))


def _output() -> Any:  # noqa: ANN401
    try:
        from rllm.rewards.reward_types import RewardOutput as own
    except ImportError:
        return RewardOutput
    return own
