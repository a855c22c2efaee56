"""verifiers: `Rubric(funcs=[kval.verifiers.kernel_reward])`, or `judged` inside a v1 task's `@vf.reward`."""

from __future__ import annotations

from kval.shared import shared_async_client
from kval.task import request_of


async def kernel_reward(completion: object, answer: object = None, info: object = None) -> float:
    """Legacy rubric: the reward, 0.0 where the service could not answer."""
    return (await shared_async_client().score(request_of(completion, answer, info))).reward


async def judged(completion: object, *sources: object) -> float:
    """v1: raises ServiceError where the service could not answer, so that the trace is marked and left out."""
    return (await shared_async_client().validate(request_of(completion, *sources))).reward
