"""The fast build: what it builds works, what it refuses torch refuses, what it cannot know it declines."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from kval_harness.build.fast import fast_build
from kval_harness.build.record import Attempt
from kval_harness.build.shim.vocabulary import macro_names, names_of
from kval_harness.build.spec import load_inline_spec
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import CompileError

BROKEN_KERNEL = "__global__ void k(float* a, int n) {\n  int i = threadIdx.x\n  if (i < n) a[i] = 1;\n}\n"
KERNEL = "__global__ void k(float* a, int n) { int i = threadIdx.x; if (i < n) a[i] += 1; }\n"
HOST = "torch::Tensor f(torch::Tensor x) { k<<<1, 32>>>(x.data_ptr<float>(), 4); return x; }\n"
DECLARED = "torch::Tensor f(torch::Tensor x);"

Build = Callable[..., Attempt]


@pytest.fixture(scope="module")
def build(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Build:
    cache = tmp_path_factory.mktemp("cache")

    def run(**arguments: Any) -> Attempt:  # noqa: ANN401
        arguments.setdefault("name", "fast_test")
        folder = tmp_path_factory.mktemp("build")
        deadline = time.monotonic() + 300
        spec = load_inline_spec(**arguments)
        return fast_build(spec, toolchain, folder, deadline, limit_ms=300_000, cache_folder=cache)

    return run


@pytest.fixture(scope="module")
def module(build: Build) -> ModuleType:
    attempt = build(
        name="fast_calls",
        cpp_sources="""
torch::Tensor filled(torch::Tensor like, int64_t columns);
std::vector<torch::Tensor> squares(std::vector<torch::Tensor> xs, double scale);
torch::Tensor halved(torch::Tensor x, c10::optional<torch::Tensor> more);
std::tuple<int64_t, double, std::string> mixed(int a, float b, std::string s) { return {a + 1, b * 2, s + "!"}; }
int64_t total(at::IntArrayRef items) { int64_t sum = 0; for (auto one : items) sum += one; return sum; }
bool flag(bool value) { return !value; }
void fail(int how) {
  if (how == 0) throw std::runtime_error("plain");
  if (how == 1) TORCH_CHECK(false, "checked ", 3, ' ', 2.5, " ", true);
  if (how == 2) TORCH_CHECK_INDEX(false, "index ", how);
  AT_ERROR("other ", how);
}
torch::Tensor joined(torch::Tensor x, torch::Tensor w) { return torch::cat({at::linear(x, w), x.sum(-1, true)}, -1); }
""",
        cuda_sources="""
__global__ void copy(const float* a, float* b, int n) { int i = threadIdx.x; if (i < n) b[i] = a[i]; }
torch::Tensor filled(torch::Tensor like, int64_t columns) {
  auto out = torch::full({like.size(0), columns}, 2.5, like.options().dtype(torch::kFloat64));
  if (like.is_cuda()) copy<<<1, 32>>>(like.data_ptr<float>(), like.data_ptr<float>(), 1);
  return out;
}
std::vector<torch::Tensor> squares(std::vector<torch::Tensor> xs, double scale) {
  std::vector<torch::Tensor> made;
  for (auto& x : xs) made.push_back(torch::matmul(x, x) * scale);
  return made;
}
torch::Tensor halved(torch::Tensor x, c10::optional<torch::Tensor> more) {
  TORCH_CHECK(x.dim() == 2, "two dimensions, not ", x.sizes(), " of ", x.dtype(), " ", x.scalar_type(), x.device());
  auto y = x.clone();
  if (more.has_value()) y += *more;
  y[0] = 1.5;
  return 1 - y / 2;
}
""",
        functions=["filled", "squares", "halved", "mixed", "total", "flag", "fail", "joined"],
    )
    assert attempt.library is not None, attempt
    assert [kernel.name for kernel in attempt.kernels] == ["copy(float const*, float*, int)"]
    assert attempt.kernels[0].registers
    return _imported(attempt.library, "fast_calls")


def test_values_are_those_of_torch(module: ModuleType) -> None:
    x = torch.randn(3, 3)
    assert torch.equal(module.filled(x, 5), torch.full((3, 5), 2.5, dtype=torch.float64))
    first, second = module.squares([x, x.T], 3.0)
    assert torch.allclose(first, x @ x * 3) and torch.allclose(second, x.T @ x.T * 3)
    assert torch.allclose(module.halved(x, None)[1:], 1 - x[1:] / 2)
    assert torch.allclose(module.halved(x, x)[1:], 1 - x[1:])
    assert module.halved(x, None)[0].tolist() == [0.25] * 3
    assert module.mixed(1, 2, "s") == (2, 4.0, "s!")
    assert module.total([1, 2, 3]) == 6 and module.total((4,)) == 4
    assert module.flag(True) is False
    expected = torch.cat([torch.nn.functional.linear(x, x), x.sum(-1, keepdim=True)], -1)
    assert torch.allclose(module.joined(x, x), expected)


def test_gradients_flow_through_operators(module: ModuleType) -> None:
    x = torch.randn(2, 2, requires_grad=True)
    module.halved(x, None).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 0.0], [-0.5, -0.5]]


def test_tensors_are_counted(module: ModuleType) -> None:
    x = torch.randn(4, 4)
    before = x._use_count()
    for _ in range(100):
        module.squares([x, x], 1.0)
        with pytest.raises(RuntimeError):
            module.halved(torch.zeros(3), x)
    assert x._use_count() == before


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        (0, RuntimeError, "plain"),
        (1, RuntimeError, "checked 3 2.5 1"),
        (2, IndexError, "index 2"),
        (3, RuntimeError, "other 3"),
    ],
)
def test_errors_are_those_of_torch(module: ModuleType, how: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        module.fail(how)
    assert str(raised.value) == message


def test_messages_print_as_torch_prints(module: ModuleType) -> None:
    with pytest.raises(RuntimeError, match=r"^two dimensions, not \[3\] of float Floatcpu$"):
        module.halved(torch.zeros(3), None)


def test_arguments_of_other_types_are_refused(module: ModuleType) -> None:
    x = torch.zeros(2, 2)
    calls: list[Callable[[], object]] = [
        lambda: module.filled(x, 2.5),
        lambda: module.filled(1, 2),
        lambda: module.filled(x),
        lambda: module.filled(x, 1, 2),
        lambda: module.fail(2**40),
        lambda: module.mixed("1", 2, "s"),
        lambda: module.squares(1, 1.0),
        lambda: module.squares(torch.zeros(4, 2, 2), 1.0),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="incompatible function arguments"):
            call()


def test_own_bindings_with_names_and_defaults(build: Build) -> None:
    attempt = build(
        name="fast_own",
        cpp_sources="""
int64_t twice(int64_t a, int64_t b) { return 2 * a + b; }
double twice_real(double a) { return 2 * a; }
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("twice", &twice, "doubles", py::arg("a"), py::arg("b") = 5);
  m.def("over", &twice_real, "real");
  m.def("over", [](std::string s) { return s + s; });
}
""",
        cuda_sources=KERNEL,
    )
    assert attempt.library is not None, attempt
    own = _imported(attempt.library, "fast_own")
    assert (own.twice(1), own.twice(1, 2), own.twice(b=1, a=4)) == (7, 4, 9)
    assert (own.over(1.5), own.over("ab")) == (3.0, "abab")
    assert "doubles" in (own.twice.__doc__ or "")


@pytest.mark.parametrize(
    ("what", "cpp", "cuda", "stage"),
    [
        ("syntax in a kernel", DECLARED, BROKEN_KERNEL + HOST, "nvcc"),
        ("nobody declares it", DECLARED, KERNEL.replace("+= 1", "+= zzq_step") + HOST, "nvcc"),
        ("a member nobody has", DECLARED, KERNEL + HOST.replace("return x", "return x.zzq_flat()"), "nvcc"),
        ("needs a header", DECLARED,
         KERNEL + HOST.replace("<<<1, 32>>>", "<<<1, 32, 0, at::cuda::getCurrentCUDAStream()>>>"), "nvcc"),
        ("a header nobody has", DECLARED, "#include <zzq/none.h>\n" + KERNEL + HOST, "nvcc"),
        ("too much shared memory", DECLARED,
         "__global__ void k(float* a, int n) { __shared__ float s[99999]; s[n] = 1; __syncthreads(); a[0] = s[0]; }\n"
         + HOST, "nvcc"),
        ("a name that torch's headers take", DECLARED, KERNEL + HOST + "int half(int a) { return a; }", "nvcc"),
        ("defined twice", DECLARED + "int g() { return 1; }", KERNEL + HOST + "int g() { return 2; }", "link"),
    ],
)  # fmt: skip
def test_certain_failures_stand(build: Build, what: str, cpp: str, cuda: str, stage: str) -> None:
    attempt = build(cpp_sources=cpp, cuda_sources=cuda, functions=["f"])
    assert attempt.library is None and isinstance(attempt.failure, CompileError), (what, attempt.declined)
    assert attempt.failure.stage == stage


def test_a_failure_names_the_candidates_own_line(build: Build) -> None:
    attempt = build(cpp_sources=DECLARED, cuda_sources=BROKEN_KERNEL + HOST, functions=["f"])
    assert isinstance(attempt.failure, CompileError)
    first = attempt.failure.diagnostics[0]
    assert (first.file, first.line) == ("cuda_sources", 3)


@pytest.mark.parametrize(
    ("what", "cuda"),
    [
        (
            "torch's own class, which the shim lacks",
            KERNEL + HOST.replace("return x", "torch::nn::Linear l(1, 2); return x"),
        ),
        ("torch's macro", KERNEL + HOST.replace("return x", "CHECK(x.dim()); return x")),
        ("torch's overload set", KERNEL + HOST.replace("return x", "return x.sum(x)")),
        ("the candidate opens torch's namespace", "namespace at { int mine; }\n" + KERNEL + HOST),
        ("the text depends on torch's macros", "#ifdef CHECK\n#endif\n" + KERNEL + HOST),
        ("the shim's own names", KERNEL.replace("k(", "kval_k(") + HOST.replace("k<<<", "kval_k<<<")),
        ("a header that only torch has", "#include <ATen/native/Pool.h>\n" + KERNEL + HOST),
    ],
)
def test_what_only_torch_knows_is_declined(build: Build, what: str, cuda: str) -> None:
    attempt = build(cpp_sources=DECLARED, cuda_sources=cuda, functions=["f"])
    assert attempt.library is None and attempt.failure is None, what
    assert attempt.declined


def test_unusual_calls_are_declined(build: Build) -> None:
    plain: dict[str, Any] = dict(cpp_sources=DECLARED, cuda_sources=KERNEL + HOST, functions=["f"])
    for more in (
        {"no_implicit_headers": True},
        {"is_python_module": False},
        {"extra_include_paths": ["/usr/local/include"]},
        {"extra_cuda_cflags": ["-DTensor=int"]},
        {"with_cuda": False},
    ):
        attempt = build(**plain, **more)
        assert attempt.library is None and attempt.failure is None and attempt.declined, more


def test_preprocessed_headers_are_read_by_their_braces() -> None:
    text = """
# 1 "x.h"
namespace at { struct Tensor; Tensor zip(const Tensor& a); inline int plain(int a) { int inner; return a; } }
extern "C" { int dup(int fd); }
enum Colour { RED, GREEN = 2 };
struct Shape { int side; };
at::Tensor free_one(at::Tensor t);
template <typename Arg> int made(Arg local);
"""
    names = names_of(text, macro_names("#define A 1\n#define B(x) x\n"))
    assert {"dup", "RED", "GREEN", "Colour", "Shape", "free_one", "made"} <= names.globals
    assert not {"inner", "side", "Arg", "local", "fd", "t", "zip", "Tensor"} & names.globals
    assert "zip" in names.functions and "plain" not in names.functions
    assert names.macros == {"A", "B"} and "inner" in names.words


def _imported(library: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
