import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** An output element from a window of the input: convolutions and pooling over one, two or three dimensions. */
interface Window {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  readonly dimensions: 1 | 2 | 3;
  /** With weights and perhaps a bias: a convolution, of every channel with every one or of each with itself. */
  readonly weights: 'dense' | 'each' | null;
  readonly bias: boolean;
  readonly padding: number;
  readonly stride: number;
  /** Size of the window, where the wrapper's weights do not say it. */
  readonly size?: number;
  readonly combine: 'sum' | 'max' | 'mean';
  /** A tensor with a value for each channel, and the result made of `acc` and `extra[oc]`. */
  readonly epilogue?: string;
}

const image: Host = { forward: 'x: torch.Tensor', call: 'x.contiguous()' };

function convolution(kind: string, more: readonly string[] = [], options = ''): Host {
  return {
    parameters: 'in_channels: int, out_channels: int, kernel_size: int',
    setup: [`self.conv = nn.${kind}(in_channels, out_channels, kernel_size${options})`, ...more],
    forward: 'x: torch.Tensor',
    call: `x.contiguous(), self.conv.weight, self.conv.bias${more.length > 0 ? ', self.bias' : ''}`,
  };
}

const dense = { weights: 'dense', bias: true, padding: 0, stride: 1, combine: 'sum' } as const;

const windows: readonly Window[] = [
  { problemId: 'starter/level1/16', name: 'conv1d', host: convolution('Conv1d'), dimensions: 1, ...dense },
  {
    problemId: 'starter/level1/17',
    name: 'conv2d',
    host: convolution('Conv2d', [], ', padding=1'),
    dimensions: 2,
    ...dense,
    padding: 1,
  },
  { problemId: 'starter/level1/20', name: 'conv3d', host: convolution('Conv3d'), dimensions: 3, ...dense },
  {
    problemId: 'starter/level1/18',
    name: 'depthwise',
    host: {
      parameters: 'channels: int, kernel_size: int',
      setup: ['self.conv = nn.Conv2d(channels, channels, kernel_size, groups=channels, bias=False)'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.conv.weight',
    },
    dimensions: 2,
    ...dense,
    weights: 'each',
    bias: false,
  },
  {
    problemId: 'starter/level2/1',
    name: 'conv_relu_bias',
    host: convolution('Conv2d', ['self.bias = nn.Parameter(torch.randn(out_channels, 1, 1))']),
    dimensions: 2,
    ...dense,
    epilogue: 'fmaxf(acc, 0.0f) + extra[oc]',
  },
  {
    problemId: 'starter/level1/28',
    name: 'max_pool',
    host: { parameters: 'kernel_size: int, stride: int, padding: int', ...image },
    dimensions: 2,
    weights: null,
    bias: false,
    padding: 1,
    stride: 2,
    size: 3,
    combine: 'max',
  },
  {
    problemId: 'starter/level1/29',
    name: 'average_pool',
    host: { parameters: 'kernel_size: int', ...image },
    dimensions: 2,
    weights: null,
    bias: false,
    padding: 0,
    stride: 4,
    size: 4,
    combine: 'mean',
  },
];

const styles = ['one a thread', 'grid-stride', 'block a plane', 'weights in shared memory'] as const;

/** Windows, each element computed directly; with sizes known at compile time or not. */
export function* windowed(): Generator<FamilyKernel> {
  let turn = 0;
  for (const window of windows) {
    for (const schedule of combinations({
      style: styles,
      block: [64, 128, 256],
      fixed: [false, true],
      unroll: [false, true],
    })) {
      if (window.weights !== 'dense' && schedule.style === 'weights in shared memory') continue;
      if (schedule.unroll && !schedule.fixed) continue;
      turn += 1;
      const { style, block, fixed, unroll } = schedule;
      yield {
        family: 'windows',
        problemId: window.problemId,
        schedule: `${style}, blocks of ${block}${fixed ? ', fixed window' : ''}${unroll ? ', unrolled' : ''}`,
        source: write(window, schedule, turn),
      };
    }
  }
}

interface Schedule {
  readonly style: (typeof styles)[number];
  readonly block: number;
  /** The window's size is a constant of the text. */
  readonly fixed: boolean;
  readonly unroll: boolean;
}

/** Window sizes of the convolutions; the problems' small sizes leave them as they are. */
const constructedSize = (name: string): number => (name === 'conv1d' ? 5 : 3);

function write(window: Window, { style, block, fixed, unroll }: Schedule, turn: number): string {
  const { name, dimensions, weights, padding, stride, combine } = window;
  const axes = ['D', 'H', 'W'].slice(3 - dimensions);
  const small = axes.map((axis) => axis.toLowerCase());
  const shared = style === 'weights in shared memory';
  const size = fixed || weights === null ? 'WINDOW' : 'window';
  const plane = axes.map((axis) => `O${axis}`).join(' * ');
  const parameters = [
    'const float* __restrict__ x',
    ...(weights === null ? [] : ['const float* __restrict__ w']),
    ...(window.bias ? ['const float* __restrict__ bias'] : []),
    ...(window.epilogue === undefined ? [] : ['const float* __restrict__ extra']),
    'float* __restrict__ y',
    'int channels',
    'int outputs',
    ...axes.flatMap((axis) => [`int ${axis}`, `int O${axis}`]),
    ...(size === 'window' ? ['int window'] : []),
    'int64_t total',
  ];
  const weightIndex = (channel: string): string =>
    small.reduce((index, axis) => `(${index}) * ${size} + k${axis}`, channel);
  const inputIndex = small.reduce(
    (index, axis, place) => `(${index}) * ${axes[place]} + i${axis}`,
    'n * channels + ic',
  );
  const weight = shared
    ? `weights[${weightIndex('ic')}]`
    : `w[${weightIndex(weights === 'dense' ? 'oc * channels + ic' : 'oc')}]`;
  const loops = (indent: string): string => {
    const step = weights === null ? `x[${inputIndex}]` : `x[${inputIndex}] * ${weight}`;
    const inner = combine === 'max' ? `acc = fmaxf(acc, ${step});` : `acc += ${step};`;
    const opened = small.map((axis, depth) => {
      const pad = indent + '    '.repeat(depth);
      const place = `const int i${axis} = o${axis}${stride === 1 ? '' : ` * ${stride}`} + k${axis}${padding === 0 ? '' : ` - ${padding}`};`;
      return lines(
        unroll ? `${pad}#pragma unroll` : null,
        `${pad}for (int k${axis} = 0; k${axis} < ${size}; ++k${axis}) {`,
        `${pad}    ${place}`,
        padding === 0 ? null : `${pad}    if (i${axis} < 0 || i${axis} >= ${axes[depth]}) continue;`,
      );
    });
    const deepest = indent + '    '.repeat(small.length);
    const closed = small.map((_, depth) => `${indent}${'    '.repeat(small.length - 1 - depth)}}`);
    return lines(...opened, `${deepest}${inner}`, ...closed);
  };
  const start = combine === 'max' ? '-INFINITY' : window.bias ? 'bias[oc]' : '0.0f';
  const result = window.epilogue ?? (combine === 'mean' ? `acc / (WINDOW * WINDOW)` : 'acc');
  const element = (indent: string): string =>
    lines(
      `${indent}float acc = ${start};`,
      weights === 'dense' ? `${indent}for (int ic = 0; ic < channels; ++ic) {` : `${indent}const int ic = oc;`,
      loops(weights === 'dense' ? `${indent}    ` : indent),
      weights === 'dense' ? `${indent}}` : null,
      `${indent}y[i] = ${result};`,
    );
  const outer = [...small].reverse().map((axis, place) => {
    const extent = `O${axes[axes.length - 1 - place]}`;
    return { axis, extent };
  });
  const spatial = (indent: string, from: string): string =>
    lines(
      `${indent}int rest = ${from};`,
      ...outer.map(({ axis, extent }, place) =>
        place === outer.length - 1
          ? `${indent}const int o${axis} = rest;`
          : `${indent}const int o${axis} = rest % ${extent};\n${indent}rest /= ${extent};`,
      ),
    );
  const decoded = (indent: string): string =>
    lines(
      `${indent}const int oc = (i / (${plane})) % outputs;`,
      `${indent}const int n = i / ((int64_t)(${plane}) * outputs);`,
      spatial(indent, `i % (${plane})`),
    );
  const planeLoop = lines(
    '    const int oc = blockIdx.x % outputs;',
    '    const int n = blockIdx.x / outputs;',
    shared
      ? lines(
          '    extern __shared__ float weights[];',
          `    const int taps = channels${small.map(() => ` * ${size}`).join('')};`,
          '    for (int t = threadIdx.x; t < taps; t += blockDim.x) weights[t] = w[(int64_t)oc * taps + t];',
          '    __syncthreads();',
        )
      : null,
    `    for (int p = threadIdx.x; p < ${plane}; p += blockDim.x) {`,
    `        const int64_t i = (int64_t)blockIdx.x * (${plane}) + p;`,
    spatial('        ', 'p'),
    element('        '),
    '    }',
  );
  const bodies: Record<(typeof styles)[number], string> = {
    'one a thread': lines(
      '    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;',
      '    if (i >= total) return;',
      decoded('    '),
      element('    '),
    ),
    'grid-stride': lines(
      '    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < total; i += (int64_t)gridDim.x * blockDim.x) {',
      decoded('        '),
      element('        '),
      '    }',
    ),
    'block a plane': planeLoop,
    'weights in shared memory': planeLoop,
  };
  const tensors = [
    'torch::Tensor x',
    ...(weights === null ? [] : ['torch::Tensor w']),
    ...(window.bias ? ['torch::Tensor bias'] : []),
    ...(window.epilogue === undefined ? [] : ['torch::Tensor extra']),
  ];
  const signature = `torch::Tensor ${name}_forward(${tensors.join(', ')})`;
  const windowSize = weights === null ? String(window.size) : `(int)w.size(2)`;
  const launched = [
    ...tensors.map((tensor) => `${tensor.split(' ')[1]}.data_ptr<float>()`),
    'y.data_ptr<float>()',
    'channels',
    'outputs',
    ...axes.flatMap((axis) => [axis, `O${axis}`]),
    ...(size === 'window' ? ['window'] : []),
    'total',
  ];
  const blocks: Record<(typeof styles)[number], string> = {
    'one a thread': '(total + threads - 1) / threads',
    'grid-stride': 'std::min<int64_t>((total + threads - 1) / threads, 4096)',
    'block a plane': 'x.size(0) * outputs',
    'weights in shared memory': 'x.size(0) * outputs',
  };
  const cuda = lines(
    `${includes}${style === 'grid-stride' ? '#include <algorithm>\n\n' : ''}${size === 'WINDOW' ? `#define WINDOW ${window.size ?? constructedSize(name)}\n` : ''}`,
    `__global__ void ${name}_kernel(${parameters.join(', ')}) {`,
    bodies[style],
    '}',
    '',
    `${signature} {`,
    '    const int channels = x.size(1);',
    weights === null ? '    const int outputs = channels;' : '    const int outputs = w.size(0);',
    `    const int window = ${windowSize};`,
    ...axes.map((axis, place) => `    const int ${axis} = x.size(${place + 2});`),
    ...axes.map((axis) => `    const int O${axis} = (${axis} + ${2 * padding} - window) / ${stride} + 1;`),
    `    auto y = torch::empty({x.size(0), outputs, ${axes.map((axis) => `O${axis}`).join(', ')}}, x.options());`,
    '    const int64_t total = y.numel();',
    `    const int threads = ${block};`,
    `    const int64_t blocks = ${blocks[style]};`,
    shared ? `    const size_t bytes = w.numel() / outputs * sizeof(float);` : null,
    `    ${name}_kernel<<<blocks, threads${shared ? ', bytes' : ''}>>>(${launched.join(', ')});`,
    '    return y;',
    '}',
    '',
  );
  return pythonModule({ name: `${name}_ext`, cuda, signature }, window.host, turn);
}
