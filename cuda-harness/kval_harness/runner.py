"""The candidate's process: it builds nothing, judges nothing, and knows neither seeds of inputs nor expected outputs.

It loads the candidate's module (whose build calls are answered with what was built before), constructs `ModelNew`
with the same weights as the reference, and obeys commands: run these inputs, write the outputs there.
"""

from __future__ import annotations

import faulthandler
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kval_harness.clock import EventClock, Lap, Seal, WallClock, clock_for
from kval_harness.compare import changed_places
from kval_harness.contain import Channel, Json
from kval_harness.integrity import changed, snapshot
from kval_harness.judge import DTYPE_NAMES, Trial, placed, use_tf32, use_threads
from kval_harness.launches import LaunchControl, launch_control
from kval_harness.tensors import flatten, map_tensors, read_values, tensors_in, write_values

if TYPE_CHECKING:
    import torch

POISONS = (0xFF, 0x5A)  # NaN in every floating type, and then some large number


def runner_task(trial: Trial, load: Callable[[Channel], ModuleType]) -> Callable[[Channel], Json]:
    """The candidate's life as a contained child.

    Asks (each answered with the next command): `{step: "imported"}`, `{step: "constructed"}`, then the replies to
    `{do: "run", inputs, outputs, poison, outputBytes, order, orderSeed, skipLaunches, limitS}`,
    `{do: "profile", inputs}`, `{do: "time", inputs, key}`, `{do: "batch", inputs, calls, key}`,
    `{do: "keep", outputs}` (those of the last timed call), `{do: "end"}`. What it patched by then is in all of them.
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

    # Before the candidate is there: what it patches afterwards does not reach this clock, and breaks the seal.
    clock = None if trial.device.kind == "cpu" else clock_for(trial.device.torch_name())
    seal, intact = Seal(), snapshot()

    def ask(reply: dict[str, Json]) -> dict[str, Json]:
        return _command(channel.ask({**reply, "patched": list(seal.broken()), "replaced": changed(intact)}))

    module = load(channel)
    start = ask({"step": "imported"})
    with torch.no_grad():
        runner = _Runner(trial, launches, _construct(trial, module, start), clock)
        reply: dict[str, Json] = {"step": "constructed", **launches.account()}
        while True:
            command = ask(reply)
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
    """`clock` is None on a device that keeps no time."""

    trial: Trial
    launches: LaunchControl
    model: torch.nn.Module
    clock: EventClock | WallClock | None
    outputs: object = None
    timed_inputs: object = None
    runs: int = 0
    buffers: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    device: str = field(init=False)

    def __post_init__(self) -> None:
        self.device = self.trial.device.torch_name()

    def obey(self, command: dict[str, Json]) -> dict[str, Json]:
        todo = command["do"]
        if todo == "keep":
            return {"bytes": write_values(Path(str(command["outputs"])), _sendable(self.outputs))}
        if command.get("mode") == "eval":
            self.model.eval()
        values = read_values(Path(str(command["inputs"])))
        key = command.get("key")
        if todo == "time":
            lap = self._lap(values, key)
            return {"eventMs": lap.event_ms, "hostMs": lap.host_ms, "lazy": _lazy(self.outputs)}
        if todo == "batch":
            calls = command["calls"]
            assert isinstance(calls, int)
            base = placed(values, self.device)
            for turn in range(calls):
                self._lap(base, key + turn if isinstance(key, int) else None)
            return {"lazy": _lazy(self.outputs)}
        self.outputs = self.timed_inputs = None
        if todo == "profile":
            inputs = placed(values, self.device)
            return {"launches": self.launches.count(lambda: self.model(*inputs))}
        assert todo == "run"
        self.runs += 1
        chosen = self.runs // 2 % 2
        reply = self._run(self._placed_again(values, chosen), command)
        for buffer in self.buffers[chosen]:
            buffer.zero_()
        return reply

    def _lap(self, values: object, key: Json) -> Lap:
        assert self.clock is not None
        self.buffers = {}
        inputs = placed(values, self.device, key)  # while the last ones live: addresses change from call to call
        self.outputs = None
        self.outputs, lap = self.clock.lap(lambda: self.model(*inputs))
        self.timed_inputs = inputs
        return lap

    def _run(self, inputs: list[Any], command: dict[str, Json]) -> dict[str, Json]:
        before = [one.clone() for one in tensors_in(inputs)]
        self._poison(command)
        limit, turn = _ended_after(command.get("limitS")), self.launches.turn(dict(command))
        answer = Path(str(command["outputs"]))
        command.clear()  # a frame above the model's is no place to read what is tried here
        with limit, turn:
            outputs = self.model(*inputs)
            _wait(self.device)
        mutated: list[Json] = list(changed_places(tensors_in(inputs), before))
        lazy = _lazy(outputs)
        if lazy is not None:  # nothing may look at it, for that is when it would do its work
            return {"bytes": 0, "mutated": mutated, "lazy": lazy, **self.launches.account()}
        written = write_values(answer, _sendable(outputs))
        library = self.launches.made_by_library(flatten(outputs), before)
        account = self.launches.account()
        return {"bytes": written, "mutated": mutated, "lazy": None, "library": library, **account}

    def _placed_again(self, values: object, chosen: int) -> list[Any]:
        """The inputs at one of two places, each for two runs in turn: of any two runs one after the other, the inputs
        are the same ones elsewhere, or other ones where the last were, and torch counts no change of them. So who keeps
        answers by address gives old ones; who keeps the address itself finds the zeros left there.
        """
        spare, kept = iter(self.buffers.get(chosen, [])), list[Any]()

        def place(tensor: torch.Tensor) -> torch.Tensor:
            buffer = next(spare, None)
            if buffer is not None and _is_alike(buffer, tensor):
                buffer.copy_(tensor)
            else:
                buffer = tensor.to(self.device, copy=True)
            kept.append(buffer)
            return buffer.data

        inputs = map_tensors(values, place)
        self.buffers[chosen] = kept
        assert isinstance(inputs, list)
        return inputs

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


def _is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(one.shape == other.shape and one.dtype == other.dtype and one.stride() == other.stride())


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
            # Through the class: a tensor's own attributes may shadow its methods.
            return torch.Tensor.contiguous(torch.Tensor.detach(value))
        return value if isinstance(value, (bool, int, float)) else type(value).__name__

    return [leaf(value) for value in flatten(outputs)]


def _lazy(outputs: object) -> Json:
    """What among the outputs may put work off until it is read: a tensor of another class, one with methods of its
    own, or a container that is read in its own way."""
    import torch

    kind: Any = next((one for one in (list, tuple, OrderedDict, dict) if isinstance(outputs, one)), None)
    if kind is not None:
        own = [name for name in ("__iter__", "__getitem__") if getattr(type(outputs), name) is not getattr(kind, name)]
        if own:
            return f"{type(outputs).__name__} with {own[0]} of its own"
        values = dict.values(outputs) if isinstance(outputs, dict) else kind.__iter__(outputs)
        return next((found for one in values if (found := _lazy(one)) is not None), None)
    if not isinstance(outputs, torch.Tensor):
        return None
    if type(outputs) not in (torch.Tensor, torch.nn.Parameter):
        return type(outputs).__name__
    own = [name for name in vars(outputs) if callable(getattr(torch.Tensor, name, None))]
    return f"tensor with {own[0]} of its own" if own else None


def _wait(torch_device: str) -> None:
    import torch

    if torch_device.startswith("cuda"):
        torch.cuda.synchronize(torch_device)
