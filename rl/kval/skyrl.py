"""SkyRL: `skyrl_gym.envs.register(id="kval", entry_point="kval.skyrl:KernelEnv")`; the row's `reward_spec.ground_truth`
(or its `extra_info`) names the problem."""

from __future__ import annotations

from typing import Any

from kval.shared import shared_client
from kval.task import request_of


def judged_turn(action: str, extras: dict[str, Any], turn: int) -> dict[str, Any]:
    """What `step` answers to turn `turn` (from 1): done once the kernel is correct or `max_turns` (1) are used, else
    with kval's feedback as the next message. Where the service could not answer, it is done too, with reward 0.0 and
    `infra_ok` 0 in `metadata`, which holds all flat keys."""
    spec = extras.get("reward_spec")
    truth = spec.get("ground_truth") if isinstance(spec, dict) else None
    reply = shared_client().score(request_of(action, truth, extras.get("extra_info"), extras))
    done = bool(reply.correct) or not reply.infra_ok or turn >= int(extras.get("max_turns") or 1)
    told = [] if done else [{"role": "user", "content": reply.feedback}]
    return {"observations": told, "reward": reply.reward, "done": done, "metadata": reply.flat()}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """`KernelEnv` is made when it is first asked for: this module can be read where SkyRL is not installed."""
    if name != "KernelEnv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skyrl_gym.envs.base_text_env import BaseTextEnv

    class KernelEnv(BaseTextEnv):  # type: ignore[misc]
        def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:  # noqa: ANN401
            super().__init__()
            self.extras = extras or {}
            self.max_turns = int(self.extras.get("max_turns") or 1)

        def step(self, action: str) -> Any:  # noqa: ANN401
            self.turns += 1
            return judged_turn(action, self.extras, self.turns)

    globals()[name] = KernelEnv
    return KernelEnv
