import type { Node } from 'web-tree-sitter';
import { before, type Entry, field, functionOf, grouped, named, replace } from './operator.js';

/** Mistakes that compile, and are expected to give a wrong answer, a fault or no end. */
export const breaksBehaviour: readonly Entry[] = [
  {
    name: 'index-off-by-one',
    does: 'reads or writes one element beside the right one',
    text: 'cuda',
    within: 'kernel',
    query: '(subscript_expression indices: (subscript_argument_list (_) @it))',
    edit: (it, pick) => [replace(it, `${grouped(it)} ${pick(['+', '-'])} 1`)],
  },
  {
    name: 'swap-thread-axis',
    does: 'takes an index from another axis of the grid',
    text: 'cuda',
    within: 'kernel',
    query:
      '((field_expression argument: (identifier) @_a field: (field_identifier) @it) (#match? @_a "^(threadIdx|blockIdx|blockDim)$"))',
    edit: (it) => [replace(it, it.text === 'x' ? 'y' : 'x')],
  },
  {
    name: 'swap-subscripts',
    does: 'swaps the two indices of an array',
    text: 'cuda',
    within: 'kernel',
    query: '(subscript_expression argument: (subscript_expression)) @it',
    edit: (it) => {
      const inner = field(it, 'argument');
      const first = inner === null ? null : field(inner, 'indices');
      const second = field(it, 'indices');
      return first === null || second === null ? [] : swap(first, second);
    },
  },
  {
    name: 'drop-barrier',
    does: 'leaves out a barrier',
    text: 'cuda',
    within: 'kernel',
    query: barriers(),
    edit: (it) => [replace(it, ';')],
  },
  {
    name: 'divergent-barrier',
    does: 'lets only some threads of a block reach a barrier',
    text: 'cuda',
    within: 'kernel',
    query: barriers(),
    edit: (it, pick) => [before(it, `if (threadIdx.x ${pick(['% 2 == 0', '< 16'])}) `)],
  },
  {
    name: 'wrong-identity',
    does: 'starts a reduction from a value that changes its result',
    text: 'cuda',
    within: 'kernel',
    query: '(init_declarator value: [(number_literal) (unary_expression) (identifier)] @it)',
    edit: (it) => {
      if (/^0?\.0*f?$|^0\.f?$/.test(it.text)) return [replace(it, '1.0f')];
      return /^1\.0*f?$|^-?(?:CUDART_INF_F|INFINITY|FLT_MAX|\d+(?:\.\d+)?e\d+f?)$/.test(it.text)
        ? [replace(it, '0.0f')]
        : [];
    },
  },
  {
    name: 'wrong-accumulation',
    does: 'combines with another operator',
    text: 'cuda',
    within: 'kernel',
    query: '(expression_statement (assignment_expression operator: ["+=" "*="] @it))',
    edit: (it, pick) => [replace(it, pick(['=', '-=']))],
  },
  {
    name: 'wrong-function',
    does: 'calls a function of the same kind with another meaning',
    text: 'cuda',
    within: 'kernel',
    query: '(call_expression function: (identifier) @it)',
    edit: (it) => {
      const other = otherFunctions[it.text];
      return other === undefined ? [] : [replace(it, other)];
    },
  },
  {
    name: 'drop-bounds-check',
    does: 'leaves out a check of bounds',
    text: 'cuda',
    within: 'kernel',
    query: '(if_statement condition: (condition_clause value: (binary_expression) @it))',
    edit: (it) => {
      if (!/[<>]|&&|\|\|/.test(it.text)) return [];
      const body = it.parent?.parent && field(it.parent.parent, 'consequence');
      return [replace(it, /^\{?\s*return/.test(body?.text ?? '') ? 'false' : 'true')];
    },
  },
  {
    name: 'halve-condition',
    does: 'checks only one of two conditions',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: ["&&" "||"]) @it',
    edit: (it, pick) => keepOne(it, pick(['left', 'right'])),
  },
  {
    name: 'relax-bound',
    does: 'lets an index reach its bound',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: ["<" ">="] @it)',
    edit: (it) => [replace(it, it.text === '<' ? '<=' : '>')],
  },
  {
    name: 'negate-condition',
    does: 'does the opposite of what a condition says',
    text: 'cuda',
    within: 'kernel',
    query: '(if_statement condition: (condition_clause value: (_) @it))',
    edit: (it) => [replace(it, `!(${it.text})`)],
  },
  {
    name: 'swap-branches',
    does: 'swaps the two values of a conditional expression',
    text: 'cuda',
    within: 'kernel',
    query: '(conditional_expression) @it',
    edit: (it) => swapFields(it, 'consequence', 'alternative'),
  },
  {
    name: 'drop-tail',
    does: 'rounds a count of blocks or tiles down, so that the tail is not computed',
    text: 'cuda',
    query: '(binary_expression left: (parenthesized_expression (binary_expression)) operator: "/") @it',
    edit: (it) => {
      const rounding = /^\(\s*([\w.]+(?:\([^()]*\))?)\s*\+[^/]*\)\s*\/([\s\S]+)$/.exec(it.text);
      return rounding === null ? [] : [replace(it, `${rounding[1]} /${rounding[2]}`)];
    },
  },
  {
    name: 'wrong-launch-size',
    does: 'launches half of the blocks',
    text: 'cuda',
    within: 'host',
    query: '(kernel_call_syntax . (_) @it)',
    edit: (it) => {
      const isDim3 = new RegExp(`\\bdim3\\s+${it.text}\\b`).test(functionOf(it)?.text ?? '');
      const { text } = it;
      if (isDim3) return [replace(it, `dim3((${text}.x + 1) / 2, ${text}.y, ${text}.z)`)];
      return text.startsWith('dim3') ? [] : [replace(it, `(${text} + 1) / 2`)];
    },
  },
  {
    name: 'swap-launch-arguments',
    does: 'passes two arguments of a kernel in the wrong order',
    text: 'cuda',
    query: '(call_expression (kernel_call_syntax) arguments: (argument_list) @it)',
    edit: (it, pick) => {
      const kind = (node: Node): string => node.text.replace(/\w+/, '');
      const items = named(it);
      const pairs = items.flatMap((one, place) =>
        items.slice(place + 1).flatMap((other) => (kind(one) === kind(other) ? [[one, other] as const] : [])),
      );
      const [first, ...more] = pairs;
      if (first === undefined) return [];
      return swap(...pick([first, ...more]));
    },
  },
  {
    name: 'shared-index-collision',
    does: 'lets two threads write one element of shared memory',
    text: 'cuda',
    within: 'kernel',
    query:
      '(assignment_expression left: (subscript_expression argument: (identifier) indices: (subscript_argument_list (_) @it)))',
    edit: (it) => {
      const array = it.parent?.parent && field(it.parent.parent, 'argument')?.text;
      const shared = new RegExp(`__shared__[^;]*\\b${array}\\s*\\[`).test(functionOf(it)?.text ?? '');
      return shared ? [replace(it, `${grouped(it)} / 2`)] : [];
    },
  },
  {
    name: 'shared-too-small',
    does: 'declares half of the shared memory that is used',
    text: 'cuda',
    within: 'kernel',
    query: '((declaration (type_qualifier) @_q declarator: (array_declarator size: (_) @it)) (#eq? @_q "__shared__"))',
    edit: (it) => [replace(it, `(${it.text}) / 2`)],
  },
  {
    name: 'atomic-to-plain',
    does: 'adds without an atomic operation, so that threads race',
    text: 'cuda',
    within: 'kernel',
    query: '((expression_statement (call_expression function: (identifier) @_f)) @it (#eq? @_f "atomicAdd"))',
    edit: (it) => {
      const call = it.namedChild(0);
      const [target, value] = call === null ? [] : named(field(call, 'arguments') ?? call);
      if (target === undefined || value === undefined) return [];
      const place = target.text.startsWith('&') ? target.text.slice(1) : `*(${target.text})`;
      return [replace(it, `${place} += ${value.text};`)];
    },
  },
  {
    name: 'wrong-stride',
    does: 'goes through a loop in steps of another size',
    text: 'cuda',
    within: 'kernel',
    query: '(for_statement update: (assignment_expression right: (_) @it))',
    edit: (it) => [replace(it, `2 * ${grouped(it)}`)],
  },
  {
    name: 'short-loop',
    does: 'ends a loop one step too early',
    text: 'cuda',
    within: 'kernel',
    query: '(for_statement condition: (binary_expression operator: "<" right: (_) @it))',
    edit: (it) => [replace(it, `${grouped(it)} - 1`)],
  },
  {
    name: 'short-reduction',
    does: 'leaves out the first step of a tree reduction',
    text: 'cuda',
    within: 'kernel',
    query: '(for_statement initializer: (declaration declarator: (init_declarator value: (_) @it)))',
    edit: (it) => {
      const update = it.parent?.parent?.parent && field(it.parent.parent.parent, 'update')?.text;
      return /(?:>>|\/)=/.test(update ?? '') ? [replace(it, `${grouped(it)} / 2`)] : [];
    },
  },
  {
    name: 'half-shuffle-mask',
    does: 'names half of a warp in the mask of a shuffle',
    text: 'cuda',
    within: 'kernel',
    query: '((number_literal) @it (#match? @it "^0x[fF]{8}[uU]?$"))',
    edit: (it) => [replace(it, '0x0000ffff')],
  },
  {
    name: 'drop-term',
    does: 'leaves out a term of a sum',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: "+") @it',
    edit: (it, pick) => keepOne(it, pick(['left', 'right'])),
  },
  {
    name: 'swap-operands',
    does: 'subtracts or divides the wrong way round',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: ["-" "/"]) @it',
    edit: (it) => swapFields(it, 'left', 'right'),
  },
  {
    name: 'wrong-constant',
    does: 'doubles a constant',
    text: 'cuda',
    within: 'kernel',
    query: '((number_literal) @it (#match? @it "^[0-9]*[.][0-9]+f?$"))',
    edit: (it) => (Number.parseFloat(it.text) === 0 ? [] : [replace(it, `(2 * ${it.text})`)]),
  },
  {
    name: 'wrong-epsilon',
    does: 'has an epsilon that is a thousand times too large',
    text: 'cuda',
    query: '((number_literal) @it (#match? @it "e-[0-9]+f?$"))',
    edit: (it) => [
      replace(
        it,
        it.text.replace(/e-(\d+)/, (_, exponent) => `e-${Math.max(0, Number(exponent) - 3)}`),
      ),
    ],
  },
  {
    name: 'integer-accumulator',
    does: 'keeps a real number in an integer',
    text: 'cuda',
    within: 'kernel',
    query: '((declaration type: (primitive_type) @it declarator: (init_declarator)) (#match? @it "^(float|double)$"))',
    edit: (it) => [replace(it, 'int')],
  },
  {
    name: 'half-precision',
    does: 'rounds a result to half precision',
    text: 'cuda',
    within: 'kernel',
    query: '(expression_statement (assignment_expression left: (subscript_expression) operator: "=" right: (_) @it))',
    edit: (it) => [
      { start: 0, end: 0, text: '#include <cuda_fp16.h>\n' },
      replace(it, `__half2float(__float2half(${it.text}))`),
    ],
  },
  {
    name: 'uninitialised-output',
    does: 'does not clear memory that is added into',
    text: 'cuda',
    within: 'host',
    query: '((call_expression function: (qualified_identifier) @it) (#match? @it "zeros"))',
    edit: (it) => [replace(it, it.text.replace('zeros', 'empty'))],
  },
  {
    name: 'python-misspell-attribute',
    does: 'reads an attribute of the model that it does not have',
    text: 'python',
    query:
      '((call arguments: (argument_list (attribute object: (identifier) @_s attribute: (identifier) @it))) (#eq? @_s "self"))',
    edit: (it) => [replace(it, `${it.text}s`)],
  },
  {
    name: 'python-swap-arguments',
    does: 'calls the extension with two arguments in the wrong order',
    text: 'python',
    query: '(return_statement (call arguments: (argument_list) @it))',
    edit: (it) => {
      const [first, second] = named(it);
      return first === undefined || second === undefined ? [] : swap(first, second);
    },
  },
];

function barriers(): string {
  return '((expression_statement (call_expression function: (identifier) @_f)) @it (#match? @_f "^__sync(threads|warp)$"))';
}

function swap(first: Node, second: Node) {
  return first.text === second.text ? [] : [replace(first, second.text), replace(second, first.text)];
}

/** Two operands change places, each in brackets where it needs them. */
function swapFields(node: Node, one: string, other: string) {
  const [first, second] = [field(node, one), field(node, other)];
  if (first === null || second === null || first.text === second.text) return [];
  return [replace(first, grouped(second)), replace(second, grouped(first))];
}

function keepOne(node: Node, side: 'left' | 'right') {
  const kept = field(node, side);
  return kept === null ? [] : [replace(node, grouped(kept))];
}

const otherFunctions: Readonly<Record<string, string>> = {
  fmaxf: 'fminf',
  fminf: 'fmaxf',
  max: 'min',
  min: 'max',
  expf: 'exp2f',
  __expf: 'exp2f',
  exp: 'exp2',
  logf: 'log2f',
  __logf: 'log2f',
  sqrtf: 'rsqrtf',
  rsqrtf: 'sqrtf',
  erff: 'erfcf',
  tanhf: 'atanf',
  fabsf: 'floorf',
  __shfl_down_sync: '__shfl_up_sync',
  __shfl_up_sync: '__shfl_down_sync',
};
