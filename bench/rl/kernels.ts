/**
 * The kernels that the agent of this benchmark can write: for each starter problem two families, three block sizes (one of
 * which no GPU launches), three mistakes of logic and three of syntax. Nothing here says which of them are right; the
 * harness does.
 */
export const choices = {
  family: ['plain', 'tuned'],
  schedule: ['narrow', 'wide', 'oversized'],
  logic: ['careful', 'bound', 'tail', 'operator'],
  syntax: ['clean', 'semicolon', 'undeclared', 'signature'],
} as const;
export type Choice = keyof typeof choices;
export type Action = { readonly [name in Choice]: (typeof choices)[name][number] };

/** File names of the starter problems that there are families for. */
export const problemNames = ['7_ReLU', '9_SiLU', '14_Mean_over_rows', '26_Softmax', '1_Square_matmul'] as const;
export type ProblemName = (typeof problemNames)[number];

/** The candidate's Python file for a problem and an action. */
export function writeKernel(problem: ProblemName, action: Action): string {
  const { kernel, launch, inputs } = writers[problem](action);
  const parameters = inputs.map((name) => `torch::Tensor ${name}`).join(', ');
  const broken = breakSyntax(kernel, launch, parameters, action.syntax);
  return `import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>

${broken.kernel}
torch::Tensor launch(${parameters}) {
${broken.launch}}
"""

extension = load_inline(
    name="${problem.toLowerCase().replace(/^\d+_/, '')}_extension",
    cpp_sources="torch::Tensor launch(${broken.declared});",
    cuda_sources=cuda_source,
    functions=["launch"],
)


class ModelNew(nn.Module):
    def forward(self, ${inputs.join(', ')}):
        return extension.launch(${inputs.map((name) => `${name}.contiguous()`).join(', ')})
`;
}

interface Written {
  readonly kernel: string;
  readonly launch: string;
  readonly inputs: readonly string[];
}

const writers: Record<ProblemName, (action: Action) => Written> = {
  '7_ReLU': (action) => elementwise(action, action.logic === 'operator' ? 'fminf(v, 0.0f)' : 'fmaxf(v, 0.0f)'),
  '9_SiLU': (action) =>
    elementwise(action, action.logic === 'operator' ? 'v / (1.0f + expf(v))' : 'v / (1.0f + expf(-v))'),
  '14_Mean_over_rows': rowMean,
  '26_Softmax': rowSoftmax,
  '1_Square_matmul': squareMatmul,
};

function elementwise({ family, schedule, logic }: Action, expression: string): Written {
  const threads = { narrow: 64, wide: 256, oversized: 2048 }[schedule];
  const end = logic === 'tail' ? 'n - 1' : 'n';
  const body =
    family === 'plain'
      ? `    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    ${logic === 'bound' ? '' : `if (i < ${end}) `}{
        const float v = x[i];
        y[i] = ${expression};
    }`
      : `    const int stride = gridDim.x * blockDim.x;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i ${logic === 'bound' ? '<=' : '<'} ${end}; i += stride) {
        const float v = x[i];
        y[i] = ${expression};
    }`;
  return {
    inputs: ['x'],
    kernel: `__global__ void apply(const float* __restrict__ x, float* __restrict__ y, int n) {
${body}
}
`,
    launch: `    auto y = torch::empty_like(x);
    const int n = x.numel();
    const int threads = ${threads};
    const int blocks = ${family === 'plain' ? '(n + threads - 1) / threads' : '(n + 4 * threads - 1) / (4 * threads)'};
    apply<<<blocks, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
    return y;
`,
  };
}

function rowMean(action: Action): Written {
  const { family, logic } = action;
  const divisor = logic === 'operator' ? '(columns - 1)' : 'columns';
  const body = `    float total = 0.0f;
    for (int c = lane; c ${boundOf(logic)}; c += width) total += in[c];
${reduceSum(family, 'total')}
    if (lane == 0) y[row] = total / ${divisor};`;
  return rowKernel(action, body, 'auto y = torch::empty({x.size(0)}, x.options());');
}

function rowSoftmax(action: Action): Written {
  const { family, logic } = action;
  const body = `    float top = -INFINITY;
    for (int c = lane; c ${boundOf(logic)}; c += width) top = fmaxf(top, in[c]);
${reduceMax(family, 'top')}
    float total = 0.0f;
    for (int c = lane; c < columns; c += width) total += expf(in[c] - top);
${reduceSum(family, 'total')}
    for (int c = lane; c < columns; c += width) y[(long long)row * columns + c] = expf(in[c] - top) ${logic === 'operator' ? '*' : '/'} total;`;
  const careless = logic === 'tail' ? body.replaceAll('total += expf', 'if (c < columns - 1) total += expf') : body;
  return rowKernel(action, careless, 'auto y = torch::empty_like(x);');
}

function boundOf(logic: Action['logic']): string {
  if (logic === 'bound') return '<= columns';
  return logic === 'tail' ? '< columns - 1' : '< columns';
}

/** `plain`: a block for each row, reduced in shared memory; `tuned`: a warp for each row, reduced by shuffles. */
function rowKernel({ family, schedule }: Action, body: string, output: string): Written {
  const threads = { narrow: 64, wide: 256, oversized: 2048 }[schedule];
  const plain = family === 'plain';
  return {
    inputs: ['x'],
    kernel: `__global__ void rows_kernel(const float* __restrict__ x, float* __restrict__ y, int rows, int columns) {
${plain ? '    extern __shared__ float partial[];\n' : ''}    const int row = ${plain ? 'blockIdx.x' : 'blockIdx.x * blockDim.y + threadIdx.y'};
    const int lane = threadIdx.x;
    const int width = blockDim.x;
    if (row >= rows) return;
    const float* in = x + (long long)row * columns;
${body}
}
`,
    launch: `    ${output}
    const int rows = x.size(0);
    const int columns = x.size(1);
${
  plain
    ? `    const int threads = ${threads};
    rows_kernel<<<rows, threads, threads * sizeof(float)>>>(x.data_ptr<float>(), y.data_ptr<float>(), rows, columns);
`
    : `    const dim3 block(32, ${threads / 32});
    rows_kernel<<<(rows + block.y - 1) / block.y, block>>>(x.data_ptr<float>(), y.data_ptr<float>(), rows, columns);
`
}    return y;
`,
  };
}

function reduceSum(family: Action['family'], name: string): string {
  return reduce(family, name, (a, b) => `${a} + ${b}`);
}

function reduceMax(family: Action['family'], name: string): string {
  return reduce(family, name, (a, b) => `fmaxf(${a}, ${b})`);
}

function reduce(family: Action['family'], name: string, join: (a: string, b: string) => string): string {
  return family === 'tuned'
    ? `    for (int offset = 16; offset > 0; offset >>= 1) ${name} = ${join(name, `__shfl_xor_sync(0xffffffff, ${name}, offset)`)};`
    : `    partial[lane] = ${name};
    __syncthreads();
    for (int half = width / 2; half > 0; half >>= 1) {
        if (lane < half) partial[lane] = ${join('partial[lane]', 'partial[lane + half]')};
        __syncthreads();
    }
    ${name} = partial[0];
    __syncthreads();`;
}

function squareMatmul({ family, schedule, logic }: Action): Written {
  const tile = { narrow: 8, wide: 16, oversized: 48 }[schedule];
  const inside = logic === 'bound' ? 'row <= n && column <= n' : 'row < n && column < n';
  const last = logic === 'tail' ? 'n - 1' : 'n';
  const b = (k: string): string => (logic === 'operator' ? `b[column * n + ${k}]` : `b[${k} * n + column]`);
  const position = `    const int row = blockIdx.y * ${tile} + threadIdx.y;
    const int column = blockIdx.x * ${tile} + threadIdx.x;
    float total = 0.0f;`;
  const body =
    family === 'plain'
      ? `${position}
    if (${inside}) {
        for (int k = 0; k < ${last}; ++k) total += a[row * n + k] * ${b('k')};
        c[row * n + column] = total;
    }`
      : `    __shared__ float left[${tile}][${tile}];
    __shared__ float right[${tile}][${tile}];
${position}
    for (int start = 0; start < ${last}; start += ${tile}) {
        const int ka = start + threadIdx.x;
        const int kb = start + threadIdx.y;
        left[threadIdx.y][threadIdx.x] = row < n && ka < ${last} ? a[row * n + ka] : 0.0f;
        right[threadIdx.y][threadIdx.x] = column < n && kb < n ? ${b('kb')} : 0.0f;
        __syncthreads();
        for (int k = 0; k < ${tile}; ++k) total += left[threadIdx.y][k] * right[k][threadIdx.x];
        __syncthreads();
    }
    if (${inside}) c[row * n + column] = total;`;
  return {
    inputs: ['a', 'b'],
    kernel: `__global__ void multiply(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int n) {
${body}
}
`,
    launch: `    auto c = torch::empty_like(a);
    const int n = a.size(0);
    const dim3 block(${tile}, ${tile});
    const dim3 grid((n + ${tile - 1}) / ${tile}, (n + ${tile - 1}) / ${tile});
    multiply<<<grid, block>>>(a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), n);
    return c;
`,
  };
}

function breakSyntax(
  kernel: string,
  launch: string,
  declared: string,
  syntax: Action['syntax'],
): { kernel: string; launch: string; declared: string } {
  switch (syntax) {
    case 'clean':
      return { kernel, launch, declared };
    case 'semicolon':
      return { kernel: kernel.replace(/;\n(?=[^;]*$)/, '\n'), launch, declared };
    case 'undeclared':
      return { kernel, launch: launch.replace(/\b(\w)\.data_ptr<float>\(\)/, '$1_ptr'), declared };
    case 'signature':
      return { kernel, launch, declared: `${declared}, int64_t size` };
  }
}

/** Every action, in a fixed order. */
export function allActions(): Action[] {
  return choices.family.flatMap((family) =>
    choices.schedule.flatMap((schedule) =>
      choices.logic.flatMap((logic) => choices.syntax.map((syntax): Action => ({ family, schedule, logic, syntax }))),
    ),
  );
}
