import { seededRandom } from '../../src/report/intervals.js';
import type { ReportCase, ReportInput } from '../../src/report/report.js';

const families = ['elementwise', 'reduction', 'matmul', 'convolution', 'normalisation', 'attention', 'scan'];
const operators = ['index-off-by-one', 'missing-barrier', 'undeclared-name', 'rename'];
const generators = [
  'deepseek-r1',
  'o3-mini',
  'claude-4-sonnet',
  'kevin-32b',
  'llama-3.1-70b',
  '<b>evil & "quoted"</b>',
];

const source = `import torch
from torch.utils.cpp_extension import load_inline

cuda_sources = """
#include <torch/extension.h>

template <typename T>
__global__ void softmax_rows(const T* __restrict__ x, T* __restrict__ y, int n) {
  extern __shared__ float tile[];  // </code></pre><script>alert(1)</script>
  float best = -INFINITY;
  for (int i = threadIdx.x; i < n; i += blockDim.x) best = max(best, x[blockIdx.x * n + i]);
  y[blockIdx.x * n + threadIdx.x] = best && tile[0] < 1.0f ? best : 0;
}
"""
`;

/** A report's input that looks like a real one, from a seed alone; `executed: false` is a machine without a GPU. */
export function demoInput(
  options: { seed?: number; kernels?: number; executed?: boolean; second?: boolean } = {},
): ReportInput {
  const { seed = 7, kernels = 640, executed = true, second = true } = options;
  const random = seededRandom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const chance = (x: number): number => 1 / (1 + Math.exp(-x));
  const cases = Array.from({ length: kernels }, (_, index): ReportCase => {
    const problem = Math.floor(random() * 38);
    const level = 1 + Math.floor(problem / 16);
    const generator = generators[Math.floor(random() ** 1.6 * generators.length)] ?? 'unknown';
    const quality = normal() + generators.indexOf(generator) * -0.25 + 0.9 - 0.4 * (level - 1);
    const compiled = random() < chance(1.6 * quality);
    const right = compiled && random() < chance(1.2 * quality - 0.8);
    const reference = 10 ** ((problem % 7) * 0.35 - 1);
    const runtime = right ? reference * Math.exp(0.7 * normal() - 0.1) : null;
    const told = (noise: number, base: number): number => chance(1.5 * base + noise * normal());
    const predict = (simulator: string, noise: number, durationMs: number): ReportCase['predictions'][number] => {
      const saysCompiled = told(noise, quality + (compiled ? 0.7 : -0.7));
      const saysCorrect = saysCompiled * told(noise, quality - 0.8 + (right ? 0.8 : -0.8));
      const median = (runtime ?? reference) * Math.exp(0.5 * noise * normal());
      return {
        simulator,
        compiled: saysCompiled,
        correct: saysCorrect,
        ...(simulator === 'embedded'
          ? {
              outcomes: {
                invalid: 0,
                'compile-error': 1 - saysCompiled,
                'runtime-error': 0.4 * (saysCompiled - saysCorrect),
                mismatch: 0.6 * (saysCompiled - saysCorrect),
                correct: saysCorrect,
              },
            }
          : {}),
        runtimeMs: executed ? { median, low: median / 1.9, high: median * 1.9 } : null,
        confidence: Math.min(Math.max(saysCompiled, 1 - saysCompiled), Math.max(saysCorrect, 1 - saysCorrect)),
        durationMs: durationMs * Math.exp(0.3 * normal()),
      };
    };
    const status = right ? 'correct' : compiled ? (random() < 0.6 ? 'mismatch' : 'runtime-error') : 'compile-error';
    return {
      candidateHash: `${index.toString(16).padStart(8, '0')}${'c0ffee'.repeat(9)}00`,
      problemId: `level${level}/${problem + 1}`,
      level,
      family: families[problem % families.length] ?? null,
      generator,
      mutation: index % 3 === 0 ? (operators[index % operators.length] ?? null) : null,
      length: Math.round(900 * Math.exp(1.1 * Math.abs(normal()))),
      truth: {
        status: executed ? status : compiled ? 'built' : 'compile-error',
        compiled,
        correct: executed ? right : compiled ? null : false,
        runtimeMs: executed ? runtime : null,
        referenceRuntimeMs: executed ? reference : null,
        fidelity: executed ? 'measured' : 'built',
        durationMs: 1400 * Math.exp(0.6 * normal()) + (compiled && executed ? 2600 : 0),
      },
      prior: { compiled: 0.55 + 0.1 * (2 - level), correct: 0.3 },
      predictions: [predict('embedded', 0.9, 1.8), ...(second ? [predict('gtm-1.5b', 0.45, 61)] : [])],
      source,
    };
  });
  return {
    title: 'Simulators against the real validator',
    split: {
      kind: 'problem',
      seed: 7,
      trainRows: 5120,
      validationRows: 640,
      testRows: kernels,
      datasetHash: 'ab12'.repeat(16),
    },
    labels: 'harness',
    simulators: [
      {
        id: 'embedded',
        engine: 'embedded',
        model: 'models/embedded',
        calibration: 'isotonic-3f9a',
        trainedOn: 'ab12ab12',
      },
      ...(second
        ? [
            {
              id: 'gtm-1.5b',
              engine: 'openai',
              model: 'gtm-1.5b-cuda',
              calibration: 'temperature-1c44',
              trainedOn: null,
            },
          ]
        : []),
    ],
    cases,
    majority: { compiled: true, correct: false },
    generatedBy: {
      kval: '0.1.0',
      machine: { cpu: 'AMD EPYC 9654', cores: 2, memoryGib: 24, gpu: executed ? 'NVIDIA H200' : null },
      commands: ['kval dataset build --store labels.db --split problem', 'kval report --split test --html report.html'],
      at: '2026-11-21T05:30:00Z',
    },
    notes: ['Kernels with the same text are counted once.'],
  };
}
