import { basename } from 'node:path';
import { makeCandidate } from '../candidate.js';
import { KvalError } from '../errors.js';
import { officialSet, problemId } from '../problem.js';
import { type ImportedCandidate, looksLikeCuda } from './candidate-row.js';
import { generatorOf } from './generator.js';
import { problemKeyOfPath } from './problem-key.js';
import type { Stated } from './stated.js';

/** One source file: its problem is stated, or its path names it. */
export function sourceCandidate(text: string, path: string, run: string, stated: Stated): ImportedCandidate {
  const id = stated.problemId ?? problemIdOfPath(path, stated);
  if (id === null) {
    throw new KvalError('bad-input', `${path === '-' ? 'standard input' : path} does not say which problem it is for`, {
      fix: 'Name the problem with --problem level1/19, or the file like level1/19_anything.py.',
    });
  }
  const source = stated.source ?? run;
  const candidate = makeCandidate({
    source: text,
    language: path.endsWith('.cu') || looksLikeCuda(text) ? 'cuda' : 'python',
    problemId: id,
    origin: {
      generator: generatorOf({ stated: stated.generator, run: stated.run, source: stated.source }),
      run: stated.run ?? run,
      sample: Number(/sample[_-]?(\d{1,6})/i.exec(basename(path))?.[1] ?? 0),
      source,
    },
  });
  return { candidate, published: null, problem: null, backend: null, hasCudaKernel: null };
}

/** From the inside out: the file, its folder, ... by a problem's file name; then `level1/19` anywhere; then a bare number. */
function problemIdOfPath(path: string, stated: Stated): string | null {
  const parts = path.split(/[\\/]/).reverse();
  for (const part of parts) {
    const id = stated.named.get(part) ?? stated.named.get(part.replace(/\.(?:py|cu)$/i, ''));
    if (id !== undefined) return id;
  }
  const key = problemKeyOfPath(path) ?? levelAndNumber(path, stated.level);
  return key === null ? null : problemId(stated.set ?? officialSet, key.level, key.number);
}

function levelAndNumber(path: string, level: number | null): { level: number; number: number } | null {
  const number = /^(?:problem[_-]?)?(\d{1,6})(?:[_.-]|$)/i.exec(basename(path))?.[1];
  return level === null || number === undefined ? null : { level, number: Number(number) };
}
