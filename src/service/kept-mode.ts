import type { Database } from 'better-sqlite3';
import { z } from 'zod';
import { hybridPolicySchema } from '../validator/policy.js';

export const modeNameSchema = z.enum(['real', 'simulated', 'hybrid']);

/** Another mode, as a client asks for it. */
export const modeChoiceSchema = z.strictObject({
  mode: modeNameSchema,
  policy: hybridPolicySchema.optional().describe("Of a hybrid; the service's own without it."),
});
export type ModeChoice = z.infer<typeof modeChoiceSchema>;

/** The mode that a client asked for last, over restarts. */
export interface KeptMode {
  /** Null where none is kept, or this version does not know it any more. */
  read(): ModeChoice | null;
  keep(choice: ModeChoice): void;
  forget(): void;
}

export function openKeptMode(database: Database): KeptMode {
  return {
    read() {
      const row = z.object({ choice: z.string() }).safeParse(database.prepare('SELECT choice FROM mode').get());
      return row.success ? (modeChoiceSchema.safeParse(JSON.parse(row.data.choice)).data ?? null) : null;
    },
    keep(choice) {
      database.prepare('INSERT OR REPLACE INTO mode (only, choice) VALUES (1, ?)').run(JSON.stringify(choice));
    },
    forget() {
      database.prepare('DELETE FROM mode').run();
    },
  };
}
