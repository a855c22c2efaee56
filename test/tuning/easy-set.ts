import type { LabelledExample } from '../../src/dataset/row.js';
import { example, generator } from '../dataset/examples.js';

/**
 * Kernels whose fate shows in every line, so that a very small language model learns it in seconds: a function that nobody
 * declared does not compile, and without its guard a store is out of bounds.
 */
export function easyExamples(rows: number): LabelledExample[] {
  const random = generator(11);
  return Array.from({ length: rows }, (_, seed) => {
    const compiled = random() < 0.6;
    const correct = compiled && random() < 0.5;
    const called = compiled ? 'fmaxf' : 'undeclared';
    const guard = compiled && !correct ? '' : 'if (i < n) ';
    const stores = Array.from({ length: 6 }, () => `  ${guard}y[i] = ${called}(x[i], ${random().toFixed(2)}f);\n`);
    return example({
      problem: `level1/${1 + (seed % 40)}`,
      kernel: `__global__ void op_${seed}(float* y, const float* x, int n) {\n  int i = threadIdx.x;\n${stores.join('')}}\n`,
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
