"""Torch on the software device: what an operator gives for CUDA tensors is, to the bit, what it gives for CPU ones.

The software CUDA must come before torch, so this file is also a program that each test runs in a process of its own.
"""

# ruff: noqa: ANN401

from __future__ import annotations

import contextlib
import copy
import ctypes
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kval_harness.cpu_device import operators, runtime

if __name__ == "__main__":
    runtime.preload(Path(sys.argv[1]))

import pytest
import torch
import torch.nn.functional as F
from kval_harness.build.toolchain import find_toolchain
from kval_harness.outcome import InstrumentError
from torch import nn

if TYPE_CHECKING:
    Case = tuple[Callable[..., Any], tuple[torch.Tensor, ...]]

ACTIVATIONS = (F.relu, F.gelu, F.silu, F.mish, F.elu, F.selu, F.softplus, F.hardswish, F.leaky_relu, F.hardtanh, F.glu)
SCHEMES = ("conv", "batch", "group", "layer", "instance", "rms", "lstm", "gru", "rnn", "prelu", "mlp", "attention")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    try:
        return runtime.prepare_runtime(find_toolchain(cache), cache)
    except InstrumentError as error:
        if error.code != "toolchain-missing":
            raise
        pytest.skip(error.message)


def run(library: Path, program: str) -> Any:
    """What `program`, a function of this file, returns in a process with the software CUDA."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "cuda-harness")}
    command = [sys.executable, "-W", "ignore", __file__, str(library), program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_operators_give_what_the_cpu_gives(library: Path) -> None:
    result = run(library, "compare_all")
    assert result["wrong"] == {}
    assert result["count"] > 65
    assert result["unsupported"] is None


def test_gradients_are_the_cpus(library: Path) -> None:
    assert run(library, "compare_gradients") == {"wrong": {}, "learned": sorted(SCHEMES)}


def test_convolutions_can_be_traced(library: Path) -> None:
    assert run(library, "trace_convolutions") == []


def test_tensors_of_two_devices_do_not_mix(library: Path) -> None:
    result = run(library, "mix_devices")
    assert all("Expected all tensors to be on the same device" in words for words in result["refused"])
    assert result["allowed"] == [6.0, 3.0, 3.0, 4.0]


def test_children_use_cuda_after_a_fork(library: Path) -> None:
    assert run(library, "fork") == {"parent": False, "child": 12.0}


def test_cublas_multiplies_as_torch_does(library: Path) -> None:
    result = run(library, "call_cublas")
    assert result["wrong"] == []
    assert result["status"] == 13
    assert result["fault"].startswith("cublasSgemm: operand B of 80 bytes reaches out of its memory: 0 bytes past")
    assert result["later"] == 700


def test_autocast_threads_generators_and_refusals(library: Path) -> None:
    result = run(library, "use_otherwise")
    assert result["autocast"] == ["torch.float16", "torch.bfloat16", True]
    assert result["threads"] == [3.0] * 4
    assert result["random"] == [True, True, 0.0]
    assert result["printed"] == "tensor([1., 2.], device='cuda:0')"
    assert result["conv"] == result["fallback"]
    assert result["unsupported"] == "operators on tensors of layout torch.sparse_coo"


def functions() -> dict[str, Case]:
    x, y, image = torch.randn(6, 5), torch.randn(6, 5), torch.randn(2, 3, 9, 9)
    batch, other, square = torch.randn(3, 4, 5), torch.randn(3, 5, 6), torch.randn(5, 5)
    heads, target, places = torch.randn(2, 2, 4, 8), torch.arange(6) % 5, torch.randint(0, 5, (6, 5))
    return {
        "arithmetic": (lambda a, b: (a + b, a * b - 2 / b, a * torch.tensor(2.0), a[0] ** 2 + a), (x, y)),
        "compare": (lambda a, b: ((a > b) & (a < 1), ~(a > 0), a.eq(b), a.isnan().any(), a.bool()), (x, y)),
        "integers": (lambda a: (a // 3, a % 3, a << 1, a ^ 5, a.float() / 3), (torch.arange(20),)),
        "pointwise": (lambda a: a.abs().pow(1.5).exp().log1p().sqrt().rsqrt().sin().erf(), (x,)),
        "activations": (lambda a: [f(a) for f in ACTIVATIONS], (torch.randn(6, 8),)),
        "reductions": (
            lambda a: (a.sum(), a.mean(1), a.var(0), a.std(), a.max(), a.min(1), a.argmax(1), a.prod(1), a.norm()),
            (x,),
        ),
        "more reductions": (lambda a: (a.logsumexp(1), a.amax((0, 1)), (a > 0).all(), (a > 0).sum(), a.median()), (x,)),
        "cumulative": (lambda a: (a.cumsum(0), a.cumprod(1), a.cummax(0), a.logcumsumexp(1)), (x,)),
        "sorting": (lambda a: (a.sort(1), a.topk(2, 0), a.argsort(), a.kthvalue(2), a.unique()), (x,)),
        "matmul": (lambda a, b: (a @ b.T, torch.mm(a, b.T), torch.addmm(a @ b.T, a, b.T, beta=0.5, alpha=2)), (x, y)),
        "bmm": (lambda a, b: (a @ b, torch.bmm(a, b), torch.baddbmm(a @ b, a, b)), (batch, other)),
        "vectors": (lambda a, b: (a @ b[0], torch.dot(b[0], b[1]), torch.outer(a[0], b[0]), torch.mv(a, b[1])), (x, y)),
        "einsum": (lambda a, b: (torch.einsum("bij,bjk->bik", a, b), torch.einsum("bij->bji", a)), (batch, other)),
        "half": (lambda a, b: (a.half() @ b.half().T, a.bfloat16() @ b.bfloat16().T, a.half().softmax(1)), (x, y)),
        "linalg": (lambda a: (torch.linalg.inv(a), torch.linalg.det(a), torch.linalg.svdvals(a), a.trace()), (square,)),
        "fft": (lambda a: (torch.fft.fft(a), torch.fft.irfft(torch.fft.rfft(a))), (square,)),
        "complex": (
            lambda a: (torch.view_as_complex(a).conj() * 2, torch.view_as_complex(a).conj().imag + 1),
            (x[:, :2].clone(),),
        ),
        "sdpa": (
            lambda q, k: [F.scaled_dot_product_attention(q, k, k, is_causal=causal) for causal in (False, True)],
            (heads, heads * 2),
        ),
        "softmax": (lambda a: (a.softmax(1), F.log_softmax(a, 0), F.normalize(a), F.layer_norm(a, (5,))), (x,)),
        "regression": (
            lambda a, b: (F.mse_loss(a, b), F.l1_loss(a, b), F.smooth_l1_loss(a, b), F.huber_loss(a, b)),
            (x, y),
        ),
        "classification": (
            lambda a, t: (
                F.cross_entropy(a, t),
                F.nll_loss(a.log_softmax(1), t),
                F.cross_entropy(a, t, label_smoothing=0.1),
            ),
            (x, target),
        ),
        "distances": (
            lambda a, b: (F.kl_div(a.log_softmax(1), b.softmax(1)), F.cosine_similarity(a, b), torch.cdist(a, b)),
            (x, y),
        ),
        "margins": (
            lambda a, b: (F.binary_cross_entropy_with_logits(a, b.sigmoid()), F.triplet_margin_loss(a, b, a + b)),
            (x, y),
        ),
        "gather": (
            lambda a, i: (a.gather(1, i), a.index_select(1, i[0]), a[i[:, 0]], a.take_along_dim(i, 1)),
            (x, places),
        ),
        "scatter": (
            lambda a, i: (a.scatter(1, i, 3.0), a.scatter_add(1, i, a), a.index_add(0, i[0], a[:5])),
            (x, places),
        ),
        "index put": (_put, (x,)),
        "joining": (
            lambda a, b: (torch.cat([a, b]), torch.stack([a, b], 1), a.chunk(2), a.split(4), a.unbind()),
            (x, y),
        ),
        "where": (
            lambda a: (
                torch.where(a > 0, a, 0.0),
                a.masked_fill(a < 0, -1),
                a.clamp(-0.5, 0.5),
                a.masked_select(a > 0),
            ),
            (x,),
        ),
        "shapes": (
            lambda a: (a.T.contiguous(), a.reshape(5, 6), a.flip(0), a.roll(1, 1), a.tril(), a.repeat(2, 1)),
            (x,),
        ),
        "views": (lambda a: (a.expand(2, 6, 5) + 1, a.unfold(1, 2, 1), a.nonzero(), a.repeat_interleave(2, 0)), (x,)),
        "strides": (
            lambda a: (a.contiguous(memory_format=torch.channels_last) * 2, a.permute(0, 2, 3, 1) + 1),
            (image,),
        ),
        "embedding": (lambda w, i: (F.embedding(i, w), F.embedding_bag(i, w), F.one_hot(i, 5)), (square, places)),
        "interpolate": (
            lambda a: (F.interpolate(a, scale_factor=2), F.interpolate(a, (5, 5), mode="bilinear")),
            (image,),
        ),
        "grid": (
            lambda a: F.grid_sample(a, a[:, :, :, :2].tanh(), align_corners=False),
            (torch.randn(1, 4, 4, 2).expand(1, 4, 4, 2),),
        ),
        "in place": (_in_place, (x,)),
        "out": (_out, (x, y)),
        "moves": (_moves, (x,)),
        "makes": (_makes, (x,)),
        "zero size": (lambda a: (a[:0] + 1, a[:0].sum(), torch.cat([a[:0], a]), a[:0] @ a.T), (x,)),
        "foreach": (lambda a: (torch._foreach_add([a, a], 1), torch._foreach_mul([a], [a])), (x,)),
        "misc": (
            lambda a: (torch.histc(a), a.equal(a), torch.allclose(a, a), torch.meshgrid(a[0], a[1], indexing="ij")),
            (x,),
        ),
    }


def modules() -> dict[str, tuple[nn.Module, torch.Tensor]]:
    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape)

    return {
        "conv 1d": (nn.Conv1d(3, 4, 3, padding=1), randn(2, 3, 9)),
        "conv 2d": (nn.Conv2d(3, 6, 3, stride=2, groups=3), randn(2, 3, 9, 9)),
        "conv 3d": (nn.Conv3d(3, 4, 2), randn(1, 3, 5, 5, 5)),
        "conv transposed": (nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), randn(2, 3, 5, 5)),
        "conv transposed 3d": (nn.ConvTranspose3d(3, 4, 3, stride=2), randn(1, 3, 4, 4, 4)),
        "batch norm": (nn.BatchNorm2d(3), randn(2, 3, 9, 9)),
        "batch norm 1d": (nn.BatchNorm1d(5), randn(6, 5)),
        "layer norm": (nn.LayerNorm(5), randn(6, 5)),
        "group norm": (nn.GroupNorm(3, 6), randn(2, 6, 4, 4)),
        "instance norm": (nn.InstanceNorm2d(3, affine=True), randn(2, 3, 9, 9)),
        "rms norm": (nn.RMSNorm(5), randn(6, 5)),
        "max pool": (nn.MaxPool2d(2, return_indices=True), randn(2, 3, 9, 9)),
        "average pool": (nn.AvgPool2d(3, 2), randn(2, 3, 9, 9)),
        "adaptive pool": (nn.AdaptiveAvgPool2d(4), randn(2, 3, 9, 9)),
        "max pool 3d": (nn.MaxPool3d(2), randn(1, 3, 5, 5, 5)),
        "lstm": (nn.LSTM(5, 7, num_layers=2, batch_first=True, bidirectional=True), randn(2, 4, 5)),
        "lstm cell": (nn.LSTMCell(5, 7), randn(4, 5)),
        "gru": (nn.GRU(5, 7), randn(4, 2, 5)),
        "rnn": (nn.RNN(5, 7), randn(4, 2, 5)),
        "attention": (SelfAttention(), randn(2, 4, 8)),
        "transformer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), randn(2, 4, 8)),
        "dropout": (nn.Dropout(0.5), randn(4, 4)),
        "pixel shuffle": (nn.PixelShuffle(2), randn(1, 8, 3, 3)),
        "pad": (nn.ReflectionPad2d(2), randn(1, 2, 5, 5)),
        "unfold": (nn.Unfold(3), randn(1, 2, 5, 5)),
        "prelu": (nn.PReLU(), randn(4, 4)),
        "mlp": (nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2)), randn(6, 5)),
    }


class SelfAttention(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x, x, x)


def _put(a: torch.Tensor) -> torch.Tensor:
    a = a.clone()
    a[a > 0] = 0.5
    a[[0, 2]] = 7.0
    a[1:3, ::2] += 1
    a.index_put_((torch.tensor([0, 1]),), torch.tensor(4.0))
    return a


def _in_place(a: torch.Tensor) -> torch.Tensor:
    a = a.clone()
    a.view(-1)[3:9].mul_(2).add_(1)
    a.t()[0].zero_()
    a[2].fill_(3)
    a.relu_().copy_(a.flip(0))
    return a.unsqueeze_(0).squeeze_().transpose_(0, 1)


def _out(a: torch.Tensor, b: torch.Tensor) -> Any:
    filled, grown, part = torch.empty_like(a), a.new_empty(0), a.new_zeros(40)
    values, places = a.new_empty(0), a.new_empty(0, dtype=torch.long)
    torch.add(a, b, out=filled)
    torch.mul(a, b, out=grown)
    torch.sub(a, b, out=part[:30].view(6, 5))
    torch.max(a, 1, out=(values, places))
    return filled, grown, part, values, places, torch.matmul(a, b.T, out=a.new_empty(6, 6))


def _moves(a: torch.Tensor) -> Any:
    onto = torch.zeros(6, 5)
    onto.copy_(a)
    back = torch.zeros_like(a).copy_(a.cpu())
    kinds = a.double(), a.int(), a.to("cpu", torch.half), torch.zeros_like(a, device="cpu")
    return onto, back, kinds, a.sum().item(), a.tolist(), a.cpu().to(a.device)


def _makes(a: torch.Tensor) -> Any:
    d = a.device
    ranges = torch.arange(5, device=d), torch.linspace(0, 1, 5, device=d), torch.tril_indices(3, 3, device=d)
    filled = torch.zeros(2, 3, device=d), torch.full((2,), 7, device=d), torch.eye(3, device=d), a.new_ones(3)
    return ranges, filled, torch.tensor([1.0, 2.0], device=d), torch.empty(0, 3, device=d), a.new_tensor([1, 2])


def difference(expected: Any, got: Any) -> str | None:
    """The first thing in which `got`, of either device, is not `expected`, of the CPU."""
    if isinstance(expected, torch.Tensor):
        if (expected.dtype, expected.shape, expected.stride()) != (got.dtype, got.shape, got.stride()):
            return f"{expected.dtype} {expected.shape} {expected.stride()}: {got.dtype} {got.shape} {got.stride()}"
        return None if torch.equal(expected, got.cpu()) else f"off by {(expected - got.cpu()).abs().max()}"
    if isinstance(expected, (list, tuple)):
        if len(expected) != len(got):
            return f"{len(expected)} parts: {len(got)}"
        return next((found for pair in zip(expected, got, strict=True) if (found := difference(*pair))), None)
    return None if expected == got else f"{expected}: {got}"


def compare_all() -> Any:
    wrong, named, built = {}, functions(), modules()
    with torch.no_grad():
        for name, (function, arguments) in named.items():
            found = difference(function(*arguments), function(*(one.cuda() for one in arguments)))
            wrong.update({name: found} if found else {})
    for name, (module, argument) in built.items():
        for training in (False, True):
            module.train(training)
            device = copy.deepcopy(module).cuda()
            for gradient in (False, True):
                with torch.set_grad_enabled(gradient):
                    torch.manual_seed(1)
                    expected = module(argument)
                    torch.manual_seed(1)
                    found = difference(expected, device(argument.cuda()))
                found = found or difference(list(module.state_dict().values()), list(device.state_dict().values()))
                wrong.update({f"{name} (training: {training}, gradient: {gradient})": found} if found else {})
    return {"wrong": wrong, "count": len(named) + len(built), "unsupported": runtime.report().unsupported}


def compare_gradients() -> Any:
    def total(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.square().sum() if value.requires_grad else 0
        return sum(total(one) for one in value)

    wrong, learned = {}, set()
    for name, (module, argument) in modules().items():
        device = copy.deepcopy(module).cuda()
        inputs = argument.clone().requires_grad_(), argument.cuda().requires_grad_()
        torch.manual_seed(1)
        total(module(inputs[0])).backward()
        torch.manual_seed(1)
        total(device(inputs[1])).backward()
        pairs = [inputs, *zip(module.parameters(), device.parameters(), strict=True)]
        for ours, theirs in pairs:
            assert ours.grad is not None and theirs.grad is not None and theirs.grad.is_cuda
            if not torch.allclose(ours.grad, theirs.grad.cpu(), rtol=1e-5, atol=1e-6):
                wrong[name] = float((ours.grad - theirs.grad.cpu()).abs().max())
        learned.add(name.split()[0] if len(pairs) > 1 else "")
    return {"wrong": wrong, "learned": sorted(learned & set(SCHEMES))}


def trace_convolutions() -> Any:
    """The kinds of which a trace on the device gives another answer than the module on the CPU."""
    wrong = []
    for kind, sizes in ((nn.Conv1d, (9,)), (nn.Conv2d, (8, 9)), (nn.ConvTranspose2d, (8, 9)), (nn.Conv3d, (5, 6, 7))):
        module, given = nn.Sequential(kind(3, 4, 3), nn.ReLU()), torch.randn(2, 3, *sizes)
        with torch.no_grad():
            expected = module(given)
            traced = torch.jit.trace(module.cuda(), given.cuda())
            if not torch.allclose(traced(given.cuda()).cpu(), expected, atol=1e-6):
                wrong.append(kind.__name__)
    return wrong


def mix_devices() -> Any:
    a, host = torch.ones(3, 3, device="cuda"), torch.ones(3, 3)
    calls: list[Callable[[], Any]] = [
        lambda: a + host,
        lambda: a @ host,
        lambda: torch.cat([a, host]),
        lambda: F.linear(a, host),
        lambda: a.add_(host),
        lambda: torch.add(a, a, out=host),
        lambda: F.conv2d(a[None, None], host[None, None]),
    ]
    refused = []
    for call in calls:
        try:
            refused.append(str(call()))
        except RuntimeError as error:
            refused.append(str(error))
    one = torch.tensor(1.0)
    allowed = [
        (a + one).sum() - 12,
        a[torch.tensor([0])].sum(),
        torch.where(a[0] > 0, one, a[0]).sum(),
        host.copy_(a * 4)[0, 0],
    ]
    return {"refused": refused, "allowed": [float(value) for value in allowed]}


def fork() -> Any:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        value = torch.full((3, 2), 2.0, device="cuda").sum().item()
        os.write(write, str(value).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return {"parent": torch.cuda.is_initialized(), "child": float(os.read(read, 100))}


def call_cublas() -> Any:
    cuda = runtime.loaded_runtime()
    handle = ctypes.c_void_p()
    cuda.cublasCreate_v2(ctypes.byref(handle))

    def at(tensor: torch.Tensor) -> ctypes.c_void_p:
        return ctypes.c_void_p(tensor.data_ptr())

    def scalar(value: float, double: bool = False) -> Any:
        return ctypes.byref(ctypes.c_double(value) if double else ctypes.c_float(value))

    wrong = []

    def check(name: str, status: int, got: Any, expected: torch.Tensor) -> None:
        got = got.cpu() if isinstance(got, torch.Tensor) else torch.tensor(got.value)
        if status != 0 or not torch.allclose(got.double(), expected.double(), rtol=2e-3, atol=1e-4):
            wrong.append(f"{name}: {status} {got} {expected}")

    m, n, k = 3, 4, 5
    for letter, dtype in (("S", torch.float32), ("D", torch.float64)):
        double = letter == "D"
        a, b, c = (torch.randn(2, *shape, dtype=dtype) for shape in ((m, k), (k, n), (m, n)))
        for ta in (0, 1):
            for tb in (0, 1):
                # A matrix that lies column by column is the transpose of what torch calls contiguous.
                left, right = (a if ta else a.mT).contiguous().cuda(), (b if tb else b.mT).contiguous().cuda()
                sizes = (m, n, k, scalar(2, double), at(left), k if ta else m, m * k)
                more = (at(right), n if tb else k, k * n)
                fresh, kept = torch.empty(2, n, m, dtype=dtype, device="cuda"), c.mT.contiguous().cuda()
                batched = getattr(cuda, f"cublas{letter}gemmStridedBatched")
                for beta, onto, expected in ((0, fresh, 2 * a @ b), (3, kept, 2 * a @ b + 3 * c)):
                    longs = [ctypes.c_longlong(value) for value in (sizes[6], more[2], m * n)]
                    status = batched(
                        handle, ta, tb, *sizes[:6], longs[0], *more[:2], longs[1], scalar(beta, double), at(onto), m,
                        longs[2], 2,
                    )  # fmt: skip
                    check(f"{letter} {ta} {tb} {beta}", status, onto.mT, expected)
        matrix, x, y = a[0].mT.contiguous().cuda(), torch.randn(2 * k, dtype=dtype), torch.randn(m, dtype=dtype)
        onto, vector = y.cuda(), x.cuda()
        gemv = getattr(cuda, f"cublas{letter}gemv_v2")
        status = gemv(
            handle, 0, m, k, scalar(1, double), at(matrix), m, at(vector), 2, scalar(0.5, double), at(onto), 1
        )
        check(f"{letter}gemv", status, onto, a[0] @ x[::2] + 0.5 * y)
        ger = getattr(cuda, f"cublas{letter}ger_v2")
        status = ger(handle, m, k, scalar(2, double), at(onto), 1, at(vector), 2, at(matrix), m)
        check(f"{letter}ger", status, matrix.mT, a[0] + 2 * torch.outer(onto.cpu(), x[::2]))
        found = ctypes.c_double() if double else ctypes.c_float()
        for name, arguments, expected in (
            ("dot", (at(vector), 1, at(vector), -1), (x * x.flip(0)).sum()),
            ("nrm2", (at(vector), 1), x.norm()),
            ("asum", (at(vector), 2), x[::2].abs().sum()),
        ):
            count = k if name == "asum" else 2 * k
            status = getattr(cuda, f"cublas{letter}{name}_v2")(handle, count, *arguments, ctypes.byref(found))
            check(f"{letter}{name}", status, found, expected)
    half = torch.randn(k, k).half()
    onto = torch.empty(k, k, dtype=torch.half, device="cuda")
    stored = half.mT.contiguous().cuda()
    ex = (at(stored), 2, k, at(stored), 2, k)
    status = cuda.cublasGemmEx(handle, 0, 0, k, k, k, scalar(1), *ex, scalar(0), at(onto), 2, k, 68, -1)
    check("GemmEx", status, onto.mT, half.float() @ half.float())
    short, c = torch.zeros(19, device="cuda"), torch.zeros(n, m, device="cuda")
    a = torch.zeros(k, m, device="cuda")
    status = cuda.cublasSgemm_v2(handle, 0, 0, m, n, k, scalar(1), at(a), m, at(short), k, scalar(0), at(c), m)
    return {"wrong": wrong, "status": status, "fault": runtime.report().fault, "later": cuda.cudaDeviceSynchronize()}


def use_otherwise() -> Any:
    a, kernel = torch.randn(4, 4, device="cuda"), torch.randn(1, 1, 3, 3)
    with torch.autocast("cuda", dtype=torch.float16):
        half = a @ a
    with torch.autocast("cuda", dtype=torch.bfloat16):
        brain = F.linear(a, a)
    sums: list[float] = []
    threads = [
        threading.Thread(target=lambda: sums.append((torch.ones(3, device="cuda") * 1).sum().item())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.manual_seed(3)
    first = torch.randn(4, device="cuda")
    torch.manual_seed(3)
    again = torch.randn(4)
    drawn = torch.rand(100, device="cuda", generator=torch.Generator("cuda"))
    random = [torch.equal(first.cpu(), again), bool(((drawn >= 0) & (drawn < 1)).all()), float(F.dropout(a, 1.0).sum())]
    stream, event = torch.cuda.Stream(), torch.cuda.Event(enable_timing=True)
    with torch.cuda.stream(stream):
        a.record_stream(stream)
        conv = F.conv2d(a[None, None], kernel.cuda())
        event.record()
    torch.cuda.synchronize()
    with contextlib.suppress(RuntimeError):
        a.to_sparse() @ a
    return {
        "autocast": [str(half.dtype), str(brain.dtype), half.is_cuda],
        "threads": sums,
        "random": random,
        "printed": str(torch.tensor([1.0, 2.0], device="cuda")),
        "conv": conv.tolist(),
        "fallback": F.conv2d(a.cpu()[None, None], kernel).tolist(),
        "unsupported": runtime.report().unsupported or "",
    }


if __name__ == "__main__":
    operators.install()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(json.dumps(globals()[sys.argv[2]]()))
