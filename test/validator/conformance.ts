import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Job, jobKey } from '../../src/candidate.js';
import type { Validator } from '../../src/validator/validator.js';
import { decisionSchema, measuredSchema, predictedSchema, type Verdict } from '../../src/verdict.js';

export interface Conformance {
  /** A new validator of the kind in question; the suite closes it. */
  readonly open: () => Promise<Validator>;
  /** A kernel that is fine, or looks so. */
  readonly good: () => Job;
  /** A kernel that is broken beyond doubt. */
  readonly bad: () => Job;
  /** A job that takes at least a few seconds; left out where no job does. */
  readonly slow?: () => Job;
}

/** What every validator owes its callers, whatever stands behind it. */
export function conforms(name: string, { open, good, bad, slow }: Conformance): void {
  describe(`${name} keeps the contract of a validator:`, () => {
    let validator: Validator;
    beforeAll(async () => {
      validator = await open();
    });
    afterAll(async () => {
      await validator.close();
    });

    test('it has a name', () => {
      expect(validator.name).not.toBe('');
    });

    test.each([
      ['good', good],
      ['bad', bad],
    ])('a %s kernel is a verdict with the key of its job, and survives JSON', async (_, make) => {
      const job = make();
      const verdict = await validator.validate(job);
      expect(verdict.jobKey).toBe(jobKey(job));
      expect(readBack(verdict)).toEqual(verdict);
    });

    test('a job is only read', async () => {
      const job = frozen(good());
      const before = JSON.stringify(job);
      await validator.validate(job);
      expect(JSON.stringify(job)).toBe(before);
    });

    test('the same job gets the same answer', async () => {
      const [one, two] = [await validator.validate(good()), await validator.validate(good())];
      expect(answerOf(two)).toEqual(answerOf(one));
    });

    test('many jobs at once each get their own answer', async () => {
      const jobs = [good(), bad(), good(), bad(), good(), bad()];
      const verdicts = await Promise.all(jobs.map((job) => validator.validate(job)));
      expect(verdicts.map((verdict) => verdict.jobKey)).toEqual(jobs.map(jobKey));
      const alone = [await validator.validate(good()), await validator.validate(bad())];
      expect(verdicts.map(answerOf)).toEqual([0, 1, 0, 1, 0, 1].map((index) => alone[index] && answerOf(alone[index])));
    });

    test('an aborted signal is an interruption, not a verdict, and the next job is judged', async () => {
      const stopped = validator.validate(good(), { signal: AbortSignal.abort() });
      await expect(stopped).rejects.toMatchObject({ name: 'KvalError', code: 'interrupted' });
      expect((await validator.validate(good())).jobKey).toBe(jobKey(good()));
    });

    test.skipIf(slow === undefined)('a job at work can be stopped, and the next one is judged', async () => {
      const stop = new AbortController();
      const begin = performance.now();
      const stopped = validator.validate(slow?.() ?? good(), { signal: stop.signal });
      const timer = setTimeout(() => stop.abort(), 200);
      await expect(stopped).rejects.toMatchObject({ name: 'KvalError', code: 'interrupted' });
      clearTimeout(timer);
      expect(performance.now() - begin).toBeLessThan(10_000);
      expect((await validator.validate(good())).jobKey).toBe(jobKey(good()));
    });

    test('it can be closed twice, and judges nothing afterwards', async () => {
      const other = await open();
      await other.validate(good());
      await other.close();
      await other.close();
      await expect(other.validate(good())).rejects.toMatchObject({ name: 'KvalError' });
    });

    test('it can be closed without ever having judged', async () => {
      await (await open()).close();
    });
  });
}

function readBack(verdict: Verdict): unknown {
  const json: unknown = JSON.parse(JSON.stringify(verdict));
  const schema = verdict.kind === 'measured' ? measuredSchema : predictedSchema;
  return schema.extend({ decision: decisionSchema.optional() }).parse(json);
}

/** What a verdict says, without the times that it took. */
function answerOf(verdict: Verdict): unknown {
  return verdict.kind === 'measured'
    ? verdict.outcome
    : { probabilities: verdict.probabilities, runtimeMs: verdict.runtimeMs, confidence: verdict.confidence };
}

function frozen<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) frozen(inner);
  return Object.freeze(value);
}
