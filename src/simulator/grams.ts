import type { BuildsText } from './builds-text.js';

/** Hashed counts live in this many columns. */
export const gramColumns = 2 ** 17;

/** Calls `add` with the column of every hashed token, pair of tokens and suspicious name. */
export function addGrams(
  builds: BuildsText,
  operators: ReadonlyMap<string, number>,
  add: (column: number) => void,
): void {
  let previous = 0;
  for (const token of builds.cuda.tokens) {
    const hash = hashText(token, 1);
    add(hash % gramColumns);
    add(pair(previous, hash) % gramColumns);
    previous = hash;
  }
  for (const token of builds.python.tokens) {
    if (token.kind !== 'name' && token.kind !== 'operator') continue;
    const hash = hashText(token.text, 2);
    add(hash % gramColumns);
    if (token.kind === 'name') add(pair(previous, hash) % gramColumns);
    previous = hash;
  }
  for (const name of builds.cuda.includes) add(hashText(name, 3) % gramColumns);
  for (const name of builds.unknownCalls) add(hashText(name, 4) % gramColumns);
  for (const name of builds.cuda.undeclared) add(hashText(name, 5) % gramColumns);
  for (const name of operators.keys()) add(hashText(name, 6) % gramColumns);
}

function pair(first: number, second: number): number {
  return (Math.imul(first, 0x9e3779b1) ^ second) >>> 0;
}

/** FNV-1a over UTF-16 units, with a salt for the kind of thing counted. */
export function hashText(text: string, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
