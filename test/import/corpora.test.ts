import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { readCandidates } from '../../src/import/candidates.js';
import { readProblems } from '../../src/import/problems.js';

const folder = readConfig().corporaFolder;
const place = (name: string): string => join(folder ?? '', name);

const tally = (values: readonly unknown[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1;
  return counts;
};

describe.skipIf(folder === null)('the published corpora (KVAL_CORPORA, or shared/corpora beside the checkout)', () => {
  it('holds 270 problems, each with its own id', async () => {
    const report = await readProblems(place('kernelbench-problems.jsonl'));
    expect({ ...report, items: report.items.length }).toEqual({
      items: 270,
      read: 270,
      malformed: [],
      skipped: [],
      duplicates: 0,
    });
    expect(tally(report.items.map((problem) => problem.level))).toEqual({ 1: 100, 2: 100, 3: 50, 4: 20 });
    expect(new Set(report.items.map((problem) => problem.id)).size).toBe(270);
    expect(report.items.find((problem) => problem.id === 'level1/19')?.name).toBe('ReLU');
  });

  it('holds 709 candidates with 645 labels, of which 149 say nothing about the kernel', async () => {
    const report = await readCandidates(place('candidates-techno.jsonl'));
    expect({ ...report, items: report.items.length }).toEqual({
      items: 709,
      read: 709,
      malformed: [],
      skipped: [],
      duplicates: 0,
    });
    const labels = report.items.flatMap((item) => item.published ?? []);
    expect(labels).toHaveLength(645);
    expect(tally(labels.map((label) => label.kind))).toEqual({
      correct: 177,
      mismatch: 157,
      'compile-error': 112,
      'cuda-fault': 10,
      'runtime-error': 36,
      unstated: 4,
      'out-of-memory': 60,
      'no-kernel-image': 89,
    });
    const unknown = labels.filter((label) => label.kind === 'out-of-memory' || label.kind === 'no-kernel-image');
    expect(unknown).toHaveLength(149);
    expect(unknown.every((label) => label.correct === null && label.compiled !== false)).toBe(true);
    expect(tally(labels.map((label) => label.compiled))).toEqual({ true: 519, false: 122, null: 4 });
    expect(tally(labels.map((label) => label.correct))).toEqual({ true: 177, false: 315, null: 153 });
    expect(labels.filter((label) => label.runtimeMs !== null)).toHaveLength(175);
    expect(tally(labels.map((label) => label.gpu))).toEqual({ 'NVIDIA A100-SXM4-40GB': 645 });
    expect(tally(report.items.map((item) => item.candidate.origin.generator))).toEqual({
      gemini: 249,
      opus4: 110,
      qwen3: 100,
      qwencoder: 250,
    });
    expect(new Set(report.items.map((item) => item.candidate.hash)).size).toBe(707);
  });

  it('holds 230 unlabelled candidates of four backends', async () => {
    const report = await readCandidates(place('candidates-hzeng.jsonl'));
    expect({ ...report, items: report.items.length }).toEqual({
      items: 230,
      read: 230,
      malformed: [],
      skipped: [],
      duplicates: 0,
    });
    expect(tally(report.items.map((item) => item.backend))).toEqual({ cuda: 200, triton: 10, tilelang: 10, cute: 10 });
    expect(tally(report.items.map((item) => item.candidate.origin.generator))).toEqual({
      'Kimi-K2-0905': 130,
      'grok-code-fast-1': 100,
    });
    expect(report.items.every((item) => item.published === null)).toBe(true);
  });

  it('holds 197 candidates that bring their own reference and a speed-up', async () => {
    const report = await readCandidates(place('candidates-cuda-l1.jsonl'));
    expect({ ...report, items: report.items.length }).toEqual({
      items: 197,
      read: 197,
      malformed: [],
      skipped: [],
      duplicates: 0,
    });
    expect(tally(report.items.map((item) => item.hasCudaKernel))).toEqual({ true: 137, false: 60 });
    expect(tally(report.items.map((item) => item.candidate.origin.generator))).toEqual({ 'CUDA-L1': 197 });
    for (const { candidate, problem, published } of report.items) {
      expect(problem?.set).toBe('cuda-l1');
      expect(problem?.id).toBe(candidate.problemId);
      expect(candidate.language).toBe('python');
      expect(published?.speedup).toBeGreaterThan(0);
      expect(published).toMatchObject({ compiled: null, correct: null, runtimeMs: null, gpu: candidate.origin.run });
    }
    const texts = new Map(report.items.map((item) => [item.problem?.id, item.problem?.sourceHash]));
    expect(report.items.every((item) => texts.get(item.problem?.id) === item.problem?.sourceHash)).toBe(true);
  });
});
