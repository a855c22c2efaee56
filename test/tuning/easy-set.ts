import type { LabelledExample } from '../../src/dataset/row.js';
import { example, generator } from '../dataset/examples.js';

/**
 * Short kernels whose fate can be read from one word, so that a very small language model learns it in seconds: a function
 * that nobody declared does not compile, and without the guard the last block writes out of bounds.
 */
export function easyExamples(rows: number): LabelledExample[] {
  const random = generator(11);
  return Array.from({ length: rows }, (_, seed) => {
    const compiled = random() < 0.6;
    const correct = compiled && random() < 0.5;
    const value = compiled ? 'fmaxf(v, 0.0f)' : 'undeclared(undeclared(undeclared(v)))';
    const guard = compiled && !correct ? '' : 'if (i < n) ';
    const scale = (1 + random()).toFixed(3);
    return example({
      problem: `level1/${1 + (seed % 40)}`,
      kernel: `__global__ void op_${seed}(float* y, const float* x, int n) {\n  int i = blockIdx.x * blockDim.x + threadIdx.x;\n  float v = x[i] * ${scale}f;\n  ${guard}y[i] = ${value};\n}\n`,
      generator: `model-${seed % 3}`,
      label: {
        compiled,
        correct,
        runtimeMs: correct ? 1 + (seed % 4) / 4 : null,
        referenceRuntimeMs: correct ? 2 : null,
      },
    });
  });
}
