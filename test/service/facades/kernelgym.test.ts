import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openService, type Service } from '../open.js';
import { openFailingJudge } from './failing.js';
import { openHandService } from './hand.js';
import { heldKernel, openHeldService } from './held.js';
import { kernel, reference } from './kernel.js';

let service: Service;
let failing: Service;
let failingJudge: Awaited<ReturnType<typeof openFailingJudge>>;
beforeAll(async () => {
  service = await openHandService({ token: 'a-long-secret' });
  failingJudge = await openFailingJudge();
  failing = await openService({ judge: failingJudge.judge });
});
afterAll(async () => {
  await service.close();
  await failing.close();
  await failingJudge.close();
});

let tasks = 0;
const task = (more: object = {}) => {
  tasks += 1;
  const own = { task_id: `task_${tasks}`, kernel_code: kernel, reference_code: reference };
  return { ...own, backend: 'cuda', detect_decoy_kernel: true, ...more };
};

/**
 * What drkernel/kernel/rewards/reward_client.py of hkust-nlp/KernelGYM (3a84417) does, written anew: it submits, tries
 * again at 429 and 503, then asks for the status, and for the result of `completed` alone. Its pauses are left out.
 */
async function clientOf(at: Service, base: string, body: { task_id: string }, mostTries = 3) {
  const statuses: number[] = [];
  for (let attempt = 0; attempt < mostTries; attempt += 1) {
    const { status } = await at.ask(`${base}/evaluate`, { body });
    statuses.push(status);
    if (status === 200) break;
    if (status !== 429 && status !== 503) return { statuses, result: { status: 'failed' } };
  }
  const { json: said } = await at.ask(`${base}/status/${body.task_id}`);
  if (said.status !== 'completed') return { statuses, result: said };
  return { statuses, result: (await at.ask(`${base}/results/${body.task_id}`)).json };
}

describe("KernelGYM's client", () => {
  const base = '/t/a-long-secret/kernelgym';

  it('reads a verdict by the id of its task, a speed-up always a number', async () => {
    const { statuses, result } = await clientOf(service, base, task());
    expect(statuses).toEqual([200]);
    expect(result).toMatchObject({ status: 'completed', compiled: true, decoy_kernel: false });
    expect(result.speedup).toBeTypeOf('number');
    expect(result.metadata.predicted).toBe(1);
  });

  it('reads a kernel that does not compile as completed', async () => {
    const { result } = await clientOf(service, base, task({ kernel_code: 'print("no kernel here")' }));
    expect(result).toMatchObject({ status: 'completed', compiled: false, error_code: 'VALIDATION_ERROR', speedup: 0 });
    expect(result.error_message).toMatch(/ModelNew/);
  });

  it('says triton of every kernel: a CUDA kernel is judged, a Triton kernel is told what is wanted', async () => {
    const { result } = await clientOf(service, base, task({ backend: 'triton' }));
    expect(result).toMatchObject({ status: 'completed', compiled: true, metadata: { runtime_unit: 'ms' } });
    const kernel_code = 'import triton\n\n@triton.jit\ndef relu(x):\n    pass\n\nclass ModelNew: pass\n';
    const { statuses, result: other } = await clientOf(service, base, task({ backend: 'triton', kernel_code }));
    expect(statuses).toEqual([200]);
    expect(other).toMatchObject({ status: 'completed', compiled: false, correctness: false, speedup: 0 });
    expect(other).toMatchObject({ error_code: 'VALIDATION_ERROR', error_message: expect.stringMatching(/CUDA C\+\+/) });
    expect(Object.keys(other).sort()).toEqual(Object.keys(result).sort());
    const { json } = await service.ask(`${base}/debug/validate`, { body: task({ kernel_code }) });
    expect(json).toMatchObject({ valid: false, errors: [other.error_message] });
    expect((await service.ask(`${base}/debug/validate`, { body: task() })).json.valid).toBe(true);
  });

  it('takes another entry point', async () => {
    const names = {
      entry_point: 'Relu',
      reference_code: reference.replace('class Model(', 'class Relu('),
      kernel_code: kernel.replace('class ModelNew(', 'class ReluNew('),
    };
    const { result } = await clientOf(service, base, task(names));
    expect(result).toMatchObject({ status: 'completed', compiled: true });
  });

  it('is told about a failed instrument as a failed task, after its last try or before', async () => {
    const patient = await clientOf(failing, '/kernelgym', task());
    expect(patient.statuses).toEqual([503, 503, 200]);
    expect(patient.result).toMatchObject({ status: 'failed' });
    const hasty = await clientOf(failing, '/kernelgym', task(), 1);
    expect(hasty.result).toMatchObject({ status: 'failed' });
    expect(hasty.result.error_message).toMatch(/worker-died/);
  });

  it('is told in its own form what is wrong with a task', async () => {
    for (const wrong of [{ backend: 'hip' }, { kernel_code: 'x' }, { timeout: 1 }, { workflow: 'kernel_simple' }]) {
      for (const path of ['evaluate', 'debug/validate']) {
        const { status, json } = await service.ask(`${base}/${path}`, { body: task(wrong) });
        expect(status).toBe(400);
        expect(json).toMatchObject({ error_code: 'VALIDATION_ERROR', task_id: expect.any(String) });
        expect(json.message).toContain(Object.keys(wrong)[0]);
      }
    }
    expect((await service.ask(`${base}/status/none`)).status).toBe(404);
  });

  it('is told that a task which was cancelled while it ran has failed', async () => {
    const held = await openHeldService();
    try {
      const one = task({ kernel_code: heldKernel('task') });
      const answered = held.ask('/kernelgym/evaluate', { body: one });
      while ((await held.ask(`/kernelgym/status/${one.task_id}`)).json.status !== 'processing') await sleep(5);
      expect((await held.ask(`/kernelgym/results/${one.task_id}`)).status).toBe(404);
      const cancelled = await held.ask(`/kernelgym/tasks/${one.task_id}`, { method: 'DELETE' });
      expect(cancelled.json).toEqual({ task_id: one.task_id, status: 'cancelled' });
      expect(await answered).toMatchObject({ status: 200, json: { status: 'failed', metadata: { infra_ok: 0 } } });
      expect((await held.ask(`/kernelgym/status/${one.task_id}`)).json.status).toBe('failed');
      expect((await held.ask('/v1/state')).json.pending).toBe(0);
    } finally {
      await held.close();
    }
  });

  it('has batches, workflows and the pages that look after a server', async () => {
    const batch = { batch_id: 'b', tasks: [task(), task({ kernel_code: 'x = "not a kernel"' })] };
    const { json } = await service.ask(`${base}/evaluate/batch`, { body: batch });
    expect(json).toMatchObject({ total_tasks: 2, completed_tasks: 2, failed_tasks: 0, batch_status: 'completed' });
    const one = task();
    await service.ask(`${base}/workflow/submit`, { body: { workflow: 'kernelbench', payload: one } });
    const { json: again } = await service.ask(`${base}/workflow/results/${one.task_id}`);
    expect(again).toMatchObject({ status: 'completed', result: { compiled: true } });
    for (const path of ['health', 'metrics', 'queue/status', 'workers/status']) {
      expect((await service.ask(`${base}/${path}`)).json).toBeTypeOf('object');
    }
    expect((await service.ask(`${base}/tasks/${one.task_id}`, { method: 'DELETE' })).json.status).toBe('cancelled');
  });
});
