import { describe, expect, it } from 'vitest';
import { KvalError } from '../../src/errors.js';
import { thisMachine } from '../../src/report/environment.js';
import { renderHtml } from '../../src/report/render-html.js';
import { renderMarkdown } from '../../src/report/render-markdown.js';
import { renderTerminal } from '../../src/report/render-terminal.js';
import { buildReport, type ReportCase, type ReportInput, reportSchema } from '../../src/report/report.js';
import { demoInput } from './demo.js';

interface Told {
  compiled: number;
  correct?: number | null;
  runtimeMs?: number | null;
  durationMs?: number;
}

function kernel(
  name: string,
  truth: Partial<ReportCase['truth']>,
  told: Told,
  more: Partial<ReportCase> = {},
): ReportCase {
  const correct = told.correct ?? null;
  const runtimeMs = told.runtimeMs ?? null;
  return {
    candidateHash: name,
    problemId: `level1/${name.charCodeAt(0)}`,
    level: 1,
    family: null,
    generator: 'somebody',
    mutation: null,
    length: 1500,
    truth: {
      status: null,
      compiled: null,
      correct: null,
      runtimeMs: null,
      referenceRuntimeMs: null,
      fidelity: 'measured',
      durationMs: null,
      ...truth,
    },
    prior: { compiled: null, correct: null },
    predictions: [
      {
        simulator: 'sim',
        compiled: told.compiled,
        correct,
        runtimeMs: runtimeMs === null ? null : { median: runtimeMs, low: runtimeMs / 1.5, high: runtimeMs * 1.5 },
        confidence: Math.max(told.compiled, 1 - told.compiled),
        durationMs: told.durationMs ?? 2,
      },
    ],
    ...more,
  };
}

function input(cases: ReportCase[], more: Partial<ReportInput> = {}): ReportInput {
  return {
    ...demoInput({ kernels: 0, second: false }),
    simulators: [{ id: 'sim', engine: 'embedded', model: 'm', calibration: 'c', trainedOn: null }],
    cases,
    ...more,
  };
}

const yes = (name: string, runtimeMs: number, told: Told, more: Partial<ReportCase> = {}): ReportCase =>
  kernel(
    name,
    { status: 'correct', compiled: true, correct: true, runtimeMs, referenceRuntimeMs: 4, durationMs: 3000 },
    told,
    more,
  );
const no = (name: string, told: Told): ReportCase =>
  kernel(name, { status: 'compile-error', compiled: false, correct: false, durationMs: 1000 }, told);

/** Six kernels of known fate: every figure below can be checked with a pencil. */
const six = [
  yes('a1', 1, { compiled: 0.9, correct: 0.8, runtimeMs: 2 }),
  yes('a2', 2, { compiled: 0.8, correct: 0.3, runtimeMs: 3 }),
  yes('b1', 8, { compiled: 0.4, correct: 0.2, runtimeMs: 20 }),
  kernel(
    'b2',
    { status: 'mismatch', compiled: true, correct: false, durationMs: 3000 },
    { compiled: 0.7, correct: 0.6 },
  ),
  no('c1', { compiled: 0.6, correct: 0.1 }),
  no('c2', { compiled: 0.1, correct: 0.1 }),
];

describe('a report of six kernels', () => {
  const report = buildReport(input(six));
  const scores = (target: 'compiled' | 'correct', id = 'sim') =>
    report[target].rows.find((row) => row.id === id)?.scores;

  it('tells which outcome was foretold, where a simulator tells outcomes apart', () => {
    expect(report.outcomes).toEqual([]);
    const chances = { invalid: 0, 'compile-error': 0.3, 'runtime-error': 0.1, mismatch: 0.2, correct: 0.4 };
    const told = (one: ReportCase, outcomes = chances): ReportCase => ({
      ...one,
      predictions: one.predictions.map((said) => ({ ...said, outcomes })),
    });
    const [right, , , wrong, broken, rest] = six;
    if (right === undefined || wrong === undefined || broken === undefined || rest === undefined) throw new Error();
    const cheat = { ...wrong, candidateHash: 'd1', truth: { ...wrong.truth, status: 'rejected' as const } };
    const late = { ...wrong, candidateHash: 'd2', truth: { ...wrong.truth, status: 'timeout' as const } };
    const sure = told(cheat, { ...chances, mismatch: 0.9, correct: 0.05 });
    const section = buildReport(input([told(right), told(wrong), told(broken), rest, sure, told(late)])).outcomes;
    expect(section).toMatchObject([
      {
        simulator: 'sim',
        n: 4,
        accuracy: { value: 0.5 },
        rows: [
          { truth: 'compile-error', told: [0, 0, 0, 0, 1] },
          { truth: 'mismatch', told: [0, 0, 0, 1, 1] },
          { truth: 'correct', told: [0, 0, 0, 0, 1] },
        ],
      },
    ]);
  });

  it('has the figures that a pencil gives', () => {
    expect(scores('compiled')?.confusion).toEqual({
      truePositives: 3,
      falseNegatives: 1,
      falsePositives: 1,
      trueNegatives: 1,
    });
    expect(scores('compiled')?.accuracy.value).toBeCloseTo(4 / 6, 12);
    expect(scores('compiled')?.f1?.value).toBeCloseTo(0.75, 12);
    expect(scores('compiled')?.balancedAccuracy?.value).toBeCloseTo((0.75 + 0.5) / 2, 12);
    // Eight pairs: only 0.4 against 0.6 is in the wrong order.
    expect(scores('compiled')?.auc?.value).toBeCloseTo(7 / 8, 12);
    expect(scores('compiled')?.overMajority?.value).toBeCloseTo(0, 12);
    expect(scores('correct')?.precision?.value).toBe(0.5);
    expect(scores('correct')?.recall?.value).toBeCloseTo(1 / 3, 12);
  });

  it('sets the baselines beside it, on the same kernels', () => {
    expect(scores('compiled', 'majority')?.accuracy.value).toBeCloseTo(4 / 6, 12);
    expect(scores('compiled', 'majority')?.brier).toBeNull();
    expect(scores('correct', 'majority')?.accuracy.value).toBe(0.5);
    expect(scores('correct', 'majority')?.precision).toBeNull();
    const prior = report.compiled.rows.find((row) => row.id === 'problem-prior');
    expect([prior?.scores, prior?.reason]).toEqual([null, expect.stringContaining('knows nothing of these problems')]);
  });

  it('measures runtimes as errors, factors and order', () => {
    const row = report.runtime.rows.find(({ id }) => id === 'sim');
    expect(row?.n).toBe(3);
    expect(row?.meanAbsoluteErrorMs?.value).toBeCloseTo((1 + 1 + 12) / 3, 12);
    expect(row?.medianAbsoluteErrorMs?.value).toBe(1);
    expect(row?.medianAbsolutePercentageError?.value).toBe(1);
    expect(row?.withinTwofold?.value).toBeCloseTo(2 / 3, 12);
    expect(row?.kendallTau).toEqual({ value: 1, problems: 1, pairs: 1 });
    expect(row?.intervalCoverage?.value).toBeCloseTo(1 / 3, 12);
    const reference = report.runtime.rows.find(({ id }) => id === 'reference-runtime');
    expect(reference?.meanAbsoluteErrorMs?.value).toBeCloseTo((3 + 2 + 4) / 3, 12);
    // Present in three of six; said present of a1 and b2 (b2 has none), not of a2 and b1.
    expect(report.runtime.presence[0]?.accuracy.value).toBeCloseTo(3 / 6, 12);
  });

  it('compares times', () => {
    expect(report.time.real).toMatchObject({ n: 6, medianMs: 3000, totalMs: 14_000 });
    expect(report.time.simulators[0]?.timesFaster).toBe(1500);
  });

  it('says what a hybrid would pay', () => {
    // Right about all but b1 (0.6 sure) and c1 (0.6 sure): the surest four answers are right.
    const row = report.compiled.rows.find(({ id }) => id === 'sim');
    expect(row?.operating.map(({ wrongAtMost }) => wrongAtMost)).toEqual([0.01, 0.02, 0.05, 0.1]);
    expect(row?.operating[1]?.point).toEqual({
      threshold: 0.7,
      realCalls: 1 - 4 / 6,
      disagreement: 0,
      taken: 4,
      wrong: 0,
    });
    expect(row?.frontier.at(-1)).toMatchObject({ realCalls: 0, disagreement: 2 / 6, wrong: 2 });
  });

  it('shows the worst errors, the most confident first', () => {
    const wrong = report.worst.filter(({ target }) => target === 'compiled');
    expect(wrong.map(({ candidateHash }) => candidateHash)).toEqual(['b1', 'c1']);
    const slow = report.worst.filter(({ target }) => target === 'runtime');
    expect(slow).toMatchObject([{ candidateHash: 'b1', wrongness: 2.5, truth: '8.00 ms' }]);
  });

  it('flags that six are few', () => {
    expect(report.compiled.notes.join(' ')).toContain('Only 6 kernels');
    expect(report.compiled.notes.join(' ')).toContain('Only 3 problems');
  });
});

describe('what cannot be measured', () => {
  const written = (report: ReturnType<typeof buildReport>): string =>
    [renderTerminal(report), renderMarkdown(report), renderHtml(report)].join('\n');

  it('is said in words: nothing was executed', () => {
    const built = (name: string): ReportCase =>
      kernel(name, { status: 'built', compiled: true, fidelity: 'built' }, { compiled: 0.8, correct: 0.4 });
    const report = buildReport(input([built('a1'), built('b1'), no('c1', { compiled: 0.3, correct: 0.1 })]));
    expect(report.compiled.unmeasurable).toBeNull();
    expect(report.correct.unmeasurable).toContain('2 kernels built but were not executed');
    expect(report.correct.rows).toEqual([]);
    expect(report.runtime.unmeasurable).toContain('No kernel was timed');
    expect(written(report)).toContain('nobody knows whether they are right');
  });

  it('is said in words: one class only', () => {
    const report = buildReport(
      input([yes('a1', 1, { compiled: 0.9, correct: 0.9 }), yes('b1', 1, { compiled: 0.2, correct: 0.9 })]),
    );
    expect(report.compiled.unmeasurable).toContain('All 2 kernels are compiled');
    expect(report.runtime.unmeasurable).toContain('No simulator gives a runtime');
  });

  it('is said in words: the simulator does not predict it', () => {
    const report = buildReport(input([yes('a1', 1, { compiled: 0.9 }), no('c1', { compiled: 0.2 })]));
    expect(report.correct.unmeasurable).toContain('No simulator says whether a kernel is correct');
  });

  it('is said in words: no kernels', () => {
    const report = buildReport(input([]));
    expect(report.headline).toEqual(['The test split holds no kernel, so nothing could be compared.']);
    expect(written(report)).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('never shows as NaN, on any input', () => {
    for (const options of [{}, { executed: false }, { kernels: 1 }, { kernels: 2 }, { kernels: 9, second: false }]) {
      const report = buildReport(demoInput(options));
      expect(written(report)).not.toMatch(/\bNaN\b|\bInfinity\b|undefined|\bnull\b/);
      // JSON has no word for NaN: what the schema takes back is what was there.
      expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    }
  });
});

describe('several simulators', () => {
  it('stand side by side, and what one leaves out is told', () => {
    const demo = demoInput({ kernels: 200 });
    const cases = demo.cases.map((one, index) =>
      index < 3 ? { ...one, predictions: one.predictions.slice(0, 1) } : one,
    );
    const report = buildReport({ ...demo, cases });
    expect(report.compiled.rows.map(({ id, n }) => [id, n])).toEqual([
      ['embedded', 200],
      ['gtm-1.5b', 197],
      ['problem-prior', 200],
      ['majority', 200],
    ]);
    expect(report.compiled.notes.join(' ')).toContain('gtm-1.5b gave no answer for 3 kernels');
  });

  it('are counted by level, family, generator, mutation operator and length', () => {
    const report = buildReport(demoInput({ kernels: 300 }));
    for (const groups of Object.values(report.compiled.groups)) {
      expect(groups.reduce((sum, { n }) => sum + n, 0)).toBe(300);
      expect(groups.length).toBeGreaterThan(1);
    }
    expect(report.compiled.groups.level.map(({ name }) => name)).toEqual(['level 1', 'level 2', 'level 3']);
    expect(report.compiled.groups.length[0]?.name).toBe('0 to 1,000 characters');
  });
});

describe('the same input', () => {
  it('gives the same bytes', () => {
    const [first, second] = [buildReport(demoInput()), buildReport(demoInput())];
    expect(JSON.stringify(first)).toBe(JSON.stringify(second));
    expect(renderHtml(first)).toBe(renderHtml(second));
  });
});

describe('a wrong input', () => {
  const thrown = (bad: ReportInput): unknown => {
    try {
      return buildReport(bad);
    } catch (error) {
      return error;
    }
  };

  it('is refused with a reason', () => {
    const stranger = {
      ...input(six),
      simulators: [{ id: 'other', engine: 'e', model: 'm', calibration: 'c', trainedOn: null }],
    };
    expect(thrown(stranger)).toMatchObject({ code: 'bad-input', message: expect.stringContaining('judged by "sim"') });
    const nan = thrown(input([yes('a1', Number.NaN, { compiled: 0.5 })]));
    expect(nan).toBeInstanceOf(KvalError);
    expect(nan).toMatchObject({ message: expect.stringContaining('runtimeMs') });
    expect(thrown({ ...input(six), simulators: [] })).toBeInstanceOf(KvalError);
  });
});

describe('the machine', () => {
  it('is described for whoever reads the times elsewhere', () => {
    const machine = thisMachine('NVIDIA H200');
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memoryGib).toBeGreaterThan(0.1);
    expect(machine.cpu).not.toBe('');
    expect(machine.gpu).toBe('NVIDIA H200');
    expect(thisMachine().gpu).toBeNull();
  });
});
