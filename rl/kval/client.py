"""Clients of the native HTTP API. Both wait as the service asks (Retry-After) and never beyond `timeout_s`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from kval.reply import Reply, ServiceError

Request = Mapping[str, Any]


class AsyncClient:
    """One event loop's client. `url` may carry the token (`http://host:8700/t/TOKEN`); else `token` or KVAL_TOKEN."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_s: float = 300.0,
        batch_size: int = 64,
        concurrency: int = 4,
    ) -> None:
        if batch_size < 1 or concurrency < 1:
            raise ValueError("batch_size and concurrency are at least 1")
        token = token if token is not None else os.environ.get("KVAL_TOKEN")
        base = (url or os.environ.get("KVAL_URL") or "http://127.0.0.1:8700").rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.AsyncClient(base_url=base, headers=headers, timeout=None, trust_env=False)
        self._timeout_s = timeout_s
        self._batch_size = batch_size
        self._concurrency = concurrency

    async def validate(self, request: Request) -> Reply:
        """One verdict. Raises ServiceError where the service cannot judge by the deadline or refuses the request."""
        return Reply.of(await self._call("POST", "/v1/validate", dict(request)))

    async def validate_batch(self, requests: Sequence[Request]) -> list[Reply | ServiceError]:
        """Verdicts in the order of the requests, split into batches of which a few are under way at once."""
        limit = asyncio.Semaphore(self._concurrency)

        async def part(items: Sequence[Request]) -> list[Reply | ServiceError]:
            async with limit:
                body = await self._call("POST", "/v1/validate:batch", {"items": [dict(item) for item in items]})
            results = body.get("results")
            if not isinstance(results, list) or len(results) != len(items):
                raise ServiceError("garbage", "a batch's results do not match its items", retry=False)
            return [ServiceError.of(one, 200) if "error" in one else Reply.of(one) for one in results]

        starts = range(0, len(requests), self._batch_size)
        parts = await asyncio.gather(*(part(requests[at : at + self._batch_size]) for at in starts))
        return [one for results in parts for one in results]

    async def score(self, request: Request) -> Reply:
        """As validate, but never raises into a training loop: `infra_ok` is 0 where the service could not answer."""
        try:
            return await self.validate(request)
        except Exception as error:  # whatever it is, a training run must outlive it
            return Reply.failed(error)

    async def score_batch(self, requests: Sequence[Request]) -> list[Reply]:
        """As validate_batch, but never raises; a batch that fails is a list of replies with `infra_ok` 0."""
        try:
            results = await self.validate_batch(requests)
        except Exception as error:  # see score
            return [Reply.failed(error)] * len(requests)
        return [Reply.failed(one) if isinstance(one, ServiceError) else one for one in results]

    async def submit(self, request: Request) -> str:
        """Queues a job that a restart does not lose; its id."""
        return str((await self._call("POST", "/v1/jobs", dict(request)))["id"])

    async def job(self, id: str, *, wait_s: float = 0) -> dict[str, Any]:
        """`{id, status, result?, error?}` once it is done, or after `wait_s` seconds."""
        return await self._call("GET", f"/v1/jobs/{id}?wait={wait_s:g}")

    async def cancel(self, id: str) -> None:
        await self._call("DELETE", f"/v1/jobs/{id}")

    async def set_mode(self, mode: str) -> dict[str, Any]:
        """`real`, `simulated` or `hybrid`, for every client of the service from now on."""
        return await self._call("PUT", "/v1/mode", {"mode": mode})

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            return await asyncio.wait_for(self._until_answered(method, path, body), self._timeout_s)
        except asyncio.TimeoutError:
            raise ServiceError("timeout", f"no answer within {self._timeout_s:g} s", retry=True) from None

    async def _until_answered(self, method: str, path: str, body: object) -> dict[str, Any]:
        pause_s = 0.25
        give_up = time.monotonic() + self._timeout_s
        while True:
            try:
                response = await self._http.request(method, path, json=body)
                error, asked_s = _error_of(response), _retry_after_s(response)
                if error is None:
                    return _object_of(response)
                if response.status_code not in (429, 503):
                    raise error
            except httpx2.TransportError as fault:
                error, asked_s = ServiceError("unreachable", repr(fault), fix="Is kval serve up?", retry=True), None
            wait_s = pause_s if asked_s is None else asked_s
            if time.monotonic() + wait_s >= give_up:
                raise error  # the reason says more than that time was up
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, 8.0)


class Client:
    """The same without an event loop: every call runs one of its own, so that it works from any thread."""

    def __init__(self, url: str | None = None, token: str | None = None, **options: Any) -> None:  # noqa: ANN401
        self._options = {"url": url, "token": token, **options}

    def validate(self, request: Request) -> Reply:
        return asyncio.run(self._with("validate", request))  # type: ignore[no-any-return]

    def validate_batch(self, requests: Sequence[Request]) -> list[Reply | ServiceError]:
        return asyncio.run(self._with("validate_batch", requests))

    def score(self, request: Request) -> Reply:
        try:
            return self.validate(request)
        except Exception as error:  # see AsyncClient.score
            return Reply.failed(error)

    def score_batch(self, requests: Sequence[Request]) -> list[Reply]:
        try:
            return asyncio.run(self._with("score_batch", requests))
        except Exception as error:  # see AsyncClient.score
            return [Reply.failed(error)] * len(requests)

    def submit(self, request: Request) -> str:
        return asyncio.run(self._with("submit", request))  # type: ignore[no-any-return]

    def job(self, id: str, *, wait_s: float = 0) -> dict[str, Any]:
        return asyncio.run(self._with("job", id, wait_s=wait_s))

    def cancel(self, id: str) -> None:
        asyncio.run(self._with("cancel", id))

    def set_mode(self, mode: str) -> dict[str, Any]:
        return asyncio.run(self._with("set_mode", mode))

    async def _with(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        async with AsyncClient(**self._options) as client:
            return await getattr(client, method)(*args, **options)


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
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None
