import type { PythonText, PythonToken } from './python-text.js';

/** What a Python file's modules construct and compute, as far as their text tells: a problem's `Model`, a candidate's `ModelNew`. */
export interface ModuleText {
  /** Constructions in `__init__` that hold parameters or draw random numbers, in textual order. */
  readonly constructions: readonly Construction[];
  /** Operators computed outside `__init__`: functions of torch, methods of tensors, modules that are called. */
  readonly operators: readonly string[];
  /** Calls `owner.name(...)` outside `__init__`, in the order in which they are done, each argument's tokens joined. */
  readonly calls: readonly ModuleCall[];
  /** Parameters of constructors that are tuples by annotation or default. */
  readonly tuples: ReadonlySet<string>;
  /** Attributes that are None, at least sometimes: assigned, registered so, or the bias of a module made without one. */
  readonly nones: ReadonlySet<string>;
  /** Names outside functions that are whole numbers. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Elements of all tensors that `get_inputs` makes; 0 where the text does not tell. */
  readonly inputElements: number;
  /** Dimensions of the tensors that `get_inputs` makes, or null. */
  readonly inputRank: number | null;
  /** How often something is divided by two in whole numbers: how paddings are guessed. */
  readonly halves: number;
  /** Tokens outside `__init__`, of classes only. */
  readonly body: readonly string[];
}

export interface ModuleCall {
  /** What stands before the dot: `torch`, `x`, `self.bias`, or a bracket. */
  readonly owner: string;
  readonly name: string;
  readonly kind: string;
  readonly arguments: readonly string[];
}

export interface Construction {
  readonly kind: string;
  readonly arguments: string;
  /** The attribute that it is assigned to, or ''. */
  readonly attribute: string;
}

const known = new WeakMap<PythonText, ModuleText>();

export function readModules(python: PythonText): ModuleText {
  const before = known.get(python);
  if (before !== undefined) return before;
  const read = readAnew(python);
  known.set(python, read);
  return read;
}

function readAnew(python: PythonText): ModuleText {
  const operators: string[] = [];
  const calls: (ModuleCall & { readonly end: number })[] = [];
  const tuples = new Set<string>();
  const nones = new Set<string>();
  const off = new Set<string>();
  const body: string[] = [];
  const { tokens } = python;
  const sizes = readSizes(tokens);
  const parts = functionsOf(tokens);
  const constructions = constructionsOf(tokens, parts);
  const attributes = new Map(constructions.map(({ attribute, kind }) => [attribute, kind]));
  let inputElements = 0;
  let inputRank: number | null = null;
  for (const part of parts) {
    const inside = tokens.slice(part.from, part.to);
    if (part.name === 'get_inputs') {
      inputElements = elementsOf(inside, sizes);
      inputRank = rankOf(inside);
    }
    if (part.name === '__init__') readDefaults(inside, tuples, off);
    if (part.owner !== '' && part.name !== 'forward') readNones(inside, nones);
    if (part.name.startsWith('get_') || part.name === '__init__' || part.owner === '') continue;
    for (let index = 0; index < inside.length; index += 1) {
      const token = inside[index];
      if (token === undefined || token.kind === 'newline' || token.kind === 'string') continue;
      body.push(token.text);
      if (token.kind === 'operator' && token.text === '@') operators.push('matmul');
      if (token.kind !== 'name' || inside[index + 1]?.text !== '(' || inside[index - 1]?.text !== '.') continue;
      const kind = attributes.get(token.text) ?? token.text;
      operators.push(kind);
      const before = inside[index - 2]?.text ?? '';
      const owner = inside[index - 4]?.text === 'self' ? `self.${before}` : before;
      const { given, end } = readCall(inside, index + 1);
      calls.push({ owner, name: token.text, kind, arguments: given, end: part.from + end });
    }
  }
  for (const { attribute, arguments: given } of constructions) {
    if (/(?:^|,)bias=False/.test(given) || (/(?:^|,)bias=bias/.test(given) && off.has('bias'))) {
      nones.add(`${attribute}.bias`);
    }
  }
  calls.sort((a, b) => a.end - b.end);
  return {
    constructions,
    operators,
    calls,
    tuples,
    nones,
    sizes,
    inputElements,
    inputRank,
    halves: halvesOf(tokens),
    body,
  };
}

function halvesOf(tokens: readonly PythonToken[]): number {
  const two = (index: number): boolean => tokens[index + 1]?.text === '/' && tokens[index + 2]?.text === '2';
  return tokens.filter(({ text }, index) => text === '/' && two(index)).length;
}

interface FunctionPart {
  readonly name: string;
  /** The class that it stands in, or '' where there is none. */
  readonly owner: string;
  /** What that class is derived from, as far as one name says it. */
  readonly base: string;
  readonly from: number;
  readonly to: number;
}

/** Each `def` up to the next `def` or `class`: exact enough without indentation, since what follows a method is another. */
function functionsOf(tokens: readonly PythonToken[]): FunctionPart[] {
  const parts: FunctionPart[] = [];
  let [owner, base] = ['', ''];
  let open: Omit<FunctionPart, 'to'> | null = null;
  for (let index = 0; index <= tokens.length; index += 1) {
    const token = tokens[index];
    const starts = token?.kind === 'name' && (token.text === 'def' || token.text === 'class');
    if (token !== undefined && !starts) continue;
    if (open !== null) parts.push({ ...open, to: index });
    open = null;
    if (token === undefined) break;
    const name = tokens[index + 1]?.text ?? '';
    if (token.text === 'class') {
      owner = name;
      base =
        argumentsAt(tokens, index + 2)[0]
          ?.split('.')
          .at(-1) ?? '';
    } else {
      if (name.startsWith('get_') && tokens[index + 3]?.text !== 'self') owner = '';
      open = { name, owner, base, from: index + 2 };
    }
  }
  return parts;
}

/** What making the last model constructs: its own `__init__`, and where that calls methods, functions and classes of the file, theirs. */
function constructionsOf(tokens: readonly PythonToken[], parts: readonly FunctionPart[]): Construction[] {
  const byName = new Map<string, { part: FunctionPart; items: Construction[] }>();
  const reached = (name: string): boolean => byName.has(name) || byName.has(`${name}.__init__`);
  for (const part of parts) {
    byName.set(part.name === '__init__' ? `${part.owner}.__init__` : part.name, { part, items: [] });
  }
  for (const entry of byName.values()) {
    readConstructions(tokens.slice(entry.part.from, entry.part.to), entry.part.base, reached, entry.items);
  }
  const found: Construction[] = [];
  let visits = 0;
  const expand = (name: string, depth: number): void => {
    for (const item of (byName.get(`${name}.__init__`) ?? byName.get(name))?.items ?? []) {
      visits += 1;
      if (found.length >= mostConstructions || visits > mostVisits) return;
      if (constructed(item.kind)) found.push(item);
      else if (depth < 8) expand(item.kind, depth + 1);
    }
  };
  const models = parts.filter((part) => part.name === '__init__').map((part) => part.owner);
  expand(
    models.find((name) => name === 'ModelNew') ?? models.find((name) => name === 'Model') ?? models.at(-1) ?? '',
    0,
  );
  return found;
}

const mostConstructions = 300;
const mostVisits = 3000;

function constructed(kind: string): boolean {
  return constructors.test(kind) || draws.test(kind);
}

const constructors =
  /^(?:(?:Lazy)?Conv(?:Transpose)?[123]d|Linear|Bilinear|Embedding|LSTM(?:Cell)?|GRU(?:Cell)?|RNN(?:Cell)?|MultiheadAttention|Transformer\w*|(?:Batch|Instance|Sync)Norm\w*|GroupNorm|LayerNorm|RMSNorm|\w*Pool[123]d|Dropout\w*|GELU|ReLU6?|LeakyReLU|Sigmoid|Tanh|Softmax|Softplus|Hardtanh|Hardswish|Mish|SiLU|ELU|SELU|Softsign|LogSoftmax|Hardsigmoid|CELU|PReLU|Flatten|Upsample|\w+Loss)$/;
const draws =
  /^(?:randn?|randint|randperm|normal|randn?_like|(?:kaiming|xavier)_(?:uniform|normal)_|uniform_|normal_|trunc_normal_|orthogonal_)$/;
const drawingModules =
  /^(?:(?:Lazy)?Conv(?:Transpose)?[123]d|Linear|Bilinear|Embedding|LSTM(?:Cell)?|GRU(?:Cell)?|RNN(?:Cell)?|MultiheadAttention|Transformer\w*)$/;

/** Whether constructing it takes numbers from torch's generator: two models have equal weights only if they take the same. */
export function drawsNumbers(kind: string): boolean {
  return draws.test(kind) || drawingModules.test(kind);
}

/** Constructions, and calls of what the file itself defines (`reached`), in textual order. */
function readConstructions(
  tokens: readonly PythonToken[],
  base: string,
  reached: (name: string) => boolean,
  into: Construction[],
): void {
  let attribute = '';
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token?.kind === 'newline') attribute = '';
    if (token?.kind !== 'name') continue;
    if (token.text === 'self' && tokens[index + 1]?.text === '.' && tokens[index + 3]?.text === '=') {
      attribute = tokens[index + 2]?.text ?? '';
    }
    if (tokens[index + 1]?.text !== '(' || tokens[index - 1]?.text === 'def') continue;
    const derived = token.text === '__init__' && (constructed(base) || reached(base));
    if (!derived && !constructed(token.text) && !reached(token.text)) continue;
    const kind = derived ? base : token.text;
    into.push({ kind, arguments: argumentsAt(tokens, index + 1).join(','), attribute });
  }
}

/** In a constructor's head: `name=(`, `name: tuple`, `name: Tuple[...]` are tuples; `name=False` and `name=None` are off. */
function readDefaults(tokens: readonly PythonToken[], tuples: Set<string>, off: Set<string>): void {
  let name = '';
  for (let index = 1; index < tokens.length && tokens[index]?.kind !== 'newline'; index += 1) {
    const [sign, token] = [tokens[index - 1]?.text ?? '', tokens[index]];
    if ((sign === ',' || sign === '(') && token?.kind === 'name') name = token.text;
    if ((sign === ':' && /^tuple$/i.test(token?.text ?? '')) || (sign === '=' && token?.text === '(')) tuples.add(name);
    if (sign === '=' && /^(?:False|None)$/.test(token?.text ?? '')) off.add(name);
  }
}

/** `self.name = None`, `register_parameter("name", None)` and `name = ... else None`. */
function readNones(tokens: readonly PythonToken[], into: Set<string>): void {
  for (let index = 2; index < tokens.length; index += 1) {
    if (tokens[index]?.text !== 'None') continue;
    const [before, earlier] = [tokens[index - 1], tokens[index - 2]];
    if (before?.text === '=' && earlier?.kind === 'name') into.add(earlier.text);
    else if (before?.text === ',' && earlier?.kind === 'string' && tokens[index - 4]?.text === 'register_parameter') {
      into.add(earlier.text);
    } else if (before?.text === 'else') {
      let at = index - 2;
      const first = Math.max(0, at - longestCall);
      while (at > first && tokens[at]?.kind !== 'newline' && tokens[at]?.text !== '=') at -= 1;
      if (tokens[at]?.text === '=') into.add(tokens[at - 1]?.text ?? '');
    }
  }
}

/** The arguments in the brackets that open at `at`, each as its tokens joined; a keyword's name is kept. */
function argumentsAt(tokens: readonly PythonToken[], at: number): string[] {
  return readCall(tokens, at).given;
}

function readCall(tokens: readonly PythonToken[], at: number): { given: string[]; end: number } {
  const list: string[] = [];
  let current = '';
  let depth = 0;
  const last = Math.min(tokens.length, at + longestCall);
  let end = last;
  for (let index = at; index < last; index += 1) {
    const token = tokens[index];
    if (token === undefined || token.kind === 'newline') continue;
    const text = token.kind === 'string' ? "''" : token.text;
    if (token.kind === 'operator' && '([{'.includes(text)) depth += 1;
    else if (token.kind === 'operator' && ')]}'.includes(text)) {
      depth -= 1;
      if (depth === 0) {
        end = index;
        break;
      }
    }
    if (depth === 1 && text === ',') {
      list.push(current);
      current = '';
    } else if (index > at) current += text;
  }
  if (current !== '') list.push(current);
  return { given: list, end };
}

const longestCall = 400;

function readSizes(tokens: readonly PythonToken[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (let index = 0; index + 2 < tokens.length; index += 1) {
    const [name, sign, value] = [tokens[index], tokens[index + 1], tokens[index + 2]];
    if (name?.kind !== 'name' || sign?.text !== '=' || tokens[index - 1]?.text === '.') continue;
    let at = index + 2;
    if (value?.kind === 'name' && tokens[index + 3]?.text === '=') at = index + 4;
    const size = productAt(tokens, at, sizes);
    if (size !== null && !sizes.has(name.text)) sizes.set(name.text, size);
  }
  return sizes;
}

/** The value of `a`, `a * b` or `a ** b` where the parts are known; null for anything else. */
function productAt(tokens: readonly PythonToken[], from: number, sizes: ReadonlyMap<string, number>): number | null {
  const valueAt = (at: number): number | null => {
    const token = tokens[at];
    if (token?.kind === 'number') return /^[\d_]+$/.test(token.text) ? Number(token.text.replaceAll('_', '')) : null;
    return token?.kind === 'name' ? (sizes.get(token.text) ?? null) : null;
  };
  let value = valueAt(from);
  let at = from + 1;
  while (value !== null && tokens[at]?.text === '*') {
    const power: boolean = tokens[at + 1]?.text === '*';
    const next = valueAt(at + (power ? 2 : 1));
    value = next === null ? null : power ? value ** next : value * next;
    at += power ? 3 : 2;
  }
  const after = tokens[at];
  return after === undefined || after.kind === 'newline' || ',)]'.includes(after.text) ? value : null;
}

/** Null where the text does not tell, or where tensors of several ranks are made. */
function rankOf(tokens: readonly PythonToken[]): number | null {
  const ranks = new Set<number | null>();
  tokens.forEach(({ text }, index) => {
    if (!/^randn?$/.test(text) || tokens[index + 1]?.text !== '(') return;
    const given = argumentsAt(tokens, index + 1).filter((argument) => !/^\w+=/.test(argument));
    ranks.add(given.length === 0 || given.some((argument) => /^[*([]/.test(argument)) ? null : given.length);
  });
  const [rank = null] = ranks;
  return ranks.size === 1 ? rank : null;
}

function elementsOf(tokens: readonly PythonToken[], sizes: ReadonlyMap<string, number>): number {
  let total = 0;
  for (let index = 0; index + 1 < tokens.length; index += 1) {
    if (!/^(?:randn?|randint|zeros|ones)$/.test(tokens[index]?.text ?? '') || tokens[index + 1]?.text !== '(') continue;
    let elements = 1;
    for (let at = index + 2; at < tokens.length && tokens[at]?.text !== ')'; ) {
      const size = productAt(tokens, at, sizes);
      if (size !== null && size > 0) elements *= size;
      while (at < tokens.length && tokens[at]?.text !== ',' && tokens[at]?.text !== ')') at += 1;
      if (tokens[at]?.text === ',') at += 1;
    }
    total += elements;
  }
  return total;
}
