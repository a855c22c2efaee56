"""Clients of the native HTTP API: one pool of connections each, the same words with and without an event loop.

Both wait as the service asks (Retry-After) and give a call up after `timeout_s`. `url` may carry the token
(`http://host:8700/t/TOKEN`); without `url` and `token`, KVAL_URL and KVAL_TOKEN say them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import httpx2

from kval.exchange import (
    Call,
    Part,
    Patience,
    Request,
    Result,
    Where,
    mode_change,
    parts_of,
    replies_of,
    submission,
)
from kval.reply import Reply, ServiceError

# An async trainer has thousands of samples under way at once: a pool of 100 would make them wait unseen.
_LIMITS = httpx2.Limits(max_connections=1024, max_keepalive_connections=64)

Http = TypeVar("Http", httpx2.AsyncClient, httpx2.Client)


class _Opened(Generic[Http]):
    """What both clients are made with."""

    _transport: type[Http]

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
        where = Where.of(url, token)
        self._http: Http = self._transport(
            base_url=where.url, headers=where.headers, timeout=None, limits=_LIMITS, trust_env=False
        )
        self._timeout_s = timeout_s
        self._batch_size = batch_size
        self._concurrency = concurrency


class AsyncClient(_Opened[httpx2.AsyncClient]):
    """For one event loop."""

    _transport = httpx2.AsyncClient

    async def validate(self, request: Request) -> Reply:
        """One verdict. Raises ServiceError where the service cannot judge by the deadline or refuses the request."""
        return Reply.of(await self._call(Call.of("POST", "/v1/validate", request)))

    async def validate_batch(self, requests: Sequence[Request]) -> list[Reply | ServiceError]:
        """Verdicts in the order of the requests, split into batches of which a few are under way at once, each with
        `timeout_s`. What one batch loses, the others keep; items that may be asked again are asked once more."""
        limit = asyncio.Semaphore(self._concurrency)

        async def ask(part: Part) -> list[Result]:
            async with limit:
                return await self._ask(part)

        parts = await asyncio.gather(*(ask(part) for part in parts_of(requests, self._batch_size)))
        return [one for results in parts for one in results]

    async def score(self, request: Request) -> Reply:
        """As validate, but never raises into a training loop: `infra_ok` is 0 where the service could not answer."""
        try:
            return await self.validate(request)
        except Exception as error:  # whatever it is, a training run must outlive it
            return Reply.failed(error)

    async def score_batch(self, requests: Sequence[Request]) -> list[Reply]:
        """As validate_batch, but never raises: `infra_ok` is 0 where the service could not answer."""
        try:
            return replies_of(await self.validate_batch(requests))
        except Exception as error:  # see score
            return [Reply.failed(error)] * len(requests)

    async def submit(self, request: Request) -> str:
        """Queues a job that a restart does not lose; its id. Tried again, it still queues once."""
        return str((await self._call(submission(request)))["id"])

    async def job(self, id: str, *, wait_s: float = 0) -> dict[str, Any]:
        """`{id, status, result?, error?}` once it is done, or after `wait_s` seconds."""
        return await self._call(Call("GET", f"/v1/jobs/{id}?wait={wait_s:g}"))

    async def cancel(self, id: str) -> None:
        await self._call(Call("DELETE", f"/v1/jobs/{id}"))

    async def set_mode(self, mode: str, policy: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`real`, `simulated` or `hybrid` (by `policy`, else the service's own), for every client from now on."""
        return await self._call(mode_change(mode, policy))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, part: Part) -> list[Result]:
        patience = Patience(self._timeout_s)
        for pause_s in (0.0, patience.pause_s()):
            call = part.call()
            if call is None or pause_s >= patience.left_s():
                break
            await asyncio.sleep(pause_s)
            try:
                part.answered(await self._call(call, patience))
            except ServiceError as error:
                part.answered(error)
        return part.results

    async def _call(self, call: Call, patience: Patience | None = None) -> dict[str, Any]:
        patience = patience or Patience(self._timeout_s)
        while True:
            heard: httpx2.Response | httpx2.RequestError
            try:
                request = self._http.request(call.method, call.path, content=call.content, headers=call.headers)
                heard = await asyncio.wait_for(request, patience.left_s())
            except asyncio.TimeoutError:
                heard = httpx2.ReadTimeout("")
            except httpx2.RequestError as fault:
                heard = fault
            answer = patience.answer(heard)
            if isinstance(answer, dict):
                return answer
            await asyncio.sleep(answer)


class Client(_Opened[httpx2.Client]):
    """For any number of threads; it works where an event loop runs (Jupyter), and blocks it as any other call does."""

    _transport = httpx2.Client

    def validate(self, request: Request) -> Reply:
        """See AsyncClient, here and below."""
        return Reply.of(self._call(Call.of("POST", "/v1/validate", request)))

    def validate_batch(self, requests: Sequence[Request]) -> list[Reply | ServiceError]:
        parts = parts_of(requests, self._batch_size)
        if len(parts) <= 1:
            return [one for part in parts for one in self._ask(part)]
        with ThreadPoolExecutor(min(self._concurrency, len(parts)), "kval") as threads:
            return [one for results in threads.map(self._ask, parts) for one in results]

    def score(self, request: Request) -> Reply:
        try:
            return self.validate(request)
        except Exception as error:  # see AsyncClient.score
            return Reply.failed(error)

    def score_batch(self, requests: Sequence[Request]) -> list[Reply]:
        try:
            return replies_of(self.validate_batch(requests))
        except Exception as error:  # see AsyncClient.score
            return [Reply.failed(error)] * len(requests)

    def submit(self, request: Request) -> str:
        return str(self._call(submission(request))["id"])

    def job(self, id: str, *, wait_s: float = 0) -> dict[str, Any]:
        return self._call(Call("GET", f"/v1/jobs/{id}?wait={wait_s:g}"))

    def cancel(self, id: str) -> None:
        self._call(Call("DELETE", f"/v1/jobs/{id}"))

    def set_mode(self, mode: str, policy: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._call(mode_change(mode, policy))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, part: Part) -> list[Result]:
        patience = Patience(self._timeout_s)
        for pause_s in (0.0, patience.pause_s()):
            call = part.call()
            if call is None or pause_s >= patience.left_s():
                break
            time.sleep(pause_s)
            try:
                part.answered(self._call(call, patience))
            except ServiceError as error:
                part.answered(error)
        return part.results

    def _call(self, call: Call, patience: Patience | None = None) -> dict[str, Any]:
        patience = patience or Patience(self._timeout_s)
        while True:
            heard: httpx2.Response | httpx2.RequestError
            try:
                heard = self._http.request(
                    call.method, call.path, content=call.content, headers=call.headers, timeout=patience.left_s()
                )
            except httpx2.RequestError as fault:
                heard = fault
            answer = patience.answer(heard)
            if isinstance(answer, dict):
                return answer
            time.sleep(answer)
