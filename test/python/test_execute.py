"""Executing on the host: everything but the device is the real thing (two processes, secret seeds, tensor files)."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from kval_harness.contain import Channel, Json
from kval_harness.execute import Execution, Job, execute
from kval_harness.kernelbench import trial_seeds
from kval_harness.measure import Gpu
from kval_harness.outcome import (
    Correct,
    InstrumentError,
    Mismatch,
    Outcome,
    Rejected,
    RuntimeFailure,
    Timeout,
)
from kval_harness.probe import import_candidate
from kval_harness.protocol import Compat, DeviceName, ExecuteSettings, Precision
from kval_harness.vary import KINDS

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and tests fork from this process

LINEAR = """
import torch
import torch.nn as nn

BATCH = 64
SMALL = {"BATCH": 8}

class Model(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.linear = nn.Linear(width, 32, bias=bias)

    def forward(self, x):
        return torch.tanh(self.linear(x))

def get_inputs():
    return [torch.randn(BATCH, 48)]

def get_init_inputs():
    return [48]
"""

HONEST = """
import torch
import torch.nn as nn

class ModelNew(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.linear = nn.Linear(width, 32, bias=bias)

    def forward(self, x):
        return torch.tanh(x @ self.linear.weight.t() + self.linear.bias)
"""


def run(
    folder: Path,
    candidate: str,
    problem: str = LINEAR,
    *,
    small: bool = False,
    precision: Precision = "fp32",
    compat: Compat = "kval",
    trials: int = 2,
    timing_trials: int = 0,
    timeout_ms: float = 20_000,
    memory_bytes: int | None = None,
) -> tuple[Outcome, Execution]:
    def load(_: Channel):  # noqa: ANN202  # a module
        torch.set_num_threads(1)
        return import_candidate(textwrap.dedent(candidate), Path.cwd())

    settings = ExecuteSettings(precision, trials, timing_trials, timeout_ms, compat)
    job = Job(
        source=problem,
        small=small,
        device=DeviceName("host", 0),
        settings=settings,
        folder=folder,
        load=load,
        serve_load=refuse,
        is_own_kernel=lambda name: False,
        memory_bytes=memory_bytes,
    )
    return execute(job)


def refuse(request: Json) -> Json:
    raise AssertionError(f"no build was expected: {request}")


def forward(body: str) -> str:
    """The honest candidate with another forward."""
    head = HONEST[: HONEST.index("    def forward")]
    return head + "    def forward(self, x):\n" + textwrap.indent(textwrap.dedent(body).strip(), " " * 8) + "\n"


def test_an_honest_candidate_is_correct_and_timed(tmp_path: Path) -> None:
    outcome, execution = run(tmp_path, HONEST, timing_trials=5)
    assert isinstance(outcome, Correct), outcome
    assert outcome.max_abs_error < 1e-5
    assert outcome.timing is not None
    assert len(outcome.timing.candidate_ms.samples) == len(outcome.timing.reference_ms.samples) == 5
    assert outcome.timing.speedup == pytest.approx(
        outcome.timing.reference_ms.median / outcome.timing.candidate_ms.median
    )
    assert execution.trials == 2
    assert execution.launches is None
    assert any("unknown" in note for note in execution.notes)


def test_the_small_size_and_the_half_precisions_run(tmp_path: Path) -> None:
    for precision in ("fp16", "bf16"):
        outcome, _ = run(tmp_path / precision, HONEST, small=True, precision=precision, trials=1)
        assert isinstance(outcome, Correct), outcome


def test_kernelbench_compatible_runs_accept_what_kernelbench_accepts(tmp_path: Path) -> None:
    slightly_off = forward("return torch.tanh(x @ self.linear.weight.t() + self.linear.bias) + 8e-5")
    accepted, _ = run(tmp_path / "kernelbench", slightly_off, compat="kernelbench", trials=1)
    assert isinstance(accepted, Correct)
    refused, _ = run(tmp_path / "kval", slightly_off, trials=1)
    assert isinstance(refused, Mismatch) and refused.how == "values"


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("return torch.zeros(x.shape[0], 32)", "values"),
        ("return torch.tanh(x @ self.linear.weight.t())", "values"),
        ("return torch.tanh(self.linear(x))[:, :31]", "shape"),
        ("return torch.tanh(self.linear(x)).double()", "dtype"),
        ("return torch.tanh(self.linear(x)) / 0.0", "non-finite"),
        ("return torch.tanh(self.linear(x)).tolist()[0][0]", "dtype"),
        ("return (torch.tanh(self.linear(x)), x)", "shape"),
        ("y = torch.tanh(self.linear(x))\nx.zero_()\nreturn y", "input-mutated"),
        (
            "self.calls = getattr(self, 'calls', 0) + 1\nreturn torch.tanh(self.linear(x)) * (self.calls % 2)",
            "nondeterministic",
        ),
        # Only values from memory that nobody wrote: the poison shows.
        ("return torch.empty(x.shape[0], 32).copy_(torch.empty(x.shape[0], 32))", None),
        # The first answer for ever after: right once, then stale.
        (
            "if not hasattr(self, 'kept'):\n    self.kept = torch.tanh(self.linear(x))\nreturn self.kept",
            "values",
        ),
    ],
)
def test_a_wrong_answer_is_a_mismatch_of_its_kind(tmp_path: Path, body: str, how: str | None) -> None:
    outcome, _ = run(tmp_path, forward(body))
    assert isinstance(outcome, Mismatch), outcome
    assert how is None or outcome.how == how


def test_other_distributions_of_the_inputs_find_what_the_usual_one_hides(tmp_path: Path) -> None:
    only_large = forward("y = torch.tanh(self.linear(x))\nreturn y if x.abs().max() > 1.5 else y + 0.01")
    outcome, execution = run(tmp_path / "kval", only_large)
    assert isinstance(outcome, Mismatch) and (outcome.how, outcome.trial) == ("values", 2), outcome
    assert outcome.message.startswith("on scaled inputs: ") and execution.trials == 2
    accepted, _ = run(tmp_path / "kernelbench", only_large, compat="kernelbench")
    assert isinstance(accepted, Correct), "KernelBench looks at one distribution"


def test_kernelbench_compatible_runs_have_its_seeds_and_its_means(tmp_path: Path) -> None:
    """The trials' inputs follow from 42, and those of every timed call are from 42 itself."""
    expects = forward(
        """
        self.calls = getattr(self, 'calls', 0) + 1
        torch.manual_seed(SEEDS[min(self.calls, 4) - 1])
        assert torch.equal(x, torch.randn(64, 48)), self.calls
        return torch.tanh(self.linear(x))
        """
    ).replace("SEEDS", str([*trial_seeds(3), 42]))
    outcome, _ = run(tmp_path, expects, compat="kernelbench", trials=3, timing_trials=10)
    assert isinstance(outcome, Correct) and outcome.timing is not None, outcome
    timing = outcome.timing
    assert len(timing.candidate_ms.samples) == len(timing.reference_ms.samples) == 10
    means = [float(str(timing.clock[name])) for name in ("candidateMeanMs", "referenceMeanMs")]
    assert means[0] == pytest.approx(timing.candidate_ms.mean, rel=0.01)
    assert timing.speedup == means[1] / means[0]
    assert timing.clock["protocol"] == "kernelbench" and timing.clock["excessiveSpeedup"] is False


def test_a_problem_may_mean_its_nans_and_then_they_must_stand_where_they_stand(tmp_path: Path) -> None:
    problem = LINEAR.replace("torch.tanh(self.linear(x))", "torch.log(self.linear(x))") + "\nNAN_IS_A_VALUE = True\n"
    outcome, _ = run(tmp_path / "same", forward("return torch.log(self.linear(x))"), problem)
    assert isinstance(outcome, Correct), outcome
    outcome, _ = run(tmp_path / "other", forward("return torch.log(self.linear(x)).nan_to_num()"), problem)
    assert isinstance(outcome, Mismatch) and outcome.how == "non-finite", outcome


def test_an_output_that_nothing_can_be_told_by_is_noted(tmp_path: Path) -> None:
    problem = LINEAR.replace("torch.tanh(self.linear(x))", "self.linear(x) * 0")
    outcome, execution = run(tmp_path, forward("return self.linear(x) * 0"), problem, trials=1)
    assert isinstance(outcome, Correct), outcome
    assert any(note.startswith("output 0 is zero throughout") for note in execution.notes), execution.notes


@pytest.mark.parametrize(
    "body",
    [
        # An answer for each address that torch knows of no change to.
        "key = (x.data_ptr(), x._version)\nself.known = getattr(self, 'known', {})\n"
        "if key not in self.known:\n    self.known[key] = torch.tanh(self.linear(x))\nreturn self.known[key]",
        # Only the last answer, as long as address and count stay.
        "key = (x.data_ptr(), x._version)\nif getattr(self, 'key', None) != key:\n"
        "    self.key, self.answer = key, torch.tanh(self.linear(x))\nreturn self.answer",
        # The first call's inputs, wherever they are now.
        "self.first = getattr(self, 'first', x)\nreturn torch.tanh(self.linear(self.first))",
    ],
    ids=["answers", "last-answer", "addresses"],
)
def test_who_goes_by_addresses_is_wrong(tmp_path: Path, body: str) -> None:
    outcome, _ = run(tmp_path, forward(body))
    assert isinstance(outcome, Mismatch) and outcome.how in ("values", "nondeterministic"), outcome


def test_dropout_is_judged_in_evaluation_mode(tmp_path: Path) -> None:
    problem = LINEAR.replace("torch.tanh(self.linear(x))", "nn.functional.dropout(self.linear(x), 0.5, self.training)")
    outcome, execution = run(tmp_path, forward("return self.linear(x)"), problem)
    assert isinstance(outcome, Correct), outcome
    assert any("evaluation mode" in note for note in execution.notes)


def test_looking_for_dropout_leaves_running_means_alone(tmp_path: Path) -> None:
    """Evaluation mode goes by them; the candidate's have seen nothing yet."""
    problem = LINEAR.replace(
        "self.linear = nn.Linear(width, 32, bias=bias)",
        "self.linear = nn.Linear(width, 32, bias=bias)\n        self.norm = nn.BatchNorm1d(32)",
    ).replace("torch.tanh(self.linear(x))", "nn.functional.dropout(self.norm(self.linear(x)), 0.5, self.training)")
    candidate = forward("return self.norm(self.linear(x))").replace(
        "    def forward", "        self.norm = nn.BatchNorm1d(32)\n\n    def forward"
    )
    outcome, _ = run(tmp_path, candidate, problem)
    assert isinstance(outcome, Correct), outcome


def test_integer_inputs_keep_their_type(tmp_path: Path) -> None:
    problem = LINEAR.replace("torch.tanh(self.linear(x))", "torch.argmax(self.linear(x), 1)")
    outcome, _ = run(tmp_path, forward("return self.linear(x).max(dim=1).indices"), problem, trials=1)
    assert isinstance(outcome, Correct), outcome
    wrong, _ = run(tmp_path, forward("return self.linear(x).max(dim=1).indices.int()"), problem, trials=1)
    assert isinstance(wrong, Mismatch) and wrong.how == "dtype"


@pytest.mark.parametrize(
    ("candidate", "phase", "error"),
    [
        ("raise ImportError('no such thing')", "import", "ImportError"),
        (
            HONEST.replace("super().__init__()", "super().__init__(); raise ValueError('width')"),
            "construct",
            "ValueError",
        ),
        (
            forward("raise RuntimeError('CUDA error: an illegal memory access was encountered')"),
            "forward",
            "RuntimeError",
        ),
        (forward("import ctypes\nctypes.string_at(0)"), "forward", "SIGSEGV"),
        (forward("import os\nos.kill(os.getpid(), 9)"), "forward", "SIGKILL"),
        (forward("import os\nos._exit(0)"), "forward", "SystemExit"),
        (forward("import sys\nsys.exit(0)"), "forward", "SystemExit"),
    ],
)
def test_a_candidate_that_fails_is_a_runtime_error_of_its_phase(
    tmp_path: Path, candidate: str, phase: str, error: str
) -> None:
    outcome, _ = run(tmp_path, candidate)
    assert isinstance(outcome, RuntimeFailure), outcome
    assert (outcome.phase, outcome.error) == (phase, error)


def test_a_candidate_that_never_ends_times_out_in_its_phase(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path / "forward", forward("while True: pass"), timeout_ms=1500)
    assert outcome == Timeout("forward", 1500)
    slow = HONEST.replace("super().__init__()", "super().__init__(); import time; time.sleep(60)")
    outcome, _ = run(tmp_path / "construct", slow, timeout_ms=1500)
    assert outcome == Timeout("construct", 1500)


def test_memory_of_the_machine_is_nobodys_verdict(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError) as caught:
        run(tmp_path, forward("raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 9 GiB')"))
    assert (caught.value.code, caught.value.retry) == ("out-of-memory", True)
    with pytest.raises(InstrumentError) as caught:
        run(tmp_path, forward("raise RuntimeError('CUDA error: no kernel image is available for execution')"))
    assert (caught.value.code, caught.value.retry) == ("no-kernel-image", False)


@pytest.mark.parametrize(
    "problem",
    [
        LINEAR.replace("return torch.tanh", "return undefined"),
        LINEAR.replace("def get_inputs", "def get_other_inputs"),
        LINEAR.replace("torch.tanh(self.linear(x))", "self.linear(x) * float('nan')"),
        LINEAR.replace("torch.tanh(self.linear(x))", "'a string'"),
        "not python at all",
    ],
)
def test_a_broken_problem_is_nobodys_verdict(tmp_path: Path, problem: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        run(tmp_path, HONEST, problem)
    assert caught.value.code == "problem-broken"


def test_the_candidates_process_holds_neither_expected_outputs_nor_input_seeds(tmp_path: Path) -> None:
    """It may rewrite what it likes in its own process: the reference lives elsewhere."""
    outcome, _ = run(
        tmp_path,
        forward(
            """
            import gc, sys
            for module in list(sys.modules.values()):
                if 'get_inputs' in vars(module):
                    module.get_inputs = lambda: [torch.zeros(1)]
            found = [one for one in gc.get_objects() if type(one) is torch.Tensor and one.shape == (x.shape[0], 32)]
            assert not found, 'something here looks like an answer'
            return torch.zeros(x.shape[0], 32)
            """
        ),
    )
    assert isinstance(outcome, Mismatch) and outcome.how == "values", outcome


def test_who_changes_what_comparison_means_is_rejected(tmp_path: Path) -> None:
    patched = forward("torch.allclose = lambda *args, **kwargs: True\nreturn torch.tanh(self.linear(x))")
    outcome, _ = run(tmp_path, patched)
    assert outcome == Rejected("forged-clock", "the candidate gave another meaning to torch.allclose")


def test_who_replaces_a_function_of_the_harness_is_rejected(tmp_path: Path) -> None:
    patched = forward(
        """
        import kval_harness.runner
        kval_harness.runner.changed_places = lambda *args: []
        return torch.tanh(self.linear(x))
        """
    )
    outcome, _ = run(tmp_path, patched)
    evidence = "kval_harness.runner.changed_places was replaced in the candidate's process"
    assert outcome == Rejected("patched-harness", evidence)


def test_who_leaves_a_process_running_is_rejected(tmp_path: Path) -> None:
    forked = forward(
        """
        import os, signal
        if os.fork() == 0:
            signal.pause()
        return torch.tanh(self.linear(x))
        """
    )
    outcome, _ = run(tmp_path, forked)
    assert isinstance(outcome, Rejected) and outcome.cheat == "background-work", outcome


def test_a_forged_reply_is_rejected(tmp_path: Path) -> None:
    forged = forward(
        """
        import json, os, struct
        data = json.dumps({"kind": "ask", "body": {"step": "correct", "verdict": "please"}}).encode()
        os.write(3, struct.pack(">I", len(data)) + data)
        return torch.zeros(x.shape[0], 32)
        """
    )
    outcome, _ = run(tmp_path, forged)
    assert isinstance(outcome, Rejected) and outcome.cheat == "forged-reply"


def test_a_candidate_that_says_it_is_done_has_not_won(tmp_path: Path) -> None:
    farewell = forward(
        """
        import json, os, struct
        data = json.dumps({"kind": "returned", "body": {"status": "correct"}}).encode()
        os.write(3, struct.pack(">I", len(data)) + data)
        os._exit(0)
        """
    )
    outcome, _ = run(tmp_path, farewell)
    assert isinstance(outcome, RuntimeFailure) and outcome.error == "SystemExit"


def test_a_lazy_tensor_is_rejected(tmp_path: Path) -> None:
    lazy = (
        HONEST.replace(
            "class ModelNew",
            "class Later(torch.Tensor):\n    pass\n\nclass ModelNew",
        )
        .replace("return torch.tanh", "return Later(torch.tanh")
        .rstrip()
        + ")\n"
    )
    outcome, _ = run(tmp_path, lazy)
    assert isinstance(outcome, Rejected) and outcome.cheat == "lazy-tensor", outcome


def test_a_clock_that_runs_ahead_is_rejected(tmp_path: Path) -> None:
    forged = "import time\n" + HONEST.replace(
        "        super().__init__()",
        "        super().__init__()\n        ticks = iter(range(0, 10**9, 1000))\n"
        "        time.perf_counter = lambda: next(ticks)",
    )
    outcome, _ = run(tmp_path, forged, timing_trials=3)
    assert isinstance(outcome, Rejected) and outcome.cheat == "forged-clock", outcome
    assert "time.perf_counter" in outcome.evidence


def test_an_answer_that_goes_wrong_while_it_is_timed_is_found(tmp_path: Path) -> None:
    outcome, _ = run(
        tmp_path,
        forward(
            """
            self.calls = getattr(self, 'calls', 0) + 1
            y = torch.tanh(self.linear(x))
            return y if self.calls <= 2 * 2 + len(KINDS) else y.zero_()
            """
        ).replace("len(KINDS)", str(len(KINDS))),
        timing_trials=4,
    )
    assert isinstance(outcome, Mismatch) and outcome.how == "values", outcome


def test_every_timed_call_gets_values_and_addresses_of_its_own(tmp_path: Path) -> None:
    outcome, _ = run(
        tmp_path,
        forward(
            """
            self.calls = getattr(self, 'calls', 0) + 1
            if self.calls > 2 * 2 + KINDS + 1:
                assert x.data_ptr() != self.last.data_ptr() and not torch.equal(x, self.last)
            self.last = x
            return torch.tanh(self.linear(x))
            """
        ).replace("KINDS", str(len(KINDS))),
        timing_trials=4,
    )
    assert isinstance(outcome, Correct), outcome


def test_a_clock_that_is_patched_below_the_seal_is_found_from_outside(tmp_path: Path) -> None:
    # Rounds enough for quartiles that a busy machine does not blur: doubtful cases are the candidate's.
    claims = "import time\nfrom kval_harness.clock import WallClock\n" + HONEST.replace(
        "        return torch", "        time.sleep(0.002)\n        return torch"
    )
    claims += "\nWallClock.lap.__code__ = (lambda self, call: (call(), Lap(0.001, 0.001))).__code__\n"
    outcome, _ = run(tmp_path, claims, timing_trials=20)
    assert isinstance(outcome, Rejected) and outcome.cheat == "forged-clock", outcome
    assert "by the outside one" in outcome.evidence


@pytest.mark.parametrize(("reads", "cheat"), [("x", "impossible-time"), ("x[:1]", None)])
def test_no_time_is_less_than_the_memory_that_is_needed_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str, cheat: str | None
) -> None:
    """On a GPU so slow that reading all of the inputs takes 3 ms; the reference takes longer either way."""
    gpu = Gpu("of nobody", bandwidth=64 * 48 * 4 / 0.003, l2_bytes=1 << 20)
    monkeypatch.setattr("kval_harness.execute._gpu", lambda _: gpu)
    problem = LINEAR.replace("return torch", "import time; time.sleep(0.02); return torch").replace(
        "self.linear(x)", f"self.linear({reads})"
    )
    outcome, _ = run(tmp_path, forward(f"return torch.tanh(self.linear({reads}))"), problem, trials=1, timing_trials=3)
    if cheat is None:
        assert isinstance(outcome, Correct), outcome
    else:
        assert isinstance(outcome, Rejected) and outcome.cheat == cheat, outcome


def test_nothing_is_left_in_shared_memory(tmp_path: Path) -> None:
    before = set(Path("/dev/shm").glob("kval-*"))
    run(tmp_path, forward("import os\nos.kill(os.getpid(), 9)"), trials=1)
    assert set(Path("/dev/shm").glob("kval-*")) - before == set()


@pytest.mark.parametrize(
    "taken", ["[bytearray(b'x') * (64 << 20) for _ in range(40)]", "[torch.ones(1 << 24) for _ in range(40)]"]
)
def test_what_a_small_machine_lacks_is_no_verdict(tmp_path: Path, taken: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        run(tmp_path, forward(f"taken = {taken}\nreturn x + len(taken)"), memory_bytes=1 << 30)
    assert caught.value.code == "out-of-memory"
