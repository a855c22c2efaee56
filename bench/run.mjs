// Runs a benchmark that is written in TypeScript, straight from the sources: `node bench/run.mjs bench/rl.ts [options]`.
import { runnerImport } from 'vite';

const [, , file, ...args] = process.argv;
const { module } = await runnerImport(file, { configFile: false, logLevel: 'error' });
await module.main(args);
