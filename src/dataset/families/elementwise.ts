import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** One output element from its index: activations, a normalisation with stored statistics, gathers. */
interface Elementwise {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  /** Tensors and numbers after `x`, as C++ parameters of the wrapper. */
  readonly wrapper: readonly string[];
  /** The same as parameters and arguments of the kernel. */
  readonly kernel: readonly string[];
  readonly launch: readonly string[];
  /** What `x` points to. */
  readonly element?: 'float' | 'int64_t';
  /** The value at index `i`; with `v`, where it is a function of one element of `x` alone. */
  readonly value: string;
  readonly pointwise: boolean;
  /** How the wrapper makes `y`. */
  readonly output?: string;
}

const plain: Host = { forward: 'x: torch.Tensor', call: 'x.contiguous()' };

const computations: readonly Elementwise[] = [
  activation('starter/level1/7', 'relu', 'v > 0.0f ? v : 0.0f'),
  activation('starter/level1/8', 'gelu', '0.5f * v * (1.0f + erff(v * 0.70710678118654752f))'),
  activation('starter/level1/9', 'silu', 'v / (1.0f + expf(-v))'),
  {
    ...activation('starter/level1/10', 'leaky_relu', 'v > 0.0f ? v : v * slope'),
    host: {
      parameters: 'negative_slope: float',
      setup: ['self.negative_slope = negative_slope'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.negative_slope',
    },
    wrapper: ['double slope'],
    kernel: ['float slope'],
    launch: ['(float)slope'],
  },
  {
    problemId: 'starter/level1/22',
    name: 'batch_norm',
    host: {
      parameters: 'channels: int',
      setup: [
        'self.register_buffer("mean", torch.randn(channels))',
        'self.register_buffer("var", torch.rand(channels) * 2.0 + 0.5)',
        'self.weight = nn.Parameter(torch.randn(channels))',
        'self.bias = nn.Parameter(torch.randn(channels))',
      ],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.mean, self.var, self.weight, self.bias',
    },
    wrapper: ['torch::Tensor mean', 'torch::Tensor var', 'torch::Tensor weight', 'torch::Tensor bias'],
    kernel: [
      'const float* mean',
      'const float* var',
      'const float* weight',
      'const float* bias',
      'int channels',
      'int plane',
    ],
    launch: [
      'mean.data_ptr<float>()',
      'var.data_ptr<float>()',
      'weight.data_ptr<float>()',
      'bias.data_ptr<float>()',
      '(int)x.size(1)',
      '(int)(x.size(2) * x.size(3))',
    ],
    value:
      '(x[i] - mean[(i / plane) % channels]) * rsqrtf(var[(i / plane) % channels] + 1e-5f) * weight[(i / plane) % channels] + bias[(i / plane) % channels]',
    pointwise: false,
  },
  {
    problemId: 'starter/level1/40',
    name: 'embedding',
    host: {
      parameters: 'vocabulary: int, dim: int',
      setup: ['self.embedding = nn.Embedding(vocabulary, dim)'],
      forward: 'indices: torch.Tensor',
      call: 'indices.contiguous(), self.embedding.weight',
    },
    element: 'int64_t',
    wrapper: ['torch::Tensor table'],
    kernel: ['const float* table', 'int dim'],
    launch: ['table.data_ptr<float>()', '(int)table.size(1)'],
    value: 'table[x[i / dim] * dim + i % dim]',
    pointwise: false,
    output: 'torch::empty({x.size(0), x.size(1), table.size(1)}, table.options())',
  },
  {
    problemId: 'starter/level1/41',
    name: 'gather_columns',
    host: {
      forward: 'x: torch.Tensor, index: torch.Tensor',
      call: 'x.contiguous(), index.contiguous()',
    },
    wrapper: ['torch::Tensor index'],
    kernel: ['const int64_t* index', 'int columns', 'int picked'],
    launch: ['index.data_ptr<int64_t>()', '(int)x.size(1)', '(int)index.size(1)'],
    value: 'x[(i / picked) * columns + index[i]]',
    pointwise: false,
    output: 'torch::empty({x.size(0), index.size(1)}, x.options())',
  },
];

function activation(problemId: string, name: string, value: string): Elementwise {
  return { problemId, name, host: plain, wrapper: [], kernel: [], launch: [], value, pointwise: true };
}

const styles = ['one a thread', 'grid-stride', 'two a vector', 'four a vector', 'four a thread'] as const;

/** Elementwise kernels: threads and elements are matched in five ways, with blocks of four sizes. */
export function* elementwise(): Generator<FamilyKernel> {
  let turn = 0;
  for (const computation of computations) {
    for (const { style, block, restrict, index } of combinations({
      style: styles,
      block: [64, 128, 256, 512],
      restrict: [true, false],
      index: ['int', 'int64_t'],
    })) {
      if (!computation.pointwise && style.includes('vector')) continue;
      turn += 1;
      yield {
        family: 'elementwise',
        problemId: computation.problemId,
        schedule: `${style}, blocks of ${block}, ${index}${restrict ? ', restrict' : ''}`,
        source: write(computation, { style, block, restrict, index }, turn),
      };
    }
  }
}

interface Schedule {
  readonly style: (typeof styles)[number];
  readonly block: number;
  readonly restrict: boolean;
  readonly index: string;
}

function write(computation: Elementwise, { style, block, restrict, index }: Schedule, turn: number): string {
  const { name, element = 'float', pointwise } = computation;
  const promise = restrict ? ' __restrict__' : '';
  const parameters = [`const ${element}*${promise} x`, `float*${promise} y`, `${index} n`, ...computation.kernel];
  const value = pointwise
    ? `${name}_value(x[i]${computation.kernel.map((one) => `, ${one.split(' ').at(-1)}`).join('')})`
    : null;
  const device = pointwise
    ? `__device__ __forceinline__ float ${name}_value(float v${computation.kernel.map((one) => `, ${one}`).join('')}) {\n    return ${computation.value};\n}\n\n`
    : '';
  const width = style === 'two a vector' ? 2 : 4;
  const at = value ?? computation.value;
  const of = (v: string): string => at.replace('x[i]', v);
  const first = `const ${index} i = (${index})blockIdx.x * blockDim.x + threadIdx.x;`;
  const bodies: Record<(typeof styles)[number], string> = {
    'one a thread': `    ${first}\n    if (i < n) {\n        y[i] = ${at};\n    }`,
    'grid-stride': `    const ${index} step = (${index})gridDim.x * blockDim.x;\n    for (${index} i = (${index})blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {\n        y[i] = ${at};\n    }`,
    'two a vector': vector(2),
    'four a vector': vector(4),
    'four a thread': `    const ${index} start = (${index})blockIdx.x * blockDim.x * 4 + threadIdx.x;\n    #pragma unroll\n    for (int j = 0; j < 4; ++j) {\n        const ${index} i = start + j * blockDim.x;\n        if (i < n) y[i] = ${at};\n    }`,
  };
  function vector(lanes: 2 | 4): string {
    const parts = lanes === 2 ? ['x', 'y'] : ['x', 'y', 'z', 'w'];
    return lines(
      `    ${first}`,
      `    if (i < n / ${lanes}) {`,
      `        float${lanes} v = reinterpret_cast<const float${lanes}*>(x)[i];`,
      ...parts.map((part) => `        v.${part} = ${of(`v.${part}`)};`),
      `        reinterpret_cast<float${lanes}*>(y)[i] = v;`,
      '    }',
      `    if (i < n % ${lanes}) {`,
      `        const ${index} last = n - 1 - i;`,
      `        y[last] = ${of('x[last]')};`,
      '    }',
    );
  }
  const perThread = style === 'one a thread' || style === 'grid-stride' ? 1 : width;
  const blocks = `(n + threads * ${perThread} - 1) / (threads * ${perThread})`;
  const signature = `torch::Tensor ${name}_forward(torch::Tensor x${computation.wrapper.map((one) => `, ${one}`).join('')})`;
  const cuda = lines(
    `${includes}${device}__global__ void ${name}_kernel(${parameters.join(', ')}) {`,
    bodies[style],
    '}',
    '',
    `${signature} {`,
    `    auto y = ${computation.output ?? 'torch::empty_like(x)'};`,
    `    const int64_t n = y.numel();`,
    `    const int threads = ${block};`,
    style === 'grid-stride'
      ? `    int64_t blocks = ${blocks};\n    if (blocks > 2048) blocks = 2048;`
      : `    const int64_t blocks = ${blocks};`,
    `    ${name}_kernel<<<blocks, threads>>>(x.data_ptr<${element}>(), y.data_ptr<float>(), n${computation.launch.map((one) => `, ${one}`).join('')});`,
    '    return y;',
    '}',
    '',
  );
  return pythonModule({ name: `${name}_ext`, cuda, signature }, computation.host, turn);
}
