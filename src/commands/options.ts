import { InvalidArgumentError, Option } from 'commander';
import { sandboxes } from '../config.js';

export const storeOption = (): Option =>
  new Option('--store <file>', "the label store (made where there is none; default: labels.db in kval's home)");
export const deviceOption = (): Option =>
  new Option('--device <device>', 'what executes: cuda, a GPU; cpu, CUDA in software, untimed; none, build only')
    .choices(['auto', 'cuda', 'cpu', 'none'])
    .default('auto');
export const smallOption = (): Option => new Option('--small', 'the small size of problems that have one');
export const fullSizeOption = (): Option =>
  new Option('--full-size', 'the full size also on the device cpu, where the small one is the default').conflicts(
    'small',
  );
export const sandboxOption = (): Option =>
  new Option(
    '--sandbox <demand>',
    'required: judge nothing where a fence is missing; best-effort (KVAL_SANDBOX): behind those there are',
  ).choices([...sandboxes]);
export const queueOption = (): Option =>
  new Option('--queue <url>', 'Redis whose workers judge, redis://[user:password@]host:port (KVAL_QUEUE)');
export const jsonOption = (): Option => new Option('--json', 'machine-readable output');

export function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is needed');
  return value;
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('a number is needed');
  return value;
}

export function positive(text: string): number {
  const value = number(text);
  if (value <= 0) throw new InvalidArgumentError('a number above zero is needed');
  return value;
}
