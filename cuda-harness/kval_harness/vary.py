"""Other inputs of the same kind, made from a problem's own: for extra trials, and for every timed call.

One distribution hides errors: positive terms average rounding away, equal magnitudes hide a dropped bias or a wrong
eps, a long mean hides its last terms. `vary` changes how the values are distributed and nothing that a kernel may
rely on: no value leaves the range that the tensor has, zeros stay zeros (triangles, masks), rows that sum to one still
do, symmetric matrices stay symmetric; integers, labels written as floats, sorted and logarithmic probabilities are
left alone.

A variant only counts where the reference stays sound on it (`is_sound`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from kval_harness.compare import Expected
from kval_harness.tensors import map_tensors

if TYPE_CHECKING:
    import torch

Kind = Literal["scaled", "clustered", "sparse", "mirrored"]
KINDS: tuple[Kind, ...] = ("scaled", "clustered", "sparse", "mirrored")
# What a mismatch on a variant must exceed, in the usual allowance: nobody promised such inputs.
VARIANT_SLACK = 4.0
SCALE = 1 / 8
CLUSTER = 1 / 4
KEPT = 1 / 16
LABELS = 16
SOUND_ERROR = {2: 0.02, 4: 1e-3, 8: 1e-3}


def vary(inputs: object, kind: Kind, generator: torch.Generator) -> object | None:
    """The same tree with its floating tensors varied; None where nothing could be. On the tensors' own device, with
    random numbers drawn on the generator's.

    scaled: an eighth of the distance to the value nearest to zero. clustered: a quarter of the range, somewhere in it.
    sparse: one value in sixteen kept, the others the one nearest to zero. mirrored: the range turned round.
    """
    changed = False

    def one(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal changed
        if not _is_free(tensor):
            return tensor
        changed = True
        return _varied(tensor, kind, generator)

    varied = map_tensors(inputs, one)
    return varied if changed else None


def generator_for(seed: int) -> torch.Generator:
    """What a variant of the inputs of that seed is drawn with: not the inputs' own numbers once more, or uniform inputs
    would say themselves which of their values are kept."""
    import torch

    return torch.Generator().manual_seed((seed + 1) % 2**63)


def freshen(inputs: object, key: int) -> object:
    """New values for a timed call that a cache cannot have seen: floating tensors times a number in (31/32, 1] that
    `key` decides. Zeros, signs and the order of values stay; integers do too."""
    import torch

    factor = 1 - (key % 4099) / 4099 / 32

    def one(tensor: torch.Tensor) -> torch.Tensor:
        # Labels written as floats must stay what they are, and who made the inputs decides which those are.
        if not tensor.dtype.is_floating_point or not _is_free(tensor):
            return tensor
        return torch.mul(tensor, factor)

    return map_tensors(inputs, one)


def is_sound(expected: Expected) -> bool:
    """Whether a variant's reference output can judge: finite, and not drowned in its own rounding."""
    import torch

    reference = expected.reference
    if not reference.dtype.is_floating_point:
        return not reference.dtype.is_complex
    if not bool(torch.isfinite(reference).all()):
        return False
    if expected.exact is None or not bool(torch.isfinite(expected.exact).all()):
        return False
    own = expected.own
    return own.scale > 0 and own.norm <= SOUND_ERROR.get(reference.dtype.itemsize, 0.0)


def _is_free(tensor: torch.Tensor) -> bool:
    """Whether the values are measurements, so to speak, and not names, positions or what must keep a form."""
    if not tensor.dtype.is_floating_point or tensor.numel() < 2 or tensor.is_sparse:
        return False
    flat = tensor.detach().reshape(-1)
    if not bool(flat.isfinite().all()):
        return False
    some = flat[:: max(1, flat.numel() // 4096)].double()
    few = flat.numel() > LABELS and int(some.unique().numel()) <= LABELS
    if few or bool((some == some.round()).all()):
        return False
    if tensor.dim() == 1 and flat.numel() > 2 and bool((flat[1:] >= flat[:-1]).all()):
        return False
    return not _are_log_probabilities(tensor)


def _varied(tensor: torch.Tensor, kind: Kind, generator: torch.Generator) -> torch.Tensor:
    import torch

    values = tensor if tensor.dtype.itemsize > 4 else tensor.float()
    low, high = float(values.min()), float(values.max())
    nearest = min(max(0.0, low), high)
    if kind == "scaled":
        # Where the range keeps away from zero, moving close to its edge would leave nothing but the offset.
        share = SCALE if abs(nearest) <= (high - low) / 8 else 0.5
        changed = nearest + (values - nearest) * share
    elif kind == "clustered":
        start = float(torch.rand((), generator=generator, device=generator.device)) * (1 - CLUSTER)
        changed = low + (high - low) * start + (values - low) * CLUSTER
    elif kind == "sparse":
        drawn = torch.rand(values.shape, generator=generator, device=generator.device).to(values.device)
        if _is_symmetric(tensor):
            drawn = torch.minimum(drawn, drawn.mT)
        changed = torch.where(drawn < KEPT, values, nearest)
    else:
        changed = low + high - values
    changed = torch.where(values == 0, 0.0, changed.clamp(low, high))
    if _are_probabilities(tensor):
        changed = changed / changed.sum(-1, keepdim=True).clamp_min(1e-30)
    return changed.to(tensor.dtype)


def _are_probabilities(tensor: torch.Tensor) -> bool:
    import torch

    if tensor.dim() == 0 or tensor.shape[-1] < 2 or bool((tensor < 0).any()):
        return False
    return _are_ones(tensor.sum(-1, dtype=torch.float64), tensor)


def _are_log_probabilities(tensor: torch.Tensor) -> bool:
    import torch

    if tensor.dim() == 0 or tensor.shape[-1] < 2 or bool((tensor > 0).any()):
        return False
    return _are_ones(tensor.float().exp().sum(-1, dtype=torch.float64), tensor)


def _are_ones(sums: torch.Tensor, source: torch.Tensor) -> bool:
    import torch

    room = 1e-3 if source.dtype.itemsize >= 4 else 8 * torch.finfo(source.dtype).eps * math.sqrt(source.shape[-1])
    return bool(((sums - 1).abs() <= room).all())


def _is_symmetric(tensor: torch.Tensor) -> bool:
    import torch

    square = tensor.dim() >= 2 and tensor.shape[-1] == tensor.shape[-2]
    return square and bool(torch.equal(tensor, tensor.mT))
