import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { execa } from 'execa';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorTable } from '../src/errors.js';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const cli = join(root, 'dist', 'cli.js');
let folder: { path: string; cleanup: () => Promise<void> };
const at = (...names: string[]): string => join(folder.path, ...names);

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
});
afterAll(() => folder.cleanup());

function kval(args: readonly string[], environment: Record<string, string> = {}) {
  return execa(process.execPath, [cli, ...args], {
    reject: false,
    env: { KVAL_HOME: at('home'), OPENAI_API_KEY: '', OPENAI_BASE_URL: '', ...environment },
  });
}

async function refused(args: readonly string[], code: keyof typeof errorTable, says: RegExp, environment = {}) {
  const { exitCode, stderr, stdout } = await kval(args, environment);
  expect(`${stderr}\n${stdout}`).toMatch(says);
  expect(exitCode, stderr).toBe(errorTable[code].exit);
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe('bad input gets a clear error and its exit status', () => {
  const good = join(root, 'kernelbench', 'candidates', '7_ReLU', 'float4.py');

  it('an unknown problem', () =>
    refused(
      ['validate', good, '--problem', 'level1/9999', '--mode', 'simulated'],
      'not-found',
      /no problem is named "level1\/9999"/,
    ));

  it('a name that is no problem id', () =>
    refused(['validate', good, '--problem', 'x/y/z', '--mode', 'simulated'], 'usage', /not a problem id/));

  it('a file that is not there', () =>
    refused(
      ['validate', at('nothing.py'), '--problem', 'starter/level1/7', '--mode', 'simulated'],
      'bad-input',
      /nothing\.py/,
    ));

  it('an empty file', async () => {
    await writeFile(at('empty.py'), ' \n');
    await refused(
      ['validate', at('empty.py'), '--problem', 'starter/level1/7', '--mode', 'simulated'],
      'bad-input',
      /empty/,
    );
  });

  it('a candidate of 10 MB', async () => {
    await writeFile(at('large.py'), `# ${'x'.repeat(10_000_000)}\n`);
    await refused(
      ['validate', at('large.py'), '--problem', 'starter/level1/7', '--mode', 'simulated'],
      'bad-input',
      /limit is 1000000/,
    );
    await refused(['import', at('large.py'), '--problem', 'starter/level1/7'], 'bad-input', /limit|large/);
  });

  it('a file that is not text', async () => {
    await writeFile(at('binary.py'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0x00]));
    await refused(
      ['validate', at('binary.py'), '--problem', 'starter/level1/7', '--mode', 'simulated'],
      'bad-input',
      /not UTF-8/,
    );
  });

  it('a store that is no database', async () => {
    await writeFile(
      at('corrupt.db'),
      'this is not a database, but it is long enough to be looked at as one'.repeat(40),
    );
    await refused(['labels', 'list', '--store', at('corrupt.db')], 'store-corrupt', /corrupt\.db/);
    expect(await readFile(at('corrupt.db'), 'utf8')).toContain('this is not a database');
  });

  it('a store of a newer version', async () => {
    await kval(['problems', 'list', '--store', at('newer.db')]);
    const database = new Database(at('newer.db'));
    database.pragma('user_version = 999');
    database.close();
    await refused(['labels', 'list', '--store', at('newer.db')], 'store-newer', /newer/);
  });

  it('a data set that was edited by hand', async () => {
    await kval(['import', join(root, 'test', 'fixtures', 'cli', 'published.jsonl'), '--store', at('published.db')]);
    const built = await kval([
      'dataset',
      'build',
      '--labels',
      'published',
      '--out',
      at('set'),
      '--store',
      at('published.db'),
    ]);
    expect(built.exitCode, built.stderr).toBe(0);
    await appendFile(at('set', 'train.jsonl'), '{}\n');
    await refused(['report', '--dataset', at('set'), '--store', at('published.db')], 'dataset-changed', /train\.jsonl/);
    await refused(['finetune', '--dataset', at('set'), '--out', at('model')], 'dataset-changed', /train\.jsonl/);
  });

  it('a report about nothing', () => refused(['report'], 'usage', /either --dataset or --runs/));

  it('a folder that is no data set', () =>
    refused(['report', '--dataset', at('no-such-set')], 'not-found', /no-such-set/));

  it('a model that is not there', () =>
    refused(
      ['validate', good, '--problem', 'starter/level1/7', '--mode', 'simulated', '--model', at('no-model')],
      'model-missing',
      /no-model/,
    ));

  it('a damaged model', async () => {
    await mkdir(at('damaged'));
    await writeFile(at('damaged', 'model.json.gz'), 'broken');
    await refused(
      ['validate', good, '--problem', 'starter/level1/7', '--mode', 'simulated', '--model', at('damaged')],
      'model-invalid',
      /damaged/,
    );
  });

  it('an unknown command, option and choice', async () => {
    expect((await kval(['nonsense'])).exitCode).not.toBe(0);
    expect((await kval(['label', '--device', 'tpu'])).stderr).toMatch(/Allowed choices/);
    expect((await kval(['label', '--limit', 'many'])).stderr).toMatch(/whole number/);
  });

  it('an environment variable that is no number', () =>
    refused(['problems', 'list'], 'usage', /KVAL_WORKERS/, { KVAL_WORKERS: 'two' }));

  it('a Python that is not there', () =>
    refused(
      ['validate', good, '--problem', 'starter/level1/7', '--device', 'none'],
      'toolchain-missing',
      /no-such-python/,
      { KVAL_PYTHON: '/no-such-python' },
    ));

  it('a model endpoint that nobody named', () =>
    refused(['generate', '--problems', 'starter/level1/7', '--out', at('runs')], 'usage', /KVAL_ENDPOINT_MODEL/));
});

describe('--device', () => {
  const sample = join(root, 'kernelbench', 'candidates', '7_ReLU', 'float4.py');
  /** A Python that keeps to the protocol and judges nothing: it has no GPU, and software where it is asked for. */
  const pretender = async (): Promise<Record<string, string>> => {
    const worker = join(root, 'test', 'fixtures', 'workers', 'obedient.py');
    await writeFile(at('pretender'), `#!/bin/sh\nexec python3 ${worker} 0 "$@"\n`, { mode: 0o755 });
    return { KVAL_PYTHON: at('pretender') };
  };

  it('cpu says that it is software, judges the small size unless the full one is named, and labels as emulated', async () => {
    const environment = await pretender();
    const store = ['--store', at('devices.db')];
    await kval(['import', sample, '--problem', 'starter/level1/7', ...store]);
    const small = await kval(['label', '--device', 'cpu', ...store], environment);
    expect(small.stderr).toMatch(/device cpu: CUDA in software.*nothing is timed/);
    expect(small.stdout).toMatch(/1 labelled now, 0 before/);
    const full = await kval(['label', '--device', 'cpu', '--full-size', ...store], environment);
    expect(full.stdout).toMatch(/1 labelled now, 0 before/);
    const built = await kval(['label', '--device', 'none', ...store], environment);
    expect(built.stdout).toMatch(/1 labelled now, 0 before/);
    const { stdout } = await kval(['labels', 'list', '--json', ...store]);
    const labels: { fidelity: string; status: string }[] = JSON.parse(stdout);
    expect(labels.map(({ fidelity, status }) => `${fidelity} ${status}`).sort()).toEqual([
      'built built',
      'emulated correct',
      'emulated correct',
    ]);
  });

  it('auto only builds where not even software is there, and says so', async () => {
    const { stderr } = await kval(
      ['validate', sample, '--problem', 'starter/level1/7', '--store', at('devices.db')],
      await pretender(),
    );
    expect(stderr).toMatch(/device none: kernels are built, not executed/);
  });

  it('cuda where there is no GPU names the other way', async () =>
    refused(
      ['validate', sample, '--problem', 'starter/level1/7', '--device', 'cuda', '--store', at('devices.db')],
      'device-missing',
      /no CUDA device[\s\S]*--device cpu/,
      await pretender(),
    ));
});

const namespaces = spawnSync('unshare', ['-Urm', 'true']).status === 0;

describe.skipIf(!namespaces)('a full disk (needs user namespaces to make one)', () => {
  it('is named, loses nothing, and the same command works when there is room', async () => {
    const small = at('small-disk');
    await mkdir(small);
    const kernels = join(root, 'kernelbench', 'candidates');
    const script = [
      `mount -t tmpfs -o size=400k tmpfs ${small}`,
      `${process.execPath} ${cli} problems list starter/level1/1 --store ${small}/labels.db >/dev/null`,
      `${process.execPath} ${cli} import ${kernels} --set starter --store ${small}/labels.db`,
      'echo "status $?"',
      `mount -o remount,size=64m ${small}`,
      `${process.execPath} ${cli} import ${kernels} --set starter --store ${small}/labels.db`,
      'echo "status $?"',
    ].join('\n');
    const { all } = await execa('unshare', ['-Urm', 'sh', '-c', script], {
      all: true,
      reject: false,
      env: { KVAL_HOME: at('home') },
    });
    expect(all).toMatch(new RegExp(`Free some disk space[\\s\\S]*status ${errorTable['disk-full'].exit}\\n`));
    expect(all).toMatch(/candidates added[\s\S]*status 0$/);
  });
});

describe('the README', () => {
  it('lists every exit status', async () => {
    const text = await readFile(join(root, 'README.md'), 'utf8');
    const missing = Object.entries(errorTable).filter(
      ([code, { exit }]) => !text.includes(`| ${exit} | \`${code}\` |`),
    );
    expect(missing.map(([code, { exit }]) => `| ${exit} | \`${code}\` |`)).toEqual([]);
  });

  it('lists every command', async () => {
    const text = await readFile(join(root, 'README.md'), 'utf8');
    const { stdout } = await kval(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?= )/gm)]
      .map((match) => match[1])
      .filter((name) => name !== 'help');
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.filter((name) => !text.includes(`kval ${name}`))).toEqual([]);
  });
});
