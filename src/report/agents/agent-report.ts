import { z } from 'zod';
import { generatedBySchema } from '../input.js';
import { headlineOf } from './headline.js';
import { type AgentVerdict, countWhere, fastP, geometricMean, passAtK } from './score.js';

/** Speed-ups at which success is told. */
export const successAt = [1, 1.5, 2] as const;

const judgeSchema = z.object({
  id: z.string(),
  kind: z.enum(['real', 'published', 'simulated']),
  /** In words, for the reader. */
  about: z.string(),
});
export type Judge = z.infer<typeof judgeSchema>;

const countedSchema = z.object({ yes: z.int(), unknown: z.int(), of: z.int() });

const scoreSchema = z.object({
  run: z.string(),
  judge: z.string(),
  /** Kernels of sample 0, and those of them about which the judge says anything. */
  kernels: z.int(),
  judged: z.int(),
  /** Null where the judge does not say so of any kernel; `correct`, of any that it calls compiled. */
  compiled: countedSchema.nullable(),
  correct: countedSchema.nullable(),
  /** Correct kernels whose speed-up is known. */
  timed: z.int(),
  success: z.array(z.object({ p: z.number(), count: countedSchema })),
  /** For certain correct and faster than p, as a share of the problems. */
  curve: z.array(z.object({ p: z.number(), share: z.number() })),
  geometricMean: z.object({ value: z.number(), n: z.int() }).nullable(),
  /** Over problems with at least k judged samples. */
  passAtK: z.array(z.object({ k: z.int(), value: z.number(), problems: z.int() })),
});
export type AgentScore = z.infer<typeof scoreSchema>;

/** How well agents' kernels did, level by level; the JSON form. */
export const agentReportSchema = z.object({
  format: z.literal('kval-agent-report'),
  version: z.literal(1),
  title: z.string(),
  headline: z.array(z.string()),
  runs: z.array(z.object({ run: z.string(), generator: z.string(), kernels: z.int(), samples: z.int() })),
  judges: z.array(judgeSchema),
  levels: z.array(
    z.object({
      set: z.string(),
      level: z.int(),
      /** All problems of the level, and those that speed-ups are counted over. */
      problems: z.int(),
      withBaseline: z.int(),
      scores: z.array(scoreSchema),
    }),
  ),
  generatedBy: generatedBySchema,
  notes: z.array(z.string()),
});
export type AgentReport = z.infer<typeof agentReportSchema>;

/** One kernel of a run, and what each judge says of it; a judge that is not in it says nothing. */
export interface AgentCase {
  readonly run: string;
  readonly generator: string;
  readonly set: string;
  readonly level: number;
  readonly number: number;
  readonly sample: number;
  readonly verdicts: Readonly<Record<string, AgentVerdict>>;
}

export interface AgentReportInput extends Pick<AgentReport, 'title' | 'judges' | 'generatedBy' | 'notes'> {
  readonly cases: readonly AgentCase[];
  /** How many problems a level has, and the numbers of those with a baseline (null: all, for want of a baseline file). */
  readonly levels: readonly {
    readonly set: string;
    readonly level: number;
    readonly problems: number;
    readonly baseline: readonly number[] | null;
  }[];
}

/** Scores every run by every judge's verdicts, by KernelBench's definitions. */
export function buildAgentReport(input: AgentReportInput): AgentReport {
  const { title, judges, generatedBy, notes } = input;
  const runs = [...grouped(input.cases, ({ run }) => run)].map(([run, cases]) => ({
    run,
    generator: [...new Set(cases.map(({ generator }) => generator))].join(', '),
    kernels: cases.length,
    samples: 1 + Math.max(...cases.map(({ sample }) => sample)),
  }));
  const levels = input.levels.map(({ set, level, problems, baseline }) => {
    const cases = input.cases.filter((one) => one.set === set && one.level === level);
    const counted = baseline === null ? null : new Set(baseline);
    const scores = runs.flatMap(({ run }) =>
      judges.flatMap(({ id }) => {
        const own = cases.filter((one) => one.run === run);
        return own.some(({ verdicts }) => id in verdicts) ? [scoreOf(own, { run, judge: id, problems, counted })] : [];
      }),
    );
    return { set, level, problems, withBaseline: counted?.size ?? problems, scores };
  });
  const report = { title, runs, judges: [...judges], levels, generatedBy, notes: [...notes] };
  return { format: 'kval-agent-report', version: 1, headline: headlineOf(report), ...report };
}

const nothing: AgentVerdict = { compiled: null, correct: null, speedup: null };

function scoreOf(
  cases: readonly AgentCase[],
  about: { run: string; judge: string; problems: number; counted: ReadonlySet<number> | null },
): AgentScore {
  const { run, judge, problems, counted } = about;
  const verdictOf = ({ verdicts }: AgentCase): AgentVerdict => verdicts[judge] ?? nothing;
  // Like KernelBench, everything but pass@k looks at sample 0 alone.
  const first = cases.filter(({ sample }) => sample === 0);
  const verdicts = first.map(verdictOf);
  const compared = first.filter(({ number }) => counted === null || counted.has(number)).map(verdictOf);
  const success = (p: number) => fastP(compared, counted?.size ?? problems, p);
  return {
    run,
    judge,
    kernels: first.length,
    judged: verdicts.filter(({ compiled, correct }) => compiled !== null || correct !== null).length,
    compiled: knows(verdicts, 'compiled') ? countWhere(verdicts, problems, ({ compiled }) => compiled) : null,
    correct: knows(verdicts, 'correct') ? countWhere(verdicts, problems, ({ correct }) => correct) : null,
    timed: compared.filter(({ correct, speedup }) => correct === true && speedup !== null).length,
    success: successAt.map((p) => ({ p, count: success(p) })),
    curve: curvePoints.map((p) => ({ p, share: success(p).yes / Math.max(1, counted?.size ?? problems) })),
    geometricMean: geometricMean(compared),
    passAtK: passRates(cases, verdictOf),
  };
}

/** Whether a judge can tell at all: that a kernel is wrong because it does not compile says nothing of those that do. */
function knows(verdicts: readonly AgentVerdict[], what: 'compiled' | 'correct'): boolean {
  const telling = what === 'compiled' ? verdicts : verdicts.filter(({ compiled }) => compiled !== false);
  return verdicts.every((verdict) => verdict[what] !== null) || telling.some((verdict) => verdict[what] !== null);
}

/** From a tenth of the reference's speed to ten times it, in even factors. */
const curvePoints = Array.from({ length: 101 }, (_, index) => 10 ** ((index - 50) / 50));

/** For k = 1 and the usual steps up to the most samples of a problem; nothing where every problem has one sample. */
function passRates(cases: readonly AgentCase[], verdictOf: (one: AgentCase) => AgentVerdict): AgentScore['passAtK'] {
  const samples = [...grouped(cases, ({ number }) => number).values()].map((own) =>
    own.map((one) => verdictOf(one).correct).filter((correct) => correct !== null),
  );
  const most = Math.max(0, ...samples.map(({ length }) => length));
  if (most < 2) return [];
  return [1, 2, 5, 10, 25, 50, 100].flatMap((k) => {
    const rates = samples.flatMap((own) => passAtK(own.length, own.filter(Boolean).length, k) ?? []);
    if (rates.length === 0) return [];
    return [{ k, value: rates.reduce((sum, rate) => sum + rate, 0) / rates.length, problems: rates.length }];
  });
}

function grouped<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
