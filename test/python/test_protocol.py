"""The golden lines are what this side reads and writes; a wrong request is told which field is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from kval_harness.contain import Json
from kval_harness.outcome import (
    Built,
    CompileError,
    Correct,
    Diagnostic,
    InstrumentError,
    Invalid,
    LoadError,
    Mismatch,
    Rejected,
    RuntimeFailure,
    Spread,
    Timeout,
    Timing,
    clip,
    to_json,
)
from kval_harness.protocol import (
    LINE_BYTES,
    Fields,
    Wire,
    build_params,
    check_params,
    execute_params,
    problem_params,
    read_request,
    request_id,
)

GOLDEN = Path(__file__).resolve().parents[1] / "fixtures" / "protocol"


def golden(name: str) -> list[dict[str, Json]]:
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


def test_every_golden_request_is_read() -> None:
    readers = {
        "build": build_params,
        "execute": lambda params: execute_params(params, ("cuda", "cpu")),
        "problem": problem_params,
        "check-problem": check_params,
        "cancel": lambda params: params.text("target"),
    }
    seen = set()
    for name in ("requests.jsonl", "outcomes.jsonl"):
        for line in golden(name):
            if "method" in line:
                request = read_request(json.dumps(line).encode())
                assert request.id == line["id"]
                assert readers[request.method](request.params) is not None
                seen.add(request.method)
    assert seen == set(readers)


def test_an_execute_request_carries_everything_over() -> None:
    first = next(line for line in golden("outcomes.jsonl") if "method" in line)
    asked = execute_params(read_request(json.dumps(first).encode()).params)
    assert (asked.settings.precision, asked.settings.trials, asked.settings.timing_trials) == ("fp32", 5, 0)
    assert asked.settings.execute_timeout_ms == 60000.5
    assert asked.device.torch_name() == asked.device.judge_torch_name() == "cuda:0"
    assert asked.problem.small is True
    assert asked.build.settings.cache_folder == Path("/var/cache/kval")


FINE = {
    "candidate": {"source": "", "language": "python"},
    "problem": {"source": "", "small": False},
    "settings": {
        "arch": "sm_90",
        "path": "auto",
        "buildTimeoutMs": 1,
        "cacheFolder": "/c",
        "cacheMaxBytes": 0,
        "precision": "fp32",
        "trials": 1,
        "timingTrials": 0,
        "executeTimeoutMs": 1,
        "compat": "kval",
    },
    "folder": "/f",
    "device": {"kind": "cuda", "index": 0},
}


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("candidate", None, "params.candidate is not a JSON object"),
        ("candidate.source", 3, "params.candidate.source is not a string"),
        ("candidate.language", "rust", "params.candidate.language is 'rust', not one of python, cuda"),
        ("problem", None, "params.problem is null"),
        ("problem.small", "no", "params.problem.small is not true or false"),
        ("settings.path", "slow", "params.settings.path is 'slow'"),
        ("settings.buildTimeoutMs", 0, "params.settings.buildTimeoutMs is not a number above 0"),
        ("settings.buildTimeoutMs", True, "params.settings.buildTimeoutMs is not a number"),
        ("settings.executeTimeoutMs", float("inf"), "params.settings.executeTimeoutMs is not a number"),
        ("settings.cacheFolder", "relative", "params.settings.cacheFolder is not an absolute path"),
        ("settings.trials", 0, "params.settings.trials is not a whole number of at least 1"),
        ("settings.trials", 1.5, "params.settings.trials is not a whole number"),
        ("settings.precision", "fp8", "params.settings.precision is 'fp8'"),
        ("device.kind", "host", "params.device.kind is 'host'; this worker executes on 'cuda'"),
        ("folder", "here", "params.folder is not an absolute path"),
    ],
)
def test_a_bad_request_names_its_field(path: str, value: Json, complaint: str) -> None:
    params = json.loads(json.dumps(FINE))
    *above, last = path.split(".")
    place = params
    for name in above:
        place = place[name]
    place[last] = value
    with pytest.raises(InstrumentError) as caught:
        execute_params(Fields(params, "params"))
    assert caught.value.code == "bad-request"
    assert complaint in caught.value.message
    del place[last]
    with pytest.raises(InstrumentError, match="is null" if path == "problem" else f"params.{path} is missing"):
        execute_params(Fields(params, "params"))


def test_a_worker_executes_on_its_own_kinds_of_device() -> None:
    host = {**FINE, "device": {"kind": "host", "index": 0}}
    asked = execute_params(Fields(host, "params"), ("cuda", "host")).device
    assert (asked.torch_name(), asked.judge_torch_name()) == ("cpu", "cpu")
    cpu = {**FINE, "device": {"kind": "cpu", "index": 0}}
    asked = execute_params(Fields(cpu, "params"), ("cpu",)).device
    assert (asked.torch_name(), asked.judge_torch_name()) == ("cuda:0", "cpu")
    with pytest.raises(InstrumentError, match="'cuda'; this worker executes on 'cpu'"):
        execute_params(Fields({**FINE, "device": {"kind": "cuda", "index": 0}}, "params"), ("cpu",))


@pytest.mark.parametrize("line", [b"", b"[]", b"3", b'{"id":3}', b"\xff\xfe", b"[" * 100_000])
def test_a_line_that_is_no_request_is_a_bad_request(line: bytes) -> None:
    with pytest.raises(InstrumentError) as caught:
        read_request(line)
    assert caught.value.code == "bad-request"
    assert request_id(line) is None


def test_every_outcome_is_written_as_in_the_golden_lines() -> None:
    diagnostic = Diagnostic("nvcc", "error", "cuda_sources", 7, 12, "20", 'identifier "blockidx" is undefined')
    rule = Diagnostic("rules", "error", "cpp_sources", None, None, None, "functions is empty")
    killed = "the process was killed by SIGSEGV"
    half = Spread(0.5, 0.5, 0.015625, 0.25, 0.75, (0.5, 0.25, 0.75))
    whole = Spread(1.0, 1.0, 0.015625, 1.0, 1.0, (1.0, 1.0, 1.0))
    clock: dict[str, Json] = {
        "kind": "cuda-events",
        "l2FlushBytes": 104857600,
        "warmUp": 3,
        "movedBytes": 2097152,
        "outsideMedianMs": 1.5,
    }
    unlaunched = "forward launched no kernel of the candidate's own; launched: gemm"
    off = "3 of 4096 elements are off by up to 0.5; element 17 is 0.5, not 0"
    unsteady = "right in one of two runs on the same inputs"
    fault = "relu_kernel, candidate.cu:7: writes 4 bytes 12 bytes past the end of an allocation of 4096 bytes"
    shown = "the answer is right also when none of the kernels launched runs: relu_kernel(float const*, float*, int)"
    outcomes = [
        Invalid("no-model", "the candidate defines no ModelNew"),
        Invalid("other-backend", "its kernels are written for triton, not CUDA", "triton"),
        CompileError("rules", "functions is empty", (rule,)),
        CompileError("nvcc", "1 error", (diagnostic,)),
        CompileError("g++", "1 error"),
        CompileError("link", "undefined reference to `relu'"),
        LoadError("undefined symbol: _Z4relu", ("relu(at::Tensor)",)),
        RuntimeFailure("forward", "SIGSEGV", killed),
        Timeout("build", 300000.0),
        Timeout("forward", 60000.5),
        Mismatch("values", off, 0, 0.5, 1.25),
        Mismatch("shape", "shape [3] where [4] was expected", 2),
        Mismatch("nondeterministic", unsteady, 1, float("inf"), float("nan")),
        Rejected("no-kernel-launched", unlaunched),
        Correct(None, 1.1920928955078125e-07, 2.5e-08),
        Correct(Timing(half, whole, 2.0, clock), 0.0, 0.0),
        Built(),
        RuntimeFailure("forward", "CudaFault", fault),
        Rejected("decoy-kernel", shown),
    ]
    results = [line["result"] for line in golden("outcomes.jsonl") if line.get("type") == "result"]
    assert [to_json(outcome) for outcome in outcomes] == [
        result["outcome"] for result in results if isinstance(result, dict)
    ]


def test_evidence_is_bounded() -> None:
    long = "x" * 100_000
    assert len(str(to_json(RuntimeFailure("forward", "E", long))["message"])) < 10_000
    many = tuple(Diagnostic("nvcc", "error", "cuda_sources", line, None, None, "m") for line in range(1000))
    listed = to_json(CompileError("nvcc", "m", many))["diagnostics"]
    assert isinstance(listed, list) and len(listed) == 50
    symbols = to_json(LoadError("m", tuple(map(str, range(1000)))))["undefinedSymbols"]
    assert isinstance(symbols, list) and len(symbols) == 50
    assert clip("lone \udc80 surrogate").encode()


def test_lines_arrive_whole_however_they_are_cut() -> None:
    reader, writer = os.pipe()
    wire = Wire(reader, -1)
    os.write(writer, b'{"a":1}\n\n{"b"')
    assert wire.receive() == b'{"a":1}'
    assert wire.waiting() == ()
    os.write(writer, b':2}\n{"c":3}\n{"half')
    assert wire.waiting() == (b'{"b":2}', b'{"c":3}')
    wire.drop(b'{"c":3}')
    assert wire.receive() == b'{"b":2}'
    os.close(writer)
    assert wire.receive() is None
    assert wire.ended
    os.close(reader)


def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kval_harness.protocol.LINE_BYTES", 1000)
    assert LINE_BYTES > 20_000_000  # a candidate of 10 MB, quoted
    reader, writer = os.pipe()
    wire = Wire(reader, -1)
    os.write(writer, b"x" * 5000)
    assert wire.receive() == b"{}"
    os.write(writer, b"still the same line\n" + b'{"a":1}\n')
    assert wire.receive() == b'{"a":1}'
    os.close(writer)
    os.close(reader)
