import { combinations, type FamilyKernel, includes, lines, pythonModule } from './module.js';

const computations = [
  { problemId: 'starter/level1/11', name: 'sum_over_dim', combine: 'sum', output: '{x.size(0), 1, x.size(2)}' },
  { problemId: 'starter/level1/12', name: 'max_over_dim', combine: 'max', output: '{x.size(0), x.size(2)}' },
] as const;

const styles = ['thread a column', 'block a column', 'block of rows'] as const;

/** Reductions over the middle dimension: columns by threads, by blocks, or by blocks whose rows share the work. */
export function* columns(): Generator<FamilyKernel> {
  let turn = 0;
  for (const computation of computations) {
    for (const { style, block, unroll } of combinations({
      style: styles,
      block: [64, 128, 256],
      unroll: [false, true],
    })) {
      turn += 1;
      yield {
        family: 'columns',
        problemId: computation.problemId,
        schedule: `${style}, blocks of ${block}${unroll ? ', unrolled' : ''}`,
        source: write(computation, style, block, unroll, turn),
      };
    }
  }
}

function write(
  { name, combine, output }: (typeof computations)[number],
  style: (typeof styles)[number],
  block: number,
  unroll: boolean,
  turn: number,
): string {
  const start = combine === 'sum' ? '0.0f' : '-INFINITY';
  const take = (target: string, value: string): string =>
    combine === 'sum' ? `${target} += ${value};` : `${target} = fmaxf(${target}, ${value});`;
  const loop = (from: string, step: string): string =>
    lines(
      unroll ? '    #pragma unroll 4' : null,
      `    for (int r = ${from}; r < length; r += ${step}) {`,
      `        ${take('acc', 'in[(size_t)r * inner]')}`,
      '    }',
    );
  const at = (index: string): string =>
    lines(
      `    const int64_t column = ${index};`,
      '    const float* in = x + (column / inner) * length * inner + column % inner;',
    );
  const bodies: Record<(typeof styles)[number], string> = {
    'thread a column': lines(
      at('(int64_t)blockIdx.x * BLOCK + threadIdx.x'),
      '    if (column >= total) return;',
      `    float acc = ${start};`,
      loop('0', '1'),
      '    y[column] = acc;',
    ),
    'block a column': lines(
      '    __shared__ float buffer[BLOCK];',
      at('blockIdx.x'),
      `    float acc = ${start};`,
      loop('threadIdx.x', 'BLOCK'),
      '    buffer[threadIdx.x] = acc;',
      '    __syncthreads();',
      '    for (int half = BLOCK / 2; half > 0; half /= 2) {',
      `        if (threadIdx.x < half) ${take('buffer[threadIdx.x]', 'buffer[threadIdx.x + half]')}`,
      '        __syncthreads();',
      '    }',
      '    if (threadIdx.x == 0) y[column] = buffer[0];',
    ),
    'block of rows': lines(
      '    __shared__ float buffer[BLOCK / 32][32];',
      at('(int64_t)blockIdx.x * 32 + threadIdx.x'),
      `    float acc = ${start};`,
      '    if (column < total) {',
      loop('threadIdx.y', 'BLOCK / 32'),
      '    }',
      '    buffer[threadIdx.y][threadIdx.x] = acc;',
      '    __syncthreads();',
      '    if (threadIdx.y == 0 && column < total) {',
      `        for (int w = 1; w < BLOCK / 32; ++w) ${take('acc', 'buffer[w][threadIdx.x]')}`,
      '        y[column] = acc;',
      '    }',
    ),
  };
  const launches: Record<(typeof styles)[number], string> = {
    'thread a column': '(total + BLOCK - 1) / BLOCK, BLOCK',
    'block a column': 'total, BLOCK',
    'block of rows': '(total + 31) / 32, dim3(32, BLOCK / 32)',
  };
  const signature = `torch::Tensor ${name}_forward(torch::Tensor x)`;
  const cuda = lines(
    `${includes}#define BLOCK ${block}`,
    '',
    `__global__ void ${name}_kernel(const float* __restrict__ x, float* __restrict__ y, int length, int inner, int64_t total) {`,
    bodies[style],
    '}',
    '',
    `${signature} {`,
    `    auto y = torch::empty(${output}, x.options());`,
    '    const int64_t total = y.numel();',
    `    ${name}_kernel<<<${launches[style]}>>>(x.data_ptr<float>(), y.data_ptr<float>(), (int)x.size(1), (int)x.size(2), total);`,
    '    return y;',
    '}',
    '',
  );
  const host = { parameters: 'dim: int', forward: 'x: torch.Tensor', call: 'x.contiguous()' };
  return pythonModule({ name: `${name}_ext`, cuda, signature }, host, turn);
}
