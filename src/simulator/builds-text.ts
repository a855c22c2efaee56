import { type CudaText, readCuda } from './cuda-text.js';
import { constantTexts, type PythonText } from './python-text.js';

/** The extension builds of a candidate as far as its text tells, and which of `load_inline`'s rules they break. */
export interface BuildsText {
  readonly python: PythonText;
  readonly cuda: CudaText;
  readonly cpp: CudaText;
  /** Headers that torch itself puts before the source. */
  readonly implicitIncludes: readonly string[];
  /** Functions called in CUDA text that neither it nor CUDA, C++ or torch (as far as listed here) provides. */
  readonly unknownCalls: readonly string[];
  readonly rules: Readonly<Record<string, number>>;
}

/** `bare`: the text of a plain `.cu` candidate, or null for a Python file. */
export function readBuilds(python: PythonText, bare: string | null): BuildsText {
  const first = python.builds.filter((build) => build.callee === 'load_inline');
  let cudaTexts: string[] = bare === null ? [] : [bare];
  const cppTexts: string[] = [];
  const functions: string[] = [];
  let named = 0;
  let unknownKeywords = 0;
  for (const build of first) {
    const texts = (keyword: string): string[] => constantTexts(build.keywords.get(keyword) ?? [], python);
    for (const text of texts('cuda_sources')) cudaTexts.push(text);
    for (const text of texts('cpp_sources')) cppTexts.push(text);
    for (const name of texts('functions')) functions.push(name.trim());
    named += Number(build.keywords.has('functions'));
    for (const keyword of build.keywords.keys()) unknownKeywords += Number(!knownKeywords.has(keyword));
  }
  if (cudaTexts.length === 0) cudaTexts = looseCuda(python);
  const cuda = readCuda(cudaTexts.join('\n'));
  const cpp = readCuda(cppTexts.join('\n'));
  const inCpp = new Map(cpp.functions.map((one) => [one.name, one]));
  const inCuda = new Map(cuda.functions.filter((one) => one.defined && !one.global).map((one) => [one.name, one]));
  const cppNames = new Set(cpp.tokens);
  const pybindCpp = Number(cppNames.has('PYBIND11_MODULE'));
  const pybindCuda = Number(cuda.tokens.includes('PYBIND11_MODULE'));
  const declarations = cpp.functions.filter((one) => !one.defined);
  const differs = declarations.filter((one) => {
    const definition = inCuda.get(one.name);
    return definition !== undefined && definition.parameters.join(',') !== one.parameters.join(',');
  });
  const bothDefine = cpp.functions.filter((one) => one.defined && inCuda.has(one.name));
  return {
    python,
    cuda,
    cpp,
    implicitIncludes: bare === null && first.length > 0 ? ['torch/types.h'] : [],
    unknownCalls: unknownCalls(cuda),
    rules: {
      builds: first.length,
      loads: python.builds.length - first.length,
      inTry: python.builds.filter((build) => build.inTry).length,
      functions: functions.length,
      noFunctions: first.length - named,
      undeclared: functions.filter((name) => !inCpp.has(name) && !cppNames.has(name)).length,
      undefinedAnywhere: functions.filter((name) => !inCuda.has(name) && inCpp.get(name)?.defined !== true).length,
      declaredUndefined: declarations.filter((one) => !inCuda.has(one.name)).length,
      signatureDiffers: differs.length,
      returnsDiffer: declarations.filter((one) => (inCuda.get(one.name)?.returns ?? one.returns) !== one.returns)
        .length,
      bothDefine: bothDefine.length,
      pybindCpp,
      pybindCuda,
      pybindAndFunctions: Number(pybindCpp + pybindCuda > 0 && named > 0),
      nothingBound: Number(first.length > 0 && pybindCpp + pybindCuda === 0 && named < first.length),
      cppEmpty: Number(first.length > 0 && cppTexts.join('').trim() === ''),
      cudaEmpty: Number(cuda.tokens.length === 0),
      cppIsCuda: Number(cppTexts.some((text) => cudaTexts.includes(text) && text.trim() !== '')),
      unknownKeywords,
      extraFlags: first.filter((build) => build.keywords.has('extra_cuda_cflags')).length,
      extraLinks: first.filter((build) => build.keywords.has('extra_ldflags')).length,
      placeholders: cudaTexts.filter((text) => /\{\{?\w+\}?\}/.test(text)).length,
    },
  };
}

const knownKeywords = new Set(
  'name cpp_sources cuda_sources functions extra_cflags extra_cuda_cflags extra_ldflags extra_include_paths build_directory verbose with_cuda is_python_module with_pytorch_error_handling keep_intermediates use_pch no_implicit_headers sycl_sources extra_sycl_cflags with_sycl'.split(
    ' ',
  ),
);

/** Where no argument could be followed: every string constant that holds CUDA. */
function looseCuda(python: PythonText): string[] {
  const texts: string[] = [];
  for (const token of python.tokens) {
    if (token.kind === 'string' && /__global__|#include|PYBIND11_MODULE/.test(token.text)) texts.push(token.text);
  }
  return texts;
}

function unknownCalls(cuda: CudaText): string[] {
  const own = new Set(cuda.functions.map((one) => one.name));
  const names = new Set<string>();
  for (const call of cuda.calls) {
    if (call.qualified || own.has(call.name) || cuda.macros.has(call.name) || provided.test(call.name)) continue;
    names.add(call.name);
  }
  return [...names];
}

const provided =
  /^(__\w+|cuda[A-Z]\w*|cu(blas|dnn|rand)\w*|atomic[A-Z]\w*|AT_\w+|TORCH_\w+|C10_\w+|f?(abs|max|min|floor|ceil|sqrt|rsqrt|exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|sinh|cosh|asin|acos|atan|atan2|erf|erfc|cbrt|fmod|fma|round|trunc|rint|copysign|hypot|lround|nearbyint)f?|isnan|isinf|isfinite|signbit|printf|assert|exit|malloc|free|memset|memcpy|dim3|int|float|double|make_\w+|half|T|scalar_t|size_t|int64_t|abort|fprintf|lambda)$/;
