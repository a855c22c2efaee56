import { type ToolReturn, toolReturnSchema } from './prompt.js';

/** One token of an answer, with the likeliest tokens in its place (natural logarithms of probabilities). */
export interface AnswerToken {
  readonly token: string;
  readonly logprob: number;
  readonly top: readonly { readonly token: string; readonly logprob: number }[];
}

export interface Completed {
  readonly text: string;
  /** `stop`, `length`, ... as the server says. */
  readonly finishReason: string;
  /** Null where the engine gives none. */
  readonly tokens: readonly AnswerToken[] | null;
}

/** What a simulated tool answered, as scores that a calibration turns into probabilities. */
export interface ReadAnswer {
  /** Log-odds of the verdict's tokens; where the engine gives no log-probabilities, 1 or -1 as the answer says. */
  readonly compiled: number;
  /** The same, given that it compiles; null where the answer says that it does not, or leaves it out. */
  readonly correct: number | null;
  readonly runtimeMs: number | null;
}

/** Reads an answer. Null: it was cut off or is no answer of the tool, so nothing was said. */
export function readAnswer(completed: Completed): ReadAnswer | null {
  if (completed.finishReason === 'length') return null;
  const said = parse(completed.text);
  if (said === null) return null;
  const score = (key: 'compiled' | 'correctness', verdict: boolean): number | null =>
    completed.tokens === null ? (verdict ? 1 : -1) : logOdds(completed.tokens, key);
  const compiled = score('compiled', said.compiled);
  if (compiled === null) return null;
  return {
    compiled,
    correct: said.compiled && said.correctness !== undefined ? score('correctness', said.correctness) : null,
    runtimeMs: said.correctness === true ? (said.runtime_ms ?? null) : null,
  };
}

function parse(text: string): ToolReturn | null {
  try {
    return toolReturnSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** log P(true) - log P(false) where the value of `key` begins. Null where the tokens do not show it. */
function logOdds(tokens: readonly AnswerToken[], key: string): number | null {
  const text = tokens.map(({ token }) => token).join('');
  const found = new RegExp(`"${key}"\\s*:\\s*`).exec(text);
  if (found === null) return null;
  const value = found.index + found[0].length;
  let start = 0;
  for (const one of tokens) {
    const end = start + one.token.length;
    if (value < end) return parted(one, one.token.slice(0, value - start));
    start = end;
  }
  return null;
}

/** A token that is not listed is at most as likely as the last listed one, and as what the listed ones leave over. */
function parted(place: AnswerToken, before: string): number | null {
  const listed = new Map(place.top.map(({ token, logprob }) => [token, logprob]));
  listed.set(place.token, place.logprob);
  let [yes, no, all, least] = [0, 0, 0, 1];
  for (const [token, logprob] of listed) {
    const probability = Math.exp(logprob);
    all += probability;
    least = Math.min(least, probability);
    if (!token.startsWith(before)) continue;
    const rest = token.slice(before.length).trimStart();
    if (begins(rest, 'true')) yes += probability;
    else if (begins(rest, 'false')) no += probability;
  }
  if (yes === 0 && no === 0) return null;
  const floor = Math.max(1e-9, Math.min(least, 1 - all));
  return Math.log(yes === 0 ? floor : yes) - Math.log(no === 0 ? floor : no);
}

function begins(token: string, word: string): boolean {
  return token !== '' && (word.startsWith(token) || token.startsWith(word));
}
