import { describe, expect, it } from 'vitest';
import { shinglesOf } from '../../src/dataset/near-duplicates.js';
import {
  extractFeatures,
  featureNames,
  featureVersion,
  gramColumns,
  type JobText,
} from '../../src/simulator/features.js';
import { kernelText } from '../dataset/examples.js';

const problem =
  'import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x)\n';

describe('extractFeatures', () => {
  it('finds nothing wrong with a kernel in order', () => {
    const features = featuresOf(kernelText(1));
    expect(features.get('broken')).toBe(0);
    expect(features.get('build.builds')).toBe(1);
    expect(features.get('build.functions')).toBe(1);
    expect(features.get('cu.kernels')).toBe(1);
    expect(features.get('cu.launches')).toBe(1);
    expect(features.get('cu.kernelParameters')).toBe(3);
    expect(features.get('problem.word.relu')).toBe(1);
    expect(
      [...features].filter(([name, value]) => name !== 'referenceMs' && name !== 'device' && Number.isNaN(value)),
    ).toEqual([]);
  });

  const breakages: readonly (readonly [feature: string, from: string | RegExp, to: string])[] = [
    ['needs.launchCheck', '  return y;', '  C10_CUDA_KERNEL_LAUNCH_CHECK(); return y;'],
    ['build.undeclared', 'functions=["run_1"]', 'functions=["run_1", "other"]'],
    [
      'build.undefinedAnywhere',
      /torch::Tensor run_1\(torch::Tensor x\) \{/,
      'torch::Tensor run_one(torch::Tensor x) {',
    ],
    ['build.signatureDiffers', 'run_1(torch::Tensor x);"', 'run_1(torch::Tensor x, int k);"'],
    [
      'build.pybindAndFunctions',
      '  return y;\n}',
      '  return y;\n}\nPYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("run_1", &run_1); }',
    ],
    ['build.nothingBound', ', functions=["run_1"]', ''],
    ['build.unknownKeywords', 'functions=', 'function_names=["run_1"], functions='],
    ['build.bothDefine', 'run_1(torch::Tensor x);"', 'run_1(torch::Tensor x) { return x; }"'],
    ['cpp.deviceCode', 'cpp_sources="', 'cpp_sources="__global__ void k() {} '],
    ['cu.brackets', '  return y;\n}', '  return y;\n'],
    ['cu.brokenLiterals', '  return y;', '  printf("lost\\n"); return y;'],
    ['cu.launchesUnknown', '<<<', '_typo<<<'],
    ['cu.launchArguments', ', n);', ');'],
    ['cu.kernelReturnsValue', '__global__ void', '__global__ float'],
    ['cu.sharedTooBig', 'float x0 = x[i];', '__shared__ float tile[128][129]; float x0 = x[i];'],
    ['py.unterminated', 'class ModelNew', 'name = "open\n\n\nclass ModelNew'],
    ['py.brackets', 'functions=["run_1"])', 'functions=["run_1"]'],
    ['py.fence', 'class ModelNew', '```\nclass ModelNew'],
  ];
  it.each(breakages)('sees %s', (feature, from, to) => {
    const sound = featuresOf(kernelText(1));
    const text = kernelText(1).replace(from, to);
    expect(text).not.toBe(kernelText(1));
    const features = featuresOf(text);
    expect(sound.get(feature)).toBe(0);
    expect(features.get(feature)).toBeGreaterThan(0);
    expect(features.get('broken')).toBeGreaterThan(0);
  });

  it('follows sources through names, lists and concatenation', () => {
    const text = kernelText(1)
      .replace('cuda_sources=source', 'cuda_sources=[header + source]')
      .replace('source = """', 'header = "#define N 4\\n"\nsource = """');
    const features = featuresOf(text);
    expect(features.get('cu.kernels')).toBe(1);
    expect(features.get('cu.macros')).toBe(1);
    expect(features.get('broken')).toBe(0);
  });

  it('reads a bare .cu file', () => {
    const source =
      '#include <torch/extension.h>\n__global__ void k(float* x) {}\nvoid run(torch::Tensor x) { k<<<1, 1>>>(x.data_ptr<float>()); }\n';
    const features = featuresOf(source, { language: 'cuda' });
    expect(features.get('bare')).toBe(1);
    expect(features.get('cu.kernels')).toBe(1);
    expect(features.get('broken')).toBe(0);
  });

  it('gives the same for the same text, and counts tokens into the hashed columns', () => {
    const job = jobOf(kernelText(2));
    const [first, second]: [number[], number[]] = [[], []];
    expect(extractFeatures(job, (column) => first.push(column))).toEqual(
      extractFeatures(job, (column) => second.push(column)),
    );
    expect(first).toEqual(second);
    expect(first.length).toBeGreaterThan(300);
    expect(first.every((column) => Number.isInteger(column) && column >= 0 && column < gramColumns)).toBe(true);
    expect(featureVersion).toMatch(/^[0-9a-f]{16}$/);
  });

  it('survives any text', () => {
    for (const text of [
      '',
      '"""',
      "'''\\",
      '((((',
      '#include',
      '<<<',
      '\u{1F600} load_inline(',
      `load_inline(${'['.repeat(5000)}`,
      '{'.repeat(20000),
    ]) {
      for (const language of ['python', 'cuda'] as const)
        expect(featuresOf(text, { language }).size).toBe(featureNames.length);
    }
  });

  it('stays quick on hostile text', () => {
    const fill = (piece: string): string => piece.repeat(Math.floor(200_000 / piece.length));
    const names = Array.from({ length: 60 }, (_, index) => `n${index + 1} = "" + ${fillNames(index)}`).join('\n');
    const pieces = [
      'a(',
      '(',
      '{',
      '\n',
      ' ',
      '/*',
      '"',
      '#define a \\\n',
      'f(x<<<',
      'load_inline(',
      "'''",
      'a = "b"\n',
      '<',
      '\\',
      'int f(int x);',
    ];
    for (const text of [...pieces.map(fill), `n0 = "x"\n${names}\nload_inline(cuda_sources=n60)`]) {
      for (const language of ['python', 'cuda'] as const) {
        const start = performance.now();
        featuresOf(text, { language });
        shinglesOf(text);
        expect([text.slice(0, 20), Math.round(performance.now() - start)]).toSatisfy(([, ms]) => Number(ms) < 8000);
      }
    }
  });

  it('takes under 3 ms for a kernel of 6 KB', () => {
    const text = Array.from({ length: 5 }, (_, seed) => kernelText(seed))
      .join('\n')
      .slice(0, 6000);
    const job = jobOf(text);
    const times = Array.from({ length: 60 }, () => {
      const start = performance.now();
      extractFeatures(job, () => {});
      return performance.now() - start;
    }).sort((a, b) => a - b);
    expect(times[30]).toBeLessThan(3);
  });
});

function fillNames(index: number): string {
  return Array.from({ length: 200 }, () => `n${index}`).join(' + ');
}

function jobOf(candidate: string, changes: Partial<JobText> = {}): JobText {
  return { problem, level: 1, candidate, language: 'python', device: null, referenceRuntimeMs: null, ...changes };
}

function featuresOf(candidate: string, changes: Partial<JobText> = {}): Map<string, number> {
  const values = extractFeatures(jobOf(candidate, changes), () => {});
  return new Map(featureNames.map((name, index) => [name, values[index] ?? Number.NaN]));
}
