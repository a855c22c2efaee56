import { createRequire } from 'node:module';
import { Language, Parser, type Tree } from 'web-tree-sitter';
import { KvalError } from '../../errors.js';

/** The two grammars of a candidate: its Python, and the CUDA that its strings hold. */
export interface Grammars {
  readonly python: Language;
  readonly cuda: Language;
  /** The caller frees the tree. */
  parse(text: string, language: Language): Tree;
}

let opened: Promise<Grammars> | undefined;

/** Loaded once a process, from the wasm files of the grammars' own packages. */
export function openGrammars(): Promise<Grammars> {
  opened ??= load();
  return opened;
}

async function load(): Promise<Grammars> {
  const { resolve } = createRequire(import.meta.url);
  await Parser.init();
  const [python, cuda] = await Promise.all([
    Language.load(resolve('tree-sitter-python/tree-sitter-python.wasm')),
    Language.load(resolve('tree-sitter-cuda/tree-sitter-cuda.wasm')),
  ]);
  const parser = new Parser();
  return {
    python,
    cuda,
    parse(text, language) {
      const tree = parser.setLanguage(language).parse(text);
      if (tree === null) throw new KvalError('internal', 'a grammar gave no tree');
      return tree;
    },
  };
}
