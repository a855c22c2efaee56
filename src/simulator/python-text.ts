import { LRUCache } from 'lru-cache';

/** What can be seen of a Python candidate without running it: its tokens, string constants and extension builds. */
export interface PythonText {
  readonly tokens: readonly PythonToken[];
  readonly bindings: ReadonlyMap<string, readonly PythonToken[]>;
  readonly builds: readonly BuildCall[];
  /** Brackets that close nothing or are never closed. */
  readonly bracketErrors: number;
  readonly unterminatedStrings: number;
  readonly commentLines: number;
}

export interface PythonToken {
  readonly kind: 'name' | 'string' | 'number' | 'operator' | 'newline';
  /** For a string: its value, escapes decoded. */
  readonly text: string;
}

/** A call of `load_inline` or `load`, with its arguments as tokens and, where they are constants, as texts. */
export interface BuildCall {
  readonly callee: string;
  readonly inTry: boolean;
  readonly keywords: ReadonlyMap<string, readonly PythonToken[]>;
}

/** Real candidates build once or twice; what comes after so many is not read. */
const mostBuilds = 16;

const positional = ['name', 'cpp_sources', 'cuda_sources', 'functions'];

/** The latest texts, as they were read: a problem comes with many candidates, and a candidate is looked at twice. */
const latest = new LRUCache<string, PythonText>({ maxSize: 300_000, sizeCalculation: (_, { length }) => length + 1 });

export function readPython(source: string): PythonText {
  const known = latest.get(source);
  if (known !== undefined) return known;
  const scan = scanPython(source);
  const read = { ...scan, bindings: findBindings(scan.tokens), builds: findBuilds(scan.tokens) };
  latest.set(source, read);
  return read;
}

/** The constant texts of an expression: one for a string, several for a list; best effort for anything else. */
export function constantTexts(tokens: readonly PythonToken[], python: PythonText): string[] {
  return followTexts(tokens, python, { names: 256 }, 0);
}

/** Names are followed a bounded number of times, so that a text made of names of texts of names cannot explode. */
function followTexts(
  tokens: readonly PythonToken[],
  python: PythonText,
  budget: { names: number },
  depth: number,
): string[] {
  if (depth > 4) return [];
  const texts: string[] = [];
  let current: string | null = null;
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token === undefined) continue;
    if (token.kind === 'operator') {
      if (token.text === ',' && current !== null) {
        texts.push(current);
        current = null;
      }
    } else if (token.kind === 'string') current = (current ?? '') + token.text;
    else if (token.kind === 'name' && tokens[index - 1]?.text !== '.') {
      const bound = python.bindings.get(token.text);
      budget.names -= 1;
      if (bound === undefined || budget.names < 0) continue;
      const inner = followTexts(bound, python, budget, depth + 1);
      if (inner.length === 1) current = (current ?? '') + (inner[0] ?? '');
      else for (const text of inner) texts.push(text);
    }
  }
  if (current !== null) texts.push(current);
  return texts;
}

function scanPython(source: string): Omit<PythonText, 'bindings' | 'builds'> {
  const tokens: PythonToken[] = [];
  const open: string[] = [];
  let bracketErrors = 0;
  let unterminatedStrings = 0;
  let commentLines = 0;
  const pattern =
    /[ \t\f\r]+|(?<comment>#[^\n]*)|(?<newline>\\?\n)|(?<prefix>[rbfuRBFU]{0,2})(?<quote>"""|'''|"|')|(?<name>[A-Za-z_]\w*)|(?<number>\d[\w.]*)|(?<operator>[\s\S])/y;
  while (pattern.lastIndex < source.length) {
    const groups = pattern.exec(source)?.groups;
    if (groups === undefined) continue;
    if (groups.comment !== undefined) commentLines += 1;
    else if (groups.newline !== undefined) {
      if (open.length === 0 && groups.newline === '\n') tokens.push({ kind: 'newline', text: '\n' });
    } else if (groups.quote !== undefined) {
      const read = readString(source, pattern.lastIndex, groups.quote, /r/i.test(groups.prefix ?? ''));
      if (!read.terminated) unterminatedStrings += 1;
      tokens.push({ kind: 'string', text: read.value });
      pattern.lastIndex = read.end;
    } else if (groups.name !== undefined) tokens.push({ kind: 'name', text: groups.name });
    else if (groups.number !== undefined) tokens.push({ kind: 'number', text: groups.number });
    else if (groups.operator !== undefined) {
      const text = groups.operator;
      tokens.push({ kind: 'operator', text });
      if ('([{'.includes(text)) open.push(text);
      else if (')]}'.includes(text) && open.pop() !== '([{'[')]}'.indexOf(text)]) bracketErrors += 1;
    }
  }
  return { tokens, bracketErrors: bracketErrors + open.length, unterminatedStrings, commentLines };
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

function readString(
  source: string,
  from: number,
  quote: string,
  raw: boolean,
): { value: string; end: number; terminated: boolean } {
  const parts: string[] = [];
  let start = from;
  let at = from;
  while (at < source.length) {
    const character = source[at];
    if (character === '\\') {
      const next = source[at + 1] ?? '';
      const decoded = raw ? undefined : escapes[next];
      if (decoded !== undefined) {
        parts.push(source.slice(start, at), decoded);
        start = at + 2;
      }
      at += 2;
    } else if (source.startsWith(quote, at)) {
      parts.push(source.slice(start, at));
      return { value: parts.join(''), end: at + quote.length, terminated: true };
    } else if (character === '\n' && quote.length === 1) break;
    else at += 1;
  }
  parts.push(source.slice(start, Math.min(at, source.length)));
  return { value: parts.join(''), end: Math.min(at, source.length), terminated: false };
}

function findBindings(tokens: readonly PythonToken[]): Map<string, readonly PythonToken[]> {
  const bindings = new Map<string, readonly PythonToken[]>();
  for (let index = 0; index + 1 < tokens.length; index += 1) {
    const name = tokens[index];
    if (name?.kind !== 'name' || tokens[index + 1]?.text !== '=' || tokens[index + 1]?.kind !== 'operator') continue;
    if (tokens[index + 2]?.text === '=' || (index > 0 && tokens[index - 1]?.kind !== 'newline')) continue;
    let end = index + 2;
    while (end < tokens.length && tokens[end]?.kind !== 'newline') end += 1;
    const value = tokens.slice(index + 2, end);
    if (value.some((token) => token.kind === 'string')) bindings.set(name.text, value);
  }
  return bindings;
}

function findBuilds(tokens: readonly PythonToken[]): BuildCall[] {
  const builds: BuildCall[] = [];
  for (let index = 0; index + 1 < tokens.length && builds.length < mostBuilds; index += 1) {
    const name = tokens[index];
    if (name?.kind !== 'name' || (name.text !== 'load_inline' && name.text !== 'load')) continue;
    if (tokens[index + 1]?.text !== '(' || tokens[index - 1]?.text === 'def') continue;
    if (name.text === 'load' && /^(torch|json|pickle|np|numpy)$/.test(tokens[index - 2]?.text ?? '')) continue;
    const before = tokens.slice(Math.max(0, index - 8), index).map((token) => token.text);
    builds.push({ callee: name.text, inTry: before.includes('try'), keywords: readArguments(tokens, index + 2) });
  }
  return builds;
}

function readArguments(tokens: readonly PythonToken[], from: number): Map<string, readonly PythonToken[]> {
  const keywords = new Map<string, readonly PythonToken[]>();
  let nesting = 0;
  let argument: PythonToken[] = [];
  let place = 0;
  const finish = (): void => {
    if (argument.length === 0) return;
    const named = argument[0]?.kind === 'name' && argument[1]?.text === '=' && argument[1].kind === 'operator';
    keywords.set(
      named ? (argument[0]?.text ?? '') : (positional[place] ?? `argument${place}`),
      named ? argument.slice(2) : argument,
    );
    place += 1;
    argument = [];
  };
  for (let index = from; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token === undefined || token.kind === 'newline') continue;
    if (token.kind === 'operator') {
      if ('([{'.includes(token.text)) nesting += 1;
      else if (')]}'.includes(token.text)) {
        nesting -= 1;
        if (nesting < 0) break;
      } else if (token.text === ',' && nesting === 0) {
        finish();
        continue;
      }
    }
    argument.push(token);
  }
  finish();
  return keywords;
}
