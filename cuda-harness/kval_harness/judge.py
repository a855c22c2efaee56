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

from kval_harness.clock import EventClock, Lap, WallClock, clock_for
from kval_harness.compare import KERNELBENCH_TOLERANCE, Difference, Expected, Rule, changed_places, compare_all
from kval_harness.contain import Channel, Json
from kval_harness.outcome import InstrumentError
from kval_harness.physics import needed_share, peak_bandwidth
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
from kval_harness.tolerance import allowance
from kval_harness.vary import KINDS, Kind, freshen, generator_for, is_sound, vary

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

    Commands: `{do: "set", set, seed}` makes an input set and its expected outputs, `{do: "set", set, seed, vary}` one
    with its values distributed in another way (or replies `skipped`), `{do: "set", set, from, key}` one from another
    set as a timed call saw it; `{do: "check", set, file, maxBytes, slack}` compares; `{do: "time", set, key}` and
    `{do: "batch", set, calls, key}` time the reference, `{do: "clock"}` says by what; `{do: "share", set, seed}` tells
    how much of the inputs matters; `{do: "end"}`.
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
    """`derived`: its file belongs to another set."""

    file: Path
    inputs: list[Any]
    expected: list[Expected]
    derived: bool = False


@dataclass
class _Judge:
    trial: Trial
    sets: dict[int, _InputSet] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    timed_inputs: object = None

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
        kval = self.trial.compat == "kval"
        self.settled = not kval
        # KernelBench itself never takes a NaN for right.
        self.nan_is_a_value = kval and getattr(self.problem.module, "NAN_IS_A_VALUE", False) is True
        return {"init": str(init_file), "gpu": self._gpu()}

    def obey(self, command: dict[str, Json]) -> dict[str, Json]:
        import torch

        todo = command["do"]
        if todo == "clock":
            return {"l2FlushBytes": self.clock.flush_bytes}
        number = _whole(command["set"])
        with torch.no_grad():
            if todo == "set":
                self.timed_inputs = None
                return self.make_set(number, command)
            chosen = self.sets[number]
            if todo == "check":
                limit, slack = _whole(command["maxBytes"]), float(str(command["slack"]))
                return self.check(chosen, Path(str(command["file"])), limit, slack)
            if todo == "share":
                return {"share": self._needed_share(chosen.inputs, _whole(command["seed"]))}
            key = command["key"]
            if todo == "time":
                lap = self._lap(chosen.inputs, key)
                return {"eventMs": lap.event_ms, "hostMs": lap.host_ms}
            assert todo == "batch"
            base = placed(chosen.inputs, self.device)
            for turn in range(_whole(command["calls"])):
                self._lap(base, key + turn if isinstance(key, int) else None)
            return {}

    def make_set(self, number: int, command: dict[str, Json]) -> dict[str, Json]:
        """Inputs, written for the candidate, and what the reference makes of them."""
        import torch

        base = command.get("from")
        if isinstance(base, int):
            whole = self.sets[base]
            fresh = placed(whole.inputs, self.device, command["key"])
            inputs = _values(map_tensors(fresh, lambda one: one.cpu()))
            expected, mutates = self._expect(inputs)
            made = _InputSet(whole.file, inputs, expected, derived=True)
        else:
            seed = _whole(command["seed"])
            torch.manual_seed(seed)
            inputs = _values(map_tensors(self.problem.inputs(), lambda one: cast(one, self.dtype)))
            if not self.settled:
                self._settle_mode(inputs)
            kind = next((one for one in KINDS if one == command.get("vary")), None)
            if kind is None:
                expected, mutates = self._expect(inputs)
                self._refuse_nan(expected)
                self._note_blindness(expected)
            else:
                variant = self._vary(inputs, kind, seed)
                if isinstance(variant, str):
                    return {"skipped": variant}
                inputs, expected, mutates = variant
            file = self._write(inputs, f"inputs-{number}", _output_guess(inputs))
            made = _InputSet(file, inputs, expected)
        self._keep(number, made)
        self._release()
        sizes: list[Json] = [one.reference.numel() * one.reference.element_size() for one in expected]
        return {
            "file": str(made.file),
            "mutates": mutates,
            "outputBytes": sizes,
            "inputBytes": sum(one.numel() * one.element_size() for one in tensors_in(inputs)),
            "mode": "train" if self.model.training else "eval",
            "notes": list(dict.fromkeys(self.notes)),
        }

    def check(self, inputs: _InputSet, file: Path, max_bytes: int, slack: float) -> dict[str, Json]:
        try:
            outputs = flatten(read_values(file, max_bytes=max_bytes))
        except (NotTensors, OSError) as error:
            message = f"the output cannot be read: {error}"
            return {"how": "shape", "message": message, "maxAbs": None, "maxRel": None, "norm": None}
        rule = Rule(
            KERNELBENCH_TOLERANCE[self.trial.precision],
            scaled=self.trial.compat == "kval",
            slack=slack,
            nan_is_a_value=self.nan_is_a_value,
        )
        moved = [map_tensors(one, lambda tensor: tensor.to(self.device)) for one in outputs]
        found = compare_all(moved, inputs.expected, rule)
        self._release()
        how, message = (found.how, found.message) if isinstance(found, Difference) else (None, "")
        return {
            "how": how,
            "message": message,
            "maxAbs": found.max_abs_error,
            "maxRel": found.max_rel_error,
            "norm": found.norm_error,
        }

    def _expect(self, inputs: list[Any]) -> tuple[list[Expected], bool]:
        """What the reference makes of the inputs, and whether it changes them. Raises InstrumentError."""
        working = placed(inputs, self.device)
        reference = self.model(*working)
        mutates = bool(changed_places([one.cpu() for one in tensors_in(working)], tensors_in(inputs)))
        del working
        leaves = tensors_in(reference)
        if not leaves or len(leaves) != len(flatten(reference)):
            raise broken("the reference returns something that is not a tensor")
        exact = self._exact_outputs(inputs, len(leaves))
        return [Expected(leaf, true).on_host() for leaf, true in zip(leaves, exact, strict=True)], mutates

    def _vary(self, inputs: list[Any], kind: Kind, seed: int) -> tuple[list[Any], list[Expected], bool] | str:
        """The variant with what the reference makes of it, or why it is none to judge by."""
        varied = vary(inputs, kind, generator_for(seed))
        if varied is None:
            return "nothing can be varied"
        try:
            expected, mutates = self._expect(_values(varied))
        except Exception as error:  # nobody promised that the problem can do with such inputs
            return f"the reference fails: {type(error).__name__}: {error}"[:300]
        if not all(is_sound(one) for one in expected):
            return "the reference is not sound"
        if kind == "sparse" and not all(one.reference.dtype.is_floating_point for one in expected):
            return "among so many equal values every index of one is right"
        return _values(varied), expected, mutates

    def _refuse_nan(self, expected: list[Expected]) -> None:
        if not self.nan_is_a_value and any(bool(one.reference.isnan().any()) for one in expected):
            raise broken(
                "the reference's own output holds NaN; nothing can be compared with it"
                " (a problem that means it says NAN_IS_A_VALUE = True)"
            )

    def _note_blindness(self, expected: list[Expected]) -> None:
        for place, one in enumerate(expected):
            if self.trial.compat == "kernelbench" or not one.reference.dtype.is_floating_point:
                continue
            tolerance = KERNELBENCH_TOLERANCE[self.trial.precision]
            if allowance(one.own, one.reference.dtype, tolerance).blind:
                why = "is zero throughout" if one.own.scale == 0 else "drowns in the reference's own rounding"
                self.notes.append(f"output {place} {why}: only KernelBench's tolerance judges it")

    def _keep(self, number: int, made: _InputSet) -> None:
        """Of the sets with files of their own the last two stay; that of a timed call lives for one check."""
        for derived in [place for place, one in self.sets.items() if one.derived]:
            del self.sets[derived]
        self.sets[number] = made
        for old in sorted(place for place, one in self.sets.items() if not one.derived)[:-2]:
            self.sets.pop(old).file.unlink(missing_ok=True)

    def _lap(self, inputs: list[Any], key: Json) -> Lap:
        fresh = placed(inputs, self.device, key)  # while the last ones live: addresses change from call to call
        _, lap = self.clock.lap(lambda: self.model(*fresh))
        self.timed_inputs = fresh
        return lap

    def _needed_share(self, inputs: list[Any], seed: int) -> float:
        import torch

        def call(changed: object) -> list[torch.Tensor]:
            return tensors_in(self.model(*placed(changed, self.device)))

        return needed_share(call, inputs, torch.Generator().manual_seed(seed))

    def _gpu(self) -> dict[str, Json] | None:
        import torch

        if self.device.type != "cuda":
            return None
        about = torch.cuda.get_device_properties(self.device)
        return {
            "uuid": str(about.uuid),
            "bandwidth": peak_bandwidth(about.name, about.memory_clock_rate, about.memory_bus_width),
            "l2Bytes": int(about.L2_cache_size),
        }

    def _settle_mode(self, inputs: list[Any]) -> None:
        """Training mode unless `forward` draws random numbers."""
        self.settled = True
        # In training mode, looking changes running means and the like, which evaluation mode would go by.
        before = [one.clone() for one in self.model.buffers()]
        if not self._draws(inputs):
            return
        for now, was in zip(self.model.buffers(), before, strict=True):
            now.copy_(was)
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
        try:
            model = copy.deepcopy(self.model)  # a call may change what the model keeps from call to call
        except Exception:  # it refuses to be copied
            model = self.model
        model(*_values(map_tensors(inputs, lambda one: one.to(self.device, copy=True))))
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


def placed(values: object, device: str | torch.device, key: Json = None) -> list[Any]:
    """The inputs of one call at addresses of their own on the device; with a `key`, with the values that it makes of
    them. Judge and candidate both make them there, and so to the same bits."""
    import torch

    def place(tensor: torch.Tensor) -> torch.Tensor:
        there = tensor.to(device, copy=True)
        fresh = freshen(there, key) if isinstance(key, int) else there
        assert isinstance(fresh, torch.Tensor)
        return fresh

    return _values(map_tensors(values, place))


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


def _whole(value: Json) -> int:
    assert isinstance(value, int)
    return value


def _values(values: object) -> list[Any]:
    assert isinstance(values, list)
    return values


def _pair(values: object) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = _values(values)
    return args, kwargs
