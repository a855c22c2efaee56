import { type Action, type Choice, choices } from './kernels.js';

const names = ['family', 'schedule', 'logic', 'syntax'] as const satisfies readonly Choice[];

/** A softmax over each choice, apart: log-odds by choice and value. */
export interface Policy {
  readonly logits: Readonly<Record<Choice, readonly number[]>>;
}

export interface Sample {
  readonly action: Action;
  readonly reward: number;
}

/** An agent that knows nothing: everything is equally likely. */
export function uniformPolicy(): Policy {
  return { logits: { family: [0, 0], schedule: [0, 0, 0], logic: [0, 0, 0, 0], syntax: [0, 0, 0, 0] } };
}

export function sampleAction(policy: Policy, random: () => number): Action {
  return actionOf((name) => {
    const odds = probabilitiesOf(policy, name);
    let left = random();
    const index = odds.findIndex((odd) => {
      left -= odd;
      return left < 0;
    });
    return index === -1 ? odds.length - 1 : index;
  });
}

/**
 * REINFORCE with a group's mean reward as its baseline, as in RLOO and GRPO without the division by the spread: the
 * gradient of the log-likelihood of each choice, weighted by how much better than the group it went.
 */
export function reinforce(policy: Policy, group: readonly Sample[], rate: number): Policy {
  const mean = group.reduce((sum, { reward }) => sum + reward, 0) / group.length;
  const logits = (name: Choice): number[] => {
    const odds = probabilitiesOf(policy, name);
    return policy.logits[name].map((logit, index) => {
      const gradient = group.reduce((sum, { action, reward }) => {
        const chosen = valuesOf(name)[index] === action[name] ? 1 : 0;
        return sum + (reward - mean) * (chosen - (odds[index] ?? 0));
      }, 0);
      return logit + (rate * gradient) / group.length;
    });
  };
  return {
    logits: {
      family: logits('family'),
      schedule: logits('schedule'),
      logic: logits('logic'),
      syntax: logits('syntax'),
    },
  };
}

/** The probability that the policy writes this kernel. */
export function probabilityOf(policy: Policy, action: Action): number {
  return names.reduce((product, name) => {
    const index = valuesOf(name).indexOf(action[name]);
    return product * (probabilitiesOf(policy, name)[index] ?? 0);
  }, 1);
}

function probabilitiesOf({ logits }: Policy, name: Choice): number[] {
  const top = Math.max(...logits[name]);
  const weights = logits[name].map((logit) => Math.exp(logit - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function valuesOf(name: Choice): readonly string[] {
  return choices[name];
}

function actionOf(pick: (name: Choice) => number): Action {
  const [family, schedule, logic, syntax] = [pick('family'), pick('schedule'), pick('logic'), pick('syntax')];
  return {
    family: choices.family[family] ?? 'plain',
    schedule: choices.schedule[schedule] ?? 'narrow',
    logic: choices.logic[logic] ?? 'careful',
    syntax: choices.syntax[syntax] ?? 'clean',
  };
}
