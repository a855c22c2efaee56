"""The frameworks themselves, as published, against the real `kval serve`: npm test installs them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from served import CLI, ROOT, example, node
from texture import texture_candidate

import kval.trl
from kval import Client, Reply, ServiceError

PROBLEM = "starter/level1/1"
CANDIDATES = ROOT / "kernelbench" / "candidates" / "1_Square_matmul"
KERNEL = (CANDIDATES / "naive.py").read_text(encoding="utf-8")
WRONG = (CANDIDATES / "transposed_operand.py").read_text(encoding="utf-8")
ANSWER = f"Here it is.\n```python\n{KERNEL}\n```"
# The harness says what it is without a build: a class, and no kernel.
HOLLOW = "```python\nimport torch\nclass ModelNew(torch.nn.Module):\n    turn = %d\n```"
TEXTURE = texture_candidate("a, b")


@pytest.fixture(autouse=True)
def environment(simulated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVAL_URL", simulated)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("KVAL_TOKEN", raising=False)


@pytest.fixture
def reply(environment: None) -> Reply:
    """What the service says of the kernel; a framework that loses it shows another reward."""
    said = Client().validate({"response": ANSWER, "problem_id": PROBLEM})
    assert said.predicted == 1 and said.reward != 0.0
    return said


def test_openenv_validates_the_service_and_plays_a_turn() -> None:
    validation = pytest.importorskip("openenv.cli._validation")
    report = validation.validate_running_environment(os.environ["KVAL_URL"] + "/openenv")
    assert [each for each in report["criteria"] if each["passed"] is not True] == [] and report["passed"] is True
    said = example("openenv_turn")["main"](PROBLEM, KERNEL)
    own = Client().validate({"response": ANSWER, "problem_id": PROBLEM, "reward": "kernrl"})
    assert (said.observation["turn"], said.reward) == (1, own.reward) and own.reward > 0


def test_skyrl_makes_the_environment_and_plays_two_turns(reply: Reply) -> None:
    skyrl_gym = pytest.importorskip("skyrl_gym")
    skyrl_gym.register(id="kval", entry_point="kval.skyrl:KernelEnv")
    extras = {"reward_spec": {"ground_truth": PROBLEM}, "max_turns": 2}
    env = skyrl_gym.make("kval", env_config={}, extras=extras)
    prompt = [{"role": "user", "content": "Write a kernel."}]
    assert env.init(prompt) == (prompt, {})
    first, second = env.step("no code"), env.step(ANSWER)
    assert (first["done"], second["done"]) == (False, True) and first["observations"][0]["content"]
    assert second["reward"] == reply.reward and second["metadata"]["infra_ok"] == 1


def test_a_rubric_of_verifiers_scores_a_group(reply: Reply) -> None:
    vf = pytest.importorskip("verifiers")
    env = example("verifiers_rubric")["load_environment"]()
    row = env.get_dataset()[0]
    states = [vf.State(input=dict(row), trajectory=[]) for _ in range(3)]
    for state, text in zip(states, (ANSWER, "no code", ANSWER), strict=True):
        state["completion"] = [vf.AssistantMessage(content=text)]
    states[2]["answer"] = "starter/level9/9"
    asyncio.run(env.rubric.score_group(states))
    # A rubric cannot leave a rollout out.
    assert [state["reward"] for state in states] == [reply.reward, 0.0, 0.0]
    assert states[0]["metrics"]["kernel_reward"] == reply.reward


def test_a_task_of_verifiers_scores_a_trace_or_marks_it(reply: Reply) -> None:
    vf = pytest.importorskip("verifiers.v1")
    names = example("verifiers_task")
    task = next(iter(names["KernelTaskset"](vf.TasksetConfig()).load()))
    assert task.data.problem_id == PROBLEM
    trace = answered_trace(task)
    asyncio.run(task.score(trace))
    assert trace.reward == reply.reward
    lost = names["KernelTask"](task.data.model_copy(update={"problem_id": "starter/level9/9"}))
    with pytest.raises(vf.TaskError, match="level9/9"):
        asyncio.run(lost.score(answered_trace(lost)))


def test_the_nemo_gym_tasks_of_verifiers_are_verified(reply: Reply, tmp_path: Path) -> None:
    gym = pytest.importorskip("verifiers.v1.tasksets.nemo_gym.taskset")
    params = {"input": [{"role": "user", "content": "Write a kernel."}]}
    row = {"responses_create_params": params, "verifier_metadata": {"problem_id": PROBLEM}}
    dataset = tmp_path / "rows.jsonl"
    dataset.write_text(json.dumps(row), encoding="utf-8")
    server = gym.NeMoGymTaskConfig(resources_url=os.environ["KVAL_URL"] + "/nemo-gym")
    task = next(iter(gym.NeMoGymTaskset(gym.NeMoGymConfig(dataset=dataset, task=server)).load()))
    trace = answered_trace(task, state=gym.NeMoGymState())

    async def verified() -> None:
        await task.setup(trace, None)
        await task.score(trace)

    asyncio.run(verified())
    assert trace.reward == reply.reward
    assert (trace.metrics["infra_ok"], trace.metrics["correct"]) == (1.0, float(reply.correct))


def answered_trace(task: Any, **parts: Any) -> Any:  # noqa: ANN401
    """A finished rollout of verifiers, in which the model has answered with the kernel."""
    import verifiers.v1 as vf

    node = vf.MessageNode(message=vf.AssistantMessage(content=ANSWER), sampled=True)
    about = vf.TraceTask(type=type(task).__name__, data=task.data)
    return vf.Trace(task=about, agent=vf.AgentInfo(config=vf.AgentConfig()), nodes=[node], **parts)


@pytest.mark.parametrize("manager", ["naive", "rate_limited"])
def test_verl_loads_the_function_and_its_manager_awaits_it(manager: str, reply: Reply) -> None:
    verl = pytest.importorskip("verl")
    import numpy as np
    import torch
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import load_reward_manager

    function = {"path": str(ROOT / "rl" / "kval" / "verl.py"), "name": "compute_score", "reward_kwargs": {}}
    chosen = {"source": "register", "name": manager}
    config = OmegaConf.create({"reward": {"custom_reward_function": function, "reward_manager": chosen}})
    texts, truths = [ANSWER, "no code", ANSWER], [PROBLEM, PROBLEM, "starter/level9/9"]
    tokenizer = tiny_tokenizer()
    ids = [torch.tensor(tokenizer.encode(text)) for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence([torch.ones_like(each) for each in ids], batch_first=True)
    tensors = {"responses": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), "attention_mask": padded}
    rows = {
        "data_source": np.array(["kval"] * 3, dtype=object),
        "reward_model": np.array([{"ground_truth": truth} for truth in truths], dtype=object),
        "extra_info": np.array([{} for _ in truths], dtype=object),
    }
    data = verl.DataProto.from_dict(tensors=tensors, non_tensors=rows)

    async def judged() -> list[dict[str, Any]]:
        loaded = load_reward_manager(config, tokenizer)
        return await asyncio.gather(*(loaded.run_single(data[at : at + 1]) for at in range(len(data))))

    results = asyncio.run(judged())
    assert [one["reward_score"] for one in results] == [reply.score, 0.0, 0.0]
    logged = [one["reward_extra_info"] for one in results]
    assert [one["infra_ok"] for one in logged] == [1, 1, 0]
    # verl indexes every row by the first one's keys, and averages all that is no text.
    assert logged[0].keys() == logged[1].keys() == logged[2].keys()
    assert all(isinstance(value, (int, float, str)) for one in logged for value in one.values())


def test_the_official_mcp_client_over_http_and_stdio(reply: Reply, tmp_path: Path) -> None:
    mcp = pytest.importorskip("mcp")
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    arguments = ["mcp", "--mode", "simulated", "--device", "cpu", "--store", str(tmp_path / "labels.db")]
    program = mcp.StdioServerParameters(command=node(), args=[str(CLI), *arguments], env=dict(os.environ))

    async def asked(transport: Any) -> tuple[Any, Any]:  # noqa: ANN401
        async with transport as (read, write, *_), mcp.ClientSession(read, write) as session:
            assert (await session.initialize()).serverInfo.name == "kval"
            (tool,) = (await session.list_tools()).tools
            good = await session.call_tool(tool.name, {"kernel": KERNEL, "problem_id": PROBLEM})
            return good, await session.call_tool(tool.name, {"kernel": KERNEL, "problem_id": "starter/level9/9"})

    for transport in (streamable_http_client(os.environ["KVAL_URL"] + "/mcp"), stdio_client(program)):
        good, lost = asyncio.run(asked(transport))
        assert not good.isError and good.structuredContent["reward"] == reply.reward
        assert good.content[0].text == reply.feedback
        assert lost.isError and "level9/9" in lost.content[0].text


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


def test_trl_trains_on_measured_verdicts(real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's completions are put aside for a right kernel, a wrong one, and one that cannot be judged here."""
    monkeypatch.setenv("KVAL_URL", real)
    group = [fenced(source) for source in (KERNEL, WRONG, KERNEL, TEXTURE)]
    rewards: list[list[float | None]] = []

    def answered(completions: list[Any], problem_id: list[str], **rest: Any) -> list[float | None]:  # noqa: ANN401
        assert len(completions) == len(group)
        rewards.append(kval.trl.reward_func(completions=group, problem_id=[PROBLEM] * len(group), **rest))
        return rewards[-1]

    trainer = train(tmp_path, answered)
    with Client() as client:
        right, wrong = (client.validate({"response": text, "problem_id": PROBLEM}) for text in group[:2])
        with pytest.raises(ServiceError, match="unsupported"):
            client.validate({"response": group[3], "problem_id": PROBLEM})
    for verdict, status in ((right, "correct"), (wrong, "mismatch")):
        assert (verdict.status, verdict.fidelity, verdict.predicted, verdict.mode) == (status, "emulated", 0, "real")
    assert right.reward > wrong.reward
    assert rewards == [[right.reward, wrong.reward, right.reward, None]] * 3
    *steps, _ = trainer.state.log_history
    assert trainer.state.global_step == len(steps) == 3
    for step in steps:
        # The mean leaves out what could not be judged, and the advantages move the weights.
        assert step["reward"] == pytest.approx((2 * right.reward + wrong.reward) / 3)
        assert step["grad_norm"] > 0
        assert [step[f"kval/{key}"] for key in ("correct", "predicted", "infra_ok")] == [0.5, 0.0, 0.75]


GROUP = 4


def train(folder: Path, reward_func: Any) -> Any:  # noqa: ANN401
    """The example's three steps of GRPO on the CPU, from random weights."""
    pytest.importorskip("trl")
    from kval_models.gtm_base import load_model

    tokenizer = tiny_tokenizer()
    return example("trl_grpo")["main"](
        load_model(BASE, tokenizer),
        reward_func,
        tokenizer,
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        max_steps=3,
        per_device_train_batch_size=GROUP,
        num_generations=GROUP,
        max_completion_length=8,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=0,
    )


BASE = f"config:{ROOT / 'models' / 'recipes' / 'tiny-qwen2.json'}"


def tiny_tokenizer() -> Any:  # noqa: ANN401
    from kval_models.gtm_base import load_tokenizer

    return load_tokenizer(BASE, [ANSWER])


def fenced(source: str) -> str:
    return f"```python\n{source}\n```"


def state() -> dict[str, Any]:
    body: dict[str, Any] = httpx2.get(os.environ["KVAL_URL"] + "/v1/state", trust_env=False).json()
    return body
