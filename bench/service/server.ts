import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Config } from '../../src/config.js';

export interface Running {
  readonly pid: number;
  readonly child: ReturnType<typeof spawnKval>;
  /** SIGTERM, and the exit status. */
  stop(): Promise<number | undefined>;
}

export interface Server extends Running {
  readonly url: string;
  /** Resident memory in MiB. */
  rssMib(): number;
  /** Open files and sockets. */
  openFiles(): number;
}

export interface RunOptions {
  readonly home: string;
  readonly args: readonly string[];
  readonly environment?: Record<string, string>;
  /** A command that runs kval's, to put it somewhere. */
  readonly within?: readonly string[];
}

export interface ServerOptions extends RunOptions {
  /** `listens`: what judges may come later. */
  readonly until?: 'serves' | 'listens';
}

/** A real `kval serve` on a free port of 127.0.0.1, with a home of its own, once it has said that it serves verdicts. */
export async function startServer(config: Pick<Config, 'root'>, options: ServerOptions): Promise<Server> {
  const { args, until = 'serves' } = options;
  const words = until === 'serves' ? /serves \w+ verdicts at (\S+);/ : /listens at (\S+)\n/;
  const serve = ['serve', '--port', '0', '--log-level', 'warn', ...args];
  const { said, ...running } = await start(config, { ...options, args: serve }, words);
  return {
    ...running,
    url: said,
    rssMib: () => Number(readFileSync(`/proc/${running.pid}/statm`, 'utf8').split(' ')[1]) / 256,
    openFiles: () => readdirSync(`/proc/${running.pid}/fd`).length,
  };
}

/** A real `kval worker`, with a home of its own, once it takes jobs. */
export async function startWorker(config: Pick<Config, 'root'>, options: RunOptions): Promise<Running> {
  return start(config, { ...options, args: ['worker', ...options.args] }, /takes jobs from (\S+);/);
}

async function start(
  { root }: Pick<Config, 'root'>,
  { home, args, environment = {}, within = [] }: RunOptions,
  words: RegExp,
): Promise<Running & { readonly said: string }> {
  const command = [...within, process.execPath, join(root, 'dist', 'cli.js'), ...args];
  const child = spawnKval(command, { KVAL_HOME: home, ...environment });
  return {
    said: await heard(child, words),
    child,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      return (await child).exitCode;
    },
  };
}

function spawnKval([program = '', ...args]: readonly string[], env: Record<string, string>) {
  return execa(program, args, { reject: false, all: true, buffer: false, env });
}

async function heard(child: Running['child'], words: RegExp): Promise<string> {
  let said = '';
  const ended = child.then(() => {
    throw new Error(`kval ended before it was ready:\n${said}`);
  });
  ended.catch(() => {});
  for (;;) {
    const [piece] = await Promise.race([once(child.all, 'data'), ended]);
    said += String(piece);
    const found = words.exec(said)?.[1];
    if (found === undefined) continue;
    // Nobody reads on, and a full pipe would stop it.
    child.all.resume();
    return found;
  }
}
