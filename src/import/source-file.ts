import { readFile, stat } from 'node:fs/promises';
import { candidateSizeLimit } from '../candidate.js';
import { KvalError } from '../errors.js';
import { decodeUtf8 } from './lines.js';

/** Reads one source file as strict UTF-8; refuses what is empty, too large or no text, each with its own words. */
export async function readSource(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > candidateSizeLimit) {
    throw new KvalError('bad-input', `${path} has ${size} bytes; the limit is ${candidateSizeLimit}`, {
      fix: 'Give the source alone, without data or logs.',
    });
  }
  return decodeSource(await readFile(path), path);
}

export function decodeSource(bytes: Uint8Array, name: string): string {
  const text = decodeUtf8(bytes);
  if (text === null) throw new KvalError('bad-input', `${name} is not UTF-8 text`);
  if (text.trim() === '') throw new KvalError('bad-input', `${name} is empty`);
  return text;
}
