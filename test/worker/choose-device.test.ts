import { describe, expect, test } from 'vitest';
import { chooseDevice } from '../../src/worker/choose-device.js';
import { type Hello, helloSchema } from '../../src/worker/protocol.js';

const gpu = {
  kind: 'cuda',
  index: 0,
  name: 'NVIDIA L4',
  computeCapability: '8.9',
  memoryBytes: 1,
  driver: '580',
} as const;

function hello(changes: Partial<Hello> = {}): Hello {
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

describe('chooseDevice', () => {
  test('auto takes a GPU, with its architecture and the full sizes', () => {
    const chosen = chooseDevice(hello({ devices: [gpu] }));
    expect(chosen).toMatchObject({ device: 'cuda', arch: 'sm_89', small: false });
    expect(chosen.words).toContain('NVIDIA L4');
  });

  test('auto without a GPU executes in software, at the small sizes, and says so', () => {
    const chosen = chooseDevice(hello());
    expect(chosen).toMatchObject({ device: 'cpu', arch: null, small: true });
    expect(chosen.words).toMatch(/software.*emulated.*nothing is timed/);
  });

  test.each(['nvcc', 'gxx', 'torch', 'torchCuda'] as const)('auto only builds without %s', (tool) => {
    expect(chooseDevice(hello({ [tool]: null })).device).toBe('none');
  });

  test('what is asked for by name is taken, whatever is here', () => {
    expect(chooseDevice(hello({ devices: [gpu] }), 'cpu')).toMatchObject({ device: 'cpu', small: true });
    expect(chooseDevice(hello(), 'cuda')).toMatchObject({ device: 'cuda', small: false });
    expect(chooseDevice(hello(), 'none')).toMatchObject({ device: 'none', small: false });
  });
});
