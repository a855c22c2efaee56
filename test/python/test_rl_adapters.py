"""The adapters against a stand-in of the service on loopback: a small real HTTP server with the contract's replies."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from kval import (
    AsyncClient,
    Client,
    Reply,
    ServiceError,
    kernelbench,
    openrlhf,
    rllm,
    skyrl,
    slime,
    trl,
    verifiers,
    verl,
)
from kval.shared import shared_async_client

GOOD = replace(Reply(), reward=1.3, score=0.6, compiled=1, correct=1, infra_ok=1, status="correct")


class StandIn(BaseHTTPRequestHandler):
    seen: ClassVar[list[dict[str, object]]] = []
    keys: ClassVar[list[str | None]] = []
    ports: ClassVar[set[int]] = set()
    busy = 0
    reply: ClassVar[dict[str, object]] = {}

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        StandIn.seen.append(body)
        StandIn.keys.append(self.headers["idempotency-key"])
        StandIn.ports.add(self.client_address[1])
        error = {"error": {"code": "busy", "message": "full", "fix": "wait", "retry": True}}
        if StandIn.busy > 0:
            StandIn.busy -= 1
            return self._send(429, error)
        if "broken" in str(body):
            return self._send(500, {"error": {**error["error"], "code": "internal", "retry": False}})
        if self.path == "/v1/jobs":
            return self._send(202, {"id": "7"})
        one = [error if "lost" in str(item) else StandIn.reply for item in body.get("items", [])]
        return self._send(200, {"results": one} if "items" in body else StandIn.reply)

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("retry-after", "0")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("KVAL_URL", f"http://127.0.0.1:{server.server_port}")
    StandIn.seen, StandIn.keys, StandIn.ports, StandIn.busy = [], [], set(), 0
    StandIn.reply = {**GOOD.flat()}
    yield
    server.shutdown()
    server.server_close()


def test_a_busy_service_is_asked_again() -> None:
    StandIn.busy = 2
    assert Client().validate({"kernel": "k", "problem_id": "1_19"}) == GOOD
    assert len(StandIn.seen) == 3


def test_batches_keep_their_order_and_their_errors() -> None:
    texts = ["a", "lost", "b"]
    items = [{"kernel": text, "problem_id": "1_19"} for text in texts]
    replies = Client(batch_size=2).validate_batch(items)
    assert [isinstance(reply, ServiceError) for reply in replies] == [False, True, False]
    assert Client().validate_batch([]) == []


def test_a_batch_loses_only_its_broken_part_and_asks_again_once() -> None:
    items = [{"kernel": text, "problem_id": "1_19"} for text in ("broken", "a", "b", "lost")]
    items.append({"kernel": float("nan")})  # type: ignore[dict-item]
    replies = Client(batch_size=1, concurrency=1).validate_batch(items)
    codes = [reply.code if isinstance(reply, ServiceError) else "" for reply in replies]
    assert codes == ["internal", "", "", "busy", "bad-input"]
    asked = [item["kernel"] for body in StandIn.seen for item in body["items"]]  # type: ignore[attr-defined]
    assert asked == ["broken", "a", "b", "lost", "lost"]


def test_a_job_submitted_again_bears_the_same_key() -> None:
    StandIn.busy = 1
    with Client() as client:
        assert (client.submit({"kernel": "k"}), client.submit({"kernel": "k"})) == ("7", "7")
    assert StandIn.keys[0] == StandIn.keys[1] != StandIn.keys[2] and None not in StandIn.keys
    assert len(StandIn.ports) == 1


@pytest.mark.parametrize("odd", [None, float("nan"), "1", True])
def test_a_reply_that_is_not_whole_is_refused(odd: object) -> None:
    StandIn.reply["reward"] = odd
    with pytest.raises(ServiceError, match="reward"):
        Client().validate({})
    assert Client().score({}).infra_ok == 0


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(ServiceError, match="unreachable"):
        Client("http://127.0.0.1:9", timeout_s=0.2).validate({})


def test_samples_of_a_loop_share_connections() -> None:
    async def judged() -> AsyncClient:
        for _ in range(5):
            await verl.compute_score("d", "x", "1_19", {})
        return shared_async_client()

    assert asyncio.run(judged()) is not asyncio.run(judged())
    assert len(StandIn.ports) == 2


def test_odd_rows_do_not_end_a_training() -> None:
    assert trl.reward_func(["p"], ["x", None, 3], problem_id=["1_19"]) == [1.3] * 3
    assert [body.get("problem_id") for body in StandIn.seen[0]["items"]] == ["1_19", None, None]  # type: ignore[attr-defined]
    assert trl.reward_func([], ["x"], log_metric=lambda *_: 1 / 0) == [None]
    assert openrlhf.reward_func(["px", "py"], ["p"], [])["rewards"] == [1.3, 1.3]
    assert openrlhf.reward_func([None], [], [])["extra_logs"]["infra_ok"] == [0.0]  # type: ignore[list-item]
    assert asyncio.run(slime.custom_rm(None, None))["infra_ok"] == 0


def test_skyrl_ends_an_episode_that_is_correct_or_out_of_turns() -> None:
    extras = {"reward_spec": {"ground_truth": "1_19"}, "max_turns": 3}
    assert skyrl.judged_turn("x", extras, 1)["done"]
    StandIn.reply |= {"correct": 0, "feedback": "mismatch"}
    turn = skyrl.judged_turn("x", extras, 2)
    assert (turn["done"], turn["observations"]) == (False, [{"role": "user", "content": "mismatch"}])
    assert skyrl.judged_turn("x", extras, 3)["done"] and skyrl.judged_turn("x", extras, 3)["observations"] == []


def test_rllm_gets_reward_and_whether_it_is_correct() -> None:
    said = rllm.reward_fn({"ground_truth": "1_19"}, SimpleNamespace(action="x"))
    assert (said.reward, said.is_correct, said.metadata["infra_ok"]) == (1.3, True, 1)
    assert StandIn.seen == [{"response": "x", "problem_id": "1_19"}]


def test_rllm_evaluates_what_the_agent_said_last() -> None:
    task = SimpleNamespace(metadata={"ground_truth": "1_19"})
    none, said = (SimpleNamespace(output=None, model_response=text) for text in ("", "x"))
    flow = SimpleNamespace(output=None, steps=[said, none])
    for trajectories, artifacts in (([], {"answer": "x"}), ([flow], {}), ([SimpleNamespace(output="x", steps=[])], {})):
        judged = rllm.evaluate(task, SimpleNamespace(trajectories=trajectories, artifacts=artifacts))
        assert (judged["reward"], judged["is_correct"], judged["signals"]["infra_ok"]) == (1.3, True, 1.0)
    assert StandIn.seen == [{"response": "x", "problem_id": "1_19"}] * 3


SCRIPT = """
import multiprocessing
from kernelbench.eval import eval_kernel_against_ref

def one(kernel):
    return eval_kernel_against_ref("ref", kernel)

if __name__ == "__main__":
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method("spawn")
    with multiprocessing.Pool(1) as pool:
        print(pool.apply_async(one, ("k",)).get(60).metadata["kval"]["reward"])
"""


def test_a_script_of_kernelbench_and_its_workers_run_on_kval(tmp_path: Path) -> None:
    """A script that works as KernelBench's scripts/eval_from_generations.py does."""
    (tmp_path / "kernelbench").mkdir()
    (tmp_path / "kernelbench" / "eval.py").write_text("def eval_kernel_against_ref(*_): raise NotImplementedError")
    (tmp_path / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(tmp_path), str(Path(kernelbench.__file__).parents[1])])
    run = [sys.executable, "-m", "kval.kernelbench", str(tmp_path / "script.py")]
    done = subprocess.run(run, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout == "1.3\n"


def test_kernelbench_gets_its_own_names() -> None:
    StandIn.reply |= {"timed": 1, "kernel_ms": 0.5, "reference_ms": 8.0, "speedup": 16.0}
    result = kernelbench.eval_kernel_against_ref("ref", "k", measure_performance=True)
    assert (result.runtime, result.runtime_stats, result.ref_runtime) == (0.5, {"median": 0.5}, 8.0)
    assert result.metadata["excessive_speedup"] is True
    for status, compiled, key in (
        ("compile-error", 0, "compilation_error"),
        ("runtime-error", 1, "runtime_error"),
        ("mismatch", 1, "correctness_issue"),
    ):
        StandIn.reply = {**GOOD.flat(), "status": status, "compiled": compiled, "correct": 0, "feedback": "why"}
        result = kernelbench.eval_kernel_against_ref("ref", "k")
        assert result.metadata[key] == "why" and f"{key}_name" in result.metadata and result.runtime == -1.0
    with pytest.raises(ValueError, match="fp8"):
        kernelbench.eval_kernel_against_ref("ref", "k", precision="torch.fp8")


def test_verl_gets_the_same_keys_whatever_happens() -> None:
    assert inspect.iscoroutinefunction(verl.compute_score)
    good = asyncio.run(verl.compute_score("d", "x", "1_19", {}))
    lost = asyncio.run(verl.compute_score("d", "x", "1_19", {}, url="http://127.0.0.1:9", timeout_s=0.2))
    assert good.keys() == lost.keys() and (good["infra_ok"], lost["infra_ok"]) == (1, 0)
    assert (good["score"], good["raw_reward"]) == (0.6, 1.3) and "reward" not in good
    assert len(verl.compute_score_batch(["d"], ["x"], ["1_19"], [None])) == 1


def test_trl_leaves_out_what_could_not_be_judged() -> None:
    completions = [[{"role": "assistant", "content": "x"}], "lost"]
    state = SimpleNamespace(global_step=7)
    assert trl.reward_func(["p"] * 2, completions, state, problem_id=["1_19"] * 2, other=1) == [1.3, None]
    assert StandIn.seen[0]["items"][0] == {"response": "x", "problem_id": "1_19", "step": 7}  # type: ignore[index]


def test_the_other_adapters() -> None:
    assert openrlhf.reward_func(["px"], ["p"], ["1_19"])["rewards"] == [1.3]
    assert openrlhf.reward_func([], [], [])["rewards"] == []
    sample = SimpleNamespace(response="x", label="1_19", metadata=None)
    assert asyncio.run(slime.custom_rm(None, sample))["reward"] == 1.3
    group = asyncio.run(slime.custom_rm(None, [sample, None]))
    assert [one["infra_ok"] for one in group] == [1, 0]
    assert asyncio.run(verifiers.kernel_reward("x", "1_19")) == 1.3
    assert kernelbench.eval_kernel_against_ref("ref", "k").correctness
    with pytest.raises(ServiceError):
        asyncio.run(AsyncClient("http://127.0.0.1:9", timeout_s=0.2).validate({}))
