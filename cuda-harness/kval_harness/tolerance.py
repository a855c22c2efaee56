"""How far a right output may be from the exact one, told by the reference's own rounding.

Honest kernels sum in another order, fuse, and use the fast instructions. So each output is granted a few times the
error that the working-precision reference itself makes against the same model in double precision, and no less than
what the output's type can hold at all. Two figures come of it: one for every element, relative to |exact| + the
output's own magnitude, and one for the whole output, relative in the Euclidean norm. The second one does not hang on
the unluckiest element, so it sees what is a little wrong everywhere: products in TF32, sums in half precision.
KernelBench's tolerance stays the outer bound of both (`compare`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# A naive sum of 100,000 terms in one running total rounds some 30 times as badly as torch's blocked sums; 16 times the
# reference's error plus the floor (a quarter of KernelBench's tolerance) covers it.
ERROR_FACTOR = 16.0
FLOOR_SHARE = 0.25
# Types of two bytes round so coarsely that the last rounding is nearly the whole error, and everybody makes it.
NARROW_FACTOR = 4.0
NORM_FLOOR = 2.5e-5
ULPS = 2.0
# Elements at a time: on the host what its caches hold, on a GPU what keeps it busy.
HOST_CHUNK = 1 << 17
DEVICE_CHUNK = 1 << 26


@dataclass(frozen=True)
class OwnError:
    """What the reference's output says about itself.

    `scale`: the root mean square of the exact elements, at most 1 (so that it never loosens an absolute tolerance).
    `element`: the largest error, relative to |exact| + scale. `norm`: the error's Euclidean norm over the output's.
    """

    scale: float
    element: float
    norm: float


@dataclass(frozen=True)
class Allowance:
    """The error granted: `element` * (|exact| + scale) + `quantum` to each element, `norm` * |exact| to the whole."""

    element: float
    norm: float
    scale: float
    quantum: float

    @property
    def blind(self) -> bool:
        """Whether zeros would pass for all that this allowance says: the reference's rounding drowns its output."""
        return self.scale == 0.0 or self.norm >= 1.0


def own_error(reference: torch.Tensor, exact: torch.Tensor) -> OwnError:
    """Measures a real output in working precision against the exact one. Elements that are not finite do not count."""
    scale = magnitude(exact)
    worst = wrong = whole = 0.0
    for have, true in chunks(reference, exact):
        error, size = (have - true).abs(), true.abs()
        if not math.isfinite(float(error.sum())):
            usual = error.isfinite()
            error, size = error[usual], size[usual]
        if error.numel():
            worst = max(worst, float((error / (size + scale).clamp_min(1e-300)).max()))
            wrong += float((error * error).sum())
            whole += float((size * size).sum())
    return OwnError(scale, worst, math.sqrt(wrong / whole) if whole else 0.0)


def allowance(own: OwnError, dtype: torch.dtype, tolerance: float, slack: float = 1.0) -> Allowance:
    """`tolerance` is KernelBench's; `slack` multiplies what is granted: more than 1 for inputs that nobody promised."""
    import torch

    about = torch.finfo(dtype)
    narrow = about.bits <= 16
    factor = NARROW_FACTOR if narrow else ERROR_FACTOR
    least = max(FLOOR_SHARE * tolerance, ULPS * about.eps)
    return Allowance(
        element=slack * max(factor * own.element, least),
        norm=slack * max(factor * own.norm, NORM_FLOOR, about.eps),
        scale=own.scale,
        quantum=ULPS * about.tiny * about.eps,
    )


def magnitude(tensor: torch.Tensor) -> float:
    """The root mean square of the finite elements, at most 1."""
    total, count, unit = 0.0, 0, 1.0
    for (part,) in chunks(tensor):
        size = part.abs()
        if not math.isfinite(float(size.sum())):
            size = size[size.isfinite()]
        largest = float(size.max()) if size.numel() else 0.0
        if largest and (total == 0.0 or largest > 1e100 * unit):  # in this unit no square leaves the doubles
            total, unit = total * (unit / largest) * (unit / largest), largest
        total += float((size / unit).square().sum())
        count += size.numel()
    return min(1.0, unit * math.sqrt(total / count)) if count else 0.0


def chunks(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """The flattened tensors piece by piece in double precision, all on the first one's device; one empty piece of
    empty tensors."""
    for piece in pieces(*tensors):
        yield tuple(one.double() for one in piece)


def pieces(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """The same with the types that the tensors have."""
    flat = [tensor.detach().reshape(-1) for tensor in tensors]
    device = flat[0].device
    size = HOST_CHUNK if device.type == "cpu" else DEVICE_CHUNK
    for start in range(0, max(1, flat[0].numel()), size):
        yield tuple(one[start : start + size].to(device) for one in flat)
