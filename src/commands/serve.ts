import { readFile } from 'node:fs/promises';
import { type AddressInfo, isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { type Settings, settingsSchema } from '../candidate.js';
import type { Sandbox } from '../config.js';
import { KvalError } from '../errors.js';
import type { Kval, Mode, WantedDevice } from '../kval.js';
import { buildApp } from '../service/app.js';
import { openIdempotency } from '../service/idempotency.js';
import { openJobs } from '../service/jobs.js';
import { openJudge } from '../service/judge.js';
import { type KeptMode, openKeptMode } from '../service/kept-mode.js';
import { type ModesOptions, openModes } from '../service/modes.js';
import { openProbe } from '../service/probe.js';
import { type RewardName, rewardNameSchema } from '../service/rewards.js';
import { openRootPort } from '../service/root-port.js';
import { openStore } from '../service/store.js';
import { openTally } from '../service/tally.js';
import {
  deviceOption,
  fullSizeOption,
  queueOption,
  sandboxOption,
  smallOption,
  storeOption,
  whole,
} from './options.js';
import { print, run, say, settingsOf, stop } from './run.js';

interface Options {
  store?: string;
  sandbox?: Sandbox;
  host: string;
  port: number;
  mode?: Mode;
  reward: RewardName;
  device: WantedDevice;
  policy?: string;
  model?: string;
  tokenFile?: string;
  queueLimit: number;
  nemoGymPort?: number;
  logLevel: string;
  queue?: string;
}

/** The validators behind HTTP. */
export function serveCommands(program: Command): void {
  program
    .command('serve')
    .description('judge over HTTP until stopped: native API, facades for RL frameworks, a live page')
    .option('--host <address>', 'beyond loopback only with a token', '127.0.0.1')
    .option('--port <port>', '0 takes a free one', whole, 8700)
    .addOption(
      new Option('--mode <mode>', 'who judges; without it the mode that PUT /v1/mode set last, else real').choices([
        'real',
        'simulated',
        'hybrid',
      ]),
    )
    .option('--policy <file>', 'of a hybrid, as `kval tune-policy` writes it; build-first without it')
    .option('--model <folder>', 'the simulator; the one that ships without it')
    .addOption(
      new Option('--reward <name>', 'where a request names none').choices(rewardNameSchema.options).default('kevin'),
    )
    .addOption(deviceOption())
    .option('--arch <arch>')
    .addOption(smallOption())
    .addOption(fullSizeOption())
    .addOption(sandboxOption())
    .option('--token-file <file>', 'what clients must send as a Bearer token (or KVAL_TOKEN)')
    .option('--queue-limit <number>', 'so many different kernels may wait; one more is answered 429', whole, 2048)
    .option('--nemo-gym-port <port>', 'NeMo-Gym at the root of a port of 127.0.0.1 that asks for no token', whole)
    .addOption(
      new Option('--log-level <level>').choices(['silent', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
    )
    .addOption(queueOption())
    .addOption(storeOption())
    .action((options: Options) => run(options, (kval) => serve(kval, options)));
}

async function serve(kval: Kval, options: Options): Promise<void> {
  const { host, port, policy, model, reward, queueLimit, nemoGymPort, logLevel } = options;
  const token = await tokenOf(kval, options);
  if (token === null && !isLoopback(host)) {
    throw new KvalError('usage', `without a token kval serves on loopback alone, not on ${host}`, {
      fix: 'Put a secret into a file and name it with --token-file, or set KVAL_TOKEN; or leave --host out.',
    });
  }
  const database = openStore({ path: join(dirname(kval.storePath), 'service.db') });
  const kept = openKeptMode(database);
  const choice = choiceOf(options, kept);
  const { prepare, settings } = openDevices(kval, options);
  const modes = openModes({
    kval,
    ...choice,
    own: { ...(model === undefined ? {} : { model }), ...(policy === undefined ? {} : { policy }) },
    prepare,
    onChange: (wanted) => kept.keep(wanted),
    onNotice: say,
  });
  const judge = await openJudge({
    kval,
    modes,
    settings,
    reward,
    queueLimit,
    onReply: (...said) => tally.reply(...said),
  });
  const tally = openTally(() => judge.pending());
  const jobs = openJobs({
    database,
    judge: (request, call) => judge.judge(request, call),
    concurrency: Math.max(1, Math.min(64, Math.floor(queueLimit / 2))),
  });
  const idempotency = openIdempotency(database);
  const probe = openProbe(kval, modes);
  const app = await buildApp({ kval, judge, jobs, tally, probe, idempotency, token, logLevel });
  try {
    if (choice.chosenBy === 'kept') app.http.log.info(choice.first, 'the mode is the one that was kept');
    if (nemoGymPort !== undefined) {
      const own = await openRootPort(app.http, { prefix: '/nemo-gym', port: nemoGymPort, token });
      print(`kval serves NeMo-Gym at http://127.0.0.1:${own}`);
    }
    await app.http.listen({ host, port });
    const url = urlOf(app.http.server.address(), host);
    say(`kval listens at ${url}`);
    const stopped = untilStopped();
    await Promise.race([modes.opened, stopped]).catch((thrown: unknown) => {
      if (!stop.signal.aborted) throw thrown;
    });
    if (!stop.signal.aborted) print(`kval serves ${modes.present().mode} verdicts at ${url}; stop with Ctrl-C`);
    await stopped;
    await app.drain();
  } finally {
    await jobs.close();
    await app.http.close();
    await modes.close();
    database.close();
  }
}

/** What the command line names wins over what a client asked for before the last start; a mode ends that for good. */
function choiceOf({ mode, policy }: Options, kept: KeptMode): Pick<ModesOptions, 'first' | 'chosenBy'> {
  const before = kept.read();
  if (mode !== undefined) kept.forget();
  if (mode !== undefined || before === null) {
    return { first: { mode: mode ?? 'real' }, chosenBy: mode === undefined ? 'default' : 'command-line' };
  }
  const own = policy ?? before.policy;
  return { first: { mode: before.mode, ...(own === undefined ? {} : { policy: own }) }, chosenBy: 'kept' };
}

/** What holds where a request names no settings: the device is looked for once a mode needs it. */
function openDevices(
  kval: Kval,
  options: Options,
): { readonly prepare: (mode: Mode) => Promise<void>; readonly settings: () => Settings } {
  let found: Settings | null = null;
  const unfound = settingsSchema.parse({});
  return {
    settings: () => found ?? unfound,
    prepare: async (mode) => {
      if (mode !== 'simulated') found ??= await settingsOf(kval, { ...options });
    },
  };
}

async function untilStopped(): Promise<void> {
  if (stop.signal.aborted) return;
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
}

async function tokenOf(kval: Kval, { tokenFile }: Options): Promise<string | null> {
  if (tokenFile === undefined) return kval.config.serviceToken;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  if (/^[\w.~-]{8,}$/.test(token)) return token;
  throw new KvalError('bad-input', `${tokenFile} holds no token: at least 8 letters, digits, or any of . _ ~ -`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
