// Makes a fresh clone ready: Node packages, the Python environment, the compiled CLI.
// Uses nothing but Node itself, does only what is missing, and says what it does. Run by `npm run setup`, `quickstart` and
// `test`, which alone asks for the RL frameworks (`--frameworks`): its tests prove the adapters with them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const uvVersion = '0.13.8';
const minimumPython = [3, 10];
const diskNeededGib = 9;

checkNode();
nodePackages();
pythonEnvironment();
if (process.argv.includes('--frameworks')) frameworks();
compilers();
redis();
command();

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old`, 'Install Node 20.19 or newer (https://nodejs.org).');
  }
}

function nodePackages() {
  const stamp = join(root, 'node_modules', '.kval-stamp');
  const wanted = hash(process.versions.modules, process.arch, file('package-lock.json'), file('package.json'));
  if (stampIs(stamp, wanted)) return;
  step('installing Node packages (better-sqlite3 is compiled where no binary fits: about a minute)');
  run(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
    'Read the message above; `npm ci` needs the npm registry and a C++ compiler.',
    nodeHeaders(),
  );
  writeFileSync(stamp, wanted);
}

/** Node's own headers, where they are installed beside it: better-sqlite3 then compiles without downloading them. */
function nodeHeaders() {
  const prefix = join(dirname(realpathSync(process.execPath)), '..');
  const asked = Object.keys(process.env).some((name) => name.toLowerCase() === 'npm_config_nodedir');
  return !asked && existsSync(join(prefix, 'include', 'node', 'node.h')) ? { npm_config_nodedir: prefix } : {};
}

function pythonEnvironment() {
  if (process.env.KVAL_PYTHON) {
    const found = spawnSync(process.env.KVAL_PYTHON, ['-c', 'import torch, numpy'], { encoding: 'utf8' });
    if (found.status !== 0) {
      fail(
        `KVAL_PYTHON (${process.env.KVAL_PYTHON}) cannot import torch and numpy`,
        'Install them there, or unset KVAL_PYTHON to let kval make its own environment.',
      );
    }
    return;
  }
  const venv = join(root, '.venv');
  const stamp = join(venv, '.kval-stamp');
  const python = join(venv, 'bin', 'python');
  const lock = hash(uvVersion, file('requirements.lock'));
  if (stampIs(stamp, lock) && runs(python)) return;
  if (!runs(python)) {
    rmSync(venv, { recursive: true, force: true });
    needDisk();
    const base = findPython();
    step(`making a Python environment in .venv with ${base}`);
    run(
      base,
      ['-m', 'venv', venv],
      'Python needs its venv module: on Debian and Ubuntu `apt-get install python3-venv python3-dev`.',
    );
  }
  step('installing Python packages from requirements.lock (torch and CUDA: about 3 GB to download the first time)');
  const uv = join(venv, 'bin', 'uv');
  const gotUv = spawnSync(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', `uv==${uvVersion}`], {
    stdio: 'inherit',
    cwd: root,
  });
  const byUv =
    gotUv.status === 0 &&
    spawnSync(uv, ['pip', 'install', '--python', python, '--require-hashes', '-r', 'requirements.lock'], {
      stdio: ['ignore', 'inherit', 'inherit'],
      cwd: root,
    }).status === 0;
  if (!byUv)
    run(
      python,
      ['-m', 'pip', 'install', '--require-hashes', '-r', 'requirements.lock'],
      'Read the message above; the packages come from PyPI.',
    );
  writeFileSync(stamp, lock);
}

/** What the adapters are for. Where it does not install, their tests are skipped, and say so; nothing else needs it. */
function frameworks() {
  if (process.env.KVAL_PYTHON) return;
  const bin = join(root, '.venv', 'bin');
  const stamp = join(root, '.venv', '.kval-frameworks-stamp');
  const wanted = hash(uvVersion, file('requirements-frameworks.lock'));
  if (stampIs(stamp, wanted)) return;
  step('installing RL frameworks from requirements-frameworks.lock (150 MB to download; only tests need them)');
  const [program, ...pip] = runs(join(bin, 'uv'), ['--version'])
    ? [join(bin, 'uv'), 'pip', 'install', '--python', join(bin, 'python')]
    : [join(bin, 'python'), '-m', 'pip', 'install'];
  // Nothing is to be resolved: the lock is whole, and requirements-frameworks.override sets some of their bounds aside.
  const args = [...pip, '--no-deps', '--require-hashes', '-r', 'requirements-frameworks.lock'];
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root });
  if (status === 0) writeFileSync(stamp, wanted);
  else step('they did not install, for the reason above; the tests that run them will be skipped');
}

function compilers() {
  const cxx = process.env.CXX ?? 'g++';
  if (spawnSync(cxx, ['--version']).status !== 0) {
    fail(`no C++ compiler (${cxx})`, 'On Debian and Ubuntu: `apt-get install g++`; or set CXX.');
  }
}

/** What the tests of many boxes start. Without it they are skipped, and say why; nothing else needs it. */
function redis() {
  if (spawnSync('redis-server', ['--version']).status === 0) return;
  const folder = join(root, '.kval', 'redis');
  const stamp = join(folder, '.kval-stamp');
  const server = join(folder, 'redis-server');
  const wanted = hash(process.arch, 'redis from Debian, 2');
  if (stampIs(stamp, wanted) && runs(server, ['--version'])) return;
  step("getting Redis from the system's packages into .kval/redis (1 MB; only tests of `kval worker` need it)");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'packages'), { recursive: true });
  const reason = getRedis(folder);
  if (reason === null) {
    // The libraries are beside it, not where the system looks for them.
    const libraries = libraryFolders(join(folder, 'usr', 'lib')).join(':');
    const binary = join(folder, 'usr', 'bin', 'redis-server');
    const script = `#!/bin/sh\nLD_LIBRARY_PATH='${libraries}' exec '${binary}' "$@"\n`;
    writeFileSync(server, script, { mode: 0o755 });
    writeFileSync(stamp, wanted);
  }
  for (const rest of ['packages', 'etc', 'lib', 'usr/share'])
    rmSync(join(folder, rest), { recursive: true, force: true });
  if (runs(server, ['--version'])) return;
  const why = reason ?? 'the one that came does not start';
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'absent'), `${why}\n`);
  step(`no Redis: ${why}. Tests of many boxes will be skipped; \`apt-get install redis-server\` brings them back`);
}

/** Unpacks Debian's packages without installing them, so without root. Null: done; else why not. */
function getRedis(folder) {
  const packages = join(folder, 'packages');
  // Lists of its own where the system's are missing or old: only root may refresh those.
  for (const kept of ['lists', 'cache/archives']) mkdirSync(join(packages, kept, 'partial'), { recursive: true });
  const own = ['-o', `Dir::State::lists=${join(packages, 'lists')}`, '-o', `Dir::Cache=${join(packages, 'cache')}`];
  const patience = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'APT::Sandbox::User='];
  const apt = (program, ...args) => spawnSync(program, args, { cwd: packages, encoding: 'utf8' });
  let why = 'this system has no apt-get';
  for (const lists of [[], own]) {
    const options = [...patience, ...lists];
    if (lists.length > 0 && apt('apt-get', ...options, 'update').error) return why;
    const needs = apt('apt-cache', ...lists, 'depends', 'redis-server', 'redis-tools');
    if (needs.error) return why;
    const libraries = [...needs.stdout.matchAll(/^ +Depends: (lib[\w.+-]+)$/gm)].map(([, name]) => name);
    const wanted = ['redis-server', 'redis-tools', ...new Set(libraries.filter((name) => name !== 'libc6'))];
    const got = apt('apt-get', ...options, 'download', ...wanted);
    why = (got.stderr ?? '').trim().split('\n').at(-1) || 'apt-get brought nothing';
    if (got.status === 0) break;
  }
  for (const name of readdirSync(packages).filter((name) => name.endsWith('.deb'))) {
    if (apt('dpkg', '-x', name, folder).status !== 0) return `dpkg cannot unpack ${name}`;
  }
  return existsSync(join(folder, 'usr', 'bin', 'redis-server')) ? null : why;
}

function libraryFolders(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.name.includes('.so'))
    .map((entry) => entry.parentPath ?? entry.path)
    .filter((path, index, all) => all.indexOf(path) === index);
}

function command() {
  step('compiling the TypeScript', true);
  run(
    process.execPath,
    [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'],
    'This is a defect of kval; please report it.',
  );
}

/** The newest python on PATH that the lock file covers. */
function findPython() {
  const names = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
  for (const name of names) {
    const found = spawnSync(name, ['-c', 'import sys; print(*sys.version_info[:2])'], { encoding: 'utf8' });
    if (found.status !== 0) continue;
    const [major = 0, minor = 0] = found.stdout.trim().split(' ').map(Number);
    if (major === minimumPython[0] && minor >= minimumPython[1]) return name;
  }
  return fail(
    'no Python 3.10 or newer on PATH',
    'Install Python >= 3.10 with venv and headers: on Debian and Ubuntu `apt-get install python3 python3-venv python3-dev`.',
  );
}

function needDisk() {
  const { bavail, bsize } = statfsSync(root);
  const free = (bavail * bsize) / 2 ** 30;
  if (free < diskNeededGib) {
    fail(
      `${free.toFixed(1)} GiB free where kval stands; the Python environment needs about ${diskNeededGib}`,
      'Free some space, or set KVAL_PYTHON to a Python that has torch.',
    );
  }
}

function runs(program, args = ['-c', '']) {
  return existsSync(program) && spawnSync(program, args).status === 0;
}

function run(program, args, advice, environment = {}) {
  const env = { ...process.env, ...environment };
  const done = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root, env });
  if (done.signal === 'SIGINT') process.exit(130);
  if (done.status !== 0) fail(`${program} ${args.slice(0, 3).join(' ')} failed`, advice);
}

function file(name) {
  return readFileSync(join(root, name));
}

function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

function stampIs(path, wanted) {
  return existsSync(path) && readFileSync(path, 'utf8') === wanted;
}

function step(text, quiet = false) {
  if (!quiet || process.env.CI) process.stderr.write(`setup: ${text}\n`);
}

function fail(what, advice) {
  process.stderr.write(`\nsetup: ${what}.\n${advice}\n`);
  process.exit(1);
}
