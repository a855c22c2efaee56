import type { Node } from 'web-tree-sitter';
import type { Edit, Role } from './texts.js';

/** What an operator is meant to do. Never a label: what a mutant is, only running it tells. */
export const intents = ['breaks-compile', 'breaks-behaviour', 'neutral', 'speed'] as const;
export type Intent = (typeof intents)[number];

/** One of several, by the seed. */
export type Pick = <T>(options: readonly [T, ...T[]]) => T;

/** A change of kernels as data: where it can be made, and what it makes there. */
export interface Operator {
  readonly name: string;
  readonly intent: Intent;
  /** For people: what the mutant has, or has lost. */
  readonly does: string;
  readonly text: Role;
  /** Only in functions that run on the GPU, or only in those that do not. */
  readonly within?: 'kernel' | 'host';
  /** A tree-sitter query that captures the place as `@it`. */
  readonly query: string;
  /** The change at one place; empty where it does not apply after all. */
  readonly edit: (it: Node, pick: Pick) => readonly Edit[];
}

export type Entry = Omit<Operator, 'intent'>;

export function replace(node: Node, text: string): Edit {
  return { start: node.startIndex, end: node.endIndex, text };
}

export function before(node: Node, text: string): Edit {
  return { start: node.startIndex, end: node.startIndex, text };
}

export function after(node: Node, text: string): Edit {
  return { start: node.endIndex, end: node.endIndex, text };
}

/** Right after the brace that opens a block. */
export function atStartOf(block: Node, text: string): Edit {
  return { start: block.startIndex + 1, end: block.startIndex + 1, text };
}

/** Takes the last character away, if it is the one that is meant. */
export function dropLast(node: Node, character: string): Edit[] {
  return node.text.endsWith(character) ? [{ start: node.endIndex - 1, end: node.endIndex, text: '' }] : [];
}

/** In brackets, unless it is a single word. */
export function grouped(node: Node): string {
  return /^[\w.]+$/.test(node.text) ? node.text : `(${node.text})`;
}

export function field(node: Node, name: string): Node | null {
  return node.childForFieldName(name);
}

/** The function that a place stands in. */
export function functionOf(node: Node): Node | null {
  let at: Node | null = node;
  while (at !== null && at.type !== 'function_definition') at = at.parent;
  return at;
}

export function runsOnGpu(definition: Node): boolean {
  return definition.children.some((child) => child?.type === '__global__' || child?.type === '__device__');
}

/** Every use of a name below a node. */
export function uses(root: Node, name: string): Node[] {
  return root.descendantsOfType('identifier').filter((node) => node?.text === name) as Node[];
}

export function named(node: Node): Node[] {
  return node.namedChildren.filter((child) => child !== null && child.type !== 'comment') as Node[];
}

/** The operator's name in `origin.mutation`. */
export function operatorNameOf(mutation: string): string {
  return mutation.split(' ')[0] ?? mutation;
}
