import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorTable } from '../src/errors.js';
import type { Label } from '../src/labels/label.js';
import { LabelStore } from '../src/labels/store.js';
import { reportSchema } from '../src/report/report.js';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const cli = join(root, 'dist', 'cli.js');
let folder: { path: string; cleanup: () => Promise<void> };

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
});
afterAll(() => folder.cleanup());

function quickstart() {
  return execa(process.execPath, [cli, 'quickstart', '--folder', folder.path], { reject: false, all: true });
}

/** The whole loop on the kernels that ship, with real compilers: stopped twice on the way, then to its end. */
describe('quickstart', () => {
  it('stops at Ctrl-C, survives kill -9, and goes on where it was', async () => {
    const first = quickstart();
    await labelled(1);
    first.kill('SIGINT');
    const stopped = await first;
    expect(stopped.exitCode, stopped.all).toBe(errorTable.interrupted.exit);
    const kept = countLabels();
    expect(kept).toBeGreaterThan(0);

    const second = quickstart();
    await labelled(kept + 4);
    second.kill('SIGKILL');
    await second;
    expect(countLabels()).toBeGreaterThanOrEqual(kept + 4);

    const before = countLabels();
    const third = await quickstart();
    expect(third.exitCode, third.all).toBe(0);
    expect(third.all).toContain(`${106 - before} labelled now, ${before} before`);
  }, 1_800_000);

  it('gave every sample kernel the outcome that its first line expects', () => {
    const store = LabelStore.open(join(folder.path, 'labels.db'));
    const wrong = [...store.iterate()].filter((label) => !isExpected(label)).map(nameOf);
    store.close();
    expect(wrong).toEqual([]);
  });

  it('shows real and simulated verdicts side by side in one self-contained page', async () => {
    const report = reportSchema.parse(JSON.parse(await readFile(join(folder.path, 'report', 'report.json'), 'utf8')));
    expect(report.time.real?.n).toBeGreaterThan(10);
    expect(report.split.kind).toBe('problem');
    const page = await readFile(join(folder.path, 'report', 'report.html'), 'utf8');
    expect(page).toContain('<svg');
    expect(page).not.toMatch(/(?:src|href)="https?:|@import|url\(http/);
    expect((await stat(join(folder.path, 'model', 'README.md'))).size).toBeGreaterThan(200);
  });
});

/** Waits until so many kernels have their label. */
async function labelled(count: number): Promise<void> {
  for (let waited = 0; waited < 300_000; waited += 250) {
    if (countLabels() >= count) return;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`after five minutes there were not ${count} labels`);
}

function countLabels(): number {
  try {
    const store = LabelStore.open(join(folder.path, 'labels.db'), { mustExist: true });
    const { labels } = store.counts();
    store.close();
    return labels;
  } catch {
    return 0;
  }
}

const needsDevice = /^(?:correct|mismatch|rejected|timeout|runtime-error (?:construct|forward))/;

/** Every kernel is executed, in software where there is no GPU; only a bare `.cu` has nothing to execute. */
function isExpected({ candidate, measured: { outcome, fidelity } }: Label): boolean {
  const expected = /^(?:#|\/\/) expected: (.+)$/m.exec(candidate.source)?.[1] ?? 'nothing';
  if (needsDevice.test(expected)) {
    if (candidate.language === 'cuda') return outcome.status === 'built';
    if (fidelity === 'built') return false;
  }
  const detail =
    'stage' in outcome
      ? outcome.stage
      : 'reason' in outcome
        ? outcome.reason
        : 'how' in outcome
          ? outcome.how
          : 'phase' in outcome
            ? outcome.phase
            : 'cheat' in outcome
              ? outcome.cheat
              : '';
  return expected === `${outcome.status} ${detail}`.trim();
}

function nameOf({ candidate, measured }: Label): string {
  return `${candidate.problemId} ${candidate.source.split('\n')[0]}: ${JSON.stringify(measured.outcome).slice(0, 300)}`;
}
