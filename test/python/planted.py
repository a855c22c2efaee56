"""Candidates for the comparison: six problems, the same errors planted in each, and honest ways to compute them.

Each problem computes from its inputs with the sums and the exponential that it is given, so that one list of ways to
sum (in another order, in half precision, not to the end) serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy
import torch
import torch.nn.functional as F
from kval_harness.compare import Expected

Sums = Callable[[torch.Tensor], torch.Tensor]  # over the last dimension
Elementwise = Callable[[torch.Tensor], torch.Tensor]
Inputs = list[torch.Tensor]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class How:
    """How a candidate computes. `eps` and `bias` are what normalisations and convolutions add."""

    sums: Sums = field(default=lambda terms: terms.sum(-1))
    exp: Elementwise = torch.exp
    rounded: Elementwise = field(default=lambda tensor: tensor)
    eps: float = 1e-5
    bias: bool = True


@dataclass(frozen=True)
class Problem:
    """`make` gives inputs in fp32; `reference` is what a problem's `Model` says, in any precision; `compute` what a
    kernel does with fp32 arithmetic."""

    name: str
    make: Callable[[torch.Generator], Inputs]
    reference: Callable[..., torch.Tensor]
    compute: Callable[[Inputs, How], torch.Tensor]

    def inputs(self, seed: int, precision: str) -> Inputs:
        return [one.to(DTYPES[precision]) for one in self.make(torch.Generator().manual_seed(seed))]

    def expected(self, inputs: Inputs) -> Expected:
        return Expected(self.reference(*inputs), self.reference(*[one.double() for one in inputs]))

    def candidate(self, inputs: Inputs, how: How) -> torch.Tensor:
        return self.compute([one.float() for one in inputs], how).to(inputs[0].dtype)


def problems() -> list[Problem]:
    """Six kinds of problem, on shapes that suit blocks of 32 and on shapes that do not, with inputs of one sign (as
    KernelBench's are) and of both."""
    return [
        *(_softmax(rows, columns, draw) for rows, columns, draw in ((7, 1000, _randn), (2, 131_072, _rand))),
        *(_matmul(m, k, n, draw) for m, k, n, draw in ((40, 700, 40, _rand), (33, 1024, 65, _randn))),
        *(_layer_norm(rows, columns, draw) for rows, columns, draw in ((64, 256, _rand), (5, 1023, _randn))),
        *(_conv(channels, size, draw) for channels, size, draw in ((16, 12, _rand), (33, 9, _randn))),
        *(_cumsum(rows, columns, draw) for rows, columns, draw in ((8, 2048, _rand), (3, 1500, _randn))),
        *(_mean(rows, columns, draw) for rows, columns, draw in ((64, 4096, _rand), (9, 2500, _randn))),
    ]


# --- ways to sum -----------------------------------------------------------------------------------------------------


def sequential(terms: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """One running total, rounded to `dtype` after every addition."""
    totals = numpy.add.accumulate(terms.to(dtype).numpy(), axis=-1)
    return torch.from_numpy(totals[..., -1].copy()).float()


def tree(terms: torch.Tensor) -> torch.Tensor:
    while terms.shape[-1] > 1:
        terms = F.pad(terms, (0, terms.shape[-1] % 2))
        terms = terms[..., ::2] + terms[..., 1::2]
    return terms[..., 0]


def kahan(terms: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(terms.shape[:-1])
    lost = torch.zeros_like(total)
    for place in range(terms.shape[-1]):
        step = terms[..., place] - lost
        now = total + step
        lost, total = (now - total) - step, now
    return total


def strided(terms: torch.Tensor) -> torch.Tensor:
    """A block of 32 threads: each sums every 32nd term in turn, then a tree."""
    padded = F.pad(terms, (0, -terms.shape[-1] % 32))
    return tree(sequential(padded.reshape(*terms.shape[:-1], -1, 32).transpose(-1, -2)))


def split(terms: torch.Tensor) -> torch.Tensor:
    """Split-K: four parts, added in an order that nobody promised."""
    parts = [sequential(part) for part in terms.tensor_split(4, dim=-1)]
    return parts[2] + parts[0] + parts[3] + parts[1]


def backwards(terms: torch.Tensor) -> torch.Tensor:
    return sequential(terms.flip(-1))


def fused(terms: torch.Tensor) -> torch.Tensor:
    """Products kept exact until they are added, as FMA does: the terms come in fp32, so this sums pairs exactly."""
    wide = F.pad(terms, (0, terms.shape[-1] % 2)).double()
    return sequential((wide[..., ::2] + wide[..., 1::2]).float())


def half_sums(terms: torch.Tensor) -> torch.Tensor:
    return sequential(terms, torch.float16)


def truncated(terms: torch.Tensor) -> torch.Tensor:
    """The first 99%."""
    return terms[..., : int(terms.shape[-1] * 0.99)].sum(-1)


def without_last(terms: torch.Tensor) -> torch.Tensor:
    return terms[..., :-1].sum(-1)


def fast_exp(tensor: torch.Tensor) -> torch.Tensor:
    """`__expf`: relative errors of some 2e-6."""
    noise = torch.rand(tensor.shape, generator=torch.Generator().manual_seed(9)) * 2 - 1
    return torch.exp(tensor) * (1 + 2e-6 * noise)


def tf32(tensor: torch.Tensor) -> torch.Tensor:
    """Rounded to the 10 bits of mantissa that tensor cores keep of a float."""
    return ((tensor.view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def bf16(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.bfloat16().float()


HONEST: dict[str, How] = {
    "one running total": How(sums=sequential),
    "backwards": How(sums=backwards),
    "a tree": How(sums=tree),
    "32 threads and a tree": How(sums=strided),
    "compensated (Kahan)": How(sums=kahan),
    "split in four": How(sums=split),
    "fused multiply-add": How(sums=fused),
    "fast exponential": How(exp=fast_exp),
    "as torch does": How(),
}

# What is computed wrongly. Where a problem has no such part (no products, no bias, no eps) its output is unchanged.
MISCOMPUTED: dict[str, How] = {
    "half-precision sums": How(sums=half_sums),
    "the last term forgotten": How(sums=without_last),
    "the first 99% summed": How(sums=truncated),
    "inputs rounded to bf16": How(rounded=bf16),
    "inputs rounded to TF32": How(rounded=tf32),
    "eps of 1e-3": How(eps=1e-3),
    "eps of 1e-6": How(eps=1e-6),
    "bias dropped": How(bias=False),
}


def spoilt(output: torch.Tensor, inputs: Inputs) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Name, what must be said about it, and the output with the error in it."""

    def put(value: float, *places: int) -> torch.Tensor:
        changed = output.clone()
        changed.view(-1)[list(places)] = value
        return changed

    def bits(pattern: int) -> torch.Tensor:
        changed = output.clone()
        changed.view(-1)[3:4].view(torch.uint8)[:] = pattern
        return changed

    def zero(change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        changed = output.clone()
        change(changed)[...] = 0
        return changed

    flat = output.reshape(-1)
    largest = int(flat.abs().argmax())
    share = 1.01 if output.dtype == torch.float32 else 1.05
    yield "last element zero", "values", put(0.0, -1)
    yield "last row zero", "values", zero(lambda one: one.reshape(one.shape[0], -1)[-1])
    yield "last block of 32 zero", "values", zero(lambda one: one.view(-1)[-32:])
    yield "off by one", "values", flat.roll(1).reshape(output.shape)
    yield "one element off by 1% (5%)", "values", put(float(flat[largest]) * share, largest)
    if output.dim() == 2 and output.shape[0] == output.shape[1]:
        yield "dimensions swapped", "values", output.t().contiguous()
    yield "an element of 0x5A bytes", "values", bits(0x5A)
    yield "an element of 0xFF bytes", "non-finite", bits(0xFF)
    yield "one NaN", "non-finite", put(float("nan"), 2)
    yield "one infinity", "non-finite", put(float("inf"), 2)
    yield "zeros", "values", torch.zeros_like(output)
    yield "the mean everywhere", "values", torch.full_like(output, float(output.double().mean()))
    source = inputs[0].reshape(-1)
    yield (
        "a copy of the input",
        "values",
        source.repeat(-(-flat.numel() // source.numel()))[: flat.numel()].reshape(output.shape),
    )
    yield "wrong type", "dtype", output.double()
    yield "a dimension more", "shape", output[..., None]
    yield "flattened", "shape", output.reshape(1, -1)
    yield "a row too few", "shape", output[:-1]
    if output.dtype == torch.float32:
        yield "scaled by 1.001", "values", output * 1.001


# --- the problems ----------------------------------------------------------------------------------------------------


def _rand(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=generator)


def _randn(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator)


Draw = Callable[..., torch.Tensor]


def _softmax(rows: int, columns: int, draw: Draw) -> Problem:
    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        x = how.rounded(inputs[0])
        powers = how.exp(x - x.amax(1, keepdim=True))
        return powers / how.sums(powers)[:, None]

    return Problem(
        f"softmax {rows}x{columns}", lambda g: [draw(g, rows, columns)], lambda x: torch.softmax(x, 1), compute
    )


def _matmul(m: int, k: int, n: int, draw: Draw) -> Problem:
    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        left, right = map(how.rounded, inputs)
        return how.sums(left[:, None, :] * right.t()[None])

    return Problem(
        f"matmul {m}x{k}x{n} {draw.__name__[1:]}",
        lambda g: [draw(g, m, k), draw(g, k, n)],
        lambda left, right: left @ right,
        compute,
    )


def _layer_norm(rows: int, columns: int, draw: Draw) -> Problem:
    def make(g: torch.Generator) -> Inputs:
        return [draw(g, rows, columns), _rand(g, columns) + 0.5, _randn(g, columns)]

    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        x, weight, bias = inputs
        x = how.rounded(x)
        centred = x - how.sums(x)[:, None] / columns
        variance = how.sums(centred * centred)[:, None] / columns
        return centred * torch.rsqrt(variance + how.eps) * weight + (bias if how.bias else 0)

    return Problem(
        f"layer norm {rows}x{columns} {draw.__name__[1:]}",
        make,
        lambda x, weight, bias: F.layer_norm(x, (columns,), weight, bias),
        compute,
    )


def _conv(channels: int, size: int, draw: Draw) -> Problem:
    def make(g: torch.Generator) -> Inputs:
        return [draw(g, 2, channels, size, size), _randn(g, 8, channels, 3, 3) / 10, _randn(g, 8)]

    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        x, weight, bias = inputs
        patches = F.unfold(how.rounded(x), 3).transpose(1, 2)
        product = how.sums(patches[:, :, None, :] * how.rounded(weight).reshape(8, -1)[None, None])
        side = size - 2
        output = product.transpose(1, 2).reshape(2, 8, side, side)
        return output + bias[:, None, None] if how.bias else output

    return Problem(f"conv {channels}x{size} {draw.__name__[1:]}", make, F.conv2d, compute)


def _cumsum(rows: int, columns: int, draw: Draw) -> Problem:
    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        x = F.pad(how.rounded(inputs[0]), (0, -columns % 64)).reshape(rows, -1, 64)
        inner = x.cumsum(-1)
        carries = [how.sums(x[:, :block].reshape(rows, -1)) for block in range(1, x.shape[1])]
        carry = torch.stack([torch.zeros(rows), *carries], 1)
        return (inner + carry[..., None]).reshape(rows, -1)[:, :columns].contiguous()

    return Problem(
        f"cumsum {rows}x{columns} {draw.__name__[1:]}",
        lambda g: [draw(g, rows, columns)],
        lambda x: x.cumsum(1),
        compute,
    )


def _mean(rows: int, columns: int, draw: Draw) -> Problem:
    def compute(inputs: Inputs, how: How) -> torch.Tensor:
        return how.sums(how.rounded(inputs[0])) / columns

    return Problem(
        f"mean {rows}x{columns} {draw.__name__[1:]}", lambda g: [draw(g, rows, columns)], lambda x: x.mean(1), compute
    )
