import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../../src/config.js';
import { seededRandom } from '../../src/report/intervals.js';
import { lossesOf } from '../../src/report/losses.js';
import * as metrics from '../../src/report/metrics.js';

const python = readConfig().python;
const installed = spawnSync(python, ['-c', 'import sklearn, scipy'], { timeout: 60_000 }).status === 0;

const theirs = `
import json, sys
from scipy.stats import kendalltau
from sklearn import metrics as m
out = []
for case in json.load(sys.stdin):
    truth, p = case["truth"], case["probability"]
    says = [x >= 0.5 for x in p]
    out.append({
        "accuracy": m.accuracy_score(truth, says), "precision": m.precision_score(truth, says),
        "recall": m.recall_score(truth, says), "f1": m.f1_score(truth, says),
        "balancedAccuracy": m.balanced_accuracy_score(truth, says), "auc": m.roc_auc_score(truth, p),
        "brier": m.brier_score_loss(truth, p), "logLoss": m.log_loss(truth, p),
        "tau": float(kendalltau(case["x"], case["y"]).statistic),
    })
json.dump(out, sys.stdout)
`;

const figures = z.array(z.record(z.string(), z.number()));

describe.skipIf(!installed)(
  `the figures are scikit-learn's${installed ? '' : ' (skipped: it is not installed)'}`,
  () => {
    it('on seeded random verdicts, with ties and without', () => {
      const random = seededRandom(20251);
      const cases = [40, 173, 1000].flatMap((n) =>
        [false, true].map((ties) => {
          const round = (x: number): number => (ties ? Math.round(x * 8) / 8 : x);
          const truth = Array.from({ length: n }, () => random() < 0.35);
          const probability = truth.map((one) => round(Math.min(1, Math.max(0, 0.6 * random() + (one ? 0.35 : 0.05)))));
          const x = Array.from({ length: n }, () => round(random()));
          return { truth, probability, x, y: x.map((value) => round(0.5 * value + 0.5 * random())) };
        }),
      );
      const answer = execFileSync(python, ['-c', theirs], { input: JSON.stringify(cases), timeout: 60_000 });
      const expected = figures.parse(JSON.parse(answer.toString()));
      expect(expected).toHaveLength(cases.length);
      cases.forEach(({ truth, probability, x, y }, index) => {
        const judged = truth.map((one, row) => ({ truth: one, probability: probability[row] ?? Number.NaN }));
        const confusion = metrics.confusionOf(judged);
        const ours = {
          accuracy: metrics.accuracyOf(confusion),
          precision: metrics.precisionOf(confusion),
          recall: metrics.recallOf(confusion),
          f1: metrics.f1Of(confusion),
          balancedAccuracy: metrics.balancedAccuracyOf(confusion),
          auc: metrics.rocAucOf(judged),
          brier: lossesOf(judged).brier,
          logLoss: lossesOf(judged).logLoss,
          tau: metrics.kendallTauBOf(x, y),
        };
        for (const [name, value] of Object.entries(ours)) {
          expect(value, `${name} of case ${index}`).toBeCloseTo(expected[index]?.[name] ?? Number.NaN, 10);
        }
      });
    }, 90_000);
  },
);
