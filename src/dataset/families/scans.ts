import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** Running sums and products along rows. */
interface Scan {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  readonly masked?: boolean;
  readonly combine: '+' | '*';
  /** Made of the running value `run` and the element `v`. */
  readonly result: string;
}

const input: Host = { forward: 'x: torch.Tensor', call: 'x.contiguous()' };

const scans: readonly Scan[] = [
  { problemId: 'starter/level1/35', name: 'cumsum', host: input, combine: '+', result: 'run' },
  { problemId: 'starter/level1/36', name: 'cumprod', host: input, combine: '*', result: 'run' },
  { problemId: 'starter/level1/37', name: 'exclusive_cumsum', host: input, combine: '+', result: 'run - v' },
  {
    problemId: 'starter/level1/38',
    name: 'masked_cumsum',
    host: { forward: 'x: torch.Tensor, mask: torch.Tensor', call: 'x.contiguous(), mask.contiguous()' },
    masked: true,
    combine: '+',
    result: 'run',
  },
];

const styles = ['thread a row', 'warp a row', 'doubling in shared memory', 'shuffles in a block'] as const;

/** Scans: one after another by a thread, by a warp with shuffles, by a block with doubling steps or with shuffles. */
export function* scanned(): Generator<FamilyKernel> {
  let turn = 0;
  for (const scan of scans) {
    for (const { style, block } of combinations({ style: styles, block: [32, 64, 128, 256, 512] })) {
      turn += 1;
      yield {
        family: 'scans',
        problemId: scan.problemId,
        schedule: `${style}, blocks of ${block}`,
        source: write(scan, style, block, turn),
      };
    }
  }
}

function write(scan: Scan, style: (typeof styles)[number], block: number, turn: number): string {
  const { name, combine, masked = false } = scan;
  const start = combine === '+' ? '0.0f' : '1.0f';
  const load = (c: string): string => (masked ? `(chosen[${c}] ? in[${c}] : 0.0f)` : `in[${c}]`);
  const pointers = lines(
    '    const float* in = x + (size_t)row * columns;',
    masked ? '    const bool* chosen = mask + (size_t)row * columns;' : null,
    '    float* out = y + (size_t)row * columns;',
  );
  const shuffle = (value: string, lane: string, indent: string): string =>
    lines(
      `${indent}for (int offset = 1; offset < 32; offset *= 2) {`,
      `${indent}    const float before = __shfl_up_sync(0xffffffff, ${value}, offset);`,
      `${indent}    if (${lane} >= offset) ${value} ${combine}= before;`,
      `${indent}}`,
    );
  const bodies: Record<(typeof styles)[number], string> = {
    'thread a row': lines(
      '    const int row = blockIdx.x * blockDim.x + threadIdx.x;',
      '    if (row >= rows) return;',
      pointers,
      `    float run = ${start};`,
      '    for (int c = 0; c < columns; ++c) {',
      `        const float v = ${load('c')};`,
      `        run ${combine}= v;`,
      `        out[c] = ${scan.result};`,
      '    }',
    ),
    'warp a row': lines(
      '    const int lane = threadIdx.x % 32;',
      '    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;',
      '    if (row >= rows) return;',
      pointers,
      `    float carry = ${start};`,
      '    for (int first = 0; first < columns; first += 32) {',
      '        const int c = first + lane;',
      `        const float v = c < columns ? ${load('c')} : ${start};`,
      '        float run = v;',
      shuffle('run', 'lane', '        '),
      `        run ${combine}= carry;`,
      `        if (c < columns) out[c] = ${scan.result};`,
      '        carry = __shfl_sync(0xffffffff, run, 31);',
      '    }',
    ),
    'doubling in shared memory': lines(
      '    __shared__ float buffer[BLOCK];',
      '    const int row = blockIdx.x;',
      '    const int t = threadIdx.x;',
      pointers,
      `    float carry = ${start};`,
      '    for (int first = 0; first < columns; first += BLOCK) {',
      '        const int c = first + t;',
      `        const float v = c < columns ? ${load('c')} : ${start};`,
      '        buffer[t] = v;',
      '        __syncthreads();',
      '        for (int offset = 1; offset < BLOCK; offset *= 2) {',
      `            const float before = t >= offset ? buffer[t - offset] : ${start};`,
      '            __syncthreads();',
      `            buffer[t] ${combine}= before;`,
      '            __syncthreads();',
      '        }',
      `        const float run = buffer[t] ${combine} carry;`,
      `        if (c < columns) out[c] = ${scan.result};`,
      `        carry ${combine}= buffer[BLOCK - 1];`,
      '        __syncthreads();',
      '    }',
    ),
    'shuffles in a block': lines(
      '    __shared__ float totals[BLOCK / 32];',
      '    const int row = blockIdx.x;',
      '    const int lane = threadIdx.x % 32;',
      '    const int warp = threadIdx.x / 32;',
      pointers,
      `    float carry = ${start};`,
      '    for (int first = 0; first < columns; first += BLOCK) {',
      '        const int c = first + threadIdx.x;',
      `        const float v = c < columns ? ${load('c')} : ${start};`,
      '        float run = v;',
      shuffle('run', 'lane', '        '),
      '        if (lane == 31) totals[warp] = run;',
      '        __syncthreads();',
      `        float all = carry;`,
      '        for (int w = 0; w < BLOCK / 32; ++w) {',
      `            if (w == warp) run ${combine}= all;`,
      `            all ${combine}= totals[w];`,
      '        }',
      `        if (c < columns) out[c] = ${scan.result};`,
      '        carry = all;',
      '        __syncthreads();',
      '    }',
    ),
  };
  const blocks: Record<(typeof styles)[number], string> = {
    'thread a row': '(rows + BLOCK - 1) / BLOCK',
    'warp a row': '(rows * 32 + BLOCK - 1) / BLOCK',
    'doubling in shared memory': 'rows',
    'shuffles in a block': 'rows',
  };
  const signature = `torch::Tensor ${name}_forward(torch::Tensor x${masked ? ', torch::Tensor mask' : ''})`;
  const cuda = lines(
    `${includes}constexpr int BLOCK = ${block};`,
    '',
    `__global__ void ${name}_kernel(const float* __restrict__ x, ${masked ? 'const bool* __restrict__ mask, ' : ''}float* __restrict__ y, int rows, int columns) {`,
    bodies[style],
    '}',
    '',
    `${signature} {`,
    '    auto y = torch::empty_like(x);',
    '    const int rows = x.size(0);',
    '    const int columns = x.size(1);',
    `    const int blocks = ${blocks[style]};`,
    `    ${name}_kernel<<<blocks, BLOCK>>>(x.data_ptr<float>(), ${masked ? 'mask.data_ptr<bool>(), ' : ''}y.data_ptr<float>(), rows, columns);`,
    '    return y;',
    '}',
    '',
  );
  return pythonModule({ name: `${name}_ext`, cuda, signature }, scan.host, turn);
}
