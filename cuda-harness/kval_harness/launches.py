"""What stands between a candidate and the launches of its kernels, in the candidate's own process.

One protocol for every device: in which order threads run, how launches are counted, whether they can be left out, and
what the device has to say about them. What is said here is the word of the candidate's process; see `execute.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from kval_harness.build.diagnostics import demangle
from kval_harness.contain import Json
from kval_harness.judge import Trial

if TYPE_CHECKING:
    import torch

    from kval_harness.cpu_device.operators import Watch

Order = Literal["forward", "reverse", "random"]
ORDERS: tuple[Order, ...] = ("forward", "reverse", "random")
LAUNCHES = 500
LINTS = 20
SHOWN_SHARE = 1e-3  # of an output's elements: what a kernel may add to it and still be there for show


class CudaFault(Exception):
    """A kernel did what no kernel may; whatever the candidate made of it, this is the reason."""


class Unsupported(Exception):
    """The device cannot do what the candidate asks of it: nobody's fault, and no verdict."""


class LaunchControl(Protocol):
    def turn(self, command: dict[str, Json]) -> AbstractContextManager[None]:
        """One call of the model, as far as the device can: over fresh memory full of the command's `poison`, with
        threads in its `order` (`orderSeed` where that is random), without any launch where it says `skipLaunches`."""

    def account(self) -> dict[str, Json]:
        """What the device says of the last turn: `fault`, `unsupported`, `lints`, `launches`, as far as it can."""

    def count(self, call: Callable[[], object]) -> Json:
        """The kernels of one call with their counts; null where nobody can count them."""

    def made_by_library(self, outputs: list[object], inputs: list[torch.Tensor]) -> str | None:
        """The operators that made all outputs of the last turn without any kernel of the candidate's; None where none
        did or nobody can tell. `inputs`: as they were; an output that is one of them again tells nothing."""

    def blame(self, error: BaseException) -> BaseException:
        """The reason for what the candidate raised."""


def launch_control(trial: Trial) -> LaunchControl:
    if trial.device.kind == "cpu":
        return Software(trial.threads or 1)
    return Hardware(trial.device.torch_name())


@dataclass(frozen=True)
class Hardware:
    """A real device chooses its own order and says nothing; torch's profiler counts what runs on a GPU."""

    torch_device: str

    def turn(self, command: dict[str, Json]) -> AbstractContextManager[None]:
        return nullcontext()

    def account(self) -> dict[str, Json]:
        return {}

    def count(self, call: Callable[[], object]) -> Json:
        """Null where the profiler sees none of torch's own kernels either."""
        import torch
        from torch.profiler import ProfilerActivity, profile

        if not self.torch_device.startswith("cuda"):
            return None
        control = torch.ones(1024, device=self.torch_device)
        with profile(activities=[ProfilerActivity.CUDA]) as trace:
            control.cos_()
            torch.cuda.synchronize(self.torch_device)
            call()
            torch.cuda.synchronize(self.torch_device)
        names = Counter(
            event.name
            for event in trace.events()
            if "cuda" in str(event.device_type).lower() and not event.name.startswith(("Memcpy", "Memset"))
        )
        seen = [name for name in names if "cos" in name.lower()]
        if not seen:
            return None
        names[seen[0]] -= 1
        launches: list[Json] = [{"name": name[:500], "count": count} for name, count in names.items() if count > 0]
        return launches[:LAUNCHES]

    def made_by_library(self, outputs: list[object], inputs: list[torch.Tensor]) -> str | None:
        return None

    def blame(self, error: BaseException) -> BaseException:
        return error


class Software:
    """CUDA in software: it runs threads in the order it is told, sees every fault, and can leave kernels out."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._watch: Watch | None = None
        self._arrange("forward", 0)

    @contextmanager
    def turn(self, command: dict[str, Json]) -> Iterator[None]:
        from kval_harness.cpu_device import runtime
        from kval_harness.cpu_device.operators import unwatch, watch

        order: Order = next((one for one in ORDERS if one == command.get("order")), "forward")
        seed, poison = command.get("orderSeed"), command.get("poison")
        self._arrange(order, seed if isinstance(seed, int) else 0)
        runtime.poison(poison if isinstance(poison, int) else 0xFF)
        runtime.reset_report()
        runtime.skip_launches(command.get("skipLaunches") is True)
        sizes = command.get("outputBytes")
        listed = sizes if isinstance(sizes, list) else []
        self._watch = watch(frozenset(one for one in listed if isinstance(one, int)))
        try:
            yield
        finally:
            unwatch()
            runtime.skip_launches(False)

    def account(self) -> dict[str, Json]:
        from kval_harness.cpu_device import runtime

        report = runtime.report()
        launches: list[Json] = [
            {"name": demangle(name)[:500], "count": count} for name, count in report.launches.items()
        ]
        lints: list[Json] = list(report.lints[:LINTS])
        return {
            "fault": report.fault,
            "unsupported": report.unsupported,
            "lints": lints,
            "launches": launches[:LAUNCHES],
        }

    def count(self, call: Callable[[], object]) -> Json:
        with self.turn({}):
            call()
        return self.account()["launches"]

    def made_by_library(self, outputs: list[object], inputs: list[torch.Tensor]) -> str | None:
        names = [self._maker(one, inputs) for one in outputs]
        found = list(dict.fromkeys(name for name in names if name is not None))
        return ", ".join(found) if found and None not in names else None

    def _maker(self, output: object, inputs: list[torch.Tensor]) -> str | None:
        """The operator that made the values of `output` from what no kernel of the candidate's had touched."""
        import torch

        if self._watch is None or not isinstance(output, torch.Tensor) or output.numel() == 0 or output.is_complex():
            return None
        value = torch.Tensor.detach(output).cpu().double().reshape(-1)
        for name, made in self._watch.made:
            # What is one value all over was filled, not made; what is filled and nearly right is a sparse answer.
            if made.numel() == value.numel() and not made.is_complex() and bool((made != made.reshape(-1)[0]).any()):
                again = any(_is_shown(one.detach().cpu().double().reshape(-1), value) for one in inputs)
                if not again and _is_shown(made.double().reshape(-1), value):
                    return name
        return None

    def blame(self, error: BaseException) -> BaseException:
        from kval_harness.cpu_device import runtime

        report = runtime.report()
        if report.unsupported:
            return Unsupported(report.unsupported)
        return CudaFault(report.fault) if report.fault else error

    def _arrange(self, order: Order, seed: int) -> None:
        from kval_harness.cpu_device import runtime

        # A shuffle that names absent lanes works on GPUs, as a rule, though CUDA does not allow it: a lint, no fault.
        # Looking for races costs more than the rest of a run together: one order of the three does it.
        runtime.configure(order, seed, self._threads, lenient_masks=True, races=order == "random")


def _is_shown(made: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether all but a few elements of `value` are there in `made` already."""
    if made.shape != value.shape:
        return False
    wrong = ~((made == value) | ((made - value).abs() <= 1e-6 + 1e-6 * value.abs()))
    return bool(wrong.sum() <= SHOWN_SHARE * value.numel())
