"""The candidate's process: it builds nothing, judges nothing, and knows neither seeds of inputs nor expected outputs.

It loads the candidate's module (whose build calls are answered with what was built before), constructs `ModelNew`
with the same weights as the reference, and obeys commands: run these inputs, write the outputs there.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kval_harness.contain import Channel, Json
from kval_harness.judge import DTYPE_NAMES, Trial, use_tf32, use_threads
from kval_harness.launches import LaunchControl, launch_control
from kval_harness.tensors import flatten, map_tensors, read_values, tensors_in, write_values
from kval_harness.timing import EventClock, WallClock, clock_for

if TYPE_CHECKING:
    import torch

POISONS = (0xFF, 0x5A)  # NaN in every floating type, and then some large number


def runner_task(trial: Trial, load: Callable[[Channel], ModuleType]) -> Callable[[Channel], Json]:
    """The candidate's life as a contained child.

    Asks (each answered with the next command): `{step: "imported"}`, `{step: "constructed"}`, then the replies to
    `{do: "run", inputs, outputs, poison, outputBytes, order, orderSeed, skipLaunches, limitS}`,
    `{do: "profile", inputs}`, `{do: "time", inputs}`, `{do: "keep", outputs}`, `{do: "end"}`.
    """

    def task(channel: Channel) -> Json:
        use_tf32(trial.compat)
        use_threads(trial)
        launches = launch_control(trial)
        try:
            return _obey_all(trial, launches, load, channel)
        except BaseException as error:
            reason = launches.blame(error)
            if reason is error:
                raise
            raise reason from error

    return task


def _obey_all(trial: Trial, launches: LaunchControl, load: Callable[[Channel], ModuleType], channel: Channel) -> Json:
    import torch

    module = load(channel)
    start = _command(channel.ask({"step": "imported"}))
    with torch.no_grad():
        runner = _Runner(trial, launches, _construct(trial, module, start))
        reply: dict[str, Json] = {"step": "constructed", **launches.account()}
        while True:
            command = _command(channel.ask(reply))
            if command.get("do") == "end":
                return None
            reply = {"step": "done", **runner.obey(command)}


def _construct(trial: Trial, module: ModuleType, start: dict[str, Json]) -> torch.nn.Module:
    import torch

    device = trial.device.torch_name()
    values = map_tensors(read_values(Path(str(start["init"]))), lambda one: one.to(device))
    assert isinstance(values, list)
    args, kwargs = values
    torch.manual_seed(trial.weight_seed)
    model = module.ModelNew(*args, **kwargs)
    model = model.to(device=device, dtype=getattr(torch, DTYPE_NAMES[trial.precision]))
    _wait(device)
    return model


@dataclass
class _Runner:
    trial: Trial
    launches: LaunchControl
    model: torch.nn.Module
    clock: EventClock | WallClock | None = None
    outputs: object = None
    device: str = field(init=False)

    def __post_init__(self) -> None:
        self.device = self.trial.device.torch_name()

    def obey(self, command: dict[str, Json]) -> dict[str, Json]:
        todo = command["do"]
        if todo == "keep":
            return {"bytes": write_values(Path(str(command["outputs"])), _sendable(self.outputs))}
        if command.get("mode") == "eval":
            self.model.eval()
        inputs = self._upload(Path(str(command["inputs"])))
        if todo == "run":
            return self._run(inputs, command)
        if todo == "profile":
            return {"launches": self.launches.count(lambda: self.model(*inputs))}
        if self.clock is None:
            self.clock = clock_for(self.device)
        self.outputs = None
        self.outputs, duration_ms = self.clock.time(lambda: self.model(*inputs))
        return {"durationMs": duration_ms, "lazy": _lazy(self.outputs)}

    def _run(self, inputs: list[Any], command: dict[str, Json]) -> dict[str, Json]:
        before = [one.clone() for one in tensors_in(inputs)]
        self._poison(command)
        with _ended_after(command.get("limitS")), self.launches.turn(command):
            outputs = self.model(*inputs)
            _wait(self.device)
        changed = [
            place
            for place, (now, was) in enumerate(zip(tensors_in(inputs), before, strict=True))
            if not _same_bytes(now, was)
        ]
        written = write_values(Path(str(command["outputs"])), _sendable(outputs))
        mutated: list[Json] = list(changed)
        return {"bytes": written, "mutated": mutated, "lazy": _lazy(outputs), **self.launches.account()}

    def _poison(self, command: dict[str, Json]) -> None:
        """Leaves freed blocks of the outputs' sizes full of a pattern: what a kernel forgets to write shows it."""
        import torch

        sizes = command.get("outputBytes")
        pattern = command.get("poison")
        blocks = [
            torch.full((size,), pattern, dtype=torch.uint8, device=self.device)
            for size in (sizes if isinstance(sizes, list) else [])
            if isinstance(size, int) and isinstance(pattern, int)
            for _ in range(2)
        ]
        _wait(self.device)
        del blocks

    def _upload(self, file: Path) -> list[Any]:
        """The inputs at addresses of their own."""
        values = map_tensors(read_values(file), lambda one: one.to(self.device, copy=True))
        assert isinstance(values, list)
        return values


@contextmanager
def _ended_after(limit_s: Json) -> Iterator[None]:
    """Ends this process where the block takes longer, by a thread that needs neither Python nor a signal."""
    if isinstance(limit_s, int):
        faulthandler.dump_traceback_later(limit_s, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _command(answer: Json) -> dict[str, Json]:
    assert isinstance(answer, dict)
    return answer


def _sendable(outputs: object) -> object:
    """Plain contiguous tensors; what is neither tensor nor container goes as its type's name."""
    import torch

    def leaf(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return value.detach().contiguous()
        return value if isinstance(value, (bool, int, float)) else type(value).__name__

    return [leaf(value) for value in flatten(outputs)]


def _lazy(outputs: object) -> Json:
    """The name of a tensor subclass among the outputs: it may put work off until it is read."""
    import torch

    usual = (torch.Tensor, torch.nn.Parameter)
    strange = [
        type(one).__name__ for one in flatten(outputs) if isinstance(one, torch.Tensor) and type(one) not in usual
    ]
    return strange[0] if strange else None


def _same_bytes(now: torch.Tensor, was: torch.Tensor) -> bool:
    import torch

    if now.shape != was.shape or now.dtype != was.dtype:
        return False
    return bool(torch.equal(_raw(now), _raw(was)))


def _raw(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _wait(torch_device: str) -> None:
    import torch

    if torch_device.startswith("cuda"):
        torch.cuda.synchronize(torch_device)
