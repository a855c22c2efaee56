"""verl: `reward.custom_reward_function.path=.../kval/verl.py`. Never raises; the same keys in every result."""

from __future__ import annotations

from typing import Any

from kval.reply import Reply
from kval.shared import shared_async_client, shared_client
from kval.task import request_of


async def compute_score(
    data_source: object = None,
    solution_str: str = "",
    ground_truth: object = None,
    extra_info: object = None,
    **kwargs: Any,  # noqa: ANN401
) -> dict[str, float | int | str]:
    """`ground_truth` (or `extra_info`) is a problem id, a reference's source, or a mapping that names one. verl has no
    way to leave a sample out: where the service could not answer, `score` is 0.0 and `infra_ok` 0."""
    try:
        request = request_of(solution_str, ground_truth, extra_info, kwargs)
        return _columns(await shared_async_client(**_options(kwargs)).score(request))
    except Exception as error:  # an exception here ends verl's training
        return _columns(Reply.failed(error))


def compute_score_batch(
    data_sources: list[Any],
    solution_strs: list[str],
    ground_truths: list[Any],
    extra_infos: list[Any],
    **kwargs: Any,  # noqa: ANN401
) -> list[dict[str, float | int | str]]:
    """For `reward_manager: batch` of verl before 2026-02."""
    try:
        rows = zip(solution_strs, ground_truths, extra_infos, strict=True)
        requests = [request_of(text, truth, info, kwargs) for text, truth, info in rows]
        return [_columns(reply) for reply in shared_client(**_options(kwargs)).score_batch(requests)]
    except Exception as error:  # see above
        return [_columns(Reply.failed(error)) for _ in solution_strs]


def _columns(reply: Reply) -> dict[str, float | int | str]:
    """The flat keys, of which the reward is `raw_reward`: verl's validation has a column `reward` of its own, for the
    scores, and ends where there is a second one (verl/trainer/ppo/ray_trainer.py at 1dda039b)."""
    columns = reply.flat()
    return {"raw_reward": columns.pop("reward"), **columns}


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: kwargs[name] for name in ("url", "token", "timeout_s") if name in kwargs}
