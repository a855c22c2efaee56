"""TRL: `GRPOTrainer(reward_funcs=[kval.trl.reward_func])`; the dataset has a column `problem_id` or `reference`."""

from __future__ import annotations

from typing import Any

from kval.reply import Reply
from kval.shared import shared_client
from kval.task import REQUEST_KEYS, request_of


def reward_func(
    prompts: list[Any],
    completions: list[Any],
    trainer_state: Any = None,  # noqa: ANN401
    log_metric: Any = None,  # noqa: ANN401
    **columns: Any,  # noqa: ANN401
) -> list[float | None]:
    """One reward for each completion (text or message list); None where the service could not judge, which TRL leaves
    out of the group. Never raises. The training step goes with the request, for a hybrid's schedule."""
    try:
        replies = _judged(completions, columns, getattr(trainer_state, "global_step", None))
        if callable(log_metric) and replies:
            for key in ("compiled", "correct", "predicted", "infra_ok"):
                log_metric(f"kval/{key}", sum(getattr(reply, key) for reply in replies) / len(replies))
        return [reply.reward if reply.infra_ok else None for reply in replies]
    except Exception:  # an exception here ends TRL's training
        return [None] * len(completions)


def _judged(completions: list[Any], columns: dict[str, Any], step: int | None) -> list[Reply]:
    named = {key: columns[key] for key in REQUEST_KEYS if isinstance(columns.get(key), list)}
    # A column that is too short leaves its last rows without it, and the service says what they lack.
    rows = [{key: column[at] for key, column in named.items() if at < len(column)} for at in range(len(completions))]
    return shared_client().score_batch(
        [request_of(text, row, step=step) for text, row in zip(completions, rows, strict=True)]
    )
