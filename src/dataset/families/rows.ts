import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** A value of a whole row: a sum or a maximum over its elements, then a number made of it. */
interface Pass {
  readonly name: string;
  readonly combine: 'sum' | 'max';
  /** Of `a[c]` and what came before. */
  readonly value: string;
  /** Made of the result, for what comes after. */
  readonly derive?: readonly string[];
}

/** A computation that reduces each row of `a`, then writes the row or one number for it. */
interface RowComputation {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  readonly wrapper: readonly string[];
  readonly kernel: readonly string[];
  readonly launch: readonly string[];
  readonly rows: string;
  readonly columns: string;
  /** A second matrix `b` of the same shape comes first among the tensors of the wrapper. */
  readonly second?: boolean;
  readonly passes: readonly Pass[];
  readonly element?: string;
  readonly row?: string;
  readonly output?: string;
}

const matrix = { rows: 'x.size(0)', columns: 'x.size(1)' };
const none = { wrapper: [], kernel: [], launch: [] };
const input: Host = { forward: 'x: torch.Tensor', call: 'x.contiguous()' };
const pair: Host = {
  forward: 'predictions: torch.Tensor, targets: torch.Tensor',
  call: 'predictions.contiguous(), targets.contiguous()',
};
const affine = {
  wrapper: ['torch::Tensor weight', 'torch::Tensor bias'],
  kernel: ['const float* weight', 'const float* bias'],
  launch: ['weight.data_ptr<float>()', 'bias.data_ptr<float>()'],
};
const moments: readonly Pass[] = [
  { name: 'sum', combine: 'sum', value: 'a[c]', derive: ['const float mean = sum / columns;'] },
  {
    name: 'squares',
    combine: 'sum',
    value: '(a[c] - mean) * (a[c] - mean)',
    derive: ['const float scale = rsqrtf(squares / columns + 1e-5f);'],
  },
];
const exponentials: readonly Pass[] = [
  { name: 'top', combine: 'max', value: 'a[c]' },
  { name: 'total', combine: 'sum', value: 'expf(a[c] - top)' },
];
const layerNorm: Host = {
  parameters: 'dim: int',
  setup: [
    'self.ln = nn.LayerNorm(dim)',
    'nn.init.normal_(self.ln.weight, 1.0, 0.2)',
    'nn.init.normal_(self.ln.bias, 0.0, 0.2)',
  ],
  forward: 'x: torch.Tensor',
  call: 'x.contiguous(), self.ln.weight, self.ln.bias',
};
const normalised = '(a[c] - mean) * scale * weight[c] + bias[c]';

const computations: readonly RowComputation[] = [
  {
    problemId: 'starter/level1/14',
    name: 'row_mean',
    host: input,
    ...matrix,
    ...none,
    passes: [{ name: 'sum', combine: 'sum', value: 'a[c]' }],
    row: 'sum / columns',
    output: 'torch::empty({x.size(0)}, x.options())',
  },
  {
    problemId: 'starter/level1/15',
    name: 'l2_norm',
    host: input,
    ...matrix,
    ...none,
    passes: [{ name: 'squares', combine: 'sum', value: 'a[c] * a[c]', derive: ['const float norm = sqrtf(squares);'] }],
    element: 'a[c] / norm',
  },
  {
    problemId: 'starter/level1/5',
    name: 'matrix_vector',
    host: { forward: 'A: torch.Tensor, x: torch.Tensor', call: 'A.contiguous(), x.contiguous()' },
    ...matrix,
    wrapper: ['torch::Tensor vector'],
    kernel: ['const float* vector'],
    launch: ['vector.data_ptr<float>()'],
    passes: [{ name: 'dot', combine: 'sum', value: 'a[c] * vector[c]' }],
    row: 'dot',
    output: 'torch::empty({x.size(0), 1}, x.options())',
  },
  {
    problemId: 'starter/level1/21',
    name: 'layer_norm',
    host: layerNorm,
    ...matrix,
    ...affine,
    passes: moments,
    element: normalised,
  },
  {
    problemId: 'starter/level1/24',
    name: 'rms_norm',
    host: {
      parameters: 'dim: int, eps: float',
      setup: ['self.eps = eps', 'self.weight = nn.Parameter(1.0 + 0.3 * torch.randn(dim))'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.weight, self.eps',
    },
    ...matrix,
    wrapper: ['torch::Tensor weight', 'double eps'],
    kernel: ['const float* weight', 'float eps'],
    launch: ['weight.data_ptr<float>()', '(float)eps'],
    passes: [
      {
        name: 'squares',
        combine: 'sum',
        value: 'a[c] * a[c]',
        derive: ['const float scale = rsqrtf(squares / columns + eps);'],
      },
    ],
    element: 'a[c] * scale * weight[c]',
  },
  {
    problemId: 'starter/level1/26',
    name: 'softmax',
    host: input,
    ...matrix,
    ...none,
    passes: exponentials,
    element: 'expf(a[c] - top) / total',
  },
  {
    problemId: 'starter/level1/27',
    name: 'log_softmax',
    host: input,
    ...matrix,
    ...none,
    passes: [
      ...exponentials.slice(0, 1),
      { ...lastOf(exponentials), derive: ['const float shift = top + logf(total);'] },
    ],
    element: 'a[c] - shift',
  },
  {
    problemId: 'starter/level1/25',
    name: 'instance_norm',
    host: {
      parameters: 'channels: int',
      setup: ['self.inorm = nn.InstanceNorm2d(channels)'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous()',
    },
    rows: 'x.size(0) * x.size(1)',
    columns: 'x.size(2) * x.size(3)',
    ...none,
    passes: moments,
    element: '(a[c] - mean) * scale',
  },
  {
    problemId: 'starter/level1/23',
    name: 'group_norm',
    host: {
      parameters: 'groups: int, channels: int',
      setup: [
        'self.gn = nn.GroupNorm(groups, channels)',
        'nn.init.normal_(self.gn.weight, 1.0, 0.2)',
        'nn.init.normal_(self.gn.bias, 0.0, 0.2)',
      ],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.gn.weight, self.gn.bias, self.gn.num_groups',
    },
    rows: 'x.size(0) * groups',
    columns: 'x.numel() / (x.size(0) * groups)',
    wrapper: [...affine.wrapper, 'int64_t groups'],
    kernel: [...affine.kernel, 'int groups', 'int plane'],
    launch: [...affine.launch, '(int)groups', '(int)(x.size(2) * x.size(3))'],
    passes: moments,
    element:
      '(a[c] - mean) * scale * weight[(row % groups) * (columns / plane) + c / plane] + bias[(row % groups) * (columns / plane) + c / plane]',
  },
  {
    problemId: 'starter/level1/33',
    name: 'kl_rows',
    host: pair,
    ...matrix,
    ...none,
    second: true,
    passes: [{ name: 'sum', combine: 'sum', value: '(b[c] > 0.0f ? b[c] * (logf(b[c]) - logf(a[c])) : 0.0f)' }],
    row: 'sum',
    output: 'torch::empty({x.size(0)}, x.options())',
  },
  {
    problemId: 'starter/level1/34',
    name: 'cosine_loss',
    host: pair,
    ...matrix,
    ...none,
    second: true,
    passes: [
      { name: 'dot', combine: 'sum', value: 'a[c] * b[c]' },
      { name: 'squares_a', combine: 'sum', value: 'a[c] * a[c]' },
      { name: 'squares_b', combine: 'sum', value: 'b[c] * b[c]' },
    ],
    row: '1.0f - dot / fmaxf(sqrtf(squares_a) * sqrtf(squares_b), 1e-8f)',
    output: 'torch::empty({x.size(0)}, x.options())',
  },
  {
    problemId: 'starter/level1/31',
    name: 'cross_entropy',
    host: { ...pair, after: '.mean()' },
    ...matrix,
    wrapper: ['torch::Tensor targets'],
    kernel: ['const int64_t* targets'],
    launch: ['targets.data_ptr<int64_t>()'],
    passes: exponentials,
    row: 'logf(total) + top - a[targets[row]]',
    output: 'torch::empty({x.size(0)}, x.options())',
  },
  {
    problemId: 'starter/level2/7',
    name: 'layer_norm_gelu',
    host: layerNorm,
    ...matrix,
    ...affine,
    passes: moments,
    element: `gelu(${normalised})`,
  },
];

function lastOf(passes: readonly Pass[]): Pass {
  return passes.at(-1) ?? { name: 'sum', combine: 'sum', value: 'a[c]' };
}

const styles = ['block, shared tree', 'block, shuffles', 'warp', 'thread'] as const;

/** Row reductions: by a block with a tree in shared memory or with shuffles, by a warp, by a thread. */
export function* rows(): Generator<FamilyKernel> {
  let turn = 0;
  for (const computation of computations) {
    for (const schedule of combinations({ style: styles, block: [64, 128, 256, 512], unroll: [false, true] })) {
      turn += 1;
      yield {
        family: 'rows',
        problemId: computation.problemId,
        schedule: `${schedule.style}, blocks of ${schedule.block}${schedule.unroll ? ', unrolled' : ''}`,
        source: write(computation, schedule, turn),
      };
    }
  }
}

interface Schedule {
  readonly style: (typeof styles)[number];
  readonly block: number;
  readonly unroll: boolean;
}

function write(computation: RowComputation, { style, block, unroll }: Schedule, turn: number): string {
  const { name, second = false, passes } = computation;
  const rowsOfBlock = style === 'warp' ? block / 32 : style === 'thread' ? block : 1;
  const [from, step] = style === 'thread' ? ['0', '1'] : style === 'warp' ? ['lane', '32'] : ['threadIdx.x', 'BLOCK'];
  const loop = (body: string): string =>
    lines(
      unroll ? '    #pragma unroll 4' : null,
      `    for (int c = ${from}; c < columns; c += ${step}) {`,
      `        ${body}`,
      '    }',
    );
  const row: Record<(typeof styles)[number], string> = {
    'block, shared tree': '    const int row = blockIdx.x;',
    'block, shuffles': '    const int row = blockIdx.x;',
    warp: '    const int lane = threadIdx.x % 32;\n    const int row = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;\n    if (row >= rows) return;',
    thread: '    const int row = blockIdx.x * BLOCK + threadIdx.x;\n    if (row >= rows) return;',
  };
  const reduced = ({ name: total, combine }: Pass): string | null =>
    style === 'thread' ? null : `    ${total} = reduce_${combine}(${total});`;
  const combined = ({ name: total, combine, value }: Pass): string =>
    combine === 'sum' ? `${total} += ${value};` : `${total} = fmaxf(${total}, ${value});`;
  const writes = style === 'thread' ? '' : style === 'warp' ? 'if (lane == 0) ' : 'if (threadIdx.x == 0) ';
  const parameters = [
    'const float* __restrict__ x',
    ...(second ? ['const float* __restrict__ other'] : []),
    'float* __restrict__ y',
    'int rows',
    'int columns',
    ...computation.kernel,
  ];
  const kernel = lines(
    `__global__ void ${name}_kernel(${parameters.join(', ')}) {`,
    row[style],
    '    const float* a = x + (size_t)row * columns;',
    second ? '    const float* b = other + (size_t)row * columns;' : null,
    ...passes.flatMap((pass) => [
      `    float ${pass.name} = ${pass.combine === 'sum' ? '0.0f' : '-INFINITY'};`,
      loop(combined(pass)),
      reduced(pass),
      ...(pass.derive ?? []).map((line) => `    ${line}`),
    ]),
    computation.element === undefined ? null : '    float* out = y + (size_t)row * columns;',
    computation.element === undefined
      ? `    ${writes}y[row] = ${computation.row ?? lastOf(passes).name};`
      : loop(`out[c] = ${computation.element};`),
    '}',
  );
  const helpers = [...new Set(passes.map((pass) => pass.combine))].map((combine) => reduction(style, combine));
  const gelu = computation.element?.startsWith('gelu(')
    ? '__device__ float gelu(float v) {\n    return 0.5f * v * (1.0f + erff(v * 0.70710678f));\n}\n'
    : null;
  const tensors = ['torch::Tensor x', ...(second ? ['torch::Tensor other'] : []), ...computation.wrapper];
  const signature = `torch::Tensor ${name}_forward(${tensors.join(', ')})`;
  const launched = [
    'x.data_ptr<float>()',
    ...(second ? ['other.data_ptr<float>()'] : []),
    'y.data_ptr<float>()',
    'rows',
    'columns',
    ...computation.launch,
  ];
  const cuda = lines(
    `${includes}#define BLOCK ${block}`,
    '',
    ...helpers,
    gelu,
    kernel,
    '',
    `${signature} {`,
    `    auto y = ${computation.output ?? 'torch::empty_like(x)'};`,
    `    const int rows = ${computation.rows};`,
    `    const int columns = ${computation.columns};`,
    rowsOfBlock === 1
      ? '    const int blocks = rows;'
      : `    const int blocks = (rows + ${rowsOfBlock} - 1) / ${rowsOfBlock};`,
    `    ${name}_kernel<<<blocks, BLOCK>>>(${launched.join(', ')});`,
    '    return y;',
    '}',
    '',
  );
  return pythonModule({ name: `${name}_ext`, cuda, signature }, computation.host, turn);
}

function reduction(style: Schedule['style'], combine: 'sum' | 'max'): string | null {
  const both = (one: string, other: string): string =>
    combine === 'sum' ? `${one} + ${other}` : `fmaxf(${one}, ${other})`;
  const shuffled = `    for (int offset = 16; offset > 0; offset >>= 1) {\n        v = ${both('v', '__shfl_xor_sync(0xffffffff, v, offset)')};\n    }`;
  const head = `__device__ float reduce_${combine}(float v) {`;
  switch (style) {
    case 'thread':
      return null;
    case 'warp':
      return lines(head, shuffled, '    return v;', '}', '');
    case 'block, shuffles':
      return lines(
        head,
        `    __shared__ float parts[BLOCK / 32];`,
        shuffled,
        '    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;',
        '    __syncthreads();',
        '    v = parts[0];',
        `    for (int i = 1; i < BLOCK / 32; ++i) v = ${both('v', 'parts[i]')};`,
        '    __syncthreads();',
        '    return v;',
        '}',
        '',
      );
    case 'block, shared tree':
      return lines(
        head,
        '    __shared__ float buffer[BLOCK];',
        '    const int t = threadIdx.x;',
        '    buffer[t] = v;',
        '    __syncthreads();',
        '    for (int half = BLOCK / 2; half > 0; half /= 2) {',
        `        if (t < half) buffer[t] = ${both('buffer[t]', 'buffer[t + half]')};`,
        '        __syncthreads();',
        '    }',
        '    const float result = buffer[0];',
        '    __syncthreads();',
        '    return result;',
        '}',
        '',
      );
  }
}
