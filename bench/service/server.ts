import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Config } from '../../src/config.js';

export interface Server {
  readonly url: string;
  readonly pid: number;
  /** Resident memory in MiB. */
  rssMib(): number;
  readonly child: ReturnType<typeof spawnServer>;
  /** SIGTERM, and the exit status. */
  stop(): Promise<number | undefined>;
}

export interface ServerOptions {
  readonly home: string;
  readonly args: readonly string[];
  readonly environment?: Record<string, string>;
  /** `listens`: what judges may come later. */
  readonly until?: 'serves' | 'listens';
}

/** A real `kval serve` on a free port of 127.0.0.1, with a home of its own, once it has said that it serves verdicts. */
export async function startServer({ root }: Pick<Config, 'root'>, options: ServerOptions): Promise<Server> {
  const { home, args, environment = {}, until = 'serves' } = options;
  const command = [join(root, 'dist', 'cli.js'), 'serve', '--port', '0', '--log-level', 'warn', ...args];
  const child = spawnServer(command, { KVAL_HOME: home, ...environment });
  const url = await urlOf(child, until === 'serves' ? /serves \w+ verdicts at (\S+);/ : /listens at (\S+)\n/);
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    child,
    rssMib: () => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) / 256,
    async stop() {
      child.kill('SIGTERM');
      return (await child).exitCode;
    },
  };
}

function spawnServer(command: readonly string[], env: Record<string, string>) {
  return execa(process.execPath, command, { reject: false, all: true, buffer: false, env });
}

async function urlOf(child: Server['child'], words: RegExp): Promise<string> {
  let said = '';
  const ended = child.then(() => {
    throw new Error(`kval serve ended before it was ready:\n${said}`);
  });
  ended.catch(() => {});
  for (;;) {
    const [piece] = await Promise.race([once(child.all, 'data'), ended]);
    said += String(piece);
    const url = words.exec(said)?.[1];
    if (url === undefined) continue;
    // Nobody reads on, and a full pipe would stop the service.
    child.all.resume();
    return url;
  }
}
