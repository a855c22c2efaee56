import { type Job, jobKey } from '../../src/candidate.js';
import { KvalError } from '../../src/errors.js';
import type { Validator } from '../../src/validator/validator.js';
import { type Measured, measuredSchema, type Outcome } from '../../src/verdict.js';

/** Answers as it was recorded: kernels whose text says `broken`, or checks a launch without the header for it, do not compile, the others are correct. */
export class Recorded implements Validator<Measured> {
  readonly name = 'recorded';
  readonly asked: Job[] = [];
  build: Measured['build'] = null;
  closed = 0;

  async validate(job: Job, options: { signal?: AbortSignal } = {}): Promise<Measured> {
    if (this.closed > 0) throw new KvalError('usage', 'closed');
    if (options.signal?.aborted === true) throw new KvalError('interrupted', 'stopped');
    this.asked.push(job);
    return measuredSchema.parse({
      kind: 'measured',
      fidelity: job.settings.device === 'none' ? 'built' : 'measured',
      jobKey: jobKey(job),
      outcome: outcomeOf(job),
      build: this.build,
      execution: null,
      provenance: {
        harness: '0.0.0',
        python: '3.11.0',
        torch: null,
        cuda: null,
        nvcc: null,
        gxx: null,
        device: null,
        driver: null,
        arch: 'sm_90',
        startedAt: '2026-01-01T00:00:00Z',
        durationMs: 1,
      },
    });
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

function outcomeOf(job: Job): Outcome {
  if (/broken|C10_CUDA_KERNEL_LAUNCH_CHECK/.test(job.candidate.source)) {
    return { status: 'compile-error', stage: 'nvcc', message: 'broken', diagnostics: [] };
  }
  if (job.settings.device === 'none') return { status: 'built' };
  return { status: 'correct', timing: null, maxAbsError: 0, maxRelError: 0 };
}
