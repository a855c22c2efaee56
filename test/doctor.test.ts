import { expect, test } from 'vitest';
import { readConfig } from '../src/config.js';
import { examine } from '../src/doctor.js';
import { KvalError } from '../src/errors.js';
import { type Hello, helloSchema } from '../src/worker/protocol.js';

const config = readConfig();

function hello(changes: Partial<Hello>): Hello {
  return helloSchema.parse({
    type: 'hello',
    protocol: 1,
    harness: '0.1.0',
    python: '3.11.7',
    torch: '2.11.0',
    torchCuda: '13.0',
    nvcc: '13.0.88',
    nvccPath: '/usr/bin/nvcc',
    gxx: '12.2.0',
    devices: [],
    sandbox: {},
    ...changes,
  });
}

const software = hello({
  devices: [
    { kind: 'cpu', index: 0, name: 'CUDA in software, Z80', computeCapability: '9.0', memoryBytes: 1, driver: null },
  ],
});

async function look(here: Hello, onCpu: () => Promise<Hello>) {
  const checks = await examine(config, (on) => (on === 'cpu' ? onCpu() : Promise.resolve(here)));
  return checks.find((check) => check.name === 'device cpu');
}

test('the device cpu is named where its worker starts', async () => {
  const check = await look(hello({}), () => Promise.resolve(software));
  expect(check).toMatchObject({ status: 'ok', found: expect.stringMatching(/Z80.*emulated.*without timing/) });
});

test('why its worker does not start is told', async () => {
  const failed = () => Promise.reject(new KvalError('worker-died', 'no CUDA in software: g++ is 20 years old'));
  const check = await look(hello({}), failed);
  expect(check).toMatchObject({ status: 'limited', found: expect.stringContaining('20 years old') });
});

test('without its tools nothing is started', async () => {
  let started = false;
  const check = await look(hello({ nvcc: null }), () => {
    started = true;
    return Promise.resolve(software);
  });
  expect(check).toMatchObject({ status: 'limited', found: expect.stringContaining('it needs nvcc') });
  expect(started).toBe(false);
});
