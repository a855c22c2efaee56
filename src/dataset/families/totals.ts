import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** One number from two tensors, or one for each column of the middle dimension of one. */
interface Loss {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  readonly number: string | null;
  /** Of the difference `d`. */
  readonly value: string;
}

const pair = 'predictions: torch.Tensor, targets: torch.Tensor';

const losses: readonly Loss[] = [
  {
    problemId: 'starter/level1/30',
    name: 'mse_loss',
    host: { forward: pair, call: 'predictions.contiguous(), targets.contiguous()' },
    number: null,
    value: 'd * d',
  },
  {
    problemId: 'starter/level1/32',
    name: 'huber_loss',
    host: {
      parameters: 'delta: float',
      setup: ['self.delta = delta'],
      forward: pair,
      call: 'predictions.contiguous(), targets.contiguous(), self.delta',
    },
    number: 'delta',
    value: '(fabsf(d) <= delta ? 0.5f * d * d : delta * (fabsf(d) - 0.5f * delta))',
  },
];

const reductions = ['tree', 'shuffles'] as const;
const endings = ['second kernel', 'atomic double', 'sum of torch'] as const;

/** Losses over whole tensors: partial sums by blocks, brought together in three ways. */
export function* totals(): Generator<FamilyKernel> {
  let turn = 0;
  for (const loss of losses) {
    for (const schedule of combinations({
      reduction: reductions,
      ending: endings,
      block: [128, 256, 512],
      blocks: [64, 240],
    })) {
      turn += 1;
      const { reduction, ending, block, blocks } = schedule;
      yield {
        family: 'totals',
        problemId: loss.problemId,
        schedule: `${reduction}, ${ending}, ${blocks} blocks of ${block}`,
        source: write(loss, schedule, turn),
      };
    }
  }
}

interface Schedule {
  readonly reduction: (typeof reductions)[number];
  readonly ending: (typeof endings)[number];
  readonly block: number;
  readonly blocks: number;
}

function write(loss: Loss, { reduction, ending, block, blocks }: Schedule, turn: number): string {
  const { name, number } = loss;
  const type = ending === 'atomic double' ? 'double' : 'float';
  const more = number === null ? '' : `, float ${number}`;
  const reduce: Record<(typeof reductions)[number], string> = {
    tree: lines(
      '    __shared__ float buffer[BLOCK];',
      '    buffer[threadIdx.x] = v;',
      '    __syncthreads();',
      '    for (int half = BLOCK / 2; half > 0; half >>= 1) {',
      '        if (threadIdx.x < half) buffer[threadIdx.x] += buffer[threadIdx.x + half];',
      '        __syncthreads();',
      '    }',
      '    return buffer[0];',
    ),
    shuffles: lines(
      '    __shared__ float parts[BLOCK / 32];',
      '    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_down_sync(0xffffffff, v, offset);',
      '    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;',
      '    __syncthreads();',
      '    float total = 0.0f;',
      '    for (int w = 0; w < BLOCK / 32; ++w) total += parts[w];',
      '    return total;',
    ),
  };
  const store = ending === 'atomic double' ? 'atomicAdd(sums, (double)total);' : 'sums[blockIdx.x] = total;';
  const finish: Record<(typeof endings)[number], readonly string[]> = {
    'second kernel': [
      '    auto out = torch::empty({}, a.options());',
      `    ${name}_finish<<<1, BLOCK>>>(sums.data_ptr<float>(), out.data_ptr<float>(), BLOCKS, n);`,
      '    return out;',
    ],
    'atomic double': ['    return (sums / (double)n).to(torch::kFloat32).reshape({});'],
    'sum of torch': ['    return sums.sum() / (double)n;'],
  };
  const signature = `torch::Tensor ${name}_forward(torch::Tensor a, torch::Tensor b${number === null ? '' : `, double ${number}`})`;
  const cuda = lines(
    `${includes}#define BLOCK ${block}\n#define BLOCKS ${blocks}\n`,
    '__device__ float block_sum(float v) {',
    reduce[reduction],
    '}',
    '',
    `__global__ void ${name}_kernel(const float* __restrict__ a, const float* __restrict__ b, ${type}* __restrict__ sums, int64_t n${more}) {`,
    '    float sum = 0.0f;',
    '    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += (int64_t)gridDim.x * BLOCK) {',
    '        const float d = a[i] - b[i];',
    `        sum += ${loss.value};`,
    '    }',
    '    const float total = block_sum(sum);',
    `    if (threadIdx.x == 0) ${store}`,
    '}',
    '',
    ending === 'second kernel'
      ? lines(
          `__global__ void ${name}_finish(const float* __restrict__ sums, float* __restrict__ out, int count, int64_t n) {`,
          '    float sum = 0.0f;',
          '    for (int i = threadIdx.x; i < count; i += BLOCK) sum += sums[i];',
          '    const float total = block_sum(sum);',
          '    if (threadIdx.x == 0) out[0] = total / n;',
          '}',
          '',
        )
      : null,
    `${signature} {`,
    '    const int64_t n = a.numel();',
    ending === 'atomic double'
      ? '    auto sums = torch::zeros({1}, a.options().dtype(torch::kFloat64));'
      : '    auto sums = torch::empty({BLOCKS}, a.options());',
    `    ${name}_kernel<<<BLOCKS, BLOCK>>>(a.data_ptr<float>(), b.data_ptr<float>(), sums.data_ptr<${type}>(), n${number === null ? '' : `, (float)${number}`});`,
    ...finish[ending],
    '}',
    '',
  );
  return pythonModule({ name: `${name}_ext`, cuda, signature }, loss.host, turn);
}
