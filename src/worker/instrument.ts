import { type ErrorCode, KvalError } from '../errors.js';
import type { InstrumentError } from './protocol.js';

const codes: Readonly<Record<InstrumentError['code'], ErrorCode>> = {
  'bad-request': 'bad-input',
  'out-of-memory': 'instrument',
  'no-kernel-image': 'instrument',
  'device-lost': 'instrument',
  overloaded: 'instrument',
  'disk-full': 'disk-full',
  'worker-died': 'worker-died',
  'toolchain-missing': 'toolchain-missing',
  'problem-broken': 'bad-input',
  unsupported: 'unsupported',
  interrupted: 'interrupted',
  internal: 'instrument',
};

const fixes: Partial<Record<InstrumentError['code'], string>> = {
  'out-of-memory': 'Free memory, or lower the number of workers (KVAL_WORKERS), and run the command again.',
  'no-kernel-image': 'Name the architecture of this GPU with --arch; `kval doctor` shows it.',
  'device-lost': 'Look at `nvidia-smi` and the kernel log; the GPU may need a reset. Then run the command again.',
  overloaded: 'Let other work on this machine end, or lower the number of workers (KVAL_WORKERS); then run it again.',
  'problem-broken': 'Mend the problem file; `kval problems check` shows what is wrong with it.',
};

/** The worker's word that it could not judge, as an error of ours that names what it was judging. */
export function instrumentError({ code, message, retry }: InstrumentError, about: string): KvalError {
  const fix = fixes[code];
  return new KvalError(codes[code], `${about}: ${message} (${code})`, { retry, ...(fix === undefined ? {} : { fix }) });
}
