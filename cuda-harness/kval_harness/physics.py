"""The least time that a call can take at all: what must be moved, over what the memory can move.

The floor is held low on purpose. Inputs count once; outputs only beyond what the L2 cache can keep back; weights not
at all, for a kernel may keep its own packed copy. Where the reference itself beats the floor the problem needs only a
part of its inputs (an embedding, a slice), and the floor says nothing until `needed_share` has looked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kval_harness.tensors import map_tensors, tensors_in

if TYPE_CHECKING:
    import torch

# Bytes a second by the maker's data sheets, for devices whose attributes do not tell. First match wins.
BANDWIDTHS: tuple[tuple[str, float], ...] = (
    (r"GB200|GB300|B200|B300", 8.0e12),
    (r"\bB100\b", 8.0e12),
    (r"GH200", 4.9e12),
    (r"H200", 4.9e12),
    (r"H100.*NVL", 3.94e12),
    (r"H100.*PCIe", 2.04e12),
    (r"H100|H800|H20\b", 4.0e12),
    (r"A100.*80|A800.*80", 2.04e12),
    (r"A100|A800", 1.56e12),
    (r"L40", 0.87e12),
    (r"\bL4\b", 0.30e12),
    (r"A10G?\b", 0.60e12),
    (r"A6000|RTX 6000 Ada", 0.96e12),
    (r"RTX PRO 6000", 1.8e12),
    (r"V100", 1.13e12),
    (r"\bT4\b", 0.32e12),
    (r"5090", 1.8e12),
    (r"4090|3090", 1.01e12),
)
# Peak figures are rounded, and events tick in half microseconds.
MARGIN = 0.9
LEAST_MS = 0.0005
PROBES = 24


@dataclass(frozen=True)
class Traffic:
    """Bytes that a call must read and write once."""

    input_bytes: int
    output_bytes: int
    l2_bytes: int = 0

    @property
    def least_bytes(self) -> int:
        return self.input_bytes + max(0, self.output_bytes - self.l2_bytes)


def floor_ms(moved_bytes: float, bandwidth_bytes_per_s: float) -> float:
    """The least time in which so many bytes can be moved at all."""
    return moved_bytes / bandwidth_bytes_per_s * 1000


def peak_bandwidth(name: str, memory_clock_khz: int | None, bus_bits: int | None) -> float | None:
    """Bytes a second: from the device's attributes (two transfers a cycle) or the table, whichever is more; None for a
    device that neither knows."""
    told = memory_clock_khz * 1e3 * 2 * bus_bits / 8 if memory_clock_khz and bus_bits else 0.0
    listed = next((bandwidth for sign, bandwidth in BANDWIDTHS if re.search(sign, name)), 0.0)
    return max(told, listed) or None


def why_impossible(
    candidate_ms: float, reference_ms: float, traffic: Traffic, bandwidth: float | None, share: float = 1.0
) -> str | None:
    """The evidence that no device can be so fast; None where it can, or where nothing is known. `share` is the part
    of the inputs that the output depends on (`needed_share`)."""
    if candidate_ms < LEAST_MS:
        return f"{candidate_ms:.3g} ms is less than a clock of the device can tell"
    if bandwidth is None:
        return None
    needed = Traffic(int(traffic.input_bytes * share), traffic.output_bytes, traffic.l2_bytes).least_bytes
    floor = MARGIN * floor_ms(needed, bandwidth)
    if candidate_ms >= floor or reference_ms < floor:
        return None
    return f"{candidate_ms:.4g} ms where {needed} bytes at {bandwidth:.3g} bytes a second need {floor:.4g} ms"


def needed_share(
    call: Callable[[object], list[torch.Tensor]], inputs: object, generator: torch.Generator, probes: int = PROBES
) -> float:
    """How much of the inputs' bytes the reference's output depends on, by changing single elements: a cautious share
    between 0 and 1. `call` runs the reference on a copy of `inputs` and gives its outputs.

    Only floating inputs are probed; the bytes of the others count as not needed.
    """
    import torch

    before = call(inputs)
    sizes = [one.numel() * one.element_size() for one in tensors_in(inputs)]
    free = [place for place, one in enumerate(tensors_in(inputs)) if one.dtype.is_floating_point and one.numel()]
    if not free:
        return 0.0
    weights = torch.tensor([float(sizes[place]) for place in free])
    hits = 0
    for _ in range(probes):
        chosen = free[int(torch.multinomial(weights, 1, generator=generator))]
        after = call(_with_one_changed(inputs, chosen, generator))
        hits += any(not torch.equal(now, was) for now, was in zip(after, before, strict=True))
    # Two standard errors below what was seen; all hit means at least seven eighths with 24 probes.
    seen = hits / probes
    error = math.sqrt(max(seen * (1 - seen), 1 / (4 * probes)) / probes)
    probed = float(sum(sizes[place] for place in free) / sum(sizes))
    return max(0.0, seen - 2 * error) * probed


def _with_one_changed(inputs: object, chosen: int, generator: torch.Generator) -> object:
    """The inputs with one element of the `chosen` tensor not a number: what reads it shows it."""
    import torch

    target = tensors_in(inputs)[chosen]

    def change(tensor: torch.Tensor) -> torch.Tensor:
        if tensor is not target:
            return tensor
        changed = tensor.clone(memory_format=torch.contiguous_format)
        changed.view(-1)[int(torch.randint(changed.numel(), (1,), generator=generator))] = float("nan")
        return changed

    return map_tensors(inputs, change)
