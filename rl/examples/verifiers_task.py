"""verifiers from 0.3 on: a task whose reward is kval's, and whose trace is left out where kval could not answer. A test
scores a trace with it."""

from __future__ import annotations

from collections.abc import Iterator

import verifiers.v1 as vf

from kval.verifiers import judged


class KernelData(vf.TaskData):
    problem_id: str


class KernelTask(vf.Task[KernelData]):
    @vf.reward
    async def kernel(self, trace: vf.Trace) -> float:
        return await judged(trace.last_reply, self.data.problem_id)


class KernelTaskset(vf.Taskset[KernelTask, vf.TasksetConfig]):
    def load(self) -> Iterator[KernelTask]:
        prompt = "Write a CUDA kernel for a square matrix product."
        yield KernelTask(KernelData(idx=0, prompt=prompt, problem_id="starter/level1/1"))
