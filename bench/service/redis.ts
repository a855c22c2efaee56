import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const own = join(import.meta.dirname, '..', '..', '.kval', 'redis');

/** The system's Redis, or the one that `npm run setup` brought; null where there is none. */
const program =
  spawnSync('redis-server', ['--version']).status === 0
    ? 'redis-server'
    : existsSync(join(own, 'redis-server'))
      ? join(own, 'redis-server')
      : null;

/** Why there can be no Redis; null where there can. */
export const noRedis: string | null =
  program !== null
    ? null
    : existsSync(join(own, 'absent'))
      ? readFileSync(join(own, 'absent'), 'utf8').trim()
      : '`npm run setup` was not run';

export interface LocalRedis {
  readonly port: number;
  readonly url: string;
  /** Ends it in order, as a restart of the service does, and starts it again over the same files. */
  restart(): Promise<void>;
  /** Kills it and starts it again: what it wrote last is lost. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** A Redis of its own on a free port of loopback, writing every change to a temporary folder. */
export async function startRedis(options: { password?: string } = {}): Promise<LocalRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'kval-redis-'));
  const port = await freePort();
  const secret = options.password === undefined ? [] : ['--requirepass', options.password];
  const start = async () => {
    const settings = [
      '--appendonly',
      'yes',
      '--save',
      '',
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
      '--port',
      String(port),
    ];
    const child = spawn(program ?? 'redis-server', [...settings, ...secret], { stdio: 'ignore' });
    while (!(await listens(port))) await new Promise((resolve) => setTimeout(resolve, 20));
    return child;
  };
  let child = await start();
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    port,
    url: `redis://${options.password === undefined ? '' : `:${options.password}@`}127.0.0.1:${port}`,
    restart: async () => {
      await end('SIGTERM');
      child = await start();
    },
    crash: async () => {
      await end('SIGKILL');
      child = await start();
    },
    stop: async () => {
      await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
