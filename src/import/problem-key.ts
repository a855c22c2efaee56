import { KvalError } from '../errors.js';
import { fieldOf, type Json, type JsonObject } from './json.js';

/** Which problem a published row or file means, before it has a set. */
export interface ProblemKey {
  readonly level: number;
  readonly number: number;
}

export const levelFields = ['level', 'level_id', 'Level_ID'] as const;
export const numberFields = ['problem_id', 'task_id', 'Task_ID', 'problem'] as const;

/** Reads the level and the problem number of a row; `fallbackLevel` is for rows that leave the level out. */
export function problemKeyOfRow(row: JsonObject, fallbackLevel: number | null = null): ProblemKey {
  const number = parseNumber(fieldOf(row, numberFields));
  if (number === null) throw new KvalError('bad-input', `no problem number (${numberFields.join(', ')})`);
  const level = number.level ?? parseLevel(fieldOf(row, levelFields)) ?? fallbackLevel;
  if (level === null) throw new KvalError('bad-input', `no level (${levelFields.join(', ')})`);
  return { level, number: number.number };
}

/** `1`, `"1"`, `"level1"`, `"level_1"`. */
export function parseLevel(value: Json): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== 'string') return null;
  const match = /^(?:level[_-]?)?(\d{1,6})$/i.exec(value.trim());
  return match ? Number(match[1]) : null;
}

/** `19`, `"19"`, `"19_ReLU.py"`, `"level1/19"`, `"level_1_problem_19"`, and `"1_19"`, which is level and number. */
export function parseNumber(value: Json): { level: number | null; number: number } | null {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? { level: null, number: value } : null;
  if (typeof value !== 'string') return null;
  const text = value.trim();
  const inPath = problemKeyOfPath(text);
  if (inPath) return inPath;
  const both = /^(\d{1,6})[_/](\d{1,6})$/.exec(text);
  if (both) return { level: Number(both[1]), number: Number(both[2]) };
  const alone = /^(?:problem[_-]?)?(\d{1,6})(?:_.*|\.py)?$/i.exec(text);
  return alone ? { level: null, number: Number(alone[1]) } : null;
}

const inPath = /(?:^|[/_-])level[_-]?(?<level>\d{1,6})[/_-](?:problem[_-]?)?(?<number>\d{1,6})(?=[/_.-]|$)/gi;

/** The problem that a path names, the last one where it names several: `runs/level1/19_ReLU.py`, `level_1_problem_19_sample_0`. */
export function problemKeyOfPath(path: string): ProblemKey | null {
  const match = [...path.matchAll(inPath)].at(-1)?.groups;
  if (match?.level === undefined || match.number === undefined) return null;
  return { level: Number(match.level), number: Number(match.number) };
}

/** A set's name as ids spell it: `deepreinforce-ai/CUDA-L1` is `cuda-l1`. */
export function setNameOf(source: string): string {
  const last = source.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const slug = last
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '');
  return slug === '' ? 'imported' : slug;
}
