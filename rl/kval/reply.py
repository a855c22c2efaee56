"""What the service answers: one flat record, the same keys whatever happened."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Reply:
    """A verdict. Flags are 0 or 1, times are milliseconds, 0.0 where a number is not known; never None, never NaN."""

    reward: float = 0.0
    score: float = 0.0
    compiled: int = 0
    correct: int = 0
    correct_known: int = 0
    speedup: float = 0.0
    timed: int = 0
    kernel_ms: float = 0.0
    reference_ms: float = 0.0
    p_compiled: float = 0.0
    p_correct: float = 0.0
    confidence: float = 0.0
    predicted: int = 0
    escalated: int = 0
    audited: int = 0
    cached: int = 0
    infra_ok: int = 0
    duration_ms: float = 0.0
    status: str = "infra-error"
    feedback: str = ""
    reward_name: str = ""
    fidelity: str = "none"
    validator: str = ""
    mode: str = ""
    reason: str = ""
    job_key: str = ""
    problem_id: str = ""

    def flat(self) -> dict[str, float | int | str]:
        """All keys, numbers and strings only."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, body: object) -> Reply:
        """Raises ServiceError where a key is missing, null, NaN or of another type: a reply is whole or it is none."""
        body = body if isinstance(body, Mapping) else {}
        for field in fields(cls):
            if not _fits(body.get(field.name), field.default):
                said = repr(body.get(field.name))[:100]
                raise ServiceError("garbage", f"the service's reply is not whole: {field.name} is {said}", retry=False)
        return cls(**{field.name: _typed(body[field.name], field.default) for field in fields(cls)})

    @classmethod
    def failed(cls, error: Exception) -> Reply:
        """The same keys where the service could not answer: they say nothing about the kernel."""
        return cls(feedback=f"not judged: {error}"[:2000])


def _fits(value: object, default: object) -> bool:
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _typed(value: Any, default: object) -> Any:  # noqa: ANN401
    """JSON's 0 is a float where floats are: a column is of one type."""
    if isinstance(default, str):
        return value
    return int(value) if isinstance(default, int) else float(value)


class ServiceError(Exception):
    """The service could not judge. `code` and `fix` are the service's own; `retry` says whether to ask again."""

    def __init__(self, code: str, message: str, *, fix: str = "", retry: bool) -> None:
        super().__init__(f"{code}: {message} {fix}".strip())
        self.code = code
        self.fix = fix
        self.retry = retry

    @classmethod
    def of(cls, body: object, status: int) -> ServiceError:
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return cls("garbage", f"HTTP {status} without an error that can be read", retry=status >= 500)
        code, message, fix = (str(error.get(key, "")) for key in ("code", "message", "fix"))
        return cls(code, message, fix=fix, retry=bool(error.get("retry")))
