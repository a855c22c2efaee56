import type { ModuleCall, ModuleText } from './module-text.js';

/**
 * How many dimensions a model's answer has, as far as the order of its calls tells: reductions take dimensions away,
 * `unsqueeze` adds one, views state theirs. `extension` gives what a call into the extension returns: a number, or null
 * for as many as it got. The answer is null where the text does not tell.
 */
export function outputRank(
  text: ModuleText,
  inputRank: number | null,
  extension: (call: ModuleCall) => number | null | undefined,
): number | null {
  let rank = inputRank;
  for (const call of text.calls) {
    const own = extension(call);
    if (own !== undefined) rank = own ?? rank;
    else if (call.owner.startsWith('self.')) continue;
    else if (/loss|cross_entropy|kl_div/i.test(call.kind)) rank = 0;
    else if (/^(?:view|reshape)$/.test(call.name)) rank = viewRank(call);
    else if (/^flatten$/i.test(call.kind))
      rank = call.arguments.some((one) => one.endsWith('1')) || call.kind.startsWith('F') ? 2 : 1;
    else if (rank === null) continue;
    else if (call.name === 'unsqueeze') rank += 1;
    else if (call.name === 'squeeze') rank = dimensionsOf(call) === null ? null : rank - 1;
    else if (reductions.test(call.name)) rank = reduced(call, rank);
  }
  return rank;
}

const reductions = /^(?:mean|sum|max|min|prod|argmax|argmin|logsumexp|norm|amax|amin|median|std|var|any|all)$/;

function reduced(call: ModuleCall, rank: number): number | null {
  if (call.arguments.some((one) => one.startsWith('keepdim=True'))) return rank;
  const dimensions = dimensionsOf(call);
  if (dimensions === null) return call.arguments.length > Number(isFunction(call)) ? rank : 0;
  const left = rank - dimensions;
  return left < 0 ? null : left;
}

/** How many dimensions the call names; null where it names none. */
function dimensionsOf(call: ModuleCall): number | null {
  const positional = call.arguments.slice(Number(isFunction(call))).filter((one) => !/^\w+=/.test(one));
  const named = call.arguments.find((one) => /^(?:dim|axis)=/.test(one))?.replace(/^\w+=/, '');
  const given = named ?? positional.find((one) => /^-?\d+$|^[([]|dim/.test(one));
  if (given === undefined) return null;
  return /^[([]/.test(given) ? given.split(',').filter((one) => /\w/.test(one)).length : 1;
}

function isFunction({ owner }: ModuleCall): boolean {
  return /^(?:torch|F|functional|linalg)$/.test(owner);
}

function viewRank({ arguments: given }: ModuleCall): number | null {
  if (given.some((one) => /^\*|shape|size\(\)/.test(one) && !/\[/.test(one))) return null;
  const [first = ''] = given;
  if (given.length === 1 && /^[([]/.test(first)) return first.split(',').filter((one) => /\w/.test(one)).length;
  return given.length;
}
