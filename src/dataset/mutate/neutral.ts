import { before, type Entry, field, functionOf, grouped, replace, uses } from './operator.js';

/** Changes that are expected to leave what a kernel computes, and how fast, as they were. */
export const neutral: readonly Entry[] = [
  {
    name: 'rename-variable',
    does: 'gives a variable another name',
    text: 'cuda',
    within: 'kernel',
    query: '(declaration declarator: (init_declarator declarator: (identifier) @it))',
    edit: (it, pick) => {
      const other = pick([`${it.text}_`, `my_${it.text}`, `${it.text}_value`]);
      return uses(functionOf(it) ?? it, it.text).map((use) => replace(use, other));
    },
  },
  {
    name: 'rename-kernel',
    does: 'gives a kernel another name, where it is defined and where it is launched',
    text: 'cuda',
    query: '(function_definition "__global__" declarator: (function_declarator declarator: (identifier) @it))',
    edit: (it, pick) => {
      const other = it.text + pick(['_v2', '_impl', '_f32']);
      const all = uses(it.tree.rootNode, it.text);
      // A launch in another string keeps the old name.
      return all.length < 2 ? [] : all.map((use) => replace(use, other));
    },
  },
  {
    name: 'add-comment',
    does: 'has a comment more',
    text: 'cuda',
    within: 'kernel',
    query: '[(expression_statement) (declaration) (for_statement) (if_statement)] @it',
    edit: (it, pick) => [before(it, pick(['/* one element a thread */ ', '/* see above */ ', '/* TODO: tune */ ']))],
  },
  {
    name: 'strip-comments',
    does: 'has no comments',
    text: 'cuda',
    query: '(translation_unit) @it',
    edit: (it) =>
      it.descendantsOfType('comment').flatMap((comment) => (comment === null ? [] : [replace(comment, '')])),
  },
  {
    name: 'reindent',
    does: 'is indented in another way',
    text: 'cuda',
    query: '(translation_unit) @it',
    edit: (it, pick) => {
      const indent = pick(['  ', '\t']);
      return [...it.text.matchAll(/(?<=\n)(?: {4})+(?=[^\s#])/g)].map(({ index, 0: spaces }) => ({
        start: it.startIndex + index,
        end: it.startIndex + index + spaces.length,
        text: indent.repeat(spaces.length / 4),
      }));
    },
  },
  {
    name: 'drop-restrict',
    does: 'does not promise that pointers do not overlap',
    text: 'cuda',
    within: 'kernel',
    query: '(parameter_list) @it',
    edit: (it) =>
      it
        .descendantsOfType('type_qualifier')
        .flatMap((one) => (one !== null && /^_*restrict_*$/.test(one.text) ? [replace(one, '')] : [])),
  },
  {
    name: 'add-restrict',
    does: 'promises that pointers do not overlap',
    text: 'cuda',
    within: 'kernel',
    query: '(parameter_declaration declarator: (pointer_declarator . declarator: (identifier) @it))',
    edit: (it) => [before(it, '__restrict__ ')],
  },
  {
    name: 'swap-commutative',
    does: 'adds or multiplies the other way round',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression operator: ["+" "*"]) @it',
    edit: (it) => {
      const [left, right, sign] = [field(it, 'left'), field(it, 'right'), field(it, 'operator')];
      if (left === null || right === null || sign === null || left.text === right.text) return [];
      return [replace(it, `${grouped(right)} ${sign.text} ${grouped(left)}`)];
    },
  },
  {
    name: 'pre-increment',
    does: 'increments before instead of after',
    text: 'cuda',
    within: 'kernel',
    query: '[(for_statement update: (update_expression) @it) (expression_statement (update_expression) @it)]',
    edit: (it) => {
      const turned = it.text.replace(/^(\w+)(\+\+|--)$|^(\+\+|--)(\w+)$/, '$2$4$1$3');
      return turned === it.text ? [] : [replace(it, turned)];
    },
  },
  {
    name: 'short-literal',
    does: 'writes a number in another way',
    text: 'cuda',
    within: 'kernel',
    query: '((number_literal) @it (#match? @it "^[0-9]+[.]0f$"))',
    edit: (it) => [replace(it, it.text.replace('.0f', '.f'))],
  },
  {
    name: 'python-drop-contiguous',
    does: 'does not ask for contiguous tensors, which the inputs are',
    text: 'python',
    query: '((call function: (attribute object: (_) attribute: (identifier) @_c)) @it (#eq? @_c "contiguous"))',
    edit: (it) => {
      const callee = field(it, 'function');
      const object = callee === null ? null : field(callee, 'object');
      return object === null ? [] : [replace(it, object.text)];
    },
  },
  {
    name: 'python-rename-extension',
    does: 'builds the extension under another name',
    text: 'python',
    query: '((keyword_argument name: (identifier) @_n value: (string (string_content) @it)) (#eq? @_n "name"))',
    edit: (it, pick) => [replace(it, it.text + pick(['_v2', '_ext', '_cuda']))],
  },
];
