"""slime: `--custom-rm-path kval.slime.custom_rm --reward-key reward`; the label names the problem."""

from __future__ import annotations

from typing import Any

from kval.reply import Reply
from kval.shared import shared_async_client
from kval.task import request_of


async def custom_rm(args: object, sample: Any, **kwargs: Any) -> dict[str, float | int | str]:  # noqa: ANN401
    """Never raises. All flat keys; `infra_ok` is 0 where the service could not answer."""
    try:
        request = request_of(sample.response, sample.label, sample.metadata)
        return (await shared_async_client().score(request)).flat()
    except Exception as error:  # an exception here ends slime's rollout
        return Reply.failed(error).flat()
