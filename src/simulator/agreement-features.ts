import type { BuildsText } from './builds-text.js';
import type { SetFeature } from './cuda-features.js';
import { type Construction, drawsNumbers, type ModuleText } from './module-text.js';
import { outputRank } from './output-rank.js';

/** How far the candidate does what the problem does: weights, operators, shapes, and the call into its extension. */
export function describeAgreement(problem: ModuleText, own: ModuleText, builds: BuildsText, set: SetFeature): void {
  describeWeights(problem, own, set);
  describeOperators(problem, own, builds, set);
  describeCalls(problem, own, builds, set);
  describeMode(problem, own, builds, set);
  set('problem.inputElements', Math.log1p(problem.inputElements));
  set('problem.inputsBeyondInt', problem.inputElements >= 2 ** 31);
}

/**
 * Both models are made from the same seed, so their weights are equal only where the same numbers are drawn in the same
 * order. A candidate that draws its own (`torch.randn` for what `nn.Linear` initialises) computes with other weights.
 */
function describeWeights(problem: ModuleText, own: ModuleText, set: SetFeature): void {
  const wanted = drawing(problem);
  const drawn = drawing(own);
  const kinds = commonLength(wanted, drawn, sameKind);
  const whole = commonLength(wanted, drawn, (a, b) => sameKind(a, b) && (imitates(b) || sameArguments(a, b)));
  set('weights.wanted', wanted.length);
  set('weights.missing', wanted.length - kinds);
  set('weights.extra', drawn.length - kinds);
  set('weights.otherArguments', kinds - whole);
  set('weights.differ', wanted.length !== drawn.length || kinds !== wanted.length);
  set('weights.ownDraws', drawn.filter(({ kind }) => /^[a-z]/.test(kind)).length);
  set('weights.imitated', drawn.filter(imitates).length);
  const norms = (text: ModuleText): number => text.constructions.filter(({ kind }) => /Norm/.test(kind)).length;
  set('weights.normsMissing', Math.max(0, norms(problem) - norms(own)));
}

/** `nn.Linear` and convolutions draw their weights by `kaiming_uniform_(weight, a=sqrt(5))`, then their bias by `uniform_`. */
function imitates({ kind, arguments: given }: Construction): boolean {
  return kind === 'kaiming_uniform_' && /sqrt\(5|2\.236/.test(given);
}

function drawing({ constructions }: ModuleText): Construction[] {
  const all = constructions.filter(({ kind }) => drawsNumbers(kind));
  return all.filter((one, index) => {
    const before = all[index - 1];
    return one.kind !== 'uniform_' || before === undefined || !imitates(before);
  });
}

function sameKind(a: Construction, b: Construction): boolean {
  return a.kind === b.kind || (imitates(b) && /^(?:Conv|Linear)/.test(a.kind));
}

function sameArguments(a: Construction, b: Construction): boolean {
  return a.arguments.replaceAll('self.', '') === b.arguments.replaceAll('self.', '');
}

const longestCompared = 60;

/** Length of the longest common subsequence. */
function commonLength<T>(first: readonly T[], second: readonly T[], same: (a: T, b: T) => boolean): number {
  let row = Array.from({ length: Math.min(second.length, longestCompared) + 1 }, () => 0);
  for (const a of first.slice(0, longestCompared)) {
    const next = [0];
    second.slice(0, longestCompared).forEach((b, index) => {
      next.push(same(a, b) ? (row[index] ?? 0) + 1 : Math.max(row[index + 1] ?? 0, next[index] ?? 0));
    });
    row = next;
  }
  return row.at(-1) ?? 0;
}

const families: readonly (readonly [family: string, member: RegExp])[] = [
  ['convTranspose', /^conv_?transpose/i],
  ['conv', /^conv[123_]?/i],
  ['matmul', /^(?:linear|bilinear|matmul|mm|bmm|addmm|baddbmm|einsum|tensordot|mv|dot|gemm)$/i],
  ['norm', /norm/i],
  ['pool', /pool/i],
  ['softmax', /softmax|logsumexp/i],
  ['scan', /^(?:log)?cum(?:sum|prod|max|min)|flip$/i],
  ['loss', /loss|cross_entropy|kl_div|cosine_similarity/i],
  ['recurrent', /^(?:lstm|gru|rnn)/i],
  ['attention', /attention/i],
  ['reduction', /^(?:mean|sum|max|min|amax|amin|prod|argmax|argmin|var|std|norm)$/i],
  [
    'elementwise',
    /^(?:relu6?|leaky_?relu|gelu|silu|mish|sigmoid|tanh|softplus|softsign|elu|selu|celu|hard(?:tanh|swish|sigmoid)|clamp|abs|exp|log|sqrt|pow|add|mul|div|sub|swish|prelu)_?$/i,
  ],
];
const reshaping = new Set(['conv', 'convTranspose', 'matmul', 'pool', 'reduction', 'softmax', 'loss']);

function familiesOf(operators: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const operator of operators) {
    const family = families.find(([, member]) => member.test(operator))?.[0];
    if (family !== undefined) counts.set(family, (counts.get(family) ?? 0) + 1);
  }
  return counts;
}

/** What the problem computes, divided into what the candidate leaves to torch's modules and what its kernels must do. */
function describeOperators(problem: ModuleText, own: ModuleText, builds: BuildsText, set: SetFeature): void {
  const { cuda } = builds;
  const asked = familiesOf(problem.operators);
  const kept = familiesOf(own.operators);
  const inCpp = familiesOf(cuda.calls.filter(({ qualified }) => qualified).map(({ name }) => name));
  let shapes = 0;
  let todo = 0;
  for (const [family] of families) {
    const wanted = asked.get(family) ?? 0;
    const left = Math.max(0, wanted - (kept.get(family) ?? 0) - (inCpp.get(family) ?? 0));
    set(`ask.${family}`, wanted);
    set(`todo.${family}`, left);
    todo += left;
    if (reshaping.has(family)) shapes += left;
  }
  set('todo.any', todo);
  set('todo.reshaping', shapes);
  set(
    'todo.inCpp',
    [...inCpp.values()].reduce((sum, count) => sum + count, 0),
  );
  const explicit = countPairs(cuda.tokens, /^(?:empty|zeros|full|ones)$/, /^\($/);
  const like = countPairs(cuda.tokens, /^(?:empty|zeros|ones|full)_like$/, /^\($/);
  set('shape.explicit', explicit);
  set('shape.like', like);
  set('shape.likeThoughReshaped', shapes > 0 && explicit === 0 && like > 0);
  set('shape.lessKernel', countPairs(cuda.tokens, /^-$/, /^(?:kernel|pool|k_?[dhw]$|K[DHW]?$|dilation)/i));
  set('shape.padding', cuda.tokens.filter((token) => /^pad/i.test(token)).length);
  const made = allocations(cuda.tokens);
  const rank = Math.max(0, ...problem.constructions.map(({ kind }) => Number(/([123])d$/.exec(kind)?.[1] ?? -2) + 2));
  set('shape.ownRank', made.rank);
  set('shape.rank', rank);
  set('shape.rankDiffers', rank > 0 && made.rank > 0 && made.rank !== rank);
  const functions = new Set(
    [...cuda.functions, ...builds.cpp.functions].filter((one) => !one.global).map(({ name }) => name),
  );
  const answer = outputRank(problem, problem.inputRank, () => undefined);
  const ownAnswer = outputRank(own, problem.inputRank, ({ name }) =>
    functions.has(name) ? (explicit > 0 && like === 0 ? made.rank : null) : undefined,
  );
  set('shape.answerRank', answer ?? -1);
  set('shape.answerRankDiffers', answer !== null && ownAnswer !== null && answer !== ownAnswer);
  set(
    'shape.likeThoughReduced',
    (asked.get('reduction') ?? 0) > (kept.get('reduction') ?? 0) && explicit === 0 && like > 0,
  );
  set('shape.guessedPadding', Math.max(0, own.halves - problem.halves));
  set('shape.onCpu', made.withoutOptions);
  set('shape.keepdim', problem.body.filter((token) => token === 'keepdim').length);
  set('shape.scalarOutput', made.scalar);
  set('shape.channelsOfTransposed', transposedChannels(cuda.tokens) > 0 && asked.has('convTranspose'));
  set('shape.unreduced', shapes > 0 && made.sizesOfInput > 0 && made.rank >= 3);
  const unpadded = problem.constructions.filter(
    (one) => /^Conv[123]d$/.test(one.kind) && !/padding/.test(one.arguments) && one.arguments.split(',').length < 5,
  );
  set('shape.unpadded', unpadded.length);
  set('own.weights', own.body.filter((token) => token === 'weight').length);
  set('own.moves', own.body.filter((token) => token === 'cuda' || token === 'to').length);
  set('own.turns', own.body.filter((token) => /^(?:t|T|transpose|permute|mT)$/.test(token)).length);
  set('own.contiguous', own.body.filter((token) => token === 'contiguous').length);
  set('own.length', Math.log1p(own.body.length));
  set('problem.length', Math.log1p(problem.body.length));
}

/** What the host code allocates: `torch::empty({a, b, c}, options)`. */
function allocations(tokens: readonly string[]): {
  rank: number;
  withoutOptions: number;
  scalar: number;
  sizesOfInput: number;
} {
  let [rank, withoutOptions, scalar, sizesOfInput] = [0, 0, 0, 0];
  for (let index = 0; index + 2 < tokens.length; index += 1) {
    if (!/^(?:empty|zeros|full|ones)$/.test(tokens[index] ?? '') || tokens[index + 1] !== '(') continue;
    let [depth, entries, at] = [1, 0, index + 2];
    const inside: string[] = [];
    for (; at < tokens.length && depth > 0 && inside.length < 200; at += 1) {
      const token = tokens[at] ?? '';
      if ('({['.includes(token)) depth += 1;
      else if (')}]'.includes(token)) depth -= 1;
      inside.push(token);
      if (depth === 2 && token === ',' && inside[0] === '{' && !inside.includes('}')) entries += 1;
    }
    if (inside[0] === '{') rank = inside[1] === '}' ? 0 : entries + 1;
    if (inside[0] === '{' && inside[1] === '}') scalar += 1;
    if (inside[0] === '{' && inside[1] === '1' && inside[2] === '}') scalar += 1;
    if (!inside.some((token) => /options|Options|device|dtype|kCUDA/.test(token))) withoutOptions += 1;
    sizesOfInput += Number(
      inside.some((token) => /^(?:height|width|h|w|H|W|depth|D)$|^in(?:put)?_(?:h|w|d)/.test(token)),
    );
  }
  return { rank, withoutOptions, scalar, sizesOfInput };
}

/** `out_channels = weight.size(0)`: right for a convolution, wrong for a transposed one. */
function transposedChannels(tokens: readonly string[]): number {
  let found = 0;
  for (let index = 0; index + 6 < tokens.length; index += 1) {
    if (!/^(?:out_?(?:channels|c)|C_?out|OC)$/i.test(tokens[index] ?? '') || tokens[index + 1] !== '=') continue;
    found += Number(/weight|^w$|kernel/i.test(tokens[index + 2] ?? '') && tokens[index + 6] === '0');
  }
  return found;
}

function countPairs(tokens: readonly string[], first: RegExp, second: RegExp): number {
  let found = 0;
  for (let index = 0; index + 1 < tokens.length; index += 1) {
    found += Number(first.test(tokens[index] ?? '') && second.test(tokens[index + 1] ?? ''));
  }
  return found;
}

/** pybind11 refuses a call whose arguments do not fit: wrong count, a tuple for an integer, None for a tensor. */
function describeCalls(problem: ModuleText, own: ModuleText, builds: BuildsText, set: SetFeature): void {
  const functions = new Map([...builds.cuda.functions, ...builds.cpp.functions].map((one) => [one.name, one]));
  const found = { calls: 0, count: 0, tuples: 0, none: 0, optional: 0 };
  for (const call of own.calls) {
    const called = functions.get(call.name);
    if (called === undefined || called.global) continue;
    found.calls += 1;
    if (call.arguments.length < called.required || call.arguments.length > called.parameters.length) found.count += 1;
    call.arguments.forEach((argument, index) => {
      const type = called.parameters[index] ?? '';
      const whole = /^(?:int|int64_t|long|unsigned int|size_t|long long)$/.test(type);
      const name = argument.replace(/^\w+=(?!=)/, '').replace(/^self\./, '');
      if (whole && (problem.tuples.has(name) || /\.(?:kernel_size|stride|padding|dilation|output_padding)$/.test(name)))
        found.tuples += 1;
      if (type === 'Tensor' && (name === 'None' || name.endsWith('elseNone') || own.nones.has(name))) found.none += 1;
      if (/optional/.test(type)) found.optional += 1;
    });
  }
  set('call.found', found.calls);
  set('call.wrongCount', found.count);
  set('call.tupleForInt', found.tuples);
  set('call.noneForTensor', found.none);
  set('call.optional', found.optional);
  set('call.tuplesInProblem', problem.tuples.size);
}

/** KernelBench runs models in training mode: batch norms use the batch's own statistics, dropout drops. */
function describeMode(problem: ModuleText, own: ModuleText, builds: BuildsText, set: SetFeature): void {
  const has = (kind: RegExp): boolean => problem.constructions.some((one) => kind.test(one.kind));
  const kept = own.operators.filter((operator) => operator.startsWith('BatchNorm')).length;
  const asked = problem.operators.filter((operator) => operator.startsWith('BatchNorm')).length;
  const running = builds.python.tokens.filter(({ text }) => /^running_(?:mean|var)$/.test(text)).length;
  set('mode.runningStatistics', running);
  set('mode.batchNormReplaced', asked - Math.min(asked, kept));
  set('mode.batchNormByRunning', asked > kept && running > 0);
  const training = builds.python.tokens.filter(({ text }) => text === 'training' || text === 'eval').length;
  set('mode.batchNormFrozen', has(/BatchNorm/) && running > 0 && training === 0);
  set('mode.dropout', has(/Dropout/));
  set('mode.training', training);
  set('mode.float64', builds.cuda.tokens.filter((token) => token === 'double').length);
  set('mode.checksContiguous', builds.cuda.tokens.filter((token) => token === 'is_contiguous').length);
  set('mode.blockThreads', largestBlock(builds.cuda.tokens));
  set('mode.ownClasses', own.constructions.length - problem.constructions.length);
}

/** The largest constant `dim3 block(x, y, z)`, in threads; a GPU takes no more than 1024. */
function largestBlock(tokens: readonly string[]): number {
  let most = 0;
  for (let index = 0; index + 2 < tokens.length; index += 1) {
    if (tokens[index] !== 'dim3' || !/block|thread/i.test(tokens[index + 1] ?? '') || tokens[index + 2] !== '(')
      continue;
    let threads = 1;
    for (let at = index + 3; at < tokens.length && tokens[at] !== ')'; at += 1) {
      if (/^\d+$/.test(tokens[at] ?? '')) threads *= Number(tokens[at]);
    }
    most = Math.max(most, threads);
  }
  return most;
}
