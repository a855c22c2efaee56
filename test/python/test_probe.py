"""What a candidate asks torch to build, seen by running its Python with recorders in torch's place."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch.utils.cpp_extension as cpp_extension
from kval_harness.build.spec import ExtensionSpec
from kval_harness.contain import Interrupted
from kval_harness.probe import Answer, Probe, Refusal, probe_candidate

CORPORA = Path(os.environ.get("KVAL_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
HEAD = "import torch\nimport torch.nn as nn\nfrom torch.utils.cpp_extension import load, load_inline\n"
MODEL = """
class ModelNew(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, size))
    def forward(self, x):
        return x @ self.weight
"""
CALL = (
    "load_inline(name='ext', cpp_sources='torch::Tensor f(torch::Tensor x);', cuda_sources='// cuda', functions=['f'])"
)
PROBLEM = """
import torch
class Model(torch.nn.Module):
    def __init__(self, size): super().__init__()
    def forward(self, x): return x
def get_inputs(): return [torch.rand(1 << 15, 1 << 15)]
def get_init_inputs(): return [1 << 14]
"""


class Parent:
    """Answers every call the same way and remembers them."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or Answer(exports=("f",))
        self.calls: list[ExtensionSpec | Refusal] = []

    def __call__(self, call: ExtensionSpec | Refusal) -> Answer:
        self.calls.append(call)
        return self.answer if isinstance(call, ExtensionSpec) else Answer()

    def names(self) -> list[str]:
        return [call.name if isinstance(call, ExtensionSpec) else call.error_type for call in self.calls]


FAILED = Answer(error="Error building extension 'ext': no")


def _probe(
    source: str,
    folder: Path,
    parent: Parent | None = None,
    problem: str | None = None,
    **more: Any,  # noqa: ANN401
) -> tuple[Probe, Parent]:
    parent = parent or Parent()
    limit_s = more.pop("limit_s", 30)
    return probe_candidate(source, problem, folder=folder, limit_s=limit_s, build=parent, **more), parent


@pytest.mark.parametrize(
    "call",
    [
        f"module = {CALL}",
        f"module = torch.utils.cpp_extension.{CALL}",
        f"import torch.utils.cpp_extension as ext\nmodule = ext.{CALL}",
        f"from torch.utils import cpp_extension\nmodule = cpp_extension.{CALL}",
        CALL.replace("name='ext', cpp_sources=", "'ext', ").replace("cuda_sources=", ""),
        f"try:\n    module = {CALL}\nexcept Exception:\n    module = None",
        f"def build():\n    return {CALL}\nmodule = build()",
    ],
)
@pytest.mark.parametrize("answer", [Answer(exports=("f",)), FAILED])
def test_calls_at_import_are_seen_however_they_are_made(call: str, answer: Answer, tmp_path: Path) -> None:
    _, parent = _probe(HEAD + call + MODEL, tmp_path, Parent(answer))
    (spec,) = parent.calls
    assert isinstance(spec, ExtensionSpec)
    assert (spec.kind, spec.name) == ("load_inline", "ext")
    assert spec.cpp_sources == ("torch::Tensor f(torch::Tensor x);",) and spec.cuda_sources == ("// cuda",)
    assert spec.functions == (("f", "f"),)


def test_what_deserves_a_second_look_is_named_and_decides_nothing(tmp_path: Path) -> None:
    source = HEAD + "import threading\nworker = threading.Thread(target=print)\n" + f"module = {CALL}" + MODEL
    probe, parent = _probe(source, tmp_path)
    assert parent.names() == ["ext"] and probe.phase == "done" and probe.error is None
    assert any(one.startswith("line 5: thread: worker = ") for one in probe.findings), probe.findings
    broken, _ = _probe("def broken(:", tmp_path / "broken")
    assert broken.findings == ()


def test_a_failure_reaches_the_candidate_in_torchs_words(tmp_path: Path) -> None:
    probe, _ = _probe(HEAD + CALL + MODEL, tmp_path, Parent(FAILED))
    assert (probe.phase, probe.error_type, probe.error) == ("import", "RuntimeError", FAILED.error)


@pytest.mark.parametrize(
    "place",
    [
        "class ModelNew(nn.Module):\n    def __init__(self, size=4):\n        super().__init__()\n"
        "        self.m = CALL\n",
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        return CALL.f(x)\n",
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        if not x.is_cuda: return x\n"
        "        return CALL.f(x)\n",
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        if x.device.type != 'cuda': return x\n"
        "        return CALL.f(x)\n",
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        if not torch.cuda.is_available(): return x\n"
        "        return CALL.f(x.cuda().to('cuda:0').contiguous().float())\n",
        "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return CALL.f(x)\n"
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        return F.apply(x)\n",
        "if torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8:\n    m = CALL\n" + MODEL,
        "class ModelNew(nn.Module):\n    def forward(self, x):\n"
        "        with torch.cuda.stream(torch.cuda.current_stream()):\n"
        "            y = torch.empty(x.shape, device='cuda')\n            torch.cuda.synchronize()\n"
        "            return CALL.f(x, y)\n",
        "@torch.compile\ndef g(x):\n    return CALL.f(x)\n"
        "class ModelNew(nn.Module):\n    def forward(self, x):\n        return g(x)\n",
    ],
)
def test_calls_made_later_are_reached_without_a_gpu(place: str, tmp_path: Path) -> None:
    problem = PROBLEM if "size=4" in place else PROBLEM.replace("[1 << 14]", "[]")
    probe, parent = _probe(HEAD + place.replace("CALL", CALL), tmp_path, problem=problem)
    assert parent.names() == ["ext"], (probe.phase, probe.error)
    assert probe.phase == "done" and probe.end.duration_ms < 20_000


def test_the_model_gets_the_problems_own_arguments(tmp_path: Path) -> None:
    source = (
        HEAD
        + "class ModelNew(nn.Module):\n    def __init__(self, size):\n        super().__init__()\n"
        + "        assert size == 1 << 14\n    def forward(self, x):\n"
        + f"        if x.shape == (1 << 15, 1 << 15): {CALL}\n"
    )
    _, parent = _probe(source, tmp_path, problem=PROBLEM)
    assert parent.names() == ["ext"]


def test_a_candidates_own_inputs_serve_where_there_is_no_problem(tmp_path: Path) -> None:
    source = (
        HEAD
        + "class ModelNew(nn.Module):\n    def __init__(self, a, b):\n        super().__init__()\n"
        + f"    def forward(self, x, y):\n        {CALL}\n"
        + "def get_inputs():\n    return [torch.rand(2), torch.rand(3)]\ndef get_init_inputs():\n    return [1, 2]\n"
    )
    _, parent = _probe(source, tmp_path)
    assert parent.names() == ["ext"]


def test_calls_in_several_places_are_all_seen(tmp_path: Path) -> None:
    source = HEAD + f"a = {CALL}\n" + MODEL.replace("__init__()", f"__init__(); {CALL.replace('ext', 'two')}")
    _, parent = _probe(source, tmp_path)
    assert parent.names() == ["ext", "two"]


def test_files_that_the_candidate_wrote_are_part_of_its_call(tmp_path: Path) -> None:
    source = HEAD + (
        "import os, tempfile\n"
        "os.makedirs('src/inc')\n"
        "open('src/bind.cpp', 'w').write('// bind')\n"
        "open('src/kernel.cu', 'w').write('// kernel')\n"
        "open('src/sizes.h', 'w').write('// sizes')\n"
        "open('src/inc/more.cuh', 'w').write('// more')\n"
        "load('ext', ['src/bind.cpp', os.path.abspath('src/kernel.cu')], extra_include_paths=['src/inc'])\n"
        "where = tempfile.mkdtemp()\n"
        "open(where + '/k.cu', 'w').write('// elsewhere')\n"
        "load(name='other', sources=where + '/k.cu')\n"
    )
    _, parent = _probe(source + MODEL, tmp_path)
    first, second = parent.calls
    assert isinstance(first, ExtensionSpec) and isinstance(second, ExtensionSpec)
    assert first.sources == (("src/bind.cpp", "// bind"), ("src/kernel.cu", "// kernel"))
    assert first.headers == (("src/inc/more.cuh", "// more"), ("src/sizes.h", "// sizes"))
    assert first.extra_include_paths == ("src/inc",)
    assert [text for _, text in second.sources] == ["// elsewhere"]
    assert all(not Path(name).is_absolute() and ".." not in name for name, _ in second.sources)


def test_headers_in_a_build_directory_are_part_of_the_call(tmp_path: Path) -> None:
    source = HEAD + (
        "import os\nos.makedirs('b')\nopen('b/mine.h', 'w').write('// mine')\n"
        "load_inline('ext', '#include \"mine.h\"', build_directory='b', functions=['f'])\n"
    )
    _, parent = _probe(source + MODEL, tmp_path)
    (spec,) = parent.calls
    assert isinstance(spec, ExtensionSpec) and spec.headers == (("mine.h", "// mine"),)


@pytest.mark.parametrize(
    "call, error",
    [
        ("load_inline(name='ext', cpp_source='')", "TypeError"),
        ("load_inline(name='ext', cpp_sources=('a',))", "AttributeError"),
        ("load_inline('ext', 'x', functions=('f',))", "ValueError"),
        ("load('ext', ['nowhere.cu'])", "FileNotFoundError"),
    ],
)
def test_calls_that_torch_refuses_are_reported_also_when_hidden(call: str, error: str, tmp_path: Path) -> None:
    probe, parent = _probe(HEAD + f"try:\n    {call}\nexcept Exception:\n    pass\n" + MODEL, tmp_path)
    assert parent.names() == [error] and probe.phase == "done"
    probe, parent = _probe(HEAD + call + MODEL, tmp_path)
    assert parent.names() == [error] and probe.error_type == error


def test_a_module_has_the_names_that_were_built_and_no_others(tmp_path: Path) -> None:
    probe, _ = _probe(HEAD + f"m = {CALL}\nm.f\nm.g\n" + MODEL, tmp_path)
    assert (probe.phase, probe.error_type) == ("import", "AttributeError") and "'g'" in (probe.error or "")


@pytest.mark.parametrize(
    "source, phase, error",
    [
        (HEAD + "import no_such_package\n" + MODEL, "import", "ModuleNotFoundError"),
        (HEAD + "undefined\n" + MODEL, "import", "NameError"),
        (HEAD + "raise SystemExit(0)\n" + MODEL, "import", "SystemExit"),
        (HEAD + "raise KeyboardInterrupt\n" + MODEL, "import", "KeyboardInterrupt"),
        (HEAD + MODEL.replace("super().__init__()", "super().__init__(); undefined"), "construct", "NameError"),
        (HEAD + MODEL.replace("size=4", "a, b, c"), "construct", "TypeError"),
        (HEAD + MODEL.replace("return x", "return undefined"), "forward", "NameError"),
    ],
)
def test_where_pythons_own_errors_end_it(source: str, phase: str, error: str, tmp_path: Path) -> None:
    problem = PROBLEM.replace("1 << 14", "4").replace("1 << 15, 1 << 15", "4, 4")
    probe, parent = _probe(source, tmp_path, problem=problem)
    assert (probe.phase, probe.error_type) == (phase, error)
    assert parent.calls == [] and not probe.device_only


def test_an_exception_that_cannot_be_shown(tmp_path: Path) -> None:
    source = HEAD + "class E(Exception):\n    def __str__(self): raise ValueError\nraise E\n"
    probe, _ = _probe(source, tmp_path)
    assert probe.error_type == "E" and probe.end.kind == "returned"


def test_values_of_meta_tensors_do_not_stop_construction(tmp_path: Path) -> None:
    source = HEAD + (
        "class ModelNew(nn.Module):\n    def __init__(self, size=4):\n        super().__init__()\n"
        f"        self.scale = torch.ones(3).sum().item()\n        {CALL}\n"
    )
    _, parent = _probe(source, tmp_path)
    assert parent.names() == ["ext"]


def test_a_plain_model_asks_for_nothing(tmp_path: Path) -> None:
    problem = PROBLEM.replace("1 << 14", "4").replace("1 << 15, 1 << 15", "2, 4")
    probe, parent = _probe(HEAD + MODEL, tmp_path, problem=problem)
    assert parent.calls == [] and probe.phase == "done" and probe.defines_model


def test_no_model_is_noticed_after_import(tmp_path: Path) -> None:
    probe, parent = _probe(HEAD + CALL, tmp_path)
    assert parent.names() == ["ext"] and not probe.defines_model


def test_a_broken_problem_is_not_the_candidates_fault(tmp_path: Path) -> None:
    probe, _ = _probe(HEAD + MODEL, tmp_path, problem="import torch\n")
    assert probe.problem_broken is not None and "Model" in probe.problem_broken


def test_another_backend_is_not_run(tmp_path: Path) -> None:
    probe, _ = _probe("import triton\n@triton.jit\ndef k(): pass\nraise ValueError\n" + MODEL, tmp_path)
    assert probe.phase == "read" and probe.facts is not None and probe.facts.backend == "triton"


def test_a_candidate_that_never_ends_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    probe, parent = _probe(HEAD + f"{CALL}\nwhile True: pass\n", tmp_path, limit_s=1.5)
    assert probe.end.kind == "timeout" and time.monotonic() - began < 10
    assert parent.names() == ["ext"]


def test_building_does_not_use_up_the_candidates_own_time(tmp_path: Path) -> None:
    class Slow(Parent):
        def __call__(self, call: ExtensionSpec | Refusal) -> Answer:
            time.sleep(3)
            return super().__call__(call)

    calls = "".join(CALL.replace("'ext'", f"'ext{number}'") + "\n" for number in range(3))
    probe, parent = _probe(HEAD + calls + MODEL, tmp_path, Slow(), limit_s=8)
    assert probe.end.kind == "returned" and parent.names() == ["ext0", "ext1", "ext2"]


def test_a_probe_can_be_stopped(tmp_path: Path) -> None:
    asked = itertools.count()
    with pytest.raises(Interrupted):
        _probe(HEAD + "while True: pass\n", tmp_path, stop=lambda: next(asked) > 5)


def test_a_candidate_cannot_speak_for_the_recorder(tmp_path: Path) -> None:
    """It may write anything on its line; what is no call is a refused call, and nothing breaks."""
    source = (
        "import json, socket, struct\n"
        "line = socket.socket(fileno=3)\n"
        "for body in (None, 3, {'call': 'build', 'spec': {}}, {'call': 'build', 'spec': {'kind': 'load'}}):\n"
        "    data = json.dumps({'kind': 'ask', 'body': body}).encode()\n"
        "    line.sendall(struct.pack('>I', len(data)) + data)\n"
        "    size = struct.unpack('>I', line.recv(4))[0]\n"
        "    line.recv(size)\n"
        "line.detach()\n"
    )
    probe, parent = _probe(source + HEAD + MODEL, tmp_path)
    assert parent.names() == ["ValueError"] * 4 and probe.end.kind == "returned"


def test_repeated_names_are_numbered_as_torch_numbers_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(cpp_extension, "remove_extension_h_precompiler_headers", lambda: None)
    monkeypatch.setattr(
        cpp_extension, "_write_ninja_file_and_build_library", lambda **arguments: seen.append(arguments["name"])
    )
    monkeypatch.setattr(cpp_extension, "_import_module_from_library", lambda name, *rest: None)
    texts = ["int a;", "int a;", "int b;", "int a;", "int a;"]
    for text in texts:
        cpp_extension.load_inline("counted", text, functions=["f"], build_directory=str(tmp_path))
    calls = "".join(f"load_inline('counted', {text!r}, functions=['f'])\n" for text in texts)
    _, parent = _probe(HEAD + calls + MODEL, tmp_path / "probe")
    assert list(dict.fromkeys(parent.names())) == seen == ["counted", "counted_v1", "counted_v2"]


def test_real_candidates_show_their_build_calls(tmp_path: Path) -> None:
    """A seeded sample of the corpora: nearly every candidate that calls `load_inline` or `load` is caught doing it."""
    if not (CORPORA / "candidates-techno.jsonl").exists():
        pytest.skip(f"no corpora at {CORPORA}; set KVAL_CORPORA")
    problems = {}
    for line in (CORPORA / "kernelbench-problems.jsonl").read_text().splitlines():
        row = json.loads(line)
        problems[row["level"], row["problem_id"]] = row["code"]
    rows = []
    for file in ("candidates-techno.jsonl", "candidates-hzeng.jsonl"):
        rows += [json.loads(line) for line in (CORPORA / file).read_text().splitlines()]
    rows = [row for row in rows if "load_inline" in row["code"] and "triton" not in row["code"]]
    missed = []
    sample = random.Random(11).sample(rows, 16)
    for row in sample:
        probe, parent = _probe(row["code"], tmp_path, problem=problems[row["level"], row["problem_id"]])
        understood = probe.error_type in ("ModuleNotFoundError",) or (probe.facts and not probe.facts.is_python)
        if not parent.calls and not understood:
            missed.append((row["run"], row["level"], row["problem_id"], probe.phase, probe.error))
    assert len(missed) <= 1, missed
