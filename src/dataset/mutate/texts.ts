import type { Node } from 'web-tree-sitter';
import type { Candidate } from '../../candidate.js';
import type { Grammars } from './grammars.js';

/** A change of a text: what stands from `start` to before `end` becomes `text`. Positions count UTF-16 units. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `cuda`: kernels and their wrappers; `cpp`: the declarations of `cpp_sources`; `python`: the module around them. */
export type Role = 'cuda' | 'cpp' | 'python';

/** One text of a candidate in one language, and the way from a change of it to a change of the candidate's file. */
export interface CandidateText {
  readonly role: Role;
  readonly text: string;
  /** The same change in the file, or null where it cannot be written there (an interpolation, a quote that would end the string). */
  inFile(edit: Edit): Edit | null;
}

/**
 * The texts of a candidate. In a Python module the C++ stands in string literals: they are found through the grammar, their
 * prefixes, escapes and concatenation respected, so that a change of the C++ is a change of the literal that holds it.
 */
export function textsOf(candidate: Candidate, source: string, grammars: Grammars): CandidateText[] {
  if (candidate.language === 'cuda') return [whole('cuda', source)];
  const tree = grammars.parse(source, grammars.python);
  try {
    const embedded = stringsOf(tree.rootNode).flatMap((literals) => {
      const joined = join(literals);
      const role = roleOf(joined.text);
      return role === null ? [] : [{ role, ...joined }];
    });
    return [whole('python', source), ...embedded];
  } finally {
    tree.delete();
  }
}

function whole(role: Role, text: string): CandidateText {
  return { role, text, inFile: (edit) => edit };
}

function roleOf(text: string): 'cuda' | 'cpp' | null {
  if (/__global__|<<<|PYBIND11_MODULE|#include/.test(text)) return 'cuda';
  return /^\s*(?:std::vector<)?(?:(?:torch|at)::Tensor|void|int|int64_t|float|double)\b[^;{]*\([^;{]*\)\s*;/.test(text)
    ? 'cpp'
    : null;
}

/** String literals, those that are concatenated together; documentation strings are left out. */
function stringsOf(node: Node): Node[][] {
  const literals = literalsOf(node);
  if (literals !== null) return node.parent?.type === 'expression_statement' ? [] : [literals];
  return node.namedChildren.flatMap((child) => (child === null ? [] : stringsOf(child)));
}

function literalsOf(node: Node): Node[] | null {
  if (node.type === 'string') return [node];
  const sum = node.type === 'binary_operator' && node.childForFieldName('operator')?.text === '+';
  if (!sum && node.type !== 'concatenated_string' && node.type !== 'parenthesized_expression') return null;
  const parts = node.namedChildren.map((child) => (child?.type === 'comment' ? [] : child && literalsOf(child)));
  return parts.every((part) => part !== null) ? parts.flat() : null;
}

interface Literal {
  readonly raw: boolean;
  readonly formatted: boolean;
  readonly quote: string;
}

/** Where each character of the joined text stands in the file, and in which literal. */
interface Piece extends Literal {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly literal: number;
  readonly fixed: boolean;
}

function join(nodes: readonly Node[]): Omit<CandidateText, 'role'> {
  const pieces = nodes.flatMap(piecesOf);
  const owners = pieces.flatMap((piece) => Array.from({ length: piece.text.length }, () => piece));
  const offsets = pieces.flatMap((piece) => Array.from({ length: piece.text.length }, (_, offset) => offset));
  return {
    text: pieces.map((piece) => piece.text).join(''),
    inFile({ start, end, text }) {
      const first = owners[start] ?? owners.at(-1);
      const last = end > start ? owners[end - 1] : first;
      if (first === undefined || last === undefined || first.literal !== last.literal) return null;
      if (owners.slice(start, Math.max(end, start + 1)).some((owner) => owner.fixed)) return null;
      const encoded = encode(text, first);
      if (encoded === null) return null;
      const from = start < owners.length ? place(first, offsets[start] ?? 0) : first.end;
      return { start: from, end: end > start ? place(last, (offsets[end - 1] ?? 0) + 1) : from, text: encoded };
    },
  };
}

/** A piece of plain text has as many characters here as there; an escape has one here, and is there as a whole. */
function place(piece: Piece, offset: number): number {
  if (piece.end - piece.start === piece.text.length) return piece.start + offset;
  return offset === 0 ? piece.start : piece.end;
}

function piecesOf(node: Node, literal: number): Piece[] {
  const opening = node.firstChild?.text ?? '';
  const prefix = opening.replace(/["']+$/, '').toLowerCase();
  const style = { raw: prefix.includes('r'), formatted: prefix.includes('f'), quote: opening.slice(prefix.length) };
  const piece = (text: string, from: Node, fixed = false): Piece => ({
    ...style,
    text,
    start: from.startIndex,
    end: from.endIndex,
    literal,
    fixed,
  });
  return node.namedChildren.flatMap((child) => {
    if (child === null || child.type === 'string_start' || child.type === 'string_end') return [];
    // What is filled in at run time stands as a name that no change may touch.
    if (child.type === 'interpolation') return [piece('interpolated', child, true)];
    const special = child.namedChildren.filter((inner) => inner !== null);
    const pieces: Piece[] = [];
    let at = child.startIndex;
    const plain = (until: number): void => {
      const text = child.text.slice(at - child.startIndex, until - child.startIndex);
      if (text !== '') pieces.push({ ...piece(text, child), start: at, end: until });
      at = until;
    };
    for (const inner of special) {
      plain(inner.startIndex);
      const decoded = inner.type === 'escape_sequence' ? decodedEscape(inner.text, style.raw) : inner.text.slice(0, 1);
      if (decoded !== '') pieces.push(piece(decoded, inner));
      at = inner.endIndex;
    }
    plain(child.endIndex);
    return pieces;
  });
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\n': '', '0': '\0' };

function decodedEscape(text: string, raw: boolean): string {
  if (raw) return text;
  const kind = text.slice(1, 2);
  if (/[xuU]/.test(kind)) return String.fromCodePoint(Number.parseInt(text.slice(2), 16));
  return escapes[kind] ?? (/[\\'"]/.test(kind) ? kind : text);
}

function encode(text: string, { raw, formatted, quote }: Literal): string | null {
  if (raw && (text.includes(quote) || text.endsWith('\\') || (quote.length === 1 && text.includes('\n')))) return null;
  // A quote at an end of the change could meet others of its kind.
  if (raw && quote.length === 3 && (text.startsWith(quote.charAt(0)) || text.endsWith(quote.charAt(0)))) return null;
  const braced = formatted ? text.replace(/[{}]/g, '$&$&') : text;
  if (raw) return braced;
  const escaped = braced.replace(/\\/g, '\\\\').replaceAll(quote.charAt(0), `\\${quote.charAt(0)}`);
  return quote.length === 1 ? escaped.replace(/\n/g, '\\n') : escaped;
}
