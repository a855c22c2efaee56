import { type AgentCase, type AgentReport, buildAgentReport } from '../../../src/report/agents/agent-report.js';
import { seededRandom } from '../../../src/report/intervals.js';

/** Two runs over two levels, three samples a problem, judged by all kinds; what is known differs from kernel to kernel. */
export function demoRuns(): AgentReport {
  const random = seededRandom(11);
  const cases = ['<b>run</b> one', 'a_run_with_a_rather_long_name_20260903_065424'].flatMap((run, which) =>
    [1, 2].flatMap((level) =>
      Array.from({ length: 40 }, (_, index) => index).flatMap((index) =>
        [0, 1, 2].map((sample): AgentCase => {
          const compiled = random() < 0.8;
          const correct = compiled && random() < 0.5 + 0.2 * which;
          const speedup = correct && random() < 0.9 ? Math.exp(2 * random() - 1) : null;
          const published = { compiled, correct: random() < 0.1 ? null : correct, speedup: null };
          return {
            run,
            generator: `model-${which}`,
            set: 'kernelbench',
            level,
            number: index + 1,
            sample,
            verdicts: {
              measured: { compiled, correct, speedup },
              ...(which === 0 ? { published } : {}),
              'embedded 123456': { compiled, correct: null, speedup: null },
            },
          };
        }),
      ),
    ),
  );
  return buildAgentReport({
    title: 'Agents <and> their kernels',
    cases,
    judges: [
      { id: 'measured', kind: 'real', about: "measured by kval's harness" },
      { id: 'published', kind: 'published', about: 'as published with the kernels' },
      { id: 'embedded 123456', kind: 'simulated', about: 'predicted by the embedded simulator 123456' },
    ],
    levels: [1, 2].map((level) => ({ set: 'kernelbench', level, problems: 100, baseline: null })),
    generatedBy: {
      kval: '0.1.0',
      machine: { cpu: 'AMD EPYC', cores: 2, memoryGib: 24, gpu: null },
      commands: ['kval report --runs runs/one'],
    },
    notes: ['A note & a word.'],
  });
}
