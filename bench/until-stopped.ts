import { end, stop } from '../src/commands/run.js';
import { KvalError } from '../src/errors.js';

/** Runs a benchmark to its end or to the first Ctrl-C; what it throws becomes an exit status with its advice. */
export async function untilStopped(benchmark: () => Promise<void>): Promise<void> {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new KvalError('interrupted', `stopped by ${name}`)));
  }
  await benchmark().catch((thrown: unknown) => end(isWrongOption(thrown) ? wrongOption(thrown) : thrown));
}

function isWrongOption(thrown: unknown): thrown is TypeError {
  return thrown instanceof TypeError && 'code' in thrown && String(thrown.code).startsWith('ERR_PARSE_ARGS');
}

function wrongOption(cause: TypeError): KvalError {
  return new KvalError('usage', cause.message, { cause, fix: 'bench/README.md names the options of each benchmark.' });
}
