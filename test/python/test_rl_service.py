"""The Python client, the adapters and TRL's trainer against the real `kval serve`."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

import kval.trl
from kval import AsyncClient, Client, Reply, ServiceError, kernelbench, openrlhf, rllm, skyrl, slime, verifiers, verl
from kval.exchange import Request

ROOT = Path(__file__).parents[2]
CLI = ROOT / "dist" / "cli.js"
PROBLEM = "starter/level1/2"
CANDIDATE = ROOT / "kernelbench" / "candidates" / "2_Batched_matmul" / "template_tile.py"
REFERENCE = ROOT / "kernelbench" / "starter" / "level1" / "2_Batched_matmul.py"
# The harness says what it is without a build: a class, and no kernel.
HOLLOW = "```python\nimport torch\nclass ModelNew(torch.nn.Module):\n    turn = %d\n```"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    node = shutil.which("node")
    assert node is not None and CLI.exists(), "needs node and dist/cli.js: npm run setup"
    folder = tmp_path_factory.mktemp("service")
    command = [node, str(CLI), "serve", "--port", "0", "--mode", "simulated", "--device", "cpu"]
    command += ["--sandbox", "best-effort", "--log-level", "warn", "--store", str(folder / "labels.db")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", line)
        assert found is not None, line + (folder / "log").read_text()
        yield found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVAL_URL", url)
    monkeypatch.delenv("KVAL_TOKEN", raising=False)


def answer() -> str:
    source = CANDIDATE.read_text(encoding="utf-8")
    return f"Here it is.\n```python\n{source}\n```"


def state() -> dict[str, Any]:
    body: dict[str, Any] = httpx2.get(os.environ["KVAL_URL"] + "/v1/state", trust_env=False).json()
    return body


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


def test_the_example_of_openenv() -> None:
    pytest.importorskip("openenv.core")
    said = example("openenv_turn")["main"](PROBLEM, CANDIDATE.read_text(encoding="utf-8"))
    assert said.observation["turn"] == 1


def test_skyrl_makes_the_environment_and_plays_two_turns() -> None:
    skyrl_gym = pytest.importorskip("skyrl_gym")
    skyrl_gym.register(id="kval", entry_point="kval.skyrl:KernelEnv")
    extras = {"reward_spec": {"ground_truth": PROBLEM}, "max_turns": 2}
    env = skyrl_gym.make("kval", env_config={}, extras=extras)
    first, second = env.step("no code"), env.step(answer())
    assert (first["done"], second["done"]) == (False, True) and second["metadata"]["infra_ok"] == 1


def test_trl_trains_on_a_simulated_service(tmp_path: Path) -> None:
    before = state()
    train(tmp_path, kval.trl.reward_func)
    after = state()
    assert after["verdicts"] - before["verdicts"] == 3 * GROUP
    # Random weights write no kernel, and the service says so.
    assert after["byStatus"]["invalid"] - before["byStatus"].get("invalid", 0) == 3 * GROUP


def test_trl_trains_on_a_hybrid_that_begins_simulated(tmp_path: Path) -> None:
    """The trainer's completions are put aside for answers that hold a class, so that there is something to judge."""

    steps: list[int] = []

    def answered(completions: list[Any], trainer_state: Any, **rest: Any) -> list[float | None]:  # noqa: ANN401
        steps.append(trainer_state.global_step)
        said = [HOLLOW % trainer_state.global_step] * len(completions)
        return kval.trl.reward_func(completions=said, trainer_state=trainer_state, **rest)

    with Client() as client:
        try:
            client.set_mode("hybrid", {"warmUp": {"simulatedSteps": 2, "ofSteps": 3}})
            assert state()["hybrid"]["policy"] == ["warm-up 2 of 3"]
            train(tmp_path, answered)
            assert steps == [0, 1, 2]
            hybrid = state()["hybrid"]
            # The early steps were predicted and the last one measured: the service saw the trainer's own steps.
            assert hybrid["predicted"] > 0 and hybrid["measured"] > 0, hybrid
            last = client.validate({"response": HOLLOW % 2, "problem_id": PROBLEM, "step": 2})
            assert (last.status, last.predicted) == ("invalid", 0)
        finally:
            assert client.set_mode("simulated")["mode"] == "simulated"


GROUP = 4


def train(folder: Path, reward_func: Any) -> None:  # noqa: ANN401
    """The example's three steps of GRPO on the CPU, from random weights."""
    pytest.importorskip("trl")
    from kval_models.gtm_base import load_model, load_tokenizer

    base = f"config:{ROOT / 'models' / 'recipes' / 'tiny-qwen2.json'}"
    tokenizer = load_tokenizer(base, [answer()])
    example("trl_grpo")["main"](
        load_model(base, tokenizer),
        reward_func,
        tokenizer,
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        max_steps=3,
        per_device_train_batch_size=GROUP,
        num_generations=GROUP,
        max_completion_length=8,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "rl" / "examples" / f"{name}.py"))
