import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Readable as Source } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { candidateSchema, jobKey, makeCandidate } from '../candidate.js';
import { KvalError, toKvalError } from '../errors.js';
import { makeProblem } from '../problem.js';
import { measuredSchema } from '../verdict.js';
import { type Filter, type Label, labelSchema, publishedRecordSchema } from './label.js';
import type { LabelStore } from './store.js';

/** One line of a label file: a label of ours with all that it is about, or what somebody else published. */
const lineSchema = z.discriminatedUnion('type', [
  labelSchema.extend({ type: z.literal('label'), version: z.literal(1) }),
  z.object({
    type: z.literal('published'),
    version: z.literal(1),
    candidate: candidateSchema,
    line: z.int().nullable(),
    backend: z.string().nullable(),
    published: publishedRecordSchema,
  }),
]);
type Line = z.infer<typeof lineSchema>;

export interface Malformed {
  readonly line: number;
  readonly reason: string;
}

export interface ImportedLabels {
  readonly read: number;
  readonly added: number;
  readonly already: number;
  /** The first hundred are named; `malformedCount` counts all. */
  readonly malformed: readonly Malformed[];
  readonly malformedCount: number;
}

const namedMalformed = 100;
const linesAtOnce = 200;

export interface LineOptions {
  readonly withPublished?: boolean;
  /** Without compilers' commands and full output (what they said of the kernel stays in its diagnostics), and without the
   * names of this machine's folders in messages. */
  readonly withoutLogs?: boolean;
}

/** Labels as JSON Lines, oldest first, each with its problem, candidate and provenance; published ones after them if asked for. */
export function* labelLines(
  store: LabelStore,
  filter: Filter = {},
  { withPublished = false, withoutLogs = false }: LineOptions = {},
): Generator<string> {
  const line = (content: Line) => `${JSON.stringify(content)}\n`;
  for (const label of store.iterate(filter))
    yield line({ type: 'label', version: 1, ...(withoutLogs ? quiet(label) : label) });
  if (!withPublished) return;
  for (const record of store.published(filter)) yield line({ type: 'published', version: 1, ...record });
}

/** Writes a label file, gzipped when its name ends in `.gz`. The file appears whole or not at all. Returns the lines written. */
export async function exportLabels(
  store: LabelStore,
  path: string,
  options: LineOptions & { filter?: Filter; signal?: AbortSignal } = {},
): Promise<number> {
  const { filter, signal } = options;
  const unfinished = `${path}.${process.pid}.part`;
  let written = 0;
  const counted = function* () {
    for (const line of labelLines(store, filter, options)) {
      written += 1;
      yield line;
    }
  };
  try {
    const target = createWriteStream(unfinished);
    const stages = path.endsWith('.gz') ? [createGzip(), target] : [target];
    await pipeline([Source.from(counted()), ...stages], signal === undefined ? {} : { signal });
    await rename(unfinished, path);
    return written;
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw toKvalError(thrown);
  }
}

/** Folders of this machine, before what means the same on every machine. */
const localFolders =
  /(?:\/[^\s/\\"':]+)+\/(?=(?:site-packages|kval_harness|candidate|python3\.\d+|cuda(?=\/\d+\.\d))\/)/g;

function quiet(label: Label): Label {
  const { build } = label.measured;
  const extensions = build?.extensions.map((extension) => ({ ...extension, steps: [] })) ?? [];
  const measured = { ...label.measured, build: build === null ? null : { ...build, extensions } };
  return { ...label, measured: measuredSchema.parse(JSON.parse(JSON.stringify(measured).replace(localFolders, ''))) };
}

/** Brings a label file in. Lines that are no labels, or whose hashes do not fit their texts, are counted and named. */
export async function importLabels(
  store: LabelStore,
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<ImportedLabels> {
  try {
    if (!(await stat(path)).isFile()) throw new KvalError('bad-input', `${path} is not a file`);
    const file = createReadStream(path);
    return await importLabelLines(store, path.endsWith('.gz') ? unzipped(file) : file, options);
  } catch (thrown) {
    const error = toKvalError(thrown);
    if (!/^Z_|unexpected end of file|incorrect header/.test(`${codeOf(thrown)} ${error.message}`)) throw error;
    throw new KvalError('bad-input', `${path} is not a whole gzip file: ${error.message}`, { cause: thrown });
  }
}

/** The same from a stream, such as standard input. */
export async function importLabelLines(
  store: LabelStore,
  input: Readable,
  options: { signal?: AbortSignal } = {},
): Promise<ImportedLabels> {
  const { signal } = options;
  const malformed: Malformed[] = [];
  const counts = { read: 0, added: 0, already: 0, malformedCount: 0 };
  let waiting: Line[] = [];
  let number = 0;
  let broken: unknown;
  const keep = () => {
    const added = storeLines(store, waiting);
    counts.added += added;
    counts.already += waiting.length - added;
    waiting = [];
  };
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  input.once('error', (thrown) => {
    broken = thrown;
    lines.close();
  });
  for await (const text of lines) {
    if (signal?.aborted) break;
    number += 1;
    if (text.trim() === '') continue;
    counts.read += 1;
    const line = readLine(text);
    if (typeof line !== 'string') waiting.push(line);
    else {
      counts.malformedCount += 1;
      if (malformed.length < namedMalformed) malformed.push({ line: number, reason: line });
    }
    if (waiting.length >= linesAtOnce) keep();
  }
  keep();
  if (broken !== undefined) throw broken;
  if (signal?.aborted) throw new KvalError('interrupted', `stopped after ${counts.read} lines, which are kept`);
  return { ...counts, malformed };
}

/** A line as it should be, or what is wrong with it. */
function readLine(text: string): Line | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const parsed = lineSchema.safeParse(json);
  if (!parsed.success) return z.prettifyError(parsed.error).replace(/\s*\n\s*/g, ' ');
  return (parsed.data.type === 'label' ? unfit(parsed.data) : unfitCandidate(parsed.data.candidate)) ?? parsed.data;
}

/** Names are hashes of what they name: whoever edits a text by hand makes another thing of it. */
function unfit({ problem, candidate, settings, measured }: Label): string | null {
  if (makeProblem(problem).sourceHash !== problem.sourceHash)
    return 'the problem’s source does not have the hash that it states';
  if (candidate.problemId !== problem.id)
    return `the candidate is for ${candidate.problemId}, the label for ${problem.id}`;
  const otherwise = unfitCandidate(candidate);
  if (otherwise !== null) return otherwise;
  return jobKey({ problem, candidate, settings }) === measured.jobKey ? null : 'its job key is not that of its job';
}

function unfitCandidate(candidate: Label['candidate']): string | null {
  try {
    const hash = makeCandidate(candidate).hash;
    return hash === candidate.hash ? null : 'the candidate’s source does not have the hash that it states';
  } catch (thrown) {
    return toKvalError(thrown).message;
  }
}

function storeLines(store: LabelStore, lines: readonly Line[]): number {
  return store.together(() => {
    let added = 0;
    for (const line of lines) {
      if (line.type === 'published') added += store.putPublished([line]).added;
      else if (store.append(line.measured, line, line.createdAt)) added += 1;
    }
    return added;
  });
}

function unzipped(file: Readable): Readable {
  const gunzip = createGunzip();
  file.once('error', (thrown) => gunzip.destroy(thrown));
  return file.pipe(gunzip);
}

function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : '';
}
