import { type Candidate, makeCandidate } from '../../candidate.js';
import { sha256 } from '../../problem.js';
import { columns } from './columns.js';
import { elementwise } from './elementwise.js';
import { matmul } from './matmul.js';
import type { FamilyKernel } from './module.js';
import { rows } from './rows.js';
import { scanned } from './scans.js';
import { totals } from './totals.js';
import { windowed } from './windows.js';

/** Who wrote the kernels of the families. */
export const familiesGenerator = 'kval families';

/** Every kernel that the families can write for the starter problems: families times schedules. */
export function* familyKernels(): Generator<FamilyKernel> {
  for (const family of [elementwise, rows, columns, totals, matmul, windowed, scanned]) yield* family();
}

/** Kernels of the families as candidates: at most so many for each problem, which ones the seed says. */
export function familyCandidates(options: {
  readonly problemIds: ReadonlySet<string>;
  readonly perProblem: number;
  readonly seed: number;
}): Candidate[] {
  const byProblem = new Map<string, { kernel: FamilyKernel; rank: string }[]>();
  for (const kernel of familyKernels()) {
    if (!options.problemIds.has(kernel.problemId)) continue;
    const drawn = { kernel, rank: sha256(String(options.seed), kernel.problemId, kernel.schedule) };
    byProblem.set(kernel.problemId, [...(byProblem.get(kernel.problemId) ?? []), drawn]);
  }
  return [...byProblem.values()].flatMap((drawn) =>
    drawn
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .slice(0, options.perProblem)
      .map(({ kernel }) => candidateOf(kernel, options.seed)),
  );
}

function candidateOf({ family, problemId, schedule, source }: FamilyKernel, seed: number): Candidate {
  return makeCandidate({
    source,
    problemId,
    origin: { generator: familiesGenerator, run: `${family}: ${schedule}`, sample: seed, source: familiesGenerator },
  });
}
