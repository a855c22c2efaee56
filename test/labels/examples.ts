import { type Candidate, type Job, jobKey, makeCandidate, type Settings, settingsSchema } from '../../src/candidate.js';
import { makeProblem, type Problem } from '../../src/problem.js';
import type { Measured, Outcome } from '../../src/verdict.js';

/** Nouns for the tests of labels: real ones, made by their own makers. */
export function exampleProblem(number = 19, text = 'class Model: pass'): Problem {
  return makeProblem({ set: 'kernelbench', level: 1, number, name: `P${number}`, source: text });
}

export function exampleCandidate(text: string, problem: Problem = exampleProblem(), generator = 'tester'): Candidate {
  return makeCandidate({ source: text, problemId: problem.id, origin: { generator, run: 'r', source: 'examples' } });
}

export function exampleJob(text: string, settings: Partial<Settings> = {}, problem: Problem = exampleProblem()): Job {
  return { problem, candidate: exampleCandidate(text, problem), settings: settingsSchema.parse(settings) };
}

export function exampleMeasured(job: Job, outcome: Outcome = { status: 'built' }, log = 'ptxas info'): Measured {
  return {
    kind: 'measured',
    fidelity: 'built',
    jobKey: jobKey(job),
    outcome,
    build: {
      durationMs: 1234.5678901234,
      probeMs: 0.1,
      extensions: [
        {
          name: 'ext',
          path: 'fast',
          cached: false,
          key: 'k'.repeat(64),
          durationMs: 1200,
          fallbackReason: null,
          steps: [
            {
              tool: 'nvcc',
              command: ['nvcc', '-c'],
              exitCode: 0,
              durationMs: 1000,
              stdout: log,
              stderr: 'λ\u0000\ud83d\ude80',
            },
          ],
          kernels: [],
          diagnostics: [],
        },
      ],
      warnings: [],
    },
    execution: null,
    provenance: {
      harness: '0.1.0',
      python: '3.11.7',
      torch: '2.11.0+cu130',
      cuda: '13.0',
      nvcc: '13.0.88',
      gxx: '12.2.0',
      device: null,
      driver: null,
      arch: job.settings.arch,
      startedAt: '2026-11-21T05:00:00.000Z',
      durationMs: 1300.25,
    },
  };
}
