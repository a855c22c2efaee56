import { readConfig } from '../src/config.js';
import { toKvalError } from '../src/errors.js';
import { table } from '../src/print.js';
import { circumstancesOf, writeResults } from './results.js';
import { faults } from './service/faults.js';
import { fourKilobyteKernels } from './service/kernels.js';
import { untilStopped } from './until-stopped.js';

/** What goes wrong around a service, done to a real `kval serve`, one row each: what happened, and whether that is right. */
export async function main(args: readonly string[]): Promise<void> {
  await untilStopped(async () => {
    const config = readConfig();
    const kernels = fourKilobyteKernels(config);
    const rows: { fault: string; passed: boolean; what: string; seconds: number }[] = [];
    for (const [fault, provoke] of Object.entries(faults)) {
      if (args.length > 0 && !args.some((word) => fault.includes(word))) continue;
      const startedAt = performance.now();
      const { passed, what } = await provoke({ config, kernels }).catch((thrown: unknown) => ({
        passed: false,
        what: toKvalError(thrown).message,
      }));
      rows.push({ fault, passed, what, seconds: (performance.now() - startedAt) / 1_000 });
      process.stderr.write(`${passed ? 'pass' : 'FAIL'} ${fault}: ${what}\n`);
    }
    if (args.length === 0) await writeResults(config, 'faults', { ...circumstancesOf('bench:faults', args), rows });
    const cells = rows.map(({ fault, passed, what, seconds }) => [
      fault,
      passed ? 'pass' : 'FAIL',
      what,
      seconds.toFixed(1),
    ]);
    process.stdout.write(`${table(['fault', '', 'what happened', 'seconds'], cells)}\n`);
    if (rows.some(({ passed }) => !passed)) process.exitCode = 1;
  });
}
