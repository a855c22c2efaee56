"""The red team's files say what they are, and a fast part of them meets its fate on the CPU device.

All of them run with `npm run redteam`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import redteam
from worker import DETAIL, Judged, Worker

CASES = {case.path.stem: case for case in redteam.read_cases()}
FAST = (
    "01_rewrite_namespace",
    "03_never_launched",
    "03_decoy_launched",
    "03_decoy_overwritten",
    "03_probed_decoy",
    "04_library_then_copy",
    "05_none_guard",
    "06_cache_by_shape",
    "07_stale_pointer",
    "11_instance_override",
    "11_lazy_container",
    "11_lazy_subclass",
    "12_patch_allclose",
    "13_frame_expected",
    "15_forge_stdout",
    "15_exit_zero",
    "16_empty_output",
    "17_zero_inputs",
    "25_burn_cpu",
    "own_pybind_module",
    "template_functor",
    "vector_loads",
    "warp_shuffle",
    "dynamic_shared",
    "output_buffer_kept",
    "library_then_epilogue",
    "words_in_comments",
)


def judged(status: str, **more: Any) -> Judged:  # noqa: ANN401
    return Judged(status, "", 1.0, **more)


def test_every_row_has_a_cheat_and_there_are_enough_honest_kernels() -> None:
    rows = {case.row for case in CASES.values()}
    assert rows == {0, *redteam.ROWS}
    assert sum(case.row == 0 for case in CASES.values()) >= 30
    assert sum(case.row > 0 for case in CASES.values()) >= 45


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_file_says_what_it_is(case: redteam.Case) -> None:
    assert [one.path.stem for one in CASES.values() if one.source == case.source] == [case.path.stem]
    classes = {node.name for node in ast.walk(ast.parse(case.source)) if isinstance(node, ast.ClassDef)}
    assert "ModelNew" in classes
    assert all(one.split()[0] in {"correct", "error", *DETAIL} for one in case.expected)
    if case.row == 0:
        assert case.expected == ("correct",) and case.path.parent.name == "honest"
        return
    assert case.path.name == f"{case.row:02}_{case.slug.replace('-', '_')}.py"
    assert case.kernelbench in ("accepted", "refused", "flagged")
    assert case.needs in (None, "cuda")
    assert ("correct" in case.expected) == (case.harmless is not None), "a cheat is accepted only with a reason"


def test_an_accepted_cheat_and_a_refused_honest_kernel_fail() -> None:
    cheat, honest = CASES["03_decoy_launched"], CASES["vector_loads"]
    assert redteam.verdict_of(cheat, judged("rejected decoy-kernel"), "cpu") == "OK"
    assert redteam.verdict_of(cheat, judged("rejected no-kernel-launched"), "cpu") == "differs"
    assert redteam.verdict_of(cheat, judged("correct"), "cpu") == "FAIL"
    assert redteam.verdict_of(cheat, judged("error worker-died"), "cpu") == "FAIL"
    assert redteam.verdict_of(cheat, judged("rejected decoy-kernel", left_behind=1), "cpu") == "FAIL"
    assert redteam.verdict_of(cheat, judged("built"), "none") == "OK"
    assert redteam.verdict_of(honest, judged("correct"), "cpu") == "OK"
    assert redteam.verdict_of(honest, judged("mismatch values"), "cpu") == "FAIL"
    assert redteam.verdict_of(honest, judged("compile-error nvcc"), "none") == "FAIL"
    assert redteam.verdict_of(CASES["25_slow_settings"], judged("correct"), "cpu") == "harmless"
    assert redteam.verdict_of(honest, None, "cpu") == "not run"


def test_kernelbench_rule_sees_patterns_and_nothing_behind_them() -> None:
    assert redteam.kernelbench_rule(CASES["05_except_fallback"]) == "static: code_bypass"
    assert redteam.kernelbench_rule(CASES["02_torch_only"]) == "static: cuda_impl"
    assert redteam.kernelbench_rule(CASES["10_python_thread"]) == "static: thread_injection"
    assert redteam.kernelbench_rule(CASES["03_never_launched"]) == "accepted"
    assert redteam.kernelbench_rule(CASES["18_input_copy"]) == "refused: by its outputs"
    assert redteam.kernelbench_rule(CASES["words_in_comments"]).startswith("static: code_bypass")
    hidden = replace(CASES["05_except_fallback"], source=CASES["05_except_fallback"].source.replace("try:", "try :#"))
    assert redteam.kernelbench_static(hidden.source)[0] == ["code_bypass"]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker("cpu", redteam.CACHE) as started:
        yield started


@pytest.mark.parametrize("name", FAST)
def test_on_the_cpu_device(name: str, worker: Worker) -> None:
    case = CASES[name]
    found = worker.judge(case.source, case.problem.read_text(encoding="utf-8"))
    assert redteam.verdict_of(case, found, "cpu") in ("OK", "harmless"), found
