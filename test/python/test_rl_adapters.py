"""The adapters against a stand-in of the service on loopback: a small real HTTP server with the contract's replies."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import ClassVar

import pytest

from kval import AsyncClient, Client, Reply, ServiceError, kernelbench, openrlhf, slime, trl, verifiers, verl

GOOD = replace(Reply(), reward=1.3, score=0.6, compiled=1, correct=1, infra_ok=1, status="correct")


class StandIn(BaseHTTPRequestHandler):
    seen: ClassVar[list[dict[str, object]]] = []
    busy = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        StandIn.seen.append(body)
        error = {"error": {"code": "busy", "message": "full", "fix": "wait", "retry": True}}
        if StandIn.busy > 0:
            StandIn.busy -= 1
            return self._send(429, error)
        one = [error if "lost" in str(item) else GOOD.flat() for item in body.get("items", [])]
        return self._send(200, {"results": one} if "items" in body else GOOD.flat())

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
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KVAL_URL", f"http://127.0.0.1:{server.server_port}")
    StandIn.seen, StandIn.busy = [], 0
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


def test_verl_gets_the_same_keys_whatever_happens() -> None:
    assert inspect.iscoroutinefunction(verl.compute_score)
    good = asyncio.run(verl.compute_score("d", "x", "1_19", {}))
    lost = asyncio.run(verl.compute_score("d", "x", "1_19", {}, url="http://127.0.0.1:9", timeout_s=0.2))
    assert good.keys() == lost.keys() and (good["infra_ok"], lost["infra_ok"]) == (1, 0)
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
    assert asyncio.run(verifiers.kernel_reward("x", "1_19")) == 1.3
    assert kernelbench.eval_kernel_against_ref("ref", "k").correctness
    with pytest.raises(ServiceError):
        asyncio.run(AsyncClient("http://127.0.0.1:9", timeout_s=0.2).validate({}))
