import { sha256 } from '../problem.js';
import { type BuildsText, readBuilds } from './builds-text.js';
import type { CudaText } from './cuda-text.js';
import { readPython } from './python-text.js';

/** What a simulator may know of a job: texts, and where somebody measured it, device and the reference's runtime. */
export interface JobText {
  readonly problem: string;
  readonly level: number;
  readonly candidate: string;
  readonly language: 'python' | 'cuda';
  readonly device: string | null;
  readonly referenceRuntimeMs: number | null;
}

/** Hashed counts live in this many columns. */
export const gramColumns = 2 ** 17;

/**
 * The parsed features of a job, in the order of `featureNames` (NaN where nothing is known). Calls `addGram` with the
 * column of every hashed token, pair of tokens and suspicious name.
 */
export function extractFeatures(job: JobText, addGram: (column: number) => void): Float64Array {
  const python = job.language === 'python';
  const builds = readBuilds(readPython(python ? job.candidate : ''), python ? null : job.candidate);
  const operators = problemOperators(job.problem);
  addGrams(builds, operators, addGram);
  return Float64Array.from(describe(job, builds, operators).values());
}

function addGrams(builds: BuildsText, operators: ReadonlyMap<string, number>, add: (column: number) => void): void {
  let previous = 0;
  for (const token of builds.cuda.tokens) {
    const hash = hashText(token, 1);
    add(hash % gramColumns);
    add(pair(previous, hash) % gramColumns);
    previous = hash;
  }
  for (const token of builds.python.tokens) {
    if (token.kind !== 'name' && token.kind !== 'operator') continue;
    const hash = hashText(token.text, 2);
    add(hash % gramColumns);
    if (token.kind === 'name') add(pair(previous, hash) % gramColumns);
    previous = hash;
  }
  for (const name of builds.cuda.includes) add(hashText(name, 3) % gramColumns);
  for (const name of builds.unknownCalls) add(hashText(name, 4) % gramColumns);
  for (const name of builds.cuda.undeclared) add(hashText(name, 5) % gramColumns);
  for (const name of operators.keys()) add(hashText(name, 6) % gramColumns);
}

function pair(first: number, second: number): number {
  return (Math.imul(first, 0x9e3779b1) ^ second) >>> 0;
}

/** FNV-1a over UTF-16 units, with a salt for the kind of thing counted. */
function hashText(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

const pythonWords =
  'nn F functional Conv2d Conv3d ConvTranspose2d ConvTranspose3d Linear Parameter matmul bmm einsum compile cuda contiguous half float bfloat16 autograd no_grad amp super forward ModelNew clone empty_like register_buffer is_cuda triton jit state_dict weight bias'.split(
    ' ',
  );
const cudaWords =
  '__syncthreads __shared__ atomicAdd atomicMax atomicMin atomicCAS __shfl_down_sync __shfl_xor_sync __half half2 __nv_bfloat16 wmma cub cooperative_groups float4 reinterpret_cast __ldg scalar_t data_ptr data type options empty zeros empty_like zeros_like TORCH_CHECK AT_ASSERTM AT_DISPATCH_FLOATING_TYPES AT_DISPATCH_FLOATING_TYPES_AND_HALF CHECK_INPUT PYBIND11_MODULE getCurrentCUDAStream CUDAGuard OptionalCUDAGuard C10_CUDA_KERNEL_LAUNCH_CHECK AT_CUDA_CHECK cudaGetLastError cudaDeviceSynchronize cudaMalloc cudaMemcpy cublas cudnn size stride optional vector tuple string Tensor functional conv2d conv_transpose3d addmm matmul linear t item accessor packed_accessor32 packed_accessor64 sqrtf expf exp max min fmaxf powf tanhf erff INFINITY FLT_MAX numeric_limits unroll asm extern template lambda'.split(
    ' ',
  );
const problemWords =
  'matmul bmm Linear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d BatchNorm GroupNorm InstanceNorm LayerNorm softmax sigmoid tanh relu gelu MaxPool AvgPool mean sum max min cumsum cumprod logsumexp loss dropout LSTM GRU attention einsum cat view permute clamp groups dilation'.split(
    ' ',
  );

/** A name and the headers that provide it: using one without the other is the commonest compile error there is. */
const needs: readonly (readonly [name: string, used: RegExp, included: RegExp])[] = [
  ['launchCheck', /^C10_CUDA_(KERNEL_LAUNCH_)?CHECK$/, /CUDAException|CUDAContext|CUDAGuard|CUDAStream|CUDAUtils/],
  ['cudaCheck', /^AT_CUDA_CHECK$/, /ATen\/cuda\/(Exceptions|CUDAContext|CUDAApplyUtils)/],
  ['stream', /^getCurrentCUDAStream$/, /CUDAContext|CUDAStream|CUDAGuard/],
  ['guard', /^(Optional)?CUDAGuard$/, /CUDAGuard/],
  ['properties', /^getCurrentDeviceProperties$/, /CUDAContext/],
  ['limits', /^(FLT|DBL)_(MAX|MIN|EPSILON)$/, /cfloat|float\.h|torch\/extension/],
  ['half', /^(__half2?|half2?|__half2float|__float2half)$/, /cuda_fp16|torch\/extension|ATen/],
  ['bfloat', /^(__nv_bfloat162?|__float2bfloat16)$/, /cuda_bf16|torch\/extension|ATen/],
  ['wmma', /^wmma$/, /mma\.h/],
  ['cub', /^cub$/, /cub\//],
  ['groups', /^cooperative_groups$/, /cooperative_groups/],
  ['blas', /^cublas\w+$/, /cublas/],
  ['dnn', /^cudnn\w+$/, /cudnn/],
  ['random', /^curand\w*$/, /curand/],
  ['thrust', /^thrust$/, /thrust\//],
  ['pybind', /^PYBIND11_MODULE$/, /torch\/extension|pybind11/],
  ['accessor', /^packed_accessor\w*$/, /torch\/|ATen/],
  ['dispatch', /^AT_DISPATCH\w+$/, /torch\/|ATen/],
  ['tensor', /^Tensor$/, /torch\/|ATen/],
];

/** Findings that nearly always break a build, whoever wrote the kernel: counted together, so that what is learned of one helps all. */
const breaking =
  'py.brackets py.unterminated py.fence build.undeclared build.undefinedAnywhere build.declaredUndefined build.signatureDiffers build.bothDefine build.pybindAndFunctions build.nothingBound build.unknownKeywords needs.any cu.brackets cu.brokenLiterals cu.kernelReturnsValue cu.launchesUnknown cu.launchArguments cu.callArguments cu.sharedTooBig cpp.brackets cpp.deviceCode'.split(
    ' ',
  );

function describe(job: JobText, builds: BuildsText, operators: ReadonlyMap<string, number>): Map<string, number> {
  const features = new Map<string, number>();
  const set = (name: string, value: number | boolean): void => void features.set(name, Number(value));
  const { python, cuda, cpp } = builds;

  set('level', job.level);
  set('bare', job.language === 'cuda');
  set('referenceMs', job.referenceRuntimeMs === null ? Number.NaN : Math.log(Math.max(job.referenceRuntimeMs, 1e-6)));
  set('device', job.device === null ? Number.NaN : hashText(job.device, 7) % 1024);

  const names = new Map<string, number>();
  for (const token of python.tokens) if (token.kind === 'name') names.set(token.text, (names.get(token.text) ?? 0) + 1);
  set('py.chars', Math.log1p(job.candidate.length));
  set('py.tokens', Math.log1p(python.tokens.length));
  set('py.comments', python.commentLines);
  set('py.brackets', python.bracketErrors);
  set('py.unterminated', python.unterminatedStrings);
  set('py.fence', /^\s*```/m.test(job.candidate));
  set('py.tryBlocks', names.get('try') ?? 0);
  set('py.imports', names.get('import') ?? 0);
  set('py.classes', names.get('class') ?? 0);
  set('py.functions', names.get('def') ?? 0);
  for (const word of pythonWords) set(`py.word.${word}`, names.get(word) ?? 0);
  for (const [name, value] of Object.entries(builds.rules)) set(`build.${name}`, value);

  const words = new Map<string, number>();
  for (const token of cuda.tokens) words.set(token, (words.get(token) ?? 0) + 1);
  const all = [...cuda.includes, ...builds.implicitIncludes];
  let missing = 0;
  for (const [name, used, included] of needs) {
    const lacks = [...words.keys()].some((word) => used.test(word)) && !all.some((header) => included.test(header));
    missing += Number(lacks);
    set(`needs.${name}`, lacks);
  }
  set('needs.any', missing);
  for (const word of cudaWords) set(`cu.word.${word}`, words.get(word) ?? 0);
  describeCuda('cu', cuda, set);
  set('cu.unknownCalls', builds.unknownCalls.length);
  set('cpp.tokens', Math.log1p(cpp.tokens.length));
  set('cpp.functions', cpp.functions.length);
  set('cpp.brackets', cpp.bracketErrors);
  set('cpp.deviceCode', cpp.tokens.includes('__global__') || cpp.launches.length > 0);

  let broken = 0;
  for (const name of breaking) broken += Math.min(1, features.get(name) ?? 0);
  set('broken', broken);

  set('problem.chars', Math.log1p(job.problem.length));
  set('problem.operators', operators.size);
  for (const word of problemWords) {
    let count = 0;
    for (const [name, times] of operators) if (name.includes(word)) count += times;
    set(`problem.word.${word}`, count);
  }
  let kept = 0;
  for (const name of operators.keys()) kept += Number(names.has(name));
  set('both.operatorsKept', kept);
  set('both.shareKept', operators.size === 0 ? 0 : kept / operators.size);
  return features;
}

function describeCuda(prefix: string, cuda: CudaText, set: (name: string, value: number | boolean) => void): void {
  const kernels = cuda.functions.filter((one) => one.global);
  const byName = new Map(cuda.functions.map((one) => [one.name, one]));
  const launched = new Set(cuda.launches.map((launch) => launch.kernel));
  const text = cuda.tokens;
  const count = (...parts: readonly string[]): number => {
    let found = 0;
    for (let index = text.indexOf(parts[0] ?? ''); index !== -1; index = text.indexOf(parts[0] ?? '', index + 1)) {
      if (parts.every((part, offset) => text[index + offset] === part)) found += 1;
    }
    return found;
  };
  set(`${prefix}.tokens`, Math.log1p(text.length));
  set(`${prefix}.includes`, cuda.includes.length);
  set(`${prefix}.macros`, cuda.macros.size);
  set(`${prefix}.brackets`, cuda.bracketErrors);
  set(`${prefix}.brokenLiterals`, cuda.brokenLiterals);
  set(`${prefix}.kernels`, kernels.length);
  set(`${prefix}.templateKernels`, kernels.filter((one) => one.template).length);
  set(`${prefix}.deviceFunctions`, cuda.functions.filter((one) => one.device).length);
  set(`${prefix}.hostFunctions`, cuda.functions.filter((one) => !one.device && !one.global).length);
  set(`${prefix}.kernelParameters`, Math.max(0, ...kernels.map((one) => one.parameters.length)));
  set(
    `${prefix}.kernelReturnsValue`,
    kernels.some((one) => !one.returns.includes('void')),
  );
  set(`${prefix}.launches`, cuda.launches.length);
  set(`${prefix}.launchesUnknown`, cuda.launches.filter((launch) => byName.get(launch.kernel)?.global !== true).length);
  set(`${prefix}.kernelsUnlaunched`, kernels.filter((one) => !launched.has(one.name)).length);
  set(
    `${prefix}.launchArguments`,
    cuda.launches.filter((launch) => wrongCount(byName.get(launch.kernel), launch.arguments)).length,
  );
  set(
    `${prefix}.callArguments`,
    cuda.calls.filter((call) => !call.qualified && wrongCount(byName.get(call.name), call.arguments)).length,
  );
  set(`${prefix}.undeclared`, cuda.undeclared.length);
  set(`${prefix}.staticShared`, Math.log1p(cuda.staticSharedBytes));
  set(`${prefix}.sharedTooBig`, cuda.staticSharedBytes > 49152);
  set(`${prefix}.externShared`, count('extern', '__shared__'));
  set(`${prefix}.externSharedTemplate`, count('extern', '__shared__', 'scalar_t') + count('extern', '__shared__', 'T'));
  set(`${prefix}.dispatchOnType`, count('.', 'type', '(', ')', ','));
  set(`${prefix}.typeIsCuda`, count('.', 'type', '(', ')', '.', 'is_cuda'));
  set(`${prefix}.oldData`, count('.', 'data', '<'));
  set(`${prefix}.nonAscii`, text.filter((token) => (token.codePointAt(0) ?? 0) > 127).length);
  set(`${prefix}.returns`, count('return'));
  set(`${prefix}.branches`, count('if'));
  set(`${prefix}.loops`, count('for') + count('while'));
  set(`${prefix}.ternaries`, count('?'));
  set(`${prefix}.divisions`, count('/'));
  set(`${prefix}.remainders`, count('%'));
}

function wrongCount(called: CudaText['functions'][number] | undefined, given: number): boolean {
  if (called === undefined || given < 0) return false;
  return given < called.required || given > called.parameters.length;
}

/** The names of torch operators in a problem: what follows `torch.`, `nn.` or `F.`. */
function problemOperators(problem: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const match of problem.matchAll(/\b(?:torch|nn|F|functional)\.([A-Za-z_]\w+)/g)) {
    const name = match[1] ?? '';
    if (!/^(Tensor|Module|randn?|nn|functional|device|Parameter)$/.test(name))
      found.set(name, (found.get(name) ?? 0) + 1);
  }
  return found;
}

const probe: JobText = {
  problem:
    'import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x) + torch.nn.functional.gelu(x)\n',
  level: 1,
  candidate: `from torch.utils.cpp_extension import load_inline
cuda = """
#include <torch/extension.h>
#define TILE 16
template <typename T> __global__ void scale(const T* __restrict__ x, T* y, int n) {
  __shared__ float tile[TILE][TILE + 1];
  int i = blockIdx.x * blockDim.x + threadIdx.x; // one element
  if (i < n) y[i] = max(x[i], T(0)) / undefined_name % 3;
}
torch::Tensor run(torch::Tensor x) {
  auto y = torch::empty_like(x); printf("a\\n");
  AT_DISPATCH_FLOATING_TYPES(x.type(), "run", ([&] { scale<scalar_t><<<1, 2>>>(x.data_ptr<scalar_t>(), 3); }));
  C10_CUDA_KERNEL_LAUNCH_CHECK(); return y;
}
"""
m = load_inline(name="m", cpp_sources="torch::Tensor run(torch::Tensor x);", cuda_sources=cuda, functions=["run", "other"])
class ModelNew: pass
`,
  language: 'python',
  device: 'probe',
  referenceRuntimeMs: 2,
};

function probeFeatures(): { named: Map<string, number>; grams: number[] } {
  const builds = readBuilds(readPython(probe.candidate), null);
  const operators = problemOperators(probe.problem);
  const grams: number[] = [];
  addGrams(builds, operators, (column) => grams.push(column));
  return { named: describe(probe, builds, operators), grams };
}

const probed = probeFeatures();

export const featureNames: readonly string[] = [...probed.named.keys()];

/** Changes whenever the features of a fixed kernel change, so that a model never meets features it was not trained on. */
export const featureVersion: string = sha256(JSON.stringify([gramColumns, [...probed.named], probed.grams])).slice(
  0,
  16,
);
