"""From a framework's row to a request: which problem, which answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

REQUEST_KEYS = ("problem_id", "reference", "language", "reward", "settings")


def request_of(response: object, *sources: object, step: int | None = None) -> dict[str, Any]:
    """The request for an agent's answer. Each source is a row (a mapping, or its JSON), a problem id, or the
    reference's source; the first that names a key wins. A row may name `problem_id` or `reference`, not both."""
    request: dict[str, Any] = {"response": text_of(response)}
    for source in sources:
        for key, value in _row_of(source).items():
            if key in REQUEST_KEYS and value is not None:
                request.setdefault(key, value)
    if "problem_id" in request:
        request.pop("reference", None)
    if step is not None:
        request["step"] = int(step)
    return request


def text_of(response: object) -> str:
    """A text as it is; of a list of messages the last one's content."""
    if isinstance(response, str):
        return response
    if isinstance(response, (list, tuple)) and response:
        return text_of(response[-1])
    if isinstance(response, Mapping):
        return text_of(response.get("content") or "")
    content = getattr(response, "content", None)
    return content if isinstance(content, str) else ""


def _row_of(source: object) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str) or not source.strip():
        return {}
    if source.lstrip().startswith("{"):
        try:
            row = json.loads(source)
        except ValueError:
            return {}
        return row if isinstance(row, dict) else {}
    return {"reference": source} if "\n" in source else {"problem_id": source}
