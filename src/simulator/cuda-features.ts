import type { CudaText } from './cuda-text.js';

export type SetFeature = (name: string, value: number | boolean) => void;

/** Which names CUDA text uses, and which of them it uses without the header that provides them. */
export function describeNames(cuda: CudaText, implicitIncludes: readonly string[], set: SetFeature): void {
  const words = new Map<string, number>();
  for (const token of cuda.tokens) words.set(token, (words.get(token) ?? 0) + 1);
  const all = [...cuda.includes, ...implicitIncludes];
  let missing = 0;
  for (const [name, used, included] of needs) {
    const lacks = [...words.keys()].some((word) => used.test(word)) && !all.some((header) => included.test(header));
    missing += Number(lacks);
    set(`needs.${name}`, lacks);
  }
  set('needs.any', missing);
  for (const word of cudaWords) set(`cu.word.${word}`, words.get(word) ?? 0);
}

/** The shape of CUDA text: kernels, launches, brackets, shared memory, control flow. */
export function describeCuda(prefix: string, cuda: CudaText, set: SetFeature): void {
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
  set(
    `${prefix}.kernelParameters`,
    kernels.reduce((most, one) => Math.max(most, one.parameters.length), 0),
  );
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
  set(`${prefix}.sharedWithoutBarrier`, text.includes('__shared__') && !text.some((token) => token.includes('sync')));
  const axes = count('blockIdx', '.', 'y') + count('threadIdx', '.', 'y') + count('gridDim', '.', 'y');
  set(`${prefix}.axisNotLaunched`, axes > 0 && !text.includes('dim3'));
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

const cudaWords =
  '__syncthreads __shared__ atomicAdd atomicMax atomicMin atomicCAS __shfl_down_sync __shfl_xor_sync __half half2 __nv_bfloat16 wmma cub cooperative_groups float4 reinterpret_cast __ldg scalar_t data_ptr data type options empty zeros empty_like zeros_like TORCH_CHECK AT_ASSERTM AT_DISPATCH_FLOATING_TYPES AT_DISPATCH_FLOATING_TYPES_AND_HALF CHECK_INPUT PYBIND11_MODULE getCurrentCUDAStream CUDAGuard OptionalCUDAGuard C10_CUDA_KERNEL_LAUNCH_CHECK AT_CUDA_CHECK cudaGetLastError cudaDeviceSynchronize cudaMalloc cudaMemcpy cublas cudnn size stride optional vector tuple string Tensor functional conv2d conv_transpose3d addmm matmul linear t item accessor packed_accessor32 packed_accessor64 sqrtf expf exp max min fmaxf powf tanhf erff INFINITY FLT_MAX numeric_limits unroll asm extern template lambda'.split(
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
