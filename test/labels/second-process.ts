import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface SecondProcess {
  readonly child: ChildProcess;
  /** Every line of its stdout so far. */
  readonly lines: string[];
  /** Resolves at the first line that has the text in it. */
  line(text: string): Promise<void>;
  readonly ended: Promise<number | null>;
}

/** Starts a second process on a TypeScript file of this folder that exports `main`. */
export function secondProcess(file: string, ...args: string[]): SecondProcess {
  const bootstrap = join(import.meta.dirname, 'second-process.mjs');
  const child = spawn(process.execPath, [bootstrap, join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const waiting: { text: string; resolve: () => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    for (const one of waiting) if (line.includes(one.text)) one.resolve();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    child,
    lines,
    line: (text) =>
      new Promise((resolve, reject) => {
        if (lines.some((line) => line.includes(text))) resolve();
        waiting.push({ text, resolve });
        void ended.then(() => reject(new Error(`the second process ended without saying "${text}"`)));
      }),
    ended,
  };
}
