"""What deserves a second look is found, and words that only look like it are not."""

from __future__ import annotations

import textwrap

import pytest
from kval_harness.findings import Kind, find_patterns, mask

MODEL = """
import torch
import torch.nn as nn
import torch.nn.functional as F
{imports}

class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.weight = nn.Parameter(torch.rand(4, 4))
        self.steps = nn.Sequential(nn.ReLU(), nn.Linear(4, 4))
        {init}

    def forward(self, x):
        {forward}
"""


def kinds(source: str) -> list[Kind]:
    return [finding.kind for finding in find_patterns(source)]


def model(forward: str, *, imports: str = "", init: str = "pass") -> str:
    body = textwrap.indent(textwrap.dedent(forward), "        ").strip()
    return MODEL.format(imports=imports, init=init, forward=body)


SUSPECT: dict[str, tuple[Kind, str]] = {
    "a stream": ("stream", model("with torch.cuda.stream(torch.cuda.Stream()): return launch(x)")),
    "a stream by another name": ("stream", model("s = Lane()", imports="from torch.cuda import Stream as Lane")),
    "a graph": ("graph", model("g = torch.cuda.CUDAGraph()")),
    "a thread": ("thread", model("t.Thread(target=f).start()", imports="import threading as t")),
    "a pool": ("thread", model("Pool()", imports="from concurrent.futures import ThreadPoolExecutor as Pool")),
    "a fallback": ("fallback", model("try:\n    return ext.run(x)\nexcept Exception:\n    return x.clone()")),
    "elapsed_time replaced": ("patched-clock", "import torch\ntorch.cuda.Event.elapsed_time = lambda a, b: 0.001"),
    "the same through setattr": ("patched-clock", "import torch as t\nsetattr(t.cuda.Event, 'elapsed_time', f)"),
    "synchronize replaced": ("patched-clock", "from torch import cuda\ncuda.synchronize = lambda *a: None"),
    "allclose replaced": ("patched-clock", "import torch\ntorch.allclose = lambda *a, **k: True"),
    "time replaced": ("patched-clock", "import time\ntime.perf_counter = lambda: 0.0"),
    "a module replaced": ("patched-clock", "import sys\nsys.modules['kernelbench.timing'] = fake"),
    "frames walked": ("introspection", "import sys\nframe = sys._getframe(3)"),
    "the heap searched": ("introspection", "import gc\nfor one in gc.get_objects(): pass"),
    "ctypes": ("introspection", "import ctypes\nctypes.CDLL(None)"),
    "a lazy tensor": ("lazy-tensor", "import torch\nclass Lazy(torch.Tensor):\n    pass"),
    "matmul": ("torch-compute", model("return torch.matmul(x, self.weight)")),
    "an operator": ("torch-compute", model("return x @ self.weight")),
    "a functional": ("torch-compute", model("return F.relu(x)")),
    "a method": ("torch-compute", model("return x.softmax(-1)")),
    "a layer": ("torch-compute", model("return self.conv(x)")),
    "several layers": ("torch-compute", model("return self.steps(x)")),
    "half": ("precision", model("return ext.run(x.half())")),
    "float16": ("precision", model("return ext.run(x.to(torch.float16))")),
    "TF32": ("precision", "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True"),
    "fast math": ("precision", "flags = ['-O3', '--use_fast_math']"),
}


@pytest.mark.parametrize("name", SUSPECT)
def test_what_deserves_a_look_is_found(name: str) -> None:
    kind, source = SUSPECT[name]
    assert kind in kinds(source)


INNOCENT: dict[str, str] = {
    "the word pass in a docstring": 'def f():\n    """Makes one pass; we try: and except: nothing. Uses a Stream."""\n',
    "code in comments": "# torch.cuda.Stream(), threading.Thread, x.half(), try: except: pass\nx = 1\n",
    "code in a string": "text = 'torch.cuda.synchronize = None; import threading'\n",
    "an honest kernel": model(
        "x = x.contiguous()\nif not x.is_cuda: raise ValueError('wants a GPU')\nreturn ext.run(x, self.weight)"
    ),
    "an error that is passed on": model("try:\n    return ext.run(x)\nexcept RuntimeError as e:\n    raise e"),
    "shapes and views": model("return ext.run(x.view(-1), x.size(0)).reshape(x.shape).transpose(0, 1)"),
    "an extension's own names": model("return self.ops.softmax(x)", init="self.ops = ext"),
    "a module's function": model("return ext.softmax(x)", imports="import my_ext as ext"),
    "a module's variable": model("return ext.softmax(x)", imports="ext = load_inline(name='ext', cpp_sources='')"),
    "time asked for": "import time\nbegan = time.perf_counter()",
    "an own name like a clock's": "from time import perf_counter\nperf_counter = 3",
    "torch outside ModelNew": "import torch\nclass Model:\n    def forward(self, x):\n        return torch.relu(x)\n",
    "no python": "class ModelNew(:\n  torch.cuda.Stream()",
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_only_looks_like_it_is_not(name: str) -> None:
    assert find_patterns(INNOCENT[name]) == ()


CUDA = r"""
// std::thread and cublasSgemm in a comment
/* cudaStreamCreate
   __half */
const char* text = "std::thread \" cudaStreamCreate";
const char* raw = R"(at::relu( std::thread )";
__global__ void k(float* x) { char c = '"'; x[0] = 1'000.0f; }
void run() {
  std::thread worker([] {});
  cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
  auto y = at::relu(x);
  cublasSgemm(handle);
  __half h;
}
"""


def test_cuda_is_read_without_its_comments_and_strings() -> None:
    found = [(one.kind, one.line, one.text) for one in find_patterns(CUDA, "cuda")]
    assert found == [
        ("thread", 9, "std::thread worker([] {});"),
        ("stream", 10, "cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);"),
        ("library", 11, "auto y = at::relu(x);"),
        ("library", 12, "cublasSgemm(handle);"),
        ("precision", 13, "__half h;"),
    ]


def test_cuda_in_a_python_string_has_the_lines_of_the_file() -> None:
    source = f"import torch\nsource = r'''{CUDA}'''\n"
    assert [one.line for one in find_patterns(source)] == [10, 11, 12, 13, 14]
    assert find_patterns(source)[0].to_json() == {"kind": "thread", "line": 10, "text": "std::thread worker([] {});"}


def test_masking_keeps_the_lines_and_stops_at_nothing() -> None:
    assert mask(CUDA).count("\n") == CUDA.count("\n")
    assert mask('a /* never ends "') == "a" + " " * 16
    assert mask("x = 1'000;") == "x = 1'000;"
    assert mask('"' + "\\" * 5001 + '"; y').endswith(" y")


def test_hostile_text_is_read_in_bounded_time_and_gives_bounded_findings() -> None:
    many = "import torch\n" + "torch.cuda.Stream()\n" * 5000
    assert len(find_patterns(many)) == 200
    for text in ("(" * 100_000, "/*" * 100_000, '"' * 99_999, "'" * 99_999, 'R"(' * 50_000, "\0"):
        find_patterns(text)
        find_patterns(text, "cuda")


def test_findings_stand_in_the_order_of_the_lines_once_each() -> None:
    source = model("a = x.half().half()\nreturn F.relu(torch.relu(a))")
    assert kinds(source) == ["precision", "torch-compute"]
