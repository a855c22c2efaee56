import { cpus, totalmem } from 'node:os';
import type { Machine } from './input.js';

/** What a reader must know of this machine to place a time: processor, cores, memory, and the GPU that the caller names. */
export function describeMachine(gpu: string | null = null): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.replace(/\s+/g, ' ').trim() || 'unknown processor',
    cores: Math.max(1, processors.length),
    memoryGib: Math.max(0.1, Math.round((totalmem() / 2 ** 30) * 10) / 10),
    gpu,
  };
}
