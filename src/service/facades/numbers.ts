import type { Reply } from '../request.js';

/** The numeric facts of a reply: the same keys in every reply, without reward and score, which facades put elsewhere. */
export function numbersOf({ reward: _reward, score: _score, ...facts }: Reply): Record<string, number> {
  const numbers = Object.entries(facts).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return Object.fromEntries(numbers);
}
