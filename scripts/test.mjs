// Everything that must hold, in one run: types, lint, format, TypeScript tests, Python tests. `npm test -- --only vitest` runs one part.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const venv = join(root, '.venv', 'bin');
const python = process.env.KVAL_PYTHON ?? join(venv, 'python');
const bin = (name) => join(root, 'node_modules', '.bin', name);

const parts = [
  ['types', bin('tsc'), ['--noEmit']],
  ['biome', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['oxlint', bin('oxlint'), ['--type-aware', 'src', 'test', 'bench']],
  ['ruff', python, ['-m', 'ruff', 'check']],
  ['ruff-format', python, ['-m', 'ruff', 'format', '--check']],
  ['mypy', python, ['-m', 'mypy', 'cuda-harness/kval_harness', 'models/kval_models', 'bench', 'rl/kval']],
  ['vitest', bin('vitest'), ['run']],
  ['pytest', python, ['-m', 'pytest', '-q']],
];

const only = process.argv[process.argv.indexOf('--only') + 1];
const chosen = process.argv.includes('--only') ? parts.filter(([name]) => name === only) : parts;
if (chosen.length === 0) {
  process.stderr.write(`no part "${only}"; there are: ${parts.map(([name]) => name).join(', ')}\n`);
  process.exit(2);
}

const results = chosen.map(([name, program, args]) => {
  process.stdout.write(`\n== ${name}\n`);
  const started = Date.now();
  const done = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root });
  if (done.signal === 'SIGINT') process.exit(130);
  return { name, passed: done.status === 0, seconds: (Date.now() - started) / 1000 };
});

process.stdout.write('\n');
for (const { name, passed, seconds } of results) {
  process.stdout.write(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${seconds.toFixed(1)} s\n`);
}
const failed = results.filter((result) => !result.passed).length;
process.stdout.write(`parts: ${results.length - failed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
