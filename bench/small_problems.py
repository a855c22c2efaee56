"""Problems of KernelBench made small enough for a CPU: their module's size constants shrunk, batch sizes first."""

from __future__ import annotations

import ast
import re
import time
from typing import Any

from kval_harness.contain import Channel, Json, Limits, run_child
from kval_harness.problem import load_problem

from scratch import scratch

SMALL_WORK = 3e8  # multiplications and additions of a reference
SMALL_VALUES = 3e6  # elements of its inputs, weights and outputs together
BATCH_NAME = re.compile(r"batch|^b$|^bs$", re.IGNORECASE)


def scaled_problem(source: str) -> str | None:
    """The problem with a `SMALL` that makes it small work, the least shrunk of many; None where no size does."""
    constants = _sizes(source)
    seen: set[str] = set()
    for others in (1 << 30, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        for batch in (1 << 30, 16, 4, 2):
            small = {
                name: _shrunk(value, batch if BATCH_NAME.search(name) else others) for name, value in constants.items()
            }
            text = f"{source}\n\nSMALL = {small!r}\n" if small else source
            if not small or text in seen:
                continue
            seen.add(text)
            if _is_small(text):
                return text
    return None


def _sizes(source: str) -> dict[str, Any]:
    """The module's own constants that are whole numbers, or tuples or lists of them."""
    names = {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for whole in node.targets
        for target in (whole.elts if isinstance(whole, ast.Tuple) else [whole])
        if isinstance(target, ast.Name)
    }
    values = vars(load_problem(source).module)
    return {name: values[name] for name in sorted(names) if _is_size(values.get(name))}


def _is_size(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return bool(value) and all(_is_size(one) for one in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _shrunk(value: Any, most: int) -> Any:  # noqa: ANN401
    """Halved until it is at most `most`, so that powers of two and common factors stay; small numbers stay."""
    if isinstance(value, (tuple, list)):
        return type(value)(_shrunk(one, most) for one in value)
    while value > max(most, 1):
        value //= 2
    return value


def _is_small(source: str) -> bool:
    """Whether the problem, shrunk, is small work and its reference still runs."""

    # What a meta tensor's first operation loads, once here instead of in every child.
    import torch._dynamo
    import torch.utils.flop_counter  # noqa: F401

    def task(_: Channel) -> Json:
        return _reference_runs(source)

    with scratch() as folder:
        end = run_child(task, folder=folder, limits=Limits(wall_s=60.0, memory_bytes=4 << 30))
    return end.kind == "returned" and end.value is True


def _reference_runs(source: str) -> bool:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    problem = load_problem(source, small=True)
    with torch.no_grad():
        with torch.device("meta"):
            model = problem.model(*problem.init_inputs())
            inputs = problem.inputs()
            values = sum(one.numel() for one in [*model.parameters(), *(x for x in inputs if torch.is_tensor(x))])
            if values > SMALL_VALUES:
                return False
            with FlopCounterMode(display=False) as counter:
                output = model(*inputs)
        outputs = sum(one.numel() for one in ([output] if torch.is_tensor(output) else output))
        if values + outputs > SMALL_VALUES or counter.get_total_flops() > 2 * SMALL_WORK:
            return False
        torch.manual_seed(0)
        model = problem.model(*problem.init_inputs())
        inputs = problem.inputs()
        began = time.monotonic()
        output = model(*inputs)
        outputs_made = [output] if torch.is_tensor(output) else list(output)
        return time.monotonic() - began < 1.0 and all(bool(one.isfinite().all()) for one in outputs_made)
