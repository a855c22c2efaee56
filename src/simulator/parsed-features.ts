import { describeAgreement } from './agreement-features.js';
import type { BuildsText } from './builds-text.js';
import { describeCuda, describeNames, type SetFeature } from './cuda-features.js';
import { hashText } from './grams.js';
import type { JobText } from './job-text.js';
import { readModules } from './module-text.js';
import { readPython } from './python-text.js';

/** Everything about a job that is counted by name, in a fixed order. */
export function describe(
  job: JobText,
  builds: BuildsText,
  operators: ReadonlyMap<string, number>,
): Map<string, number> {
  const features = new Map<string, number>();
  const set: SetFeature = (name, value) => void features.set(name, Number(value));
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
  set('py.fence', /^[ \t]*```/m.test(job.candidate));
  set('py.tryBlocks', names.get('try') ?? 0);
  set('py.imports', names.get('import') ?? 0);
  set('py.classes', names.get('class') ?? 0);
  set('py.functions', names.get('def') ?? 0);
  for (const word of pythonWords) set(`py.word.${word}`, names.get(word) ?? 0);
  for (const [name, value] of Object.entries(builds.rules)) set(`build.${name}`, value);

  describeNames(cuda, builds.implicitIncludes, set);
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
  describeAgreement(readModules(readPython(job.problem)), readModules(python), builds, set);
  set(
    'doubtful',
    doubtful.reduce((sum, name) => sum + Math.min(1, features.get(name) ?? 0), 0),
  );
  return features;
}

/** Findings that nearly always break a build, whoever wrote the kernel: counted together, so that what is learned of one helps all. */
export const breaking: readonly string[] =
  'py.brackets py.unterminated py.fence build.undeclared build.undefinedAnywhere build.declaredUndefined build.signatureDiffers build.bothDefine build.pybindAndFunctions build.nothingBound build.unknownKeywords needs.any cu.brackets cu.brokenLiterals cu.kernelReturnsValue cu.launchesUnknown cu.launchArguments cu.callArguments cu.sharedTooBig cpp.brackets cpp.deviceCode'.split(
    ' ',
  );

/** Findings after which a kernel that builds is nearly always wrong. */
export const doubtful: readonly string[] =
  'weights.differ call.wrongCount call.tupleForInt call.noneForTensor mode.batchNormFrozen shape.channelsOfTransposed'.split(
    ' ',
  );

const pythonWords =
  'nn F functional Conv2d Conv3d ConvTranspose2d ConvTranspose3d Linear Parameter matmul bmm einsum compile cuda contiguous half float bfloat16 autograd no_grad amp super forward ModelNew clone empty_like register_buffer is_cuda triton jit state_dict weight bias'.split(
    ' ',
  );
const problemWords =
  'matmul bmm Linear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d BatchNorm GroupNorm InstanceNorm LayerNorm softmax sigmoid tanh relu gelu MaxPool AvgPool mean sum max min cumsum cumprod logsumexp loss dropout LSTM GRU attention einsum cat view permute clamp groups dilation'.split(
    ' ',
  );
