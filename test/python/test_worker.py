"""The worker as others start it: a process that speaks the protocol on its stdin and stdout."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kval_harness.usage import descendants

ROOT = Path(__file__).resolve().parents[2]
STARTERS = sorted((ROOT / "kernelbench").glob("**/level*/*.py"))

PROBLEM = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.sin(x)

def get_inputs():
    return [torch.randn(64, 32)]

def get_init_inputs():
    return []
"""

NO_KERNEL = """
import sys, os
print("this must not reach the protocol")
sys.__stdout__.write("nor this")
os.write(1, b"nor this")
os.system("echo nor this")
import torch

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.sin(x)
"""


class Conversation:
    """A worker process and the lines that come from it."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None, hello_s: float = 60) -> None:
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "cuda-harness"), **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kval_harness", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
        )
        self._rest = b""
        self.hello = self.read(hello_s)

    def say(self, line: object) -> None:
        assert self.process.stdin is not None
        text = line if isinstance(line, str) else json.dumps(line)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def read(self, timeout_s: float = 60) -> dict[str, Any]:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            assert select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0], "no line in time"
            piece = os.read(descriptor, 1 << 16)
            assert piece, "the worker ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def ask(self, method: str, params: object, identity: str = "1") -> dict[str, Any]:
        self.say({"id": identity, "method": method, "params": params})
        while (reply := self.read(300))["type"] == "progress":
            assert reply["id"] == identity
        assert reply["id"] == identity
        return reply

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def worker() -> Iterator[Conversation]:
    conversation = Conversation("--host-device-for-tests")
    yield conversation
    conversation.close()


def build_params(folder: Path, source: str) -> dict[str, Any]:
    return {
        "candidate": {"source": source, "language": "python"},
        "problem": {"source": PROBLEM, "small": False},
        "settings": {
            "arch": "sm_90",
            "path": "auto",
            "buildTimeoutMs": 300_000,
            "cacheFolder": str(folder.parent / "cache"),
            "cacheMaxBytes": 1 << 30,
        },
        "folder": str(folder / "job"),
    }


def execute_params(folder: Path, source: str, kind: str = "host") -> dict[str, Any]:
    params = build_params(folder, source)
    params["device"] = {"kind": kind, "index": 0}
    params["settings"] |= {
        "precision": "fp32",
        "trials": 2,
        "timingTrials": 3,
        "executeTimeoutMs": 60_000,
        "compat": "kval",
    }
    return params


def test_hello_comes_first_and_says_what_is_here(worker: Conversation) -> None:
    assert worker.hello["type"] == "hello"
    assert worker.hello["protocol"] == 1
    assert worker.hello["python"].startswith("3.")
    assert isinstance(worker.hello["devices"], list)
    assert set(worker.hello["sandbox"]) >= {"userNamespaces", "mountNamespaces", "lacking"}


def test_requests_are_answered_and_mistakes_survived(worker: Conversation) -> None:
    shapes = worker.ask("problem", {"source": PROBLEM}, "a")["result"]["shapes"]
    assert shapes["inputs"] == [{"shape": [64, 32], "dtype": "float32"}]
    worker.say("no json")
    assert worker.read()["error"]["code"] == "bad-request"
    unknown = worker.ask("dance", {}, "b")
    assert unknown["error"]["code"] == "bad-request" and "dance" in unknown["error"]["message"]
    checked = worker.ask("check-problem", {"source": PROBLEM, "small": False, "tolerance": 1e-4}, "c")
    assert checked["result"]["admitted"] is True


def test_a_problem_that_kills_its_process_is_broken_and_the_worker_lives(worker: Conversation) -> None:
    for death in ("import os; os.kill(os.getpid(), 11)", "import os; os._exit(0)", "raise SystemExit"):
        reply = worker.ask("problem", {"source": death})
        assert reply["error"]["code"] == "problem-broken", reply
    assert worker.ask("problem", {"source": PROBLEM})["type"] == "result"


def test_nothing_that_a_candidate_prints_reaches_the_protocol(worker: Conversation, tmp_path: Path) -> None:
    reply = worker.ask("build", build_params(tmp_path, NO_KERNEL))
    assert reply["result"]["outcome"]["status"] == "invalid", reply
    assert reply["result"]["outcome"]["reason"] == "no-kernel"


def test_a_cancelled_request_ends_as_interrupted_and_the_next_is_answered(worker: Conversation) -> None:
    worker.say({"id": "slow", "method": "problem", "params": {"source": "import time; time.sleep(600)"}})
    time.sleep(0.5)
    began = time.monotonic()
    worker.say({"id": "stop", "method": "cancel", "params": {"target": "slow"}})
    replies = {reply["id"]: reply for reply in (worker.read(), worker.read())}
    assert replies["stop"]["result"] == {"cancelled": True}
    assert replies["slow"]["error"]["code"] == "interrupted"
    assert time.monotonic() - began < 5
    assert worker.ask("problem", {"source": PROBLEM})["type"] == "result"
    assert worker.ask("cancel", {"target": "long gone"})["result"] == {"cancelled": False}


def test_a_request_that_waits_can_be_cancelled(worker: Conversation) -> None:
    worker.say({"id": "slow", "method": "problem", "params": {"source": "import time; time.sleep(600)"}})
    worker.say({"id": "next", "method": "problem", "params": {"source": PROBLEM}})
    worker.say({"id": "x", "method": "cancel", "params": {"target": "next"}})
    worker.say({"id": "y", "method": "cancel", "params": {"target": "slow"}})
    replies = {reply["id"]: reply for reply in (worker.read() for _ in range(4))}
    assert replies["next"]["error"]["code"] == replies["slow"]["error"]["code"] == "interrupted"
    assert worker.ask("problem", {"source": PROBLEM})["type"] == "result"


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_the_end_of_the_worker_ends_its_children(how: str) -> None:
    conversation = Conversation()
    try:
        conversation.say({"id": "1", "method": "problem", "params": {"source": "import time; time.sleep(600)"}})
        deadline = time.monotonic() + 10
        while not descendants(conversation.process.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        living = descendants(conversation.process.pid)
        assert living
        if how == "SIGTERM":
            conversation.process.send_signal(signal.SIGTERM)
        else:
            assert conversation.process.stdin is not None
            conversation.process.stdin.close()
        assert conversation.process.wait(10) == 0
        assert not [one for one in living if Path(f"/proc/{one}").exists()]
    finally:
        conversation.close()


def test_a_candidate_is_really_built_and_executed(worker: Conversation, tmp_path: Path) -> None:
    """A CUDA extension built by the parent, loaded in the candidate's process, judged by another.

    What it offers computes on the host, so that it runs where there is no GPU.
    """
    source = '''
import torch
from torch.utils.cpp_extension import load_inline

CUDA = """
#include <cmath>
__global__ void idle(float* x) { x[threadIdx.x] = 0; }
torch::Tensor sine(torch::Tensor x) {
    auto y = torch::empty_like(x);
    const float* from = x.data_ptr<float>();
    float* to = y.data_ptr<float>();
    for (int64_t i = 0; i < x.numel(); ++i) to[i] = std::sin(from[i]) + OFFSET;
    return y;
}
"""
module = load_inline(name="host_sine", cpp_sources="torch::Tensor sine(torch::Tensor x);", cuda_sources=CUDA,
                     functions=["sine"])

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return module.sine(x)
'''
    right = worker.ask("execute", execute_params(tmp_path / "right", source.replace("OFFSET", "0.0f")))
    assert right["type"] == "result", right
    assert right["result"]["outcome"]["status"] == "correct", right["result"]
    assert len(right["result"]["outcome"]["timing"]["candidateMs"]["samples"]) == 3
    assert right["result"]["execution"]["trials"] == 2
    assert right["result"]["build"]["extensions"][0]["kernels"][0]["name"] == "idle(float*)"
    wrong = worker.ask("execute", execute_params(tmp_path / "wrong", source.replace("OFFSET", "0.01f")))
    assert wrong["result"]["outcome"]["status"] == "mismatch"
    assert wrong["result"]["outcome"]["how"] == "values"


def test_the_host_device_is_refused_without_its_flag(tmp_path: Path) -> None:
    conversation = Conversation()
    try:
        reply = conversation.ask("execute", execute_params(tmp_path, NO_KERNEL))
        assert reply["error"]["code"] == "bad-request" and "params.device.kind" in reply["error"]["message"]
    finally:
        conversation.close()


def test_secrets_in_the_environment_are_forgotten(worker: Conversation) -> None:
    conversation = Conversation(environment={"OPENAI_API_KEY": "sk-secret"})
    try:
        environment = Path(f"/proc/{conversation.process.pid}/environ")
        assert os.geteuid() != 0 or b"sk-secret" not in environment.read_bytes()
        source = "raise RuntimeError(open('/proc/self/environ').read())"
        told = conversation.ask("problem", {"source": source})["error"]["message"]
        assert "PATH=" in told and "sk-secret" not in told
    finally:
        conversation.close()


@pytest.mark.skipif(not STARTERS, reason="no starter problems in kernelbench/")
def test_every_starter_problem_is_admitted_at_its_small_size(worker: Conversation) -> None:
    """At KernelBench's tolerance."""
    refused = {}
    for file in STARTERS:
        reply = worker.ask("check-problem", {"source": file.read_text(), "small": True, "tolerance": 1e-4})
        if reply["type"] != "result" or not reply["result"]["admitted"]:
            refused[f"{file.parent.name}/{file.name}"] = reply
    assert refused == {}


@pytest.mark.gpu
def test_a_kernel_on_a_gpu_is_correct_timed_and_seen(worker: Conversation, tmp_path: Path) -> None:
    if not worker.hello["devices"]:
        pytest.skip("needs an NVIDIA GPU")
    source = '''
import torch
from torch.utils.cpp_extension import load_inline

CUDA = """
__global__ void sine_kernel(const float* from, float* to, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) to[i] = sinf(from[i]);
}
torch::Tensor sine(torch::Tensor x) {
    auto y = torch::empty_like(x);
    int count = x.numel();
    sine_kernel<<<(count + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), count);
    return y;
}
"""
module = load_inline(name="sine", cpp_sources="torch::Tensor sine(torch::Tensor x);", cuda_sources=CUDA,
                     functions=["sine"])

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return LAUNCH
'''
    capability = worker.hello["devices"][0]["computeCapability"].replace(".", "")
    params = execute_params(tmp_path / "right", source.replace("LAUNCH", "module.sine(x)"), "cuda")
    params["settings"]["arch"] = f"sm_{capability}"
    right = worker.ask("execute", params)["result"]
    assert right["outcome"]["status"] == "correct", right
    assert right["outcome"]["timing"]["clock"]["kind"] == "cuda-events"
    assert any(launch["own"] for launch in right["execution"]["launches"])
    params = execute_params(tmp_path / "decoy", source.replace("LAUNCH", "torch.sin(x)"), "cuda")
    params["settings"]["arch"] = f"sm_{capability}"
    decoy = worker.ask("execute", params)["result"]
    assert decoy["outcome"]["status"] == "rejected" and decoy["outcome"]["cheat"] == "no-kernel-launched"
