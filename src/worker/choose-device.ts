import type { Settings } from '../candidate.js';
import { KvalError } from '../errors.js';
import type { Hello } from './protocol.js';

export type WantedDevice = Settings['device'] | 'auto';

/** What a choice of device settles, and how to say so to a person. */
export interface ChosenDevice {
  readonly device: Settings['device'];
  /** The device's own architecture, where there is a GPU. */
  readonly arch: string | null;
  /** In software the small sizes are the default: full ones take minutes. */
  readonly small: boolean;
  readonly words: string;
}

/** `auto`: a GPU where there is one, else CUDA in software where its tools are here, else nothing is executed. */
export function chooseDevice(hello: Hello, wanted: WantedDevice = 'auto'): ChosenDevice {
  const gpu = hello.devices.find(({ kind }) => kind === 'cuda');
  const device = wanted === 'auto' ? (gpu !== undefined ? 'cuda' : hasSoftware(hello) ? 'cpu' : 'none') : wanted;
  const arch = gpu === undefined ? null : `sm_${gpu.computeCapability.replace('.', '')}`;
  return { device, arch, small: device === 'cpu', words: wordsOf(device, gpu?.name) };
}

/** The same, for a machine that must have what is wanted. Throws `device-missing`. */
export function requireDevice(hello: Hello, wanted: WantedDevice): ChosenDevice {
  const chosen = chooseDevice(hello, wanted);
  const lacks = (chosen.device === 'cuda' && chosen.arch === null) || (chosen.device === 'cpu' && !hasSoftware(hello));
  if (lacks) throw new KvalError('device-missing', `this machine does not have the device ${chosen.device}`);
  return chosen;
}

/** CUDA in software takes the PTX of nvcc and the operators of a torch that was made for CUDA. */
export function hasSoftware({ nvcc, gxx, torch, torchCuda }: Hello): boolean {
  return nvcc !== null && gxx !== null && torch !== null && torchCuda !== null;
}

function wordsOf(device: Settings['device'], gpu: string | undefined): string {
  switch (device) {
    case 'cuda':
      return `device cuda: ${gpu ?? 'no GPU is here'}`;
    case 'cpu':
      return 'device cpu: CUDA in software; answers are checked (fidelity "emulated"), nothing is timed';
    case 'none':
      return 'device none: kernels are built, not executed';
  }
}
