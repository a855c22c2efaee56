"""slime: `--custom-rm-path kval.slime.custom_rm --reward-key reward`; the label names the problem."""

from __future__ import annotations

import asyncio
from typing import Any

from kval.reply import Reply
from kval.shared import shared_async_client
from kval.task import request_of


async def custom_rm(args: object, sample: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """All flat keys of a sample; with `--group-rm`, which gives a list of samples, a list of them. Never raises:
    `infra_ok` is 0 where the service could not answer."""
    if isinstance(sample, list):
        return await asyncio.gather(*(_judged(one) for one in sample))
    return await _judged(sample)


async def _judged(sample: Any) -> dict[str, float | int | str]:  # noqa: ANN401
    try:
        request = request_of(sample.response, sample.label, sample.metadata)
        return (await shared_async_client().score(request)).flat()
    except Exception as error:  # an exception here ends slime's rollout
        return Reply.failed(error).flat()
