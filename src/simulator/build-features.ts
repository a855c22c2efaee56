import { z } from 'zod';
import { type BuildRecord, kernelResourcesSchema } from '../verdict.js';

/** What a build without error says of its kernels, as far as a model may know it: no names, no words of a compiler. */
export const buildFactsSchema = z.object({
  kernels: z.array(kernelResourcesSchema.omit({ name: true })),
  /** How often each tool gave each warning: `nvcc 177-D`. */
  warnings: z.record(z.string(), z.int().nonnegative()),
});
export type BuildFacts = z.infer<typeof buildFactsSchema>;

export function buildFactsOf({ extensions }: Pick<BuildRecord, 'extensions'>): BuildFacts {
  const warnings: Record<string, number> = {};
  for (const { severity, tool, code } of extensions.flatMap(({ diagnostics }) => diagnostics)) {
    if (severity === 'warning') warnings[`${tool} ${code}`] = (warnings[`${tool} ${code}`] ?? 0) + 1;
  }
  return { kernels: extensions.flatMap(({ kernels }) => kernels.map(({ name: _name, ...rest }) => rest)), warnings };
}

/** In the order of `buildFeatureNames`; null where the build does not tell all of it, or built no kernel. */
export function describeBuild({ kernels, warnings }: BuildFacts): Float64Array | null {
  const told = kernels.flatMap(({ registers, instructions, ...rest }) =>
    registers === null || instructions === null ? [] : [{ ...rest, registers, instructions }],
  );
  if (told.length === 0 || told.length < kernels.length) return null;
  const counts = told.map(
    ({ instructions }) =>
      (name: string) =>
        instructions[name] ?? 0,
  );
  const sizes = told.map(({ instructions }) => sum(Object.values(instructions)));
  const warned = (codes: readonly string[]): number =>
    sum(Object.entries(warnings).map(([name, n]) => (codes.some((code) => name.endsWith(` ${code}`)) ? n : 0)));
  return Float64Array.from([
    told.length,
    Math.max(...told.map(({ registers }) => registers)),
    Math.log1p(Math.max(...told.map(({ sharedBytes }) => sharedBytes ?? 0))),
    Math.log1p(Math.max(...told.map(({ stackBytes }) => stackBytes ?? 0))),
    Math.log1p(sum(told.map(({ spillStoreBytes }) => spillStoreBytes ?? 0))),
    Math.log1p(sum(sizes)),
    Math.log1p(Math.max(...sizes)),
    ...instructionClasses.map((name) => Math.log1p(sum(counts.map((count) => count(name))))),
    counts.filter((count) => count('globalStore') + count('atomic') === 0).length,
    counts.filter((count) => count('globalLoad') === 0).length,
    counts.filter((count) => count('sharedStore') > 0 && count('barrier') + count('warp') === 0).length,
    sum(Object.values(warnings)),
    warned(['177-D', '550-D', '-Wunused-variable', '-Wunused-but-set-variable']),
    warned(['549-D', '-Wuninitialized', '-Wmaybe-uninitialized']),
  ]);
}

/** As `cuda-harness/kval_harness/build/instructions.py` names them. */
const instructionClasses =
  'atomic barrier branch compare constLoad convert copy float globalLoad globalStore integer localLoad localStore move paramLoad sharedLoad sharedStore special tensor texture warp'.split(
    ' ',
  );

export const buildFeatureNames: readonly string[] = [
  ...'kernels registers shared stack spills instructions largest'.split(' '),
  ...instructionClasses,
  ...'writesNothing readsNothing sharedUnsynchronised warnings unused uninitialised'.split(' '),
].map((name) => `built.${name}`);

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
