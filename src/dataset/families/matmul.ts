import { combinations, type FamilyKernel, type Host, includes, lines, pythonModule } from './module.js';

/** `C[row, col] = epilogue(sum over k of A(row, k) * B(k, col))`. */
interface Product {
  readonly problemId: string;
  readonly name: string;
  readonly host: Host;
  readonly wrapper: readonly string[];
  readonly kernel: readonly string[];
  readonly launch: readonly string[];
  readonly sizes: { readonly M: string; readonly N: string; readonly K: string };
  /** Elements of `A` and `B`, of indices `r`, `k` and `q`. */
  readonly a: string;
  readonly b: string;
  /** Of `acc`, `row` and `col`. */
  readonly epilogue: string;
  readonly output: string;
  readonly batched?: boolean;
}

const operands: Host = { forward: 'A: torch.Tensor, B: torch.Tensor', call: 'A.contiguous(), B.contiguous()' };
const rowMajor = {
  wrapper: ['torch::Tensor B'],
  kernel: [],
  launch: [],
  sizes: { M: 'A.size(0)', N: 'B.size(1)', K: 'A.size(1)' },
  a: 'A[r * K + k]',
  b: 'B[k * N + q]',
  epilogue: 'acc',
  output: 'torch::empty({M, N}, A.options())',
};
const linear = {
  wrapper: ['torch::Tensor B', 'torch::Tensor bias', 'double scale'],
  kernel: ['const float* bias', 'float scale'],
  launch: ['bias.data_ptr<float>()', '(float)scale'],
  sizes: { M: 'A.size(0)', N: 'B.size(0)', K: 'A.size(1)' },
  a: 'A[r * K + k]',
  b: 'B[q * K + k]',
  output: 'torch::empty({M, N}, A.options())',
};

const products: readonly Product[] = [
  { problemId: 'starter/level1/1', name: 'square_matmul', host: operands, ...rowMajor },
  {
    problemId: 'starter/level1/2',
    name: 'batched_matmul',
    host: operands,
    ...rowMajor,
    sizes: { M: 'A.size(1)', N: 'B.size(2)', K: 'A.size(2)' },
    output: 'torch::empty({A.size(0), M, N}, A.options())',
    batched: true,
  },
  {
    problemId: 'starter/level1/3',
    name: 'transposed_matmul',
    host: operands,
    ...rowMajor,
    sizes: { M: 'A.size(1)', N: 'B.size(1)', K: 'A.size(0)' },
    a: 'A[k * M + r]',
  },
  { problemId: 'starter/level1/4', name: 'tall_matmul', host: operands, ...rowMajor },
  {
    problemId: 'starter/level1/6',
    name: 'triangular_matmul',
    host: operands,
    ...rowMajor,
    epilogue: 'col <= row ? acc : 0.0f',
  },
  {
    problemId: 'starter/level2/2',
    name: 'gemm_gelu',
    ...linear,
    host: {
      parameters: 'in_features: int, out_features: int, scale: float',
      setup: ['self.linear = nn.Linear(in_features, out_features)', 'self.scale = scale'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.linear.weight, self.linear.bias, self.scale',
    },
    epilogue: '0.5f * (acc + bias[col]) * (1.0f + erff((acc + bias[col]) * 0.70710678f)) * scale',
  },
  {
    problemId: 'starter/level2/5',
    name: 'gemm_residual',
    ...linear,
    host: {
      parameters: 'features: int, scale: float',
      setup: ['self.linear = nn.Linear(features, features)', 'self.scale = scale'],
      forward: 'x: torch.Tensor',
      call: 'x.contiguous(), self.linear.weight, self.linear.bias, self.scale',
    },
    epilogue: 'A[row * K + col] + scale * (acc + bias[col])',
  },
];

/** Matrix products: one element a thread, tiles in shared memory, and tiles with several elements a thread in registers. */
export function* matmul(): Generator<FamilyKernel> {
  let turn = 0;
  for (const product of products) {
    for (const { x, y, unroll } of combinations({ x: [8, 16, 32], y: [4, 8, 16], unroll: [false, true] })) {
      turn += 1;
      yield kernelOf(product, `naive, blocks of ${x} by ${y}${unroll ? ', unrolled' : ''}`, naive(x, y, unroll), turn);
    }
    for (const { tile, pad, unroll } of combinations({ tile: [8, 16, 32], pad: [0, 1], unroll: [false, true] })) {
      turn += 1;
      const words = `shared tiles of ${tile}${pad > 0 ? ', padded' : ''}${unroll ? ', unrolled' : ''}`;
      yield kernelOf(product, words, shared(tile, pad, unroll), turn);
    }
    for (const { tile, depth, each } of combinations({ tile: [32, 64], depth: [8, 16], each: [2, 4] })) {
      turn += 1;
      const words = `register tiles: ${tile} by ${tile} by ${depth}, ${each} by ${each} a thread`;
      yield kernelOf(product, words, registers(tile, depth, each), turn);
    }
  }
}

interface Body {
  readonly constants: string;
  readonly body: string;
  /** Threads and outputs of a block, columns first. */
  readonly threads: readonly [number, number];
  readonly outputs: readonly [number, number];
}

function kernelOf(product: Product, schedule: string, { constants, body, threads, outputs }: Body, turn: number) {
  const { name, sizes, batched = false } = product;
  const parameters = [
    'const float* __restrict__ A',
    'const float* __restrict__ B',
    'float* __restrict__ C',
    'int M',
    'int N',
    'int K',
    ...product.kernel,
  ];
  const fill = (text: string): string =>
    text
      .replace(/A\{([^,}]+),([^}]+)\}/g, (_, r: string, k: string) => access(product.a, { r, k }))
      .replace(/B\{([^,}]+),([^}]+)\}/g, (_, k: string, q: string) => access(product.b, { k, q }))
      .replace(/EPILOGUE/g, product.epilogue);
  const signature = `torch::Tensor ${name}_forward(torch::Tensor A${product.wrapper.map((one) => `, ${one}`).join('')})`;
  const cuda = lines(
    `${includes}${constants}`,
    `__global__ void ${name}_kernel(${parameters.join(', ')}) {`,
    batched
      ? '    A += (size_t)blockIdx.z * M * K;\n    B += (size_t)blockIdx.z * K * N;\n    C += (size_t)blockIdx.z * M * N;'
      : null,
    fill(body),
    '}',
    '',
    `${signature} {`,
    `    const int M = ${sizes.M};`,
    `    const int N = ${sizes.N};`,
    `    const int K = ${sizes.K};`,
    `    auto C = ${product.output};`,
    `    dim3 block(${threads[0]}, ${threads[1]});`,
    // Rows along x: the grid may have only 65,535 blocks along y, and matrices are taller than wide.
    `    dim3 grid((M + ${outputs[1]} - 1) / ${outputs[1]}, (N + ${outputs[0]} - 1) / ${outputs[0]}${batched ? ', A.size(0)' : ''});`,
    `    ${name}_kernel<<<grid, block>>>(A.data_ptr<float>(), B.data_ptr<float>(), C.data_ptr<float>(), M, N, K${product.launch.map((one) => `, ${one}`).join('')});`,
    '    return C;',
    '}',
    '',
  );
  const source = pythonModule({ name: `${name}_ext`, cuda, signature }, product.host, turn);
  return { family: 'matmul', problemId: product.problemId, schedule, source };
}

function access(element: string, indices: Readonly<Record<string, string>>): string {
  return element.replace(/\b([rkq])\b/g, (letter) => {
    const index = (indices[letter] ?? letter).trim();
    return /^\w+$/.test(index) ? index : `(${index})`;
  });
}

function naive(x: number, y: number, unroll: boolean): Body {
  return {
    constants: '',
    threads: [x, y],
    outputs: [x, y],
    body: lines(
      '    const int row = blockIdx.x * blockDim.y + threadIdx.y;',
      '    const int col = blockIdx.y * blockDim.x + threadIdx.x;',
      '    if (row < M && col < N) {',
      '        float acc = 0.0f;',
      unroll ? '        #pragma unroll 4' : null,
      '        for (int k = 0; k < K; ++k) {',
      '            acc += A{row, k} * B{k, col};',
      '        }',
      '        C[row * N + col] = EPILOGUE;',
      '    }',
    ),
  };
}

function shared(tile: number, pad: number, unroll: boolean): Body {
  const width = pad > 0 ? 'TILE + 1' : 'TILE';
  return {
    constants: `#define TILE ${tile}\n`,
    threads: [tile, tile],
    outputs: [tile, tile],
    body: lines(
      `    __shared__ float tile_a[TILE][${width}];`,
      `    __shared__ float tile_b[TILE][${width}];`,
      '    const int row = blockIdx.x * TILE + threadIdx.y;',
      '    const int col = blockIdx.y * TILE + threadIdx.x;',
      '    float acc = 0.0f;',
      '    for (int start = 0; start < K; start += TILE) {',
      '        const int ka = start + threadIdx.x;',
      '        const int kb = start + threadIdx.y;',
      '        tile_a[threadIdx.y][threadIdx.x] = (row < M && ka < K) ? A{row, ka} : 0.0f;',
      '        tile_b[threadIdx.y][threadIdx.x] = (kb < K && col < N) ? B{kb, col} : 0.0f;',
      '        __syncthreads();',
      unroll ? '        #pragma unroll' : null,
      '        for (int k = 0; k < TILE; ++k) {',
      '            acc += tile_a[threadIdx.y][k] * tile_b[k][threadIdx.x];',
      '        }',
      '        __syncthreads();',
      '    }',
      '    if (row < M && col < N) {',
      '        C[row * N + col] = EPILOGUE;',
      '    }',
    ),
  };
}

function registers(tile: number, depth: number, each: number): Body {
  const threads = tile / each;
  return {
    constants: `constexpr int TILE = ${tile};\nconstexpr int DEPTH = ${depth};\nconstexpr int EACH = ${each};\n`,
    threads: [threads, threads],
    outputs: [tile, tile],
    body: lines(
      '    __shared__ float tile_a[TILE][DEPTH];',
      '    __shared__ float tile_b[DEPTH][TILE];',
      '    const int row0 = blockIdx.x * TILE;',
      '    const int col0 = blockIdx.y * TILE;',
      '    const int thread = threadIdx.y * blockDim.x + threadIdx.x;',
      '    const int threads = blockDim.x * blockDim.y;',
      '    float sums[EACH][EACH] = {};',
      '    for (int start = 0; start < K; start += DEPTH) {',
      '        for (int e = thread; e < TILE * DEPTH; e += threads) {',
      '            const int ra = row0 + e / DEPTH;',
      '            const int ka = start + e % DEPTH;',
      '            tile_a[e / DEPTH][e % DEPTH] = (ra < M && ka < K) ? A{ra, ka} : 0.0f;',
      '            const int kb = start + e / TILE;',
      '            const int qb = col0 + e % TILE;',
      '            tile_b[e / TILE][e % TILE] = (kb < K && qb < N) ? B{kb, qb} : 0.0f;',
      '        }',
      '        __syncthreads();',
      '        #pragma unroll',
      '        for (int k = 0; k < DEPTH; ++k) {',
      '            #pragma unroll',
      '            for (int i = 0; i < EACH; ++i) {',
      '                #pragma unroll',
      '                for (int j = 0; j < EACH; ++j) {',
      '                    sums[i][j] += tile_a[threadIdx.y * EACH + i][k] * tile_b[k][threadIdx.x + j * blockDim.x];',
      '                }',
      '            }',
      '        }',
      '        __syncthreads();',
      '    }',
      '    for (int i = 0; i < EACH; ++i) {',
      '        for (int j = 0; j < EACH; ++j) {',
      '            const int row = row0 + threadIdx.y * EACH + i;',
      '            const int col = col0 + threadIdx.x + j * blockDim.x;',
      '            if (row < M && col < N) {',
      '                const float acc = sums[i][j];',
      '                C[row * N + col] = EPILOGUE;',
      '            }',
      '        }',
      '    }',
    ),
  };
}
