import { after, atStartOf, before, dropLast, type Entry, functionOf, named, replace } from './operator.js';

/** Mistakes that a compiler, the linker or the loader is expected to find. */
export const breaksCompile: readonly Entry[] = [
  {
    name: 'misspell-variable',
    does: 'uses a name that nobody declared',
    text: 'cuda',
    within: 'kernel',
    query: '(binary_expression (identifier) @it)',
    edit: (it, pick) => [replace(it, it.text + pick(['s', '_', '2']))],
  },
  {
    name: 'misspell-function',
    does: 'calls a function whose name has lost its last letter',
    text: 'cuda',
    within: 'kernel',
    query: '(call_expression function: (identifier) @it)',
    edit: (it) => dropLast(it, it.text.slice(-1)),
  },
  {
    name: 'drop-semicolon',
    does: 'leaves out the semicolon of a statement',
    text: 'cuda',
    query: '[(expression_statement) (declaration) (return_statement)] @it',
    edit: (it) => dropLast(it, ';'),
  },
  {
    name: 'drop-brace',
    does: 'leaves out the brace that closes a block',
    text: 'cuda',
    query: '(compound_statement) @it',
    edit: (it) => dropLast(it, '}'),
  },
  {
    name: 'drop-parenthesis',
    does: 'leaves out the parenthesis that closes a list of arguments',
    text: 'cuda',
    query: '(argument_list) @it',
    edit: (it) => dropLast(it, ')'),
  },
  {
    name: 'drop-include',
    does: 'leaves out an include',
    text: 'cuda',
    query: '(preproc_include) @it',
    edit: (it) => [replace(it, '')],
  },
  {
    name: 'drop-constant',
    does: 'leaves out the definition of a constant',
    text: 'cuda',
    query: `[(preproc_def) @it ((declaration (type_qualifier) @_q) @it (#eq? @_q "constexpr"))]`,
    edit: (it) => [replace(it, '')],
  },
  {
    name: 'wrong-pointer-type',
    does: 'takes a pointer to another type than it is given',
    text: 'cuda',
    within: 'kernel',
    query: '(parameter_declaration type: (primitive_type) @it declarator: (pointer_declarator))',
    edit: (it, pick) => [replace(it, it.text === 'float' ? pick(['double', 'int']) : 'float')],
  },
  {
    name: 'const-output',
    does: 'makes a pointer that is written through a pointer to const',
    text: 'cuda',
    within: 'kernel',
    query: '(parameter_declaration . type: (_) @it declarator: (pointer_declarator))',
    edit: (it) => [before(it, 'const ')],
  },
  {
    name: 'text-for-number',
    does: 'initialises a number with a string',
    text: 'cuda',
    within: 'kernel',
    query: '(init_declarator value: (number_literal) @it)',
    edit: (it) => [replace(it, `"${it.text}"`)],
  },
  {
    name: 'declare-twice',
    does: 'declares a variable twice in one block',
    text: 'cuda',
    within: 'kernel',
    query: '(compound_statement (declaration) @it)',
    edit: (it) => [after(it, ` ${it.text}`)],
  },
  {
    name: 'launch-drops-argument',
    does: 'launches a kernel with an argument too few',
    text: 'cuda',
    query: '(call_expression (kernel_call_syntax) arguments: (argument_list) @it)',
    edit: (it) => {
      const last = named(it).at(-1);
      const previous = named(it).at(-2);
      if (last === undefined) return [];
      return [{ start: previous?.endIndex ?? last.startIndex, end: last.endIndex, text: '' }];
    },
  },
  {
    name: 'launch-adds-argument',
    does: 'launches a kernel with an argument too many',
    text: 'cuda',
    query: '(call_expression (kernel_call_syntax) arguments: (argument_list) @it)',
    edit: (it) => {
      const last = named(it).at(-1);
      return last === undefined ? [] : [after(last, ', 0')];
    },
  },
  {
    name: 'host-call-in-kernel',
    does: 'calls a function of the host from a kernel',
    text: 'cuda',
    within: 'kernel',
    query: '(function_definition body: (compound_statement) @it)',
    edit: (it, pick) => [
      atStartOf(it, pick(['\n    int jitter = std::rand();', '\n    double started = (double)std::clock();'])),
    ],
  },
  {
    name: 'drop-device-qualifier',
    does: 'leaves `__device__` out of a function that kernels call',
    text: 'cuda',
    query: '(function_definition "__device__" @it)',
    edit: (it) => [replace(it, '')],
  },
  {
    name: 'drop-global-qualifier',
    does: 'leaves `__global__` out of a kernel',
    text: 'cuda',
    query: '(function_definition "__global__" @it)',
    edit: (it) => [replace(it, '')],
  },
  {
    name: 'kernel-returns-value',
    does: 'declares a kernel that returns a value',
    text: 'cuda',
    query: '(function_definition "__global__" type: (primitive_type) @it (#eq? @it "void"))',
    edit: (it, pick) => [replace(it, pick(['float', 'int']))],
  },
  {
    name: 'oversized-shared',
    does: 'asks for more shared memory than a block can have',
    text: 'cuda',
    within: 'kernel',
    query: '((declaration (type_qualifier) @_q declarator: (array_declarator size: (_) @it)) (#eq? @_q "__shared__"))',
    edit: (it) => [replace(it, `(${it.text}) * 16384`)],
  },
  {
    name: 'surplus-template-argument',
    does: 'gives a template an argument too many',
    text: 'cuda',
    query: '(template_argument_list) @it',
    edit: (it) => {
      const last = named(it).at(-1);
      return last === undefined ? [] : [after(last, ', 4')];
    },
  },
  {
    name: 'undefined-symbol',
    does: 'calls a function that is declared and nowhere defined',
    text: 'cuda',
    within: 'host',
    query: '(function_definition body: (compound_statement) @it)',
    edit: (it) => {
      const definition = functionOf(it);
      if (definition === null) return [];
      return [before(definition, 'void prepare_launch(int device);\n\n'), atStartOf(it, '\n    prepare_launch(0);')];
    },
  },
  {
    name: 'declaration-differs',
    does: 'declares a function in `cpp_sources` with another type than it is defined with',
    text: 'cpp',
    query: '(parameter_declaration type: (_) @it)',
    edit: (it, pick) => {
      const other = otherTypes[it.text.replace(/^at::/, 'torch::')];
      return other === undefined ? [] : [replace(it, pick(other))];
    },
  },
  {
    name: 'declaration-misnamed',
    does: 'declares a function in `cpp_sources` by another name than it is exported by',
    text: 'cpp',
    query: '(function_declarator declarator: (identifier) @it)',
    edit: (it, pick) => [replace(it, it.text + pick(['_cuda', '_forward', '_launch']))],
  },
  {
    name: 'export-misnamed',
    does: 'exports a function that is not declared',
    text: 'python',
    query:
      '((keyword_argument name: (identifier) @_n value: (list (string (string_content) @it))) (#eq? @_n "functions"))',
    edit: (it, pick) => [replace(it, it.text + pick(['_cuda', '_forward', 's']))],
  },
  {
    name: 'python-drop-colon',
    does: 'leaves out the colon after the head of a Python function',
    text: 'python',
    query: '(function_definition ":" @it)',
    edit: (it) => [replace(it, '')],
  },
  {
    name: 'python-misspell-import',
    does: 'imports a name that its module does not have',
    text: 'python',
    query: '(import_from_statement name: (dotted_name (identifier) @it))',
    edit: (it) => dropLast(it, it.text.slice(-1)),
  },
];

const otherTypes: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'torch::Tensor': ['const torch::Tensor&', 'torch::Tensor&'],
  int: ['int64_t', 'float'],
  int64_t: ['int', 'double'],
  float: ['double'],
  double: ['float'],
};
