"""A worker with CUDA in software: real kernels, built by nvcc, executed and judged where there is no GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_worker import ROOT, Conversation, execute_params
from texture import texture_candidate

CACHE = ROOT / ".kval" / "builds"  # the runtime compiles once for a machine, not once for a test

# One extension for most tests: `how` chooses what the kernel does.
CUDA = """
__global__ void sine_kernel(const float* from, float* to, int count, int how) {
    __shared__ float near[256];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (how == HANGS) while (atomicAdd(to, 0.0f) != 1e30f) { }
    if (how == NO_BARRIER) {
        near[threadIdx.x] = sinf(from[i]);
        int before = threadIdx.x == 0 ? 255 : threadIdx.x - 1;
        if (threadIdx.x > 0) to[i - 1] = near[before];
        if (threadIdx.x == 255) to[i] = near[255];
        return;
    }
    if (how == WRITES_BEYOND) { to[i + 1] = 0.0f; return; }
    if (i < count) to[i] = sinf(from[i]) + (how == OFF ? 0.01f : 0.0f);
}
torch::Tensor sine(torch::Tensor x, int64_t how) {
    auto y = torch::empty_like(x);
    int count = x.numel();
    sine_kernel<<<(count + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), count, how);
    return y;
}
"""

HOWS = ("RIGHT", "OFF", "WRITES_BEYOND", "NO_BARRIER", "HANGS")

CANDIDATE = f'''
import torch
from torch.utils.cpp_extension import load_inline

CUDA = """
#include <cuda_runtime.h>
enum {{ {", ".join(HOWS)} }};
{CUDA}
"""
module = load_inline(name="sine", cpp_sources="torch::Tensor sine(torch::Tensor x, int64_t how);", cuda_sources=CUDA,
                     functions=["sine"])
{", ".join(HOWS)} = range({len(HOWS)})

class ModelNew(torch.nn.Module):
    def forward(self, x):
        BODY
'''

UNSUPPORTED = texture_candidate("x")


@pytest.fixture(scope="module")
def worker() -> Iterator[Conversation]:
    conversation = Conversation("--cpu-device", str(CACHE), "--cpu-threads", "1", hello_s=300)
    yield conversation
    conversation.close()


def judge(worker: Conversation, folder: Path, source: str, **settings: object) -> dict[str, Any]:
    params = execute_params(folder, source, "cpu")
    params["settings"] |= {"cacheFolder": str(CACHE), "trials": 2, **settings}
    return worker.ask("execute", params)


def run(worker: Conversation, folder: Path, body: str, **settings: object) -> dict[str, Any]:
    reply = judge(worker, folder, CANDIDATE.replace("BODY", body), **settings)
    assert reply["type"] == "result", reply
    result: dict[str, Any] = reply["result"]
    return result


def test_it_offers_one_device_and_no_other(worker: Conversation, tmp_path: Path) -> None:
    (device,) = worker.hello["devices"]
    assert (device["kind"], device["index"], device["driver"]) == ("cpu", 0, None)
    assert device["name"].startswith("CUDA in software") and device["memoryBytes"] > 1 << 30
    reply = worker.ask("execute", execute_params(tmp_path, CANDIDATE, "cuda"))
    assert reply["error"]["code"] == "bad-request" and "'cpu'" in reply["error"]["message"]


def test_a_right_kernel_is_correct_seen_and_not_timed(worker: Conversation, tmp_path: Path) -> None:
    result = run(worker, tmp_path, "return module.sine(x, RIGHT)", timingTrials=3)
    assert result["outcome"]["status"] == "correct", result
    assert result["outcome"]["timing"] is None
    assert result["execution"]["trials"] == 2
    (launch,) = result["execution"]["launches"]
    assert launch["own"] and launch["count"] == 1 and launch["name"].startswith("sine_kernel(float const*, float*,")


def test_a_wrong_value_is_a_mismatch(worker: Conversation, tmp_path: Path) -> None:
    result = run(worker, tmp_path, "return module.sine(x, OFF)")
    outcome = result["outcome"]
    assert (outcome["status"], outcome["how"]) == ("mismatch", "values")
    assert outcome["maxAbsError"] == pytest.approx(0.01, rel=0.01)
    assert [one["own"] for one in result["execution"]["launches"]] == [True]


@pytest.mark.parametrize(
    "body",
    [
        "return module.sine(x, WRITES_BEYOND)",
        "try: module.sine(x, WRITES_BEYOND); torch.cuda.synchronize()\n"
        "        except Exception: pass\n"
        "        return torch.sin(x.cpu()).cuda()",
    ],
    ids=["shown", "hidden"],
)
def test_an_access_beyond_a_tensor_is_a_fault_whatever_is_made_of_it(
    worker: Conversation, tmp_path: Path, body: str
) -> None:
    outcome = run(worker, tmp_path, body)["outcome"]
    assert (outcome["status"], outcome["phase"], outcome["error"]) == ("runtime-error", "forward", "CudaFault"), outcome
    assert "sine_kernel" in outcome["message"]
    assert "past the end of an allocation of 8192 bytes" in outcome["message"]


def test_a_missing_barrier_shows_when_threads_run_in_another_order(worker: Conversation, tmp_path: Path) -> None:
    result = run(worker, tmp_path, "return module.sine(x, NO_BARRIER)")
    outcome = result["outcome"]
    assert (outcome["status"], outcome["how"]) == ("mismatch", "nondeterministic"), outcome
    assert "forward and reverse order" in outcome["message"]
    assert any("race on shared memory" in note for note in result["execution"]["notes"])


def test_a_kernel_that_never_runs_is_rejected(worker: Conversation, tmp_path: Path) -> None:
    outcome = run(worker, tmp_path, "return torch.sin(x)")["outcome"]
    assert (outcome["status"], outcome["cheat"]) == ("rejected", "no-kernel-launched")


def test_a_kernel_that_contributes_nothing_is_rejected(worker: Conversation, tmp_path: Path) -> None:
    outcome = run(worker, tmp_path, "module.sine(x, OFF)\n        return torch.sin(x)")["outcome"]
    assert (outcome["status"], outcome["cheat"]) == ("rejected", "decoy-kernel")
    assert "sine_kernel" in outcome["evidence"]


def test_a_kernel_that_the_rest_waits_for_is_no_decoy(worker: Conversation, tmp_path: Path) -> None:
    """Without its kernels this candidate never ends; that is not held against it."""
    body = "y = module.sine(x, RIGHT)\n        while not bool(torch.isfinite(y).all()): pass\n        return y"
    outcome = run(worker, tmp_path, body)["outcome"]
    assert outcome["status"] == "correct", outcome


def test_a_kernel_that_never_ends_times_out(worker: Conversation, tmp_path: Path) -> None:
    outcome = run(worker, tmp_path, "return module.sine(x, HANGS)", executeTimeoutMs=5_000)["outcome"]
    assert (outcome["status"], outcome["phase"], outcome["limitMs"]) == ("timeout", "forward", 5_000)


def test_what_the_device_cannot_do_is_no_verdict(worker: Conversation, tmp_path: Path) -> None:
    error = judge(worker, tmp_path, UNSUPPORTED)["error"]
    assert (error["code"], error["retry"]) == ("unsupported", False)
    assert "tex" in error["message"] and "--device cuda" in error["message"]
