"""Clients that adapters share: a framework calls them a sample at a time, and connections are to be kept."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from kval.client import AsyncClient, Client
from kval.exchange import Where


def shared_client(**options: Any) -> Client:  # noqa: ANN401
    """The process's client for these options of Client, and for what the environment says at present."""
    key = _key(options)
    if key not in _clients:
        _clients[key] = Client(**options)
    return _clients[key]


def shared_async_client(**options: Any) -> AsyncClient:  # noqa: ANN401
    """The running event loop's client; those of loops that have closed are dropped."""
    loop = asyncio.get_running_loop()
    for other in [one for one in _loops if one.is_closed()]:
        del _loops[other]
    clients = _loops.setdefault(loop, {})
    key = _key(options)
    if key not in clients:
        clients[key] = AsyncClient(**options)
    return clients[key]


_clients: dict[object, Client] = {}
_loops: dict[asyncio.AbstractEventLoop, dict[object, AsyncClient]] = {}


def _key(options: dict[str, Any]) -> tuple[object, ...]:
    where = Where.of(options.get("url"), options.get("token"))
    return (where.url, *where.headers.values(), *sorted((name, repr(value)) for name, value in options.items()))


def _forget() -> None:
    """Connections that a fork copied belong to the parent."""
    _clients.clear()
    _loops.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
