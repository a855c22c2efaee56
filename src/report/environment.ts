import { cpus, totalmem } from 'node:os';
import { formatNumber } from './figures.js';
import type { Machine } from './input.js';

/** What a reader must know of this machine to place a time: processor, cores, memory, and the GPU that the caller names. */
export function thisMachine(gpu: string | null = null): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.replace(/\s+/g, ' ').trim() || 'unknown processor',
    cores: Math.max(1, processors.length),
    memoryGib: Math.max(0.1, Math.round((totalmem() / 2 ** 30) * 10) / 10),
    gpu,
  };
}

/** In one line. */
export function describeMachine({ cpu, cores, memoryGib, gpu }: Machine): string {
  const parts = [
    cpu,
    `${cores} ${cores === 1 ? 'core' : 'cores'}`,
    `${formatNumber(memoryGib, memoryGib < 10 ? 1 : 0)} GiB`,
  ];
  return [...parts, gpu ?? 'no GPU'].join(', ');
}
