import type { CorpusRow } from './rows.js';

interface Agreement {
  readonly kernels: number;
  readonly agreed: number;
}

/** How often kval's own build says what was published of whether a kernel compiles. */
export interface BuildAgreement {
  readonly published: number;
  readonly compiled: Agreement;
  readonly failed: Agreement;
  readonly agreement: number;
  readonly disagreements: readonly Readonly<Record<string, unknown>>[];
}

/** On the judged kernels that were built here. */
export function measureAgreement(rows: readonly CorpusRow[]): BuildAgreement {
  const judged = rows.filter((row) => row.split === 'test' && row.compiled !== null && row.speedup === null);
  const agreed = (published: boolean): Agreement => {
    const both = judged.filter((row) => row.compiled === published && row.built !== null);
    return { kernels: both.length, agreed: both.filter((row) => row.built === published).length };
  };
  const [compiled, failed] = [agreed(true), agreed(false)];
  const among = (published: boolean): number =>
    judged.filter((row) => row.compiled === published).length / judged.length;
  return {
    published: judged.length,
    compiled,
    failed,
    // Failures were built first, so each class counts by its share of all judged kernels.
    agreement: (among(true) * compiled.agreed) / compiled.kernels + (among(false) * failed.agreed) / failed.kernels,
    disagreements: judged
      .filter((row) => row.built !== null && row.built !== row.compiled)
      .map(({ candidate, generator, unit, built }) => ({ candidate, generator, problem: unit, built })),
  };
}
