import type { Filter } from './label.js';

export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** A filter as SQL over `labels l` and the sighting `s` that stands for its candidate. */
export function labelCondition(filter: Filter): Condition {
  const { jobKey, statuses, fidelity } = filter;
  return join([
    ...sightingConditions(filter, 'l'),
    jobKey === undefined ? null : { sql: 'l.job_key = ?', values: [jobKey] },
    fidelity === undefined ? null : { sql: 'l.fidelity = ?', values: [fidelity] },
    statuses === undefined
      ? null
      : { sql: `l.status IN (${statuses.map(() => '?').join(', ')})`, values: [...statuses] },
  ]);
}

/** A filter as SQL over sightings `s`; what only labels have does not restrict. */
export function sightingCondition(filter: Filter): Condition {
  return join(sightingConditions(filter, 's'));
}

function sightingConditions(filter: Filter, about: 'l' | 's'): (Condition | null)[] {
  const { problemId, set, level, candidate, generator, source } = filter;
  return [
    problemId === undefined ? null : { sql: `${about}.problem_id = ?`, values: [problemId] },
    // Official problems have no set in their id: level1/19, but starter/level1/19.
    set === undefined
      ? null
      : {
          sql: `${about}.problem_id LIKE ? ESCAPE '\\'`,
          values: [set === 'kernelbench' ? 'level%' : `${escaped(set)}/%`],
        },
    level === undefined
      ? null
      : {
          sql: `(${about}.problem_id LIKE ? OR ${about}.problem_id LIKE ?)`,
          values: [`level${level}/%`, `%/level${level}/%`],
        },
    candidate === undefined
      ? null
      : { sql: `${about}.candidate_hash LIKE ? ESCAPE '\\'`, values: [`${escaped(candidate)}%`] },
    generator === undefined ? null : { sql: 's.generator = ?', values: [generator] },
    source === undefined ? null : { sql: 's.source = ?', values: [source] },
  ];
}

function join(conditions: readonly (Condition | null)[]): Condition {
  const given = conditions.filter((condition) => condition !== null);
  return {
    sql: ['1', ...given.map((condition) => condition.sql)].join(' AND '),
    values: given.flatMap((condition) => condition.values),
  };
}

function escaped(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
