import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'src');

/** Which rooms each room may import from, besides itself. `nouns` are the files at the root that name things. */
const arrows: Record<string, readonly string[]> = {
  nouns: [],
  worker: ['nouns'],
  import: ['nouns'],
  generate: ['nouns', 'import'],
  simulator: ['nouns'],
  validator: ['nouns', 'worker', 'simulator'],
  queue: ['nouns', 'worker', 'validator'],
  labels: ['nouns', 'validator'],
  dataset: ['nouns', 'labels', 'simulator'],
  tuning: ['nouns', 'worker', 'dataset', 'simulator', 'validator', 'report'],
  report: ['nouns', 'labels', 'dataset', 'validator'],
  doctor: ['nouns', 'worker'],
  kval: [
    'nouns',
    'doctor',
    'worker',
    'import',
    'generate',
    'simulator',
    'validator',
    'queue',
    'labels',
    'dataset',
    'tuning',
    'report',
  ],
  service: ['nouns', 'generate', 'validator', 'simulator', 'labels', 'report', 'kval'],
  commands: ['nouns', 'doctor', 'kval', 'import', 'labels', 'report', 'service', 'entrances'],
  entrances: ['commands', 'nouns', 'doctor', 'kval', 'import', 'validator', 'labels', 'report'],
};
const nouns = ['problem', 'candidate', 'verdict', 'errors', 'config', 'model-card', 'outcome-text', 'wilson'];
const entrances = ['cli', 'index', 'quickstart', 'print', 'progress'];

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

describe('the tree', () => {
  it('knows the room of every file', () => {
    const unknown = files.filter((file) => !(roomOf(file) in arrows));
    expect(unknown).toEqual([]);
  });

  it('imports only along the arrows', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => !allowed(roomOf(file), target))
        .map((target) => `${file} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('notices an import against the arrows', () => {
    expect(allowed('nouns', 'labels/store.ts')).toBe(false);
    expect(allowed('worker', 'validator/real.ts')).toBe(false);
    expect(allowed('validator', 'worker/pool.ts')).toBe(true);
  });

  it('reads the environment in one place', () => {
    const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join(source, file), 'utf8')));
    expect(readers).toEqual(['config.ts']);
  });
});

function roomOf(file: string): string {
  const [first = ''] = file.split('/');
  const name = first.replace(/\.ts$/, '');
  if (file.includes('/')) return first;
  if (nouns.includes(name)) return 'nouns';
  if (entrances.includes(name)) return 'entrances';
  return name;
}

function allowed(room: string, target: string): boolean {
  const targetRoom = roomOf(target);
  if (room === targetRoom) return true;
  return arrows[room]?.includes(targetRoom) ?? false;
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) =>
    relative(source, resolve(source, dirname(file), match[1] ?? '')).replace(/\.js$/, '.ts'),
  );
}
