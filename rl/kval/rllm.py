"""rLLM: `kval.rllm.reward_fn` where rLLM takes a `RewardFunction`, as `SimpleWorkflow` does, or `kval.rllm:evaluate`
where it takes an evaluator's import path; the task names `problem_id` or `reference`."""

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


def evaluate(task: Any, episode: Any) -> dict[str, Any]:  # noqa: ANN401
    """What rLLM makes an `EvalOutput` of: the reward, and the flat numbers as signals. The task's metadata names the
    problem; judged is what the agent answered last."""
    reply = shared_client().score(request_of(_answer_of(episode), task.metadata.get("ground_truth"), task.metadata))
    numbers = {name: float(value) for name, value in reply.flat().items() if not isinstance(value, str)}
    return {"reward": reply.reward, "is_correct": bool(reply.correct), "signals": numbers, "metadata": reply.flat()}


def _answer_of(episode: Any) -> object:  # noqa: ANN401
    """In the order in which rLLM's own evaluators look (rllm/eval/reward_fns/_helpers.py at 9beb6e0f): the flow's
    `answer`, the trajectory's output, the last answer of the model."""
    if "answer" in episode.artifacts:
        return episode.artifacts["answer"]
    for trajectory in episode.trajectories[-1:]:
        outputs = [trajectory.output, *(step.output for step in trajectory.steps[-1:])]
        said = [*outputs, *(step.model_response for step in reversed(trajectory.steps))]
        return next((text for text in said if text), "")
    return ""


def _output() -> Any:  # noqa: ANN401
    try:
        from rllm.rewards.reward_types import RewardOutput as own
    except ImportError:
        return RewardOutput
    return own
