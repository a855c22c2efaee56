/** What can be seen of C++ or CUDA text without a compiler: tokens, functions, calls, launches, includes. */
export interface CudaText {
  readonly tokens: readonly string[];
  readonly includes: readonly string[];
  readonly macros: ReadonlySet<string>;
  readonly functions: readonly CudaFunction[];
  readonly launches: readonly { readonly kernel: string; readonly arguments: number }[];
  /** Calls `name(...)` that are neither methods nor declarations, with the number of arguments. */
  readonly calls: readonly { readonly name: string; readonly qualified: boolean; readonly arguments: number }[];
  /** Identifiers that no declaration-like place introduces. */
  readonly undeclared: readonly string[];
  /** Bytes of `__shared__` arrays whose sizes are constants here, the largest kernel's share unknown. */
  readonly staticSharedBytes: number;
  readonly bracketErrors: number;
  readonly brokenLiterals: number;
}

export interface CudaFunction {
  readonly name: string;
  readonly parameters: readonly string[];
  /** Parameters without a default value. */
  readonly required: number;
  readonly defined: boolean;
  readonly global: boolean;
  readonly device: boolean;
  readonly template: boolean;
  readonly returns: string;
}

export function readCuda(text: string): CudaText {
  const { tokens, includes, macros, constants, brokenLiterals } = scanCuda(text);
  const functions: CudaFunction[] = [];
  const launches: { kernel: string; arguments: number }[] = [];
  const calls: { name: string; qualified: boolean; arguments: number }[] = [];
  const open: string[] = [];
  let bracketErrors = 0;
  let bodies = 0;
  let statement = 0;
  const scopes: boolean[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] ?? '';
    if (token === '{') {
      const head = tokens.slice(Math.max(statement, index - longestList), index);
      const transparent =
        bodies === 0 && (head.includes('namespace') || (head.includes('extern') && !head.includes('(')));
      scopes.push(!transparent);
      if (!transparent) bodies += 1;
      open.push(token);
      statement = index + 1;
    } else if (token === '}') {
      if (scopes.pop() === true) bodies -= 1;
      if (open.pop() !== '{') bracketErrors += 1;
      statement = index + 1;
    } else if (token === '(' || token === '[') {
      open.push(token);
      if (token === '(' && isName(tokens[index - 1])) {
        const name = tokens[index - 1] ?? '';
        if (bodies === 0 && !keywords.has(name)) {
          const found = readFunction(tokens, statement, index);
          if (found !== null) functions.push(found);
        } else if (bodies > 0 && !keywords.has(name)) {
          const before = tokens[index - 2] ?? '';
          const declares = isName(before) && !expressionWords.has(before);
          if (before !== '.' && before !== '->' && !declares) {
            calls.push({ name, qualified: before === '::', arguments: countArguments(tokens, index) });
          }
        }
      }
    } else if (token === ')' || token === ']') {
      if (open.pop() !== (token === ')' ? '(' : '[')) bracketErrors += 1;
    } else if (token === ';') statement = index + 1;
    else if (token === '<<<') {
      let at = index - 1;
      if (tokens[at] === '>') {
        while (at > index - longestLaunch && at > 0 && tokens[at] !== '<') at -= 1;
        at -= 1;
      }
      let after = index;
      while (after < index + longestLaunch && tokens[after] !== '>>>') after += 1;
      launches.push({ kernel: tokens[at] ?? '', arguments: countArguments(tokens, after + 1) });
    }
  }
  return {
    tokens,
    includes,
    macros,
    functions,
    launches,
    calls,
    undeclared: findUndeclared(tokens, macros),
    staticSharedBytes: sharedBytes(tokens, constants),
    bracketErrors: bracketErrors + open.length,
    brokenLiterals,
  };
}

const keywords = new Set(
  'if for while switch return sizeof alignof decltype static_assert catch else do defined template typename operator new delete alignas __launch_bounds__ __align__ __attribute__ asm volatile'.split(
    ' ',
  ),
);
const expressionWords = new Set('return else do case throw new delete in and or not'.split(' '));

function isName(token: string | undefined): boolean {
  const first = token === undefined || token === '' ? 0 : token.charCodeAt(0) | 32;
  return (first >= 97 && first <= 122) || token?.[0] === '_';
}

function scanCuda(text: string): {
  tokens: string[];
  includes: string[];
  macros: Set<string>;
  constants: Map<string, number>;
  brokenLiterals: number;
} {
  const tokens: string[] = [];
  const includes: string[] = [];
  const macros = new Set<string>();
  const constants = new Map<string, number>();
  let brokenLiterals = 0;
  const pattern =
    /[ \t\f\r\n]+|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|(?<directive>#(?:[^\n\\]|\\[\s\S])*)|(?<literal>"(?:[^"\\\n]|\\[\s\S])*(?<close>"?)|'(?:[^'\\\n]|\\[\s\S])*'?)|(?<token>[A-Za-z_]\w*|\d[\w.]*(?:[eE][+-]\d+\w*)?|\.\d\w*|<<<|>>>|::|->|[+\-*/%&|^=!<>]=|&&|\|\||\+\+|--|[\s\S])/y;
  while (pattern.lastIndex < text.length) {
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) continue;
    if (groups.token !== undefined) tokens.push(groups.token);
    else if (groups.literal !== undefined) {
      tokens.push(groups.literal.startsWith('"') ? '""' : "''");
      if (groups.literal.startsWith('"') && groups.close === '') brokenLiterals += 1;
    } else if (groups.directive !== undefined) {
      const include = /^#\s*include\s*[<"]([^>"]*)/.exec(groups.directive)?.[1];
      if (include !== undefined) includes.push(include);
      const define = /^#\s*define\s+(\w+)(?:\s+\(?(\d+)\)?\s*$)?/.exec(groups.directive.trim());
      if (define?.[1] !== undefined) {
        macros.add(define[1]);
        if (define[2] !== undefined) constants.set(define[1], Number(define[2]));
        const body = groups.directive.match(/[A-Za-z_]\w*/g) ?? [];
        for (const name of body.slice(2)) tokens.push(`#${name}`);
      }
    }
  }
  for (let index = 0; index + 3 < tokens.length; index += 1) {
    const name = tokens[index] ?? '';
    const value = tokens[index + 2] ?? '';
    if (tokens[index + 1] === '=' && tokens[index + 3] === ';' && /^\d+$/.test(value) && isName(name)) {
      constants.set(name, Number(value));
    }
  }
  return { tokens, includes, macros, constants, brokenLiterals };
}

/** Reads `type name(parameters)` at the outermost level; the head starts at `from`, the bracket stands at `at`. */
function readFunction(tokens: readonly string[], from: number, at: number): CudaFunction | null {
  if (at - from > longestList) return null;
  const head = tokens.slice(from, at - 1);
  const name = tokens[at - 1] ?? '';
  if (head.length === 0 || head.includes('=') || (head.includes('(') && !head.includes('__launch_bounds__')))
    return null;
  const end = closing(tokens, at);
  if (end === -1) return null;
  const after = tokens[end + 1];
  if (after !== '{' && after !== ';') return null;
  const list = splitArguments(tokens.slice(at + 1, end));
  const parameters = list.map(parameterType).filter((type) => type !== 'void' && type !== '');
  return {
    name,
    parameters,
    required: list.filter((parameter) => parameter.length > 0 && !parameter.includes('=')).length,
    defined: after === '{',
    global: head.includes('__global__'),
    device: head.includes('__device__'),
    template: head.includes('template'),
    returns: typeText(head.filter((word) => !storage.has(word))),
  };
}

const storage = new Set('static inline extern __global__ __device__ __host__ __forceinline__ constexpr ""'.split(' '));

/** Where the bracket that opens at `at` closes, looked for no further than any real list of arguments goes. */
function closing(tokens: readonly string[], at: number): number {
  let depth = 0;
  const end = Math.min(tokens.length, at + longestList);
  for (let index = at; index < end; index += 1) {
    const token = tokens[index];
    if (token === '(') depth += 1;
    else if (token === ')') {
      depth -= 1;
      if (depth === 0) return index;
    }
  }
  return -1;
}

const longestList = 2000;
const longestLaunch = 200;

function splitArguments(tokens: readonly string[]): string[][] {
  const list: string[][] = [];
  let current: string[] = [];
  let depth = 0;
  for (const token of tokens) {
    if (token === '(' || token === '[' || token === '{') depth += 1;
    else if (token === ')' || token === ']' || token === '}') depth -= 1;
    if (token === ',' && depth === 0) {
      list.push(current);
      current = [];
    } else current.push(token);
  }
  if (current.length > 0 || list.length > 0) list.push(current);
  return list;
}

/** The number of arguments in the brackets that open at `at`; -1 where it cannot be told. */
function countArguments(tokens: readonly string[], at: number): number {
  if (tokens[at] !== '(') return -1;
  const end = closing(tokens, at);
  if (end === -1) return -1;
  const inside = tokens.slice(at + 1, end);
  return inside.length === 0 ? 0 : splitArguments(inside).length;
}

function parameterType(parameter: readonly string[]): string {
  const equals = parameter.indexOf('=');
  const plain = equals === -1 ? parameter : parameter.slice(0, equals);
  const last = plain.at(-1);
  const named = plain.length > 1 && isName(last) && !typeWords.has(last ?? '') && plain.at(-2) !== '::';
  return typeText(named ? plain.slice(0, -1) : plain);
}

const typeWords = new Set('int float double bool char long short unsigned signed half int64_t void'.split(' '));
const ignoredInTypes = new Set(['const', '__restrict__', 'torch', 'at', '::', '&', 'std', 'c10', 'volatile']);

function typeText(words: readonly string[]): string {
  return words.filter((word) => !ignoredInTypes.has(word)).join(' ');
}

/** Names that occur in the text but never where a declaration would put them (after a type, a star, a comma in a head). */
function findUndeclared(tokens: readonly string[], macros: ReadonlySet<string>): string[] {
  const declared = new Set<string>(macros);
  const used = new Set<string>();
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index] ?? '';
    if (!isName(token)) continue;
    const before = tokens[index - 1] ?? '';
    const typed =
      (isName(before) && !expressionWords.has(before)) ||
      before === '*' ||
      before === '&' ||
      before === '>' ||
      before === '&&';
    const next = tokens[index + 1] ?? '';
    if (typed && /^[=;,()[\]{:<]$/.test(next)) declared.add(token);
    else if (before === ',' && /^[=;,[]$/.test(next)) declared.add(token);
    else if (before !== '.' && before !== '->' && before !== '::' && next !== '::' && next !== '(') used.add(token);
  }
  const names: string[] = [];
  for (const name of used) if (!declared.has(name) && !languageWords.has(name)) names.push(name);
  return names;
}

const languageWords = new Set(
  `if else for while do switch case default break continue return void int float double bool char long short unsigned
signed auto const constexpr static inline extern struct class enum union typename template using namespace typedef
sizeof true false nullptr NULL this public private operator new delete volatile register goto try catch throw
__global__ __device__ __host__ __shared__ __constant__ __restrict__ __forceinline__ __noinline__ threadIdx blockIdx
blockDim gridDim warpSize dim3 size_t int64_t int32_t uint32_t uint64_t int8_t uint8_t int16_t uint16_t float2 float4
double2 int2 int4 half half2 __half __half2 __nv_bfloat16 scalar_t T INFINITY NAN FLT_MAX FLT_MIN FLT_EPSILON DBL_MAX
INT_MAX M_PI m cudaError_t cudaSuccess cudaStream_t std torch at c10 TORCH_EXTENSION_NAME static_cast
reinterpret_cast const_cast and or not`.split(/\s+/),
);

const elementBytes: Readonly<Record<string, number>> = {
  float: 4,
  int: 4,
  double: 8,
  half: 2,
  __half: 2,
  float4: 16,
  float2: 8,
};

function sharedBytes(tokens: readonly string[], constants: ReadonlyMap<string, number>): number {
  let total = 0;
  for (let index = 0; index < tokens.length; index += 1) {
    if (tokens[index] !== '__shared__' || tokens[index - 1] === 'extern') continue;
    let bytes = elementBytes[tokens[index + 1] ?? ''] ?? 4;
    let at = index + 3;
    while (tokens[at] === '[') {
      let size = 1;
      let sum = 0;
      for (at += 1; at < tokens.length && tokens[at] !== ']'; at += 1) {
        const token = tokens[at] ?? '';
        if (token === '+') {
          sum += size;
          size = 1;
        } else if (/^\d+$/.test(token)) size *= Number(token);
        else size *= constants.get(token) ?? 1;
      }
      bytes *= sum + size;
      at += 1;
    }
    total += bytes;
  }
  return total;
}
