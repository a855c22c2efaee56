"""slime: `--custom-rm-path kval.slime.custom_rm --reward-key reward`; the label names the problem."""

from __future__ import annotations

from typing import Any

from kval.client import AsyncClient
from kval.task import request_of


async def custom_rm(args: object, sample: Any, **kwargs: Any) -> dict[str, float | int | str]:  # noqa: ANN401
    """All flat keys; `infra_ok` is 0 where the service could not answer."""
    async with AsyncClient() as client:
        return (await client.score(request_of(sample.response, sample.label, sample.metadata))).flat()
