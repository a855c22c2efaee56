import { z } from 'zod';
import { type JudgeRequest, judgeRequestSchema, type Reply } from '../request.js';
import { rewardNameSchema } from '../rewards.js';

/**
 * A task as KernelGYM's clients send it; what kval has no use for is accepted and not looked at. So is `backend`, which
 * the client writes `triton` whatever the kernel is (drkernel/kernel/rewards/reward_client.py of hkust-nlp/KernelGYM at
 * 3a84417): the kernel's own text tells.
 */
export const taskSchema = z.looseObject({
  task_id: z.string().min(1).max(100),
  kernel_code: z.string().min(10).max(100_000),
  reference_code: z.string().min(10).max(100_000),
  entry_point: z
    .string()
    .regex(/^[A-Za-z_]\w*$/)
    .default('Model'),
  backend: z.enum(['cuda', 'triton']).default('cuda'),
  workflow: z
    .string()
    .refine((name) => name === 'kernelbench', 'kval has the workflow "kernelbench" alone')
    .default('kernelbench'),
  num_correct_trials: z.int().min(1).max(20).optional(),
  num_perf_trials: z.int().min(1).max(1_000).optional(),
  timeout: z.int().min(10).max(3_600).default(300).describe('Seconds.'),
  force_refresh: z.boolean().default(false),
  reward: rewardNameSchema.optional(),
});
export type Task = z.infer<typeof taskSchema>;

/** Whether a kernel is written in Triton alone, which nobody here compiles. */
export function isTriton(source: string): boolean {
  return /@triton\.(?:jit|autotune|heuristics)\b/.test(source) && !/\b__global__\b/.test(source);
}

/** The agent wrote what was not asked for: a verdict, in words that its client reads. */
export const tritonSaid = 'invalid: this is a Triton kernel, and CUDA kernels are judged here; write it in CUDA C++';

export function requestOf(task: Task): JudgeRequest {
  const { kernel_code: kernel, reference_code: reference, entry_point: name } = task;
  const trials = { trials: task.num_correct_trials, timingTrials: task.num_perf_trials };
  return judgeRequestSchema.parse({
    // An answer without a CUDA kernel.
    ...(isTriton(kernel) ? { response: '' } : { kernel: named(kernel, `${name}New`, 'ModelNew') }),
    reference: named(reference, name, 'Model'),
    reward: task.reward,
    no_cache: task.force_refresh,
    details: true,
    settings: trials,
  });
}

/** A module whose class has another name offers it under KernelBench's too. */
function named(source: string, own: string, wanted: string): string {
  return own === wanted ? source : `${source.trimEnd()}\n\n\nclass ${wanted}(${own}):\n    pass\n`;
}

const launchesSchema = z.object({
  execution: z.object({ launches: z.array(z.object({ count: z.number(), own: z.boolean() })) }),
});

/**
 * KernelGYM's answer about a kernel. Any verdict is `completed`: its client reads no result of another status. Its
 * rewards compare `speedup` without looking whether there is one: a correct kernel that nobody timed counts as being as
 * fast as the reference, and `metadata.timed` says that it is so.
 */
export function resultOf(task: Task, reply: Reply) {
  const correct = reply.correct === 1;
  const { details, feedback, ...facts } = reply;
  const launches = launchesSchema.safeParse(details).data?.execution.launches;
  const count = (wanted: readonly { readonly count: number }[]): number =>
    wanted.reduce((sum, launch) => sum + launch.count, 0);
  return {
    task_id: task.task_id,
    status: 'completed',
    compiled: reply.compiled === 1,
    correctness: correct,
    decoy_kernel: reply.status === 'rejected',
    reference_runtime: reply.timed === 1 ? reply.reference_ms : null,
    kernel_runtime: reply.timed === 1 ? reply.kernel_ms : null,
    speedup: reply.timed === 1 ? reply.speedup : correct ? 1 : 0,
    metadata: {
      ...facts,
      runtime_unit: 'ms',
      ...(launches === undefined
        ? {}
        : { num_custom_kernels: count(launches.filter(({ own }) => own)), num_total_kernels: count(launches) }),
    },
    error_message: correct ? null : isTriton(task.kernel_code) ? tritonSaid : feedback,
    error_code: correct ? null : errorCodeOf(reply.status),
    processing_time: reply.duration_ms / 1_000,
  };
}

function errorCodeOf(status: Reply['status']): string {
  switch (status) {
    case 'compile-error':
      return 'COMPILATION_ERROR';
    case 'timeout':
      return 'TIMEOUT_ERROR';
    case 'runtime-error':
    case 'load-error':
      return 'RUNTIME_ERROR';
    case 'invalid':
      return 'VALIDATION_ERROR';
    case 'infra-error':
      return 'SYSTEM_ERROR';
    default:
      return 'CORRECTNESS_ERROR';
  }
}
