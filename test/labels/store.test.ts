import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jobKey } from '../../src/candidate.js';
import { storeVersion } from '../../src/labels/migrations.js';
import { LabelStore } from '../../src/labels/store.js';
import { exampleCandidate, exampleJob, exampleMeasured, exampleProblem } from './examples.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kval-store-'));
  path = join(folder, 'labels.db');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function withStore<T>(work: (store: LabelStore) => T): T {
  const store = LabelStore.open(path);
  try {
    return work(store);
  } finally {
    store.close();
  }
}

describe('a label', () => {
  test('comes back exactly as it was stored, after closing and opening again', () => {
    const job = exampleJob('class ModelNew: pass');
    const measured = exampleMeasured(job, { status: 'built' }, 'x'.repeat(100_000));
    withStore((store) => expect(store.append(measured, job)).toBe(true));
    withStore((store) => {
      const label = store.find(jobKey(job));
      expect(label?.measured).toEqual(measured);
      expect(label?.candidate).toEqual(job.candidate);
      expect(label?.problem).toEqual(job.problem);
      expect(label?.settings).toEqual(job.settings);
      expect(store.verify()).toEqual([]);
    });
    // The log is there once, and small.
    expect(readFileSync(path).length).toBeLessThan(100_000);
  });

  test('is kept once: the first one stays', () => {
    const job = exampleJob('a');
    withStore((store) => {
      expect(store.append(exampleMeasured(job), job)).toBe(true);
      const other = exampleMeasured(job, { status: 'load-error', message: 'm', undefinedSymbols: [] });
      expect(store.append(other, job)).toBe(false);
      expect(store.find(jobKey(job))?.measured.outcome.status).toBe('built');
      expect(store.counts().byStatus).toMatchObject({ built: 1, 'load-error': 0 });
    });
  });

  test('of another job is refused', () => {
    const [one, other] = [exampleJob('one'), exampleJob('other')];
    withStore((store) => {
      expect(() => store.append(exampleMeasured(one), other)).toThrowError(
        expect.objectContaining({ code: 'internal' }),
      );
      expect(store.counts().labels).toBe(0);
    });
  });

  test('of two versions of one problem are two labels', () => {
    const [small, large] = [exampleProblem(19, 'n = 1'), exampleProblem(19, 'n = 2')];
    withStore((store) => {
      store.putProblems([large, small]);
      for (const problem of [small, large]) {
        const job = exampleJob('a', {}, problem);
        expect(store.append(exampleMeasured(job), job)).toBe(true);
      }
      const found = [...store.iterate({ problemId: 'level1/19' })];
      expect(found.map((label) => label.problem.source)).toEqual(['n = 1\n', 'n = 2\n']);
      // Judging an old version does not make it the current one.
      expect(store.problem('level1/19')?.source).toBe('n = 1\n');
      expect(store.problem('level1/19', large.sourceHash)?.source).toBe('n = 2\n');
      expect(store.problems()).toHaveLength(1);
    });
  });

  test('is found by each filter, and by none that does not fit', () => {
    const one = exampleJob('one', {}, exampleProblem(19));
    const two = exampleJob('two', {}, exampleProblem(20));
    withStore((store) => {
      store.append(exampleMeasured(one), one);
      store.append(exampleMeasured(two, { status: 'invalid', reason: 'no-model', backend: null, message: '' }), two);
      const found = (filter: Parameters<LabelStore['list']>[0]) => store.list(filter).map((label) => label.problemId);
      expect(found({})).toEqual(['level1/20', 'level1/19']);
      expect(found({ problemId: 'level1/19' })).toEqual(['level1/19']);
      expect(found({ statuses: ['invalid', 'correct'] })).toEqual(['level1/20']);
      expect(found({ candidate: one.candidate.hash.slice(0, 10) })).toEqual(['level1/19']);
      expect(found({ set: 'kernelbench', level: 1 })).toHaveLength(2);
      expect(found({ set: 'starter' })).toEqual([]);
      expect(found({ level: 2 })).toEqual([]);
      expect(found({ generator: 'tester', source: 'examples' })).toHaveLength(2);
      expect(found({ generator: 'somebody else' })).toEqual([]);
      expect(found({ fidelity: 'measured' })).toEqual([]);
      expect(found({ limit: 1 })).toEqual(['level1/20']);
      expect([...store.iterate({ limit: 1 })]).toHaveLength(1);
    });
  });

  test('is read page by page while others are written', () => {
    withStore((store) => {
      const jobs = Array.from({ length: 450 }, (_, index) => exampleJob(`candidate ${index}`));
      for (const job of jobs) store.append(exampleMeasured(job), job);
      let read = 0;
      for (const label of store.iterate()) {
        if (read === 0) {
          const late = exampleJob('late');
          store.append(exampleMeasured(late), late);
        }
        read += label.measured.outcome.status === 'built' ? 1 : 0;
      }
      expect(read).toBe(451);
    });
  });
});

describe('candidates and what others published', () => {
  test('one text seen in two places is one candidate with two sightings', () => {
    const problem = exampleProblem();
    const [one, two] = [exampleCandidate('same', problem, 'a'), exampleCandidate('same', problem, 'b')];
    withStore((store) => {
      const seen = [one, two, one].map((candidate) => ({ candidate, line: null, backend: 'cuda' }));
      expect(store.putCandidates(seen)).toEqual({ added: 2, already: 1 });
      expect(store.counts()).toMatchObject({ candidates: 1, sightings: 2 });
      expect([...store.candidates()]).toEqual([{ candidate: one, line: null, backend: 'cuda' }]);
      expect([...store.candidates({ generator: 'b' })]).toEqual([]);
    });
  });

  test('published labels keep their raw record and stay out of ours', () => {
    const candidate = exampleCandidate('published');
    const published = {
      compiled: false,
      correct: null,
      runtimeMs: 1.25,
      speedup: null,
      gpu: 'L40S',
      kind: 'compile-error',
      raw: { metadata: { compilation_error: 'e'.repeat(5000) }, runtime: -1 },
    };
    withStore((store) => {
      const record = { candidate, line: 7, backend: null, published };
      expect(store.putPublished([record])).toEqual({ added: 1, already: 0 });
      expect(store.putPublished([record])).toEqual({ added: 0, already: 1 });
      expect([...store.published()]).toEqual([record]);
      expect(store.counts()).toMatchObject({ published: 1, labels: 0 });
      expect([...store.iterate()]).toEqual([]);
    });
  });
});

describe('opening', () => {
  const refusal = (code: string) => expect.objectContaining({ name: 'KvalError', code });

  test('something that is no database is corrupt', () => {
    writeFileSync(path, 'this is not a database, however long it is. '.repeat(100));
    expect(() => LabelStore.open(path)).toThrowError(refusal('store-corrupt'));
  });

  test('a store that lost its end is corrupt, and says which file', () => {
    withStore((store) => {
      for (let index = 0; index < 50; index++) {
        const job = exampleJob(`${index} ${'y'.repeat(3000)}`);
        store.append(exampleMeasured(job), job);
      }
    });
    truncateSync(path, 8192);
    expect(() => withStore((store) => store.counts())).toThrowError(refusal('store-corrupt'));
    expect(() => LabelStore.open(path)).toThrowError(path);
  });

  test('damage in the middle is found by verify', () => {
    withStore((store) => {
      for (let index = 0; index < 50; index++) {
        const job = exampleJob(`${index} ${'y'.repeat(3000)}`);
        store.append(exampleMeasured(job), job);
      }
    });
    const bytes = readFileSync(path);
    bytes.fill(0xee, 40_000, 60_000);
    writeFileSync(path, bytes);
    withStore((store) => expect(store.verify()).not.toEqual([]));
  });

  test('a store from a newer kval is left as it is', () => {
    withStore(() => {});
    const database = new Database(path);
    database.pragma(`user_version = ${storeVersion + 1}`);
    database.close();
    expect(() => LabelStore.open(path)).toThrowError(refusal('store-newer'));
    const after = new Database(path);
    expect(after.pragma('user_version', { simple: true })).toBe(storeVersion + 1);
    after.close();
  });

  test('a folder, another program’s database and a missing store are bad input, and nothing is written', () => {
    expect(() => LabelStore.open(folder)).toThrowError(refusal('bad-input'));
    const database = new Database(path);
    database.exec('CREATE TABLE theirs (a)');
    database.close();
    expect(() => LabelStore.open(path)).toThrowError(refusal('bad-input'));
    expect(() => LabelStore.open(join(folder, 'none.db'), { mustExist: true })).toThrowError(refusal('not-found'));
    expect(() => LabelStore.open('/dev/null/labels.db')).toThrowError(refusal('bad-input'));
  });

  test('a store that another process holds for itself is busy', () => {
    withStore(() => {});
    const holder = new Database(path);
    holder.pragma('locking_mode = EXCLUSIVE');
    holder.exec('BEGIN EXCLUSIVE');
    try {
      expect(() => LabelStore.open(path, { busyTimeoutMs: 100 }).counts()).toThrowError(refusal('store-busy'));
    } finally {
      holder.close();
    }
  });

  test('a disk that is full is said to be full, and what was there stays', () => {
    withStore((store) => {
      const job = exampleJob('first');
      store.append(exampleMeasured(job), job);
    });
    const full = LabelStore.open(path, { maxBytes: readFileSync(path).length });
    const job = exampleJob('z'.repeat(500_000));
    expect(() => full.append(exampleMeasured(job), job)).toThrowError(refusal('disk-full'));
    expect(full.counts().labels).toBe(1);
    full.close();
  });
});
