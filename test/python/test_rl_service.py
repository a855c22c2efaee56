"""The Python client and the adapters against the real `kval serve`; the frameworks themselves: test_rl_frameworks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from served import ROOT, example

import kval.trl
from kval import AsyncClient, Client, Reply, ServiceError, kernelbench, openrlhf, rllm, skyrl, slime, verifiers, verl
from kval.exchange import Request

PROBLEM = "starter/level1/2"
CANDIDATE = ROOT / "kernelbench" / "candidates" / "2_Batched_matmul" / "template_tile.py"
REFERENCE = ROOT / "kernelbench" / "starter" / "level1" / "2_Batched_matmul.py"


@pytest.fixture(autouse=True)
def environment(simulated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVAL_URL", simulated)
    monkeypatch.delenv("KVAL_TOKEN", raising=False)


def answer() -> str:
    source = CANDIDATE.read_text(encoding="utf-8")
    return f"Here it is.\n```python\n{source}\n```"


def test_one_verdict_with_and_without_an_event_loop() -> None:
    request = {"response": answer(), "problem_id": PROBLEM}

    async def in_a_loop() -> tuple[Reply, Reply]:
        async with AsyncClient() as client:
            with Client() as blocking:
                return await client.validate(request), blocking.validate(request)

    first, second = asyncio.run(in_a_loop())
    assert first.infra_ok == first.predicted == 1 and first.fidelity == "predicted" and first.mode == "simulated"
    assert second.reward == first.reward and second.cached == 1


def test_a_batch_keeps_what_can_be_judged() -> None:
    good: Request = {"response": answer(), "problem_id": PROBLEM}
    items: list[Request] = [
        good,
        {"response": "no code", "problem_id": PROBLEM},
        {"response": "x"},
        {"step": {1}},
        good,
    ]
    with Client(batch_size=2) as client:
        results = client.validate_batch(items)
        scores = client.score_batch(items)
    codes = [one.code if isinstance(one, ServiceError) else one.status for one in results]
    assert codes[1:4] == ["invalid", "bad-input", "bad-input"] and codes[0] == codes[4] != "bad-input"
    assert [one.infra_ok for one in scores] == [1, 1, 0, 0, 1]

    async def async_scores() -> list[Reply]:
        async with AsyncClient(batch_size=2) as client:
            return await client.score_batch(items)

    assert [one.status for one in asyncio.run(async_scores())] == [one.status for one in scores]


def test_a_job_is_queued_and_read() -> None:
    with Client() as client:
        job = client.job(client.submit({"response": answer(), "problem_id": PROBLEM}), wait_s=20)
        assert job["status"] == "done" and Reply.of(job["result"]).infra_ok == 1
        with pytest.raises(ServiceError, match="not-found"):
            client.job("none")


def test_the_adapters_give_what_the_service_says() -> None:
    said = answer()
    reply = Client().validate({"response": said, "problem_id": PROBLEM})
    odd = "starter/level9/9"

    async def many() -> list[dict[str, Any]]:
        return await asyncio.gather(*(verl.compute_score("d", said, truth, {}) for truth in (PROBLEM, odd, PROBLEM)))

    judged = asyncio.run(many())
    assert [one["infra_ok"] for one in judged] == [1, 0, 1] and judged[0]["score"] == reply.score
    assert judged[0].keys() == judged[1].keys() == {"raw_reward", *reply.flat()} - {"reward"}
    assert kval.trl.reward_func(["p"] * 2, [said, said], problem_id=[PROBLEM, odd]) == [reply.reward, None]
    logs = openrlhf.reward_func(["p" + said] * 2, ["p"] * 2, [PROBLEM, odd])
    assert logs["rewards"] == [reply.reward, 0.0] and logs["extra_logs"]["infra_ok"] == [1.0, 0.0]
    sample = SimpleNamespace(response=said, label=PROBLEM, metadata={})
    assert asyncio.run(slime.custom_rm(None, sample))["reward"] == reply.reward
    assert asyncio.run(verifiers.kernel_reward([{"role": "assistant", "content": said}], PROBLEM)) == reply.reward
    with pytest.raises(ServiceError):
        asyncio.run(verifiers.judged(said, odd))
    assert rllm.reward_fn({"problem_id": PROBLEM}, said).reward == reply.reward
    turn = skyrl.judged_turn("no code", {"reward_spec": {"ground_truth": PROBLEM}, "max_turns": 2}, 1)
    assert not turn["done"] and turn["observations"][0]["content"].startswith("invalid")
    code = said.split("```python\n")[1].removesuffix("```")
    reference = REFERENCE.read_text(encoding="utf-8")
    assert kernelbench.eval_kernel_against_ref(reference, code).compiled == bool(reply.compiled)


def test_the_examples_that_need_no_trainer() -> None:
    reply = Client().validate({"response": answer(), "problem_id": PROBLEM})
    assert example("rllm_reward")["main"](PROBLEM, answer()) == reply.reward
    assert example("nemo_gym_verify")["main"](PROBLEM, answer())["reward"] == reply.reward
    reference, kernel = REFERENCE.read_text(encoding="utf-8"), CANDIDATE.read_text(encoding="utf-8")
    assert example("kernelgym_task")["main"](reference, kernel)["compiled"] == bool(reply.compiled)
