#!/usr/bin/env node
import { Command } from 'commander';
import { candidateCommands } from './commands/candidates.js';
import { judgeCommands } from './commands/judge.js';
import { labelCommands } from './commands/label.js';
import { learnCommands } from './commands/learn.js';
import { machineCommands } from './commands/machine.js';
import { mcpCommands } from './commands/mcp.js';
import { mutateCommands } from './commands/mutate.js';
import { policyCommands } from './commands/policy.js';
import { problemCommands } from './commands/problems.js';
import { end, stop } from './commands/run.js';
import { serveCommands } from './commands/serve.js';
import { simulatorCommands } from './commands/simulator.js';
import { workerCommands } from './commands/worker.js';
import { errorTable, KvalError } from './errors.js';

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(errorTable.interrupted.exit);
    process.stderr.write('\nstopping; what is finished is kept (once more: stop at once)\n');
    stop.abort(new KvalError('interrupted', `stopped by ${name}`));
  });
}

const program = new Command('kval')
  .description('Judges CUDA kernels, and learns to judge them without running them.')
  .showHelpAfterError();

machineCommands(program);
problemCommands(program);
candidateCommands(program);
mutateCommands(program);
labelCommands(program);
learnCommands(program);
judgeCommands(program);
policyCommands(program);
serveCommands(program);
mcpCommands(program);
simulatorCommands(program);
workerCommands(program);

await program.parseAsync().catch(end);
