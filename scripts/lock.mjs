// Writes requirements.lock from requirements.in: every version and hash, for Python 3.10 and newer.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = [
  'pip',
  'compile',
  'requirements.in',
  '--universal',
  '--python-version',
  '3.10',
  '--generate-hashes',
  '--no-header',
  '--no-emit-index-url',
  '--no-emit-find-links',
  '-o',
  'requirements.lock',
];
process.exit(spawnSync(join(root, '.venv', 'bin', 'uv'), args, { stdio: 'inherit', cwd: root }).status ?? 1);
