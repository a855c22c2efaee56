import { once } from 'node:events';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { type Command, Option } from 'commander';
import { settingsSchema } from '../candidate.js';
import type { Sandbox } from '../config.js';
import type { Kval } from '../kval.js';
import { mcpServer } from '../service/facades/mcp-server.js';
import { openJudge } from '../service/judge.js';
import { openModes } from '../service/modes.js';
import { deviceOption, fullSizeOption, sandboxOption, smallOption, storeOption } from './options.js';
import { run, settingsOf, stop } from './run.js';

type Options = Parameters<typeof settingsOf>[1] & {
  store?: string;
  sandbox?: Sandbox;
  mode: 'real' | 'simulated' | 'hybrid';
  policy?: string;
  model?: string;
};

/** The validator as an MCP tool of the program that starts it. */
export function mcpCommands(program: Command): void {
  program
    .command('mcp')
    .description('the validator as an MCP tool over standard input and output')
    .addOption(new Option('--mode <mode>', 'who judges').choices(['real', 'simulated', 'hybrid']).default('real'))
    .option('--policy <file>', 'of a hybrid, as `kval tune-policy` writes it; build-first without it')
    .option('--model <folder>', 'the simulator; the one that ships without it')
    .addOption(deviceOption())
    .option('--arch <arch>')
    .addOption(smallOption())
    .addOption(fullSizeOption())
    .addOption(sandboxOption())
    .addOption(storeOption())
    .action((options: Options) => run(options, (kval) => serveTool(kval, options)));
}

async function serveTool(kval: Kval, options: Options): Promise<void> {
  const { mode, policy, model } = options;
  const settings = mode === 'simulated' ? settingsSchema.parse({}) : await settingsOf(kval, options);
  const modes = openModes({
    kval,
    first: { mode },
    own: { ...(model === undefined ? {} : { model }), ...(policy === undefined ? {} : { policy }) },
  });
  const judge = await openJudge({ kval, modes, settings, reward: 'kevin', queueLimit: 2048 });
  const served = serveStdio(() => mcpServer(judge, kval.version), { transport: new StdioServerTransport() });
  try {
    if (!stop.signal.aborted) {
      const closed = { signal: stop.signal };
      const gone = Promise.race([once(process.stdin, 'end', closed), once(process.stdin, 'close', closed)]);
      const ended = gone.catch(() => {});
      await Promise.race([modes.opened.then(() => ended), ended]);
    }
  } finally {
    await served.close();
    await modes.close();
  }
}
