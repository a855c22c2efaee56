"""OpenRLHF: `--reward.remote_url .../kval/openrlhf.py`; labels are problem ids, references, or JSON that names one."""

from __future__ import annotations

from typing import Any

from kval.client import Client
from kval.task import request_of


def reward_func(queries: list[str], prompts: list[str], labels: list[Any], **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
    """Lists as long as `queries`; `extra_logs` holds the numeric facts. The prompt is cut off the front of a query."""
    texts = [query.removeprefix(prompt) for query, prompt in zip(queries, prompts, strict=True)]
    replies = Client().score_batch([request_of(text, label) for text, label in zip(texts, labels, strict=True)])
    facts = [{key: value for key, value in reply.flat().items() if not isinstance(value, str)} for reply in replies]
    logs = {key: [float(fact[key]) for fact in facts] for key in facts[0]} if facts else {}
    return {"rewards": [one.reward for one in replies], "scores": [one.score for one in replies], "extra_logs": logs}
