import type { Node } from 'web-tree-sitter';
import { after, before, type Entry, field, functionOf, replace } from './operator.js';

/** Other schedules of the same computation, expected to change how long it takes. */
export const speed: readonly Entry[] = [
  {
    name: 'block-size',
    does: 'has another number of threads in a block',
    text: 'cuda',
    query: constants('[Tt][Hh][Rr][Ee][Aa][Dd]|[Bb][Ll][Oo][Cc][Kk]'),
    edit: (it, pick) => {
      const others = [64, 128, 256, 512].filter((size) => size !== Number(it.text.trim()));
      return isPowerOfTwo(it.text, 32) ? [replace(it, String(pick([others[0] ?? 64, ...others.slice(1)])))] : [];
    },
  },
  {
    name: 'block-shape',
    does: 'has blocks of another shape',
    text: 'cuda',
    within: 'host',
    query:
      '((declaration type: (type_identifier) @_t declarator: (init_declarator value: (argument_list (number_literal) @it))) (#eq? @_t "dim3"))',
    edit: (it, pick) => {
      const size = Number(it.text);
      return isPowerOfTwo(it.text, 4) ? [replace(it, String(pick([size / 2, size * 2])))] : [];
    },
  },
  {
    name: 'tile-size',
    does: 'has tiles of another size',
    text: 'cuda',
    query: constants('TILE|[Tt]ile|^B[MNK]$|^T[SMNK]$'),
    edit: (it, pick) => {
      const others = [4, 8, 16, 32].filter((size) => size !== Number(it.text.trim()));
      return isPowerOfTwo(it.text, 4) ? [replace(it, String(pick([others[0] ?? 8, ...others.slice(1)])))] : [];
    },
  },
  {
    name: 'add-unroll',
    does: 'unrolls a loop',
    text: 'cuda',
    within: 'kernel',
    query: '(for_statement) @it',
    edit: (it, pick) =>
      it.previousSibling?.type === 'preproc_call'
        ? []
        : [before(it, pick(['\n#pragma unroll\n', '\n#pragma unroll 4\n', '\n#pragma unroll 1\n']))],
  },
  {
    name: 'drop-unroll',
    does: 'does not unroll a loop',
    text: 'cuda',
    query: '((preproc_call) @it (#match? @it "unroll"))',
    edit: (it) => [replace(it, '\n')],
  },
  {
    name: 'read-only-load',
    does: 'loads through the read-only cache',
    text: 'cuda',
    within: 'kernel',
    query: '(subscript_expression argument: (identifier)) @it',
    edit: (it) => {
      const written = it.parent?.type === 'assignment_expression' && field(it.parent, 'left')?.id === it.id;
      const pointer = field(it, 'argument')?.text ?? '';
      return !written && isConstParameter(functionOf(it), pointer) ? [replace(it, `__ldg(&${it.text})`)] : [];
    },
  },
  {
    name: 'fast-math',
    does: 'calls a faster and less precise function',
    text: 'cuda',
    within: 'kernel',
    query: '((call_expression function: (identifier) @it) (#match? @it "^(exp|log|sin|cos|pow)f$"))',
    edit: (it) => [replace(it, `__${it.text}`)],
  },
  {
    name: 'fast-division',
    does: 'divides faster and less precisely',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: "/") @it',
    edit: (it) => {
      const [left, right] = [field(it, 'left')?.text, field(it, 'right')?.text];
      const isReal = /\d\.\d*f?|\b(?:exp|sqrt)f\(|\b(?:sum|norm|total)\b/.test(it.text);
      return isReal ? [replace(it, `__fdividef(${left}, ${right})`)] : [];
    },
  },
  {
    name: 'launch-bounds',
    does: 'says how large a block can be at most',
    text: 'cuda',
    query: '(function_definition "__global__" type: (primitive_type) @it)',
    edit: (it, pick) =>
      it.nextSibling?.type === 'launch_bounds'
        ? []
        : [after(it, ` __launch_bounds__(${pick(['1024', '512', '256'])})`)],
  },
  {
    name: 'no-inline',
    does: 'calls a function instead of inlining it',
    text: 'cuda',
    query: '(function_definition "__device__" @it)',
    edit: (it) => (it.parent?.text.includes('__forceinline__') ? [] : [after(it, ' __noinline__')]),
  },
  {
    name: 'turn-threads',
    does: 'swaps the axes of the threads, so that neighbours read far apart',
    text: 'cuda',
    query: '(function_definition "__global__" body: (compound_statement) @it)',
    edit: (it) => {
      const axes = it
        .descendantsOfType('field_expression')
        .flatMap((one) => (one !== null && /^threadIdx\.[xy]$/.test(one.text) ? [one] : []));
      if (new Set(axes.map((axis) => axis.text)).size < 2) return [];
      return axes.map((axis) => replace(axis, axis.text === 'threadIdx.x' ? 'threadIdx.y' : 'threadIdx.x'));
    },
  },
  {
    name: 'extra-barrier',
    does: 'waits once more than it needs to',
    text: 'cuda',
    within: 'kernel',
    query: '((expression_statement (call_expression function: (identifier) @_f)) @it (#eq? @_f "__syncthreads"))',
    edit: (it) => [after(it, ' __syncthreads();')],
  },
  {
    name: 'double-accumulator',
    does: 'accumulates in double precision',
    text: 'cuda',
    within: 'kernel',
    query:
      '((declaration type: (primitive_type) @it declarator: (init_declarator value: (number_literal))) (#eq? @it "float"))',
    edit: (it) => [replace(it, 'double')],
  },
];

/** Values of constants and variables whose name says what they are. */
function constants(pattern: string): string {
  return `[
    ((init_declarator declarator: (identifier) @_n value: (number_literal) @it) (#match? @_n "${pattern}"))
    ((preproc_def name: (identifier) @_n value: (preproc_arg) @it) (#match? @_n "${pattern}"))
  ]`;
}

function isPowerOfTwo(text: string, least: number): boolean {
  const value = Number(text.trim());
  return Number.isSafeInteger(value) && value >= least && (value & (value - 1)) === 0;
}

function isConstParameter(definition: Node | null, name: string): boolean {
  return new RegExp(`\\bconst\\s+\\w+\\s*\\*\\s*(?:__restrict__\\s*)?${name}\\s*[,)]`).test(definition?.text ?? '');
}
