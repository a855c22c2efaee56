import { candidateOfRow, type ImportedCandidate, type RowContext } from './candidate-row.js';
import { type ImportEvent, malformedBy } from './report.js';
import type { Row } from './rows.js';

type Events = AsyncGenerator<ImportEvent<ImportedCandidate>>;

/** Turns rows into candidates, one event for each row. */
export async function* candidatesOfRows(rows: AsyncIterable<Row>, where: string, context: RowContext): Events {
  for await (const row of rows) {
    if ('reason' in row) {
      yield { kind: 'malformed', where, line: row.line, reason: row.reason };
      continue;
    }
    let event: ImportEvent<ImportedCandidate>;
    try {
      const item = await candidateOfRow(row.row, context);
      event =
        item === null
          ? { kind: 'skipped', where, line: row.line, reason: withoutKernel(row.row.status) }
          : { kind: 'item', item, where, line: row.line };
    } catch (thrown) {
      event = malformedBy(thrown, where, row.line);
    }
    yield event;
  }
}

function withoutKernel(status: unknown): string {
  return typeof status === 'string' ? `the row holds no kernel (status: ${status})` : 'the row holds no kernel';
}
