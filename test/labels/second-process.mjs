// Runs the `main` of a TypeScript file in a process of its own, straight from the sources.
import { runnerImport } from 'vite';

const [, , file, ...args] = process.argv;
const { module } = await runnerImport(file, { configFile: false, logLevel: 'error' });
await module.main(...args);
process.exit(0);
