import { execa } from 'execa';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { makeCandidate } from '../../../src/candidate.js';
import { readConfig } from '../../../src/config.js';
import { openGrammars } from '../../../src/dataset/mutate/grammars.js';
import { applied } from '../../../src/dataset/mutate/mutate.js';
import { textsOf } from '../../../src/dataset/mutate/texts.js';

/** Ways in which Python files hold one CUDA text. */
const modules: Readonly<Record<string, string>> = {
  raw: 'source = r"""\n__global__ void k(float* y) { printf("a\\n"); y[0] = 1; }\n"""\n',
  plain: 'source = """\n__global__ void k(float* y) { printf("a\\\\n"); y[0] = 1; }\n"""\n',
  single: "source = '__global__ void k(float* y) {\\n\\ty[0] = \\'a\\';\\n y[1] = 1; }'\n",
  joined: 'source = ("__global__ void k(float* y) {\\n"\n  "  y[0] = 1;\\n" # why\n  r"  y[1] = 2; }")\n',
  sum: "source = \"__global__ void k(float* y) {\" + '''\n  y[0] = 1;\n}'''\n",
  formatted: 'n = 4\nsource = f"""__global__ void k(float* y) {{ y[{n}] = 1; y[1] = 2; }}\\n"""\n',
  unicode: 'source = """// \\u00e9 \\x41 é\n__global__ void k(float* y) { y[0] = 1; }"""\n',
};

const pythonSchema = z.array(z.string());

/** What Python itself makes of the strings of a module. */
async function stringsOf(source: string): Promise<string[]> {
  const program =
    'import sys; scope = {}; exec(sys.stdin.read(), scope); import json; print(json.dumps([scope["source"]]))';
  const { stdout } = await execa(readConfig().python, ['-c', program], { input: source });
  return pythonSchema.parse(JSON.parse(stdout));
}

test.each(Object.entries(modules))(
  '%s: reads what Python reads, and a change of it is a change of the file',
  async (name, source) => {
    const grammars = await openGrammars();
    const candidate = makeCandidate({ source, problemId: 'level1/1' });
    const [, cuda] = textsOf(candidate, candidate.source, grammars);
    if (cuda === undefined) throw new Error('no CUDA text was found');
    const [first = ''] = await stringsOf(candidate.source);
    expect(cuda.text.replace('interpolated', '4')).toBe(first);

    for (const [from, to] of [
      ['= 1;', '= 2 * 1;\n'],
      ['void', '__launch_bounds__(64) void'],
      ['float* y', 'float* y, const char* z = "\\\\"'],
      ['{', '{ if (true) { }'],
    ] as const) {
      const start = cuda.text.indexOf(from);
      const edit = cuda.inFile({ start, end: start + from.length, text: to });
      if (edit === null) {
        // A raw string has no way to write the quotes that end it.
        expect(name === 'raw' && to.includes('"'), `${name}: ${from}`).toBe(true);
        continue;
      }
      const [changed = ''] = await stringsOf(applied(candidate.source, [edit]));
      expect(changed).toBe(cuda.text.replace('interpolated', '4').replace(from, () => to));
    }
  },
);

test('what is filled in at run time is not changed, and documentation is no kernel', async () => {
  const grammars = await openGrammars();
  const source = '"""__global__ in words"""\nn = 4\nsource = f"__global__ void k(float* y) {{ y[{n}] = 1; }}"\n';
  const texts = textsOf(makeCandidate({ source, problemId: 'level1/1' }), source, grammars);
  expect(texts.map(({ role }) => role)).toEqual(['python', 'cuda']);
  const start = texts[1]?.text.indexOf('interpolated') ?? -1;
  expect(texts[1]?.inFile({ start, end: start + 4, text: 'x' })).toBe(null);
  expect(texts[1]?.inFile({ start: start - 1, end: start + 2, text: 'x' })).toBe(null);
});
