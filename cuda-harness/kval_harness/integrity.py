"""Whether a candidate has rewritten the code that runs around it in its own process: the harness, clocks, comparisons.

Its process is the candidate's to do with as it likes, so a clean report proves nothing; a replaced function proves a
lot. The judge's process, which decides, is out of its reach.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

TORCH = {
    "torch": ("allclose", "equal", "isclose", "empty", "full", "no_grad"),
    "torch.cuda": ("Event", "Stream", "synchronize", "current_stream", "stream"),
    "torch.cuda.Event": ("elapsed_time", "record", "synchronize"),
    "torch.Tensor": ("clone", "contiguous", "copy_", "detach", "data_ptr", "numpy", "to", "view"),
    "time": ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time"),
    "json": ("dumps", "loads"),
    "os": ("write", "open", "read"),
}


def snapshot() -> dict[str, object]:
    """Every watched function as it is now, by its name. Taken before the candidate's code runs."""
    return dict(_watched())


def changed(before: dict[str, object]) -> str | None:
    """The first watched name that means something else now."""
    now = dict(_watched())
    return next((name for name, was in before.items() if now.get(name) is not was), None)


def _watched() -> Iterator[tuple[str, object]]:
    for place, module in list(sys.modules.items()):
        if place.startswith("kval_harness") and isinstance(module, ModuleType):
            for name, value in vars(module).items():
                if callable(value):
                    yield f"{place}.{name}", value
                if isinstance(value, type) and value.__module__ == place:
                    yield from ((f"{place}.{name}.{key}", one) for key, one in vars(value).items() if callable(one))
    for place, names in TORCH.items():
        owner: object = None
        for part in place.split("."):
            owner = sys.modules.get(part) if owner is None else getattr(owner, part, None)
        for name in names:
            found = getattr(owner, name, None)
            if found is not None:
                yield f"{place}.{name}", found
