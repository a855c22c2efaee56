"""The judge's process: it alone knows the seeds, makes the inputs, holds the expected outputs and compares.

It never sees a line of the candidate's code, and takes nothing from the candidate but files of tensors.

Weights: like KernelBench, `torch.manual_seed(seed)` right before `get_init_inputs()` and again right before
`Model(...)`, on the CPU, then `.to(device, dtype)`; the candidate's process does the same with the same secret seed,
so a `ModelNew` that creates its parameters in the same order has the same weights.

Randomness: a model that draws random numbers in `forward` (dropout) cannot be compared by value in training mode.
Where the generators' states show that it does, reference and candidate are both put in evaluation mode; all other
models stay in training mode as in KernelBench, and so do all under `compat` "kernelbench".

TF32: off on both sides, for products and convolutions alike; under `compat` "kernelbench" torch's defaults hold.
"""

from __future__ import annotations

import copy
import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kval_harness.compare import KERNELBENCH_TOLERANCE, Difference, Expected, Rule, compare_all
from kval_harness.contain import Channel, Json
from kval_harness.outcome import InstrumentError
from kval_harness.problem import broken, load_problem
from kval_harness.protocol import Compat, DeviceName, Precision
from kval_harness.tensors import (
    NotTensors,
    Unsendable,
    flatten,
    map_tensors,
    read_values,
    tensors_in,
    write_values,
)
from kval_harness.timing import EventClock, WallClock, clock_for

if TYPE_CHECKING:
    import torch

DTYPE_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Trial:
    """What judge and candidate both work from. `exchange` are folders for tensor files, the fastest first. `threads`:
    how many a device on the CPU may use; torch's own choice without it."""

    source: str
    small: bool
    device: DeviceName
    precision: Precision
    compat: Compat
    weight_seed: int
    exchange: tuple[Path, ...]
    threads: int | None = None


def judge_task(trial: Trial) -> Callable[[Channel], Json]:
    """The judge's life as a contained child: set up, then one command after another, then "end".

    Commands: `{do: "set", seed, set}` makes an input set and its expected outputs; `{do: "check", set, file}` compares;
    `{do: "time", set}` times the reference once; `{do: "end"}`.
    """

    def task(channel: Channel) -> Json:
        judge = _Judge(trial)
        reply = judge.set_up()
        while True:
            command = channel.ask(reply)
            if not isinstance(command, dict) or command.get("do") == "end":
                return None
            reply = judge.obey(command)

    return task


@dataclass
class _InputSet:
    file: Path
    inputs: list[Any]
    expected: list[Expected]


@dataclass
class _Judge:
    trial: Trial
    sets: dict[int, _InputSet] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set_up(self) -> dict[str, Json]:
        import torch

        use_tf32(self.trial.compat)
        use_threads(self.trial)
        self.device = torch.device(self.trial.device.judge_torch_name())
        self.dtype: torch.dtype = getattr(torch, DTYPE_NAMES[self.trial.precision])
        self.problem = load_problem(self.trial.source, small=self.trial.small)
        torch.manual_seed(self.trial.weight_seed)
        args, kwargs = self.problem.init_inputs()
        init = map_tensors([args, kwargs], lambda one: cast(one, self.dtype))
        init_file = self._write(init, "init", 0)
        args, kwargs = _pair(map_tensors(init, lambda one: one.to(self.device)))
        torch.manual_seed(self.trial.weight_seed)
        self.model = self.problem.model(args, kwargs).to(device=self.device, dtype=self.dtype)
        self.exact_model: torch.nn.Module | None = self._exact_copy()
        self.clock: EventClock | WallClock = clock_for(self.trial.device.judge_torch_name())
        self.settled = self.trial.compat == "kernelbench"
        return {"init": str(init_file)}

    def obey(self, command: dict[str, Json]) -> dict[str, Json]:
        import torch

        chosen = command.get("set")
        assert isinstance(chosen, int)
        with torch.no_grad():
            if command["do"] == "set":
                return self.make_set(chosen, int(str(command["seed"])))
            if command["do"] == "check":
                limit = int(str(command["maxBytes"]))
                return self.check(self.sets[chosen], Path(str(command["file"])), limit)
            assert command["do"] == "time"
            inputs = map_tensors(self.sets[chosen].inputs, lambda one: one.to(self.device, copy=True))
            _, duration_ms = self.clock.time(lambda: self.model(*_values(inputs)))
            return {"durationMs": duration_ms, "flushBytes": self.clock.flush_bytes}

    def make_set(self, number: int, seed: int) -> dict[str, Json]:
        """Inputs from a seed, written for the candidate, and what the reference makes of them."""
        import torch

        torch.manual_seed(seed)
        inputs = _values(map_tensors(self.problem.inputs(), lambda one: cast(one, self.dtype)))
        file = self._write(inputs, f"inputs-{number}", _output_guess(inputs))
        if not self.settled:
            self._settle_mode(inputs)
        working = _values(map_tensors(inputs, lambda one: one.to(self.device, copy=True)))
        reference = self.model(*working)
        originals = tensors_in(inputs)
        mutates = any(
            not torch.equal(now.cpu(), before) and not bool(before.isnan().any())
            for now, before in zip(tensors_in(working), originals, strict=True)
        )
        del working
        leaves = tensors_in(reference)
        if not leaves or len(leaves) != len(flatten(reference)):
            raise broken("the reference returns something that is not a tensor")
        exact = self._exact_outputs(inputs, len(leaves))
        expected = [
            Expected(leaf.cpu(), None if true is None else true.cpu()) for leaf, true in zip(leaves, exact, strict=True)
        ]
        if any(bool(one.reference.isnan().any()) for one in expected):
            raise broken("the reference's own output holds NaN; nothing can be compared with it")
        self.sets[number] = _InputSet(file, inputs, expected)
        for old in [one for one in self.sets if one < number - 1]:
            self.sets.pop(old).file.unlink(missing_ok=True)
        self._release()
        sizes: list[Json] = [one.reference.numel() * one.reference.element_size() for one in expected]
        return {
            "file": str(file),
            "mutates": mutates,
            "outputBytes": sizes,
            "inputBytes": sum(one.numel() * one.element_size() for one in originals),
            "mode": "train" if self.model.training else "eval",
            "notes": list(dict.fromkeys(self.notes)),
        }

    def check(self, inputs: _InputSet, file: Path, max_bytes: int) -> dict[str, Json]:
        try:
            outputs = flatten(read_values(file, max_bytes=max_bytes))
        except (NotTensors, OSError) as error:
            return {"how": "shape", "message": f"the output cannot be read: {error}", "maxAbs": None, "maxRel": None}
        rule = Rule(KERNELBENCH_TOLERANCE[self.trial.precision], scaled=self.trial.compat == "kval")
        moved = [map_tensors(one, lambda tensor: tensor.to(self.device)) for one in outputs]
        found = compare_all(moved, inputs.expected, rule)
        self._release()
        if isinstance(found, Difference):
            how, message = found.how, found.message
            return {"how": how, "message": message, "maxAbs": found.max_abs_error, "maxRel": found.max_rel_error}
        return {"how": None, "message": "", "maxAbs": found.max_abs_error, "maxRel": found.max_rel_error}

    def _settle_mode(self, inputs: list[Any]) -> None:
        """Training mode unless `forward` draws random numbers."""
        self.settled = True
        if not self._draws(inputs):
            return
        self.model.eval()
        if self.exact_model is not None:
            self.exact_model.eval()
        if self._draws(inputs):
            self.notes.append("the model draws random numbers also in evaluation mode")
        else:
            self.notes.append("the model draws random numbers in training mode: both run in evaluation mode")

    def _draws(self, inputs: list[Any]) -> bool:
        import torch

        before = self._generators()
        self.model(*_values(map_tensors(inputs, lambda one: one.to(self.device, copy=True))))
        return any(not torch.equal(was, now) for was, now in zip(before, self._generators(), strict=True))

    def _generators(self) -> list[torch.Tensor]:
        import torch

        states = [torch.get_rng_state()]
        return [*states, torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else states

    def _exact_copy(self) -> torch.nn.Module | None:
        if self.trial.compat == "kernelbench":
            return None
        try:
            return copy.deepcopy(self.model).double()
        except Exception as error:  # a model may refuse to be copied; it is then judged without
            self.notes.append(f"no reference in higher precision: {type(error).__name__}: {error}"[:300])
            return None

    def _exact_outputs(self, inputs: list[Any], count: int) -> list[torch.Tensor | None]:
        import torch

        none: list[torch.Tensor | None] = [None] * count
        if self.exact_model is None:
            return none
        try:
            wide = map_tensors(inputs, lambda one: cast(one.to(self.device, copy=True), torch.float64))
            leaves = flatten(self.exact_model(*_values(wide)))
        except Exception as error:  # forward may fix its dtype, or need more memory than there is
            self.notes.append(f"no reference in higher precision: {type(error).__name__}: {error}"[:300])
            self.exact_model = None
            self._release()
            return none
        return [leaf if isinstance(leaf, torch.Tensor) else None for leaf in leaves] if len(leaves) == count else none

    def _write(self, values: object, name: str, room_after: int) -> Path:
        """Writes into the first exchange folder with room for the values and as much again for the outputs."""
        needed = sum(one.numel() * one.element_size() for one in tensors_in(values)) + room_after + (64 << 20)
        for folder in self.trial.exchange:
            if shutil.disk_usage(folder).free < needed:
                continue
            try:
                write_values(folder / name, values)
            except Unsendable as error:
                raise broken(f"{name} holds {error}, which cannot be sent to another process") from None
            return folder / name
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.trial.exchange[-1]))

    def _release(self) -> None:
        """Gives unused GPU memory back: the candidate's process needs it."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Floating tensors to the precision of the run; integers and booleans keep their type."""
    return tensor.to(dtype) if tensor.dtype.is_floating_point else tensor


def use_tf32(compat: Compat) -> None:
    import torch

    if compat == "kval":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def use_threads(trial: Trial) -> None:
    import torch

    if trial.threads is not None:
        torch.set_num_threads(trial.threads)


def judge_failure(error_type: str | None, message: str) -> InstrumentError:
    """What it means when the judge's own process fails: the problem or the machine, never the candidate."""
    from kval_harness.devices import classify

    code = classify(message)
    if error_type in ("OutOfMemoryError", "MemoryError"):
        code = "out-of-memory"
    if code is not None:
        return InstrumentError(code, f"the reference could not run: {message}", retry=code != "no-kernel-image")
    return broken(message if error_type == "InstrumentError" else f"the reference failed: {error_type}: {message}")


def _output_guess(inputs: list[Any]) -> int:
    """Outputs are seldom larger than the inputs; the candidate's writer says so where they are."""
    return sum(one.numel() * one.element_size() for one in tensors_in(inputs))


def _values(values: object) -> list[Any]:
    assert isinstance(values, list)
    return values


def _pair(values: object) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = _values(values)
    return args, kwargs
