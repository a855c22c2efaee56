import type { Command } from 'commander';
import type { Operator, TurnedOut } from '../kval.js';
import { table } from '../print.js';
import { openProgress } from '../progress.js';
import { storeOption, whole } from './options.js';
import { print, run, stop } from './run.js';

/** Candidates that are made here, kernels of our families and mutants of any. What they are, only `kval label` says. */
export function mutateCommands(program: Command): void {
  program
    .command('families')
    .description('write kernels for the starter problems: families of computations times schedules')
    .option('--problems <which>', 'all, a set, a level or ids', 'starter')
    .option('--per-problem <number>', 'kernels of each problem, each by another schedule', whole, 12)
    .option('--seed <number>', 'which schedules', whole, 1)
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const { candidates, added, already } = await kval.families(options);
        const familyOf = ({ origin }: { origin: { run: string } }): string => origin.run.split(':')[0] ?? '';
        print(
          table(
            ['family', 'problems', 'kernels'],
            [...new Set(candidates.map(familyOf))].map((family) => {
              const kernels = candidates.filter((candidate) => familyOf(candidate) === family);
              return [family, String(new Set(kernels.map(({ problemId }) => problemId)).size), String(kernels.length)];
            }),
          ),
        );
        print(`${added} kernels added, ${already} known already`);
        print("next: kval label --candidates 'kval families'");
      }),
    );

  program
    .command('mutate')
    .description('make mutants of candidates, to be labelled like all others; what an operator intends is no label')
    .option('--problems <which>', 'all, a set, a level or ids', 'all')
    .option('--candidates <which>', 'all, or generators, sources, or beginnings of hashes', 'all')
    .option('--operators <which>', 'all, intents, or names', 'all')
    .option('--per-candidate <number>', 'mutants of each candidate, of the operators with the fewest first', whole, 8)
    .option('--seed <number>', 'which places', whole, 1)
    .option('--list', 'only list the operators')
    .option('--report', "only tell what each operator's labelled mutants turned out to be")
    .addOption(storeOption())
    .action((options) =>
      run(options, async (kval) => {
        const chosen = kval.mutationOperators(options.operators);
        if (options.list) return print(listed(chosen));
        if (options.report) return print(reported(await kval.turnedOut(), chosen));
        const progress = openProgress('mutants');
        const made = await kval
          .mutate({
            problems: options.problems,
            candidates: options.candidates,
            operators: chosen,
            perCandidate: options.perCandidate,
            seed: options.seed,
            signal: stop.signal,
            onProgress: (done, total) => progress.update(done, total),
          })
          .finally(() => progress.close());
        const rows = [...made.byOperator].map(([{ name, intent }, count]) => [name, intent, String(count)]);
        print(table(['operator', 'intent', 'mutants'], rows));
        print(
          `${made.parents} parents (${made.failing} that are known to fail left out): ${made.added} mutants added, ${made.already} known already`,
        );
        print("next: kval label --candidates 'kval mutate'");
      }),
    );
}

function listed(chosen: readonly Operator[]): string {
  const rows = chosen.map(({ name, intent, text, does }) => [name, intent, text, does]);
  return table(['operator', 'intent', 'changes', 'the mutant'], rows);
}

function reported(all: readonly TurnedOut[], chosen: readonly Operator[]): string {
  const outcomes = all.filter(({ operator }) => chosen.some(({ name }) => name === operator.name));
  if (outcomes.length === 0) return 'no mutant is labelled yet; label them with `kval label`';
  const rows = outcomes.map(({ operator, labelled, asIntended, byStatus }) => [
    operator.name,
    operator.intent,
    String(labelled),
    `${Math.round((100 * asIntended) / labelled)}%`,
    Object.entries(byStatus)
      .map(([status, count]) => `${status} ${count}`)
      .join(', '),
  ]);
  const otherwise = outcomes.filter(({ labelled, asIntended }) => asIntended * 2 < labelled);
  return [
    table(['operator', 'intent', 'labelled', 'as intended', 'outcomes'], rows),
    `otherwise than intended in more than half: ${otherwise.map(({ operator }) => operator.name).join(', ') || 'none'}`,
  ].join('\n');
}
