"""OpenRLHF: `--reward.remote_url .../kval/openrlhf.py`; labels are problem ids, references, or JSON that names one."""

from __future__ import annotations

from typing import Any

from kval.reply import Reply
from kval.shared import shared_client
from kval.task import request_of


def reward_func(queries: list[str], prompts: list[str], labels: list[Any], **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
    """Lists as long as `queries`; `extra_logs` holds the numeric facts. The prompt is cut off the front of a query.
    Never raises: `infra_ok` among the logs is 0 where the service could not answer."""
    try:
        replies = shared_client().score_batch(_requests(queries, prompts, labels))
    except Exception as error:  # an exception here leaves OpenRLHF without a reward, and it fails later
        replies = [Reply.failed(error)] * len(queries)
    facts = [{key: value for key, value in reply.flat().items() if not isinstance(value, str)} for reply in replies]
    logs = {key: [float(fact[key]) for fact in facts] for key in facts[0]} if facts else {}
    return {"rewards": [one.reward for one in replies], "scores": [one.score for one in replies], "extra_logs": logs}


def _requests(queries: list[str], prompts: list[str], labels: list[Any]) -> list[dict[str, Any]]:
    count = len(queries)
    rows = zip(queries, _filled(prompts, count), _filled(labels, count), strict=True)
    return [request_of(query.removeprefix(prompt or ""), label) for query, prompt, label in rows]


def _filled(values: list[Any] | None, count: int) -> list[Any]:
    """As long as the queries: a row without a label is refused by the service, and the others are judged."""
    return [*(values or []), *[None] * count][:count]
