import { InvalidArgumentError, Option } from 'commander';

export const storeOption = (): Option =>
  new Option('--store <file>', "the label store (made where there is none; default: labels.db in kval's home)");
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
