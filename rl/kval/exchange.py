"""What both clients share, without any waiting of its own: what is sent, what an answer says, when to try again."""

from __future__ import annotations

import json
import math
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from kval.reply import Reply, ServiceError

Request = Mapping[str, Any]
Result = Reply | ServiceError


@dataclass(frozen=True)
class Where:
    """The service's address and token; those that are not given come from KVAL_URL and KVAL_TOKEN."""

    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, url: str | None, token: str | None) -> Where:
        token = token if token is not None else os.environ.get("KVAL_TOKEN")
        url = (url or os.environ.get("KVAL_URL") or "http://127.0.0.1:8700").rstrip("/")
        return cls(url, {"authorization": f"Bearer {token}"} if token else {})


@dataclass(frozen=True)
class Call:
    """One call of the HTTP API, its body already encoded."""

    method: str
    path: str
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, method: str, path: str, body: object = None, **headers: str) -> Call:
        if body is None:
            return cls(method, path)
        return cls.encoded(method, path, encoded(body), **headers)

    @classmethod
    def encoded(cls, method: str, path: str, content: bytes, **headers: str) -> Call:
        return cls(method, path, content, {"content-type": "application/json", **headers})


def submission(request: Request) -> Call:
    """A key of its own: tried again, it queues once."""
    return Call.of("POST", "/v1/jobs", request, **{"idempotency-key": str(uuid.uuid4())})


def mode_change(mode: str, policy: Mapping[str, Any] | None) -> Call:
    return Call.of("PUT", "/v1/mode", {"mode": mode} if policy is None else {"mode": mode, "policy": policy})


def encoded(body: object) -> bytes:
    """Raises ServiceError where it is no JSON."""
    try:
        return json.dumps(dict(body) if isinstance(body, Mapping) else body, allow_nan=False).encode()
    except (TypeError, ValueError) as fault:
        raise ServiceError("bad-input", f"the request is no JSON: {fault}", retry=False) from None


class Patience:
    """Until when a call is tried, and how long it pauses in between: as the service asks, else ever longer."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._give_up = time.monotonic() + timeout_s
        self._pause_s = 0.25

    def left_s(self) -> float:
        return max(self._give_up - time.monotonic(), 0.001)

    def pause_s(self) -> float:
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, 8.0)
        return pause_s

    def answer(self, heard: httpx2.Response | httpx2.RequestError) -> dict[str, Any] | float:
        """The answer's body, or how many seconds to wait before the next try. Raises ServiceError where it is refused
        or no time is left."""
        if isinstance(heard, httpx2.TimeoutException):
            raise ServiceError("timeout", f"no answer within {self._timeout_s:g} s", retry=True)
        asked_s = None
        if isinstance(heard, httpx2.Response):
            refused = _error_of(heard)
            if refused is None:
                return _object_of(heard)
            if heard.status_code not in (429, 503):
                raise refused
            error, asked_s = refused, _retry_after_s(heard)
        else:
            error = ServiceError("unreachable", repr(heard), fix="Is kval serve up?", retry=True)
        wait_s = self.pause_s() if asked_s is None else asked_s
        if wait_s >= self.left_s():
            raise error  # the reason says more than that time was up
        return wait_s


class Part:
    """Some items of a batch: each gets its own result, those that may be asked again are asked once more."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.results: list[Result] = [ServiceError("garbage", "not asked", retry=True) for _ in requests]
        self._items: dict[int, bytes] = {}
        for at, request in enumerate(requests):
            try:
                self._items[at] = encoded(request)
            except ServiceError as error:
                self.results[at] = error

    def call(self) -> Call | None:
        """What is still to be asked; None where nothing is."""
        if not self._items:
            return None
        return Call.encoded("POST", "/v1/validate:batch", b'{"items": [' + b", ".join(self._items.values()) + b"]}")

    def answered(self, body: Mapping[str, Any] | ServiceError) -> None:
        """Takes the answer, or why there is none; what is left to ask is what may be asked again."""
        for at, result in zip(self._items, _results_of(body, len(self._items)), strict=True):
            self.results[at] = result
        self._items = {at: item for at, item in self._items.items() if _may_be_asked_again(self.results[at])}


def parts_of(requests: Sequence[Request], size: int) -> list[Part]:
    return [Part(requests[at : at + size]) for at in range(0, len(requests), size)]


def replies_of(results: Sequence[Result]) -> list[Reply]:
    return [Reply.failed(one) if isinstance(one, ServiceError) else one for one in results]


def _results_of(body: Mapping[str, Any] | ServiceError, count: int) -> list[Result]:
    if isinstance(body, ServiceError):
        return [body] * count
    results = body.get("results")
    if not isinstance(results, list) or len(results) != count:
        return [ServiceError("garbage", "a batch's results do not match its items", retry=False)] * count
    return [_result_of(one) for one in results]


def _result_of(one: object) -> Result:
    if isinstance(one, Mapping) and "error" in one:
        return ServiceError.of(one, 200)
    try:
        return Reply.of(one)
    except ServiceError as error:
        return error


def _may_be_asked_again(result: Result) -> bool:
    return isinstance(result, ServiceError) and result.retry


def _error_of(response: httpx2.Response) -> ServiceError | None:
    if response.status_code < 300:
        return None
    try:
        return ServiceError.of(response.json(), response.status_code)
    except ValueError:
        return ServiceError.of(None, response.status_code)


def _object_of(response: httpx2.Response) -> dict[str, Any]:
    if response.status_code == 204:
        return {}
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ServiceError("garbage", "the service answered no JSON object", retry=False)
    return body


def _retry_after_s(response: httpx2.Response) -> float | None:
    try:
        asked_s = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, asked_s) if math.isfinite(asked_s) else None
