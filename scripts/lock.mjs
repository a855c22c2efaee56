// Writes what Python installs, every version and hash, for Python 3.10 and newer: requirements.lock from requirements.in,
// and requirements-frameworks.lock, which holds what requirements-frameworks.in adds to it.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const own = join(root, 'requirements.lock');
const frameworks = join(root, 'requirements-frameworks.lock');

compile('requirements.in', '-o', 'requirements.lock');
const kept = new Set(packages(readFileSync(own, 'utf8')).map(firstLine));
const overrides = ['-c', 'requirements.lock', '--override', 'requirements-frameworks.override'];
compile('requirements.in', 'requirements-frameworks.in', ...overrides, '-o', 'requirements-frameworks.lock');
const added = packages(readFileSync(frameworks, 'utf8')).filter((each) => !kept.has(firstLine(each)));
writeFileSync(frameworks, added.join(''));

function compile(...args) {
  const fixed = ['--universal', '--python-version', '3.10', '--generate-hashes'];
  const quiet = ['--no-header', '--no-emit-index-url', '--no-emit-find-links'];
  const command = ['pip', 'compile', ...fixed, ...quiet, ...args];
  const { status } = spawnSync(join(root, '.venv', 'bin', 'uv'), command, { stdio: 'inherit', cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

/** Each package's lines: `name==version ; marker \`, its hashes, and who asked for it. */
function packages(lock) {
  return lock.split(/^(?=[a-z0-9])/m);
}

function firstLine(text) {
  return text.slice(0, text.indexOf('\n'));
}
