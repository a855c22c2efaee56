import { type Candidate, type Language, makeCandidate } from '../candidate.js';
import { KvalError } from '../errors.js';
import { makeProblem, officialSet, type Problem, problemId } from '../problem.js';
import { generatorOf } from './generator.js';
import { fieldOf, isObject, type JsonObject, textOf } from './json.js';
import { type ProblemKey, problemKeyOfRow, setNameOf } from './problem-key.js';
import { archiveLabel, type PublishedLabel, publishedLabel } from './published.js';

/** A candidate with what its publication says about it. */
export interface ImportedCandidate {
  readonly candidate: Candidate;
  /** Somebody else's label, as published and in our words; null where there is none. */
  readonly published: PublishedLabel | null;
  /** The reference that the row brought itself; `candidate.problemId` is then this problem's id. */
  readonly problem: Problem | null;
  /** The kernel language that the publication states (`cuda`, `triton`, ...), or null. */
  readonly backend: string | null;
  /** Whether the publication says that there is a CUDA kernel in it, or null where it says nothing. */
  readonly hasCudaKernel: boolean | null;
}

/** What the place of a row says where the row itself does not. */
export interface RowContext {
  readonly source: string;
  readonly run: string;
  readonly level: number | null;
  /** The set of the problems, unless the row brings its own reference; null is the official one. */
  readonly set: string | null;
  /** A problem id that holds for every row. */
  readonly problemId: string | null;
  readonly generator: string | null;
  /** Reads the kernel that a row leaves in a file beside it; null where there is none. */
  readonly codeOf?: (key: ProblemKey, sample: number) => Promise<string | null>;
}

const codeFields = ['code', 'kernel', 'custom_code', 'CUDA_Code', 'generated_code', 'kernel_code', 'source_code'];
const referenceFields = ['reference_code', 'ref_code', 'PyTorch_Code_Module'];

/** The candidate that a published row holds; null where the row is well-formed and holds none. */
export async function candidateOfRow(row: JsonObject, context: RowContext): Promise<ImportedCandidate | null> {
  const archive = Object.hasOwn(row, 'CUDA_Code');
  const sample = sampleOf(row, archive);
  const key = context.problemId === null || context.codeOf ? problemKeyOfRow(row, context.level) : null;
  const code = await codeOfRow(row, context, key, sample);
  if (code === null) return null;

  const source = textOf(row, ['source', 'data_source']) ?? (archive ? archiveSource : context.source);
  const run = textOf(row, ['run', 'run_name']) ?? context.run;
  const problem = problemOfRow(row, source, context);
  const id = problem?.id ?? context.problemId ?? idOf(row, key, context);
  return {
    candidate: makeCandidate({
      source: code,
      language: languageOf(row, code),
      problemId: id,
      origin: {
        generator: generatorOf({
          stated: context.generator ?? textOf(row, ['generator', 'model', 'model_name']),
          run,
          source,
        }),
        run,
        sample,
        source,
      },
    }),
    published: labelOfRow(row, archive, run),
    problem,
    backend: textOf(row, ['backend']) ?? (archive ? 'cuda' : null),
    hasCudaKernel: typeof row.has_cuda_kernel === 'boolean' ? row.has_cuda_kernel : null,
  };
}

const archiveSource = 'SakanaAI/AI-CUDA-Engineer-Archive';

/** A missing kernel is published as null, as an empty text, or as the word `None`. */
async function codeOfRow(
  row: JsonObject,
  context: RowContext,
  key: ProblemKey | null,
  sample: number,
): Promise<string | null> {
  const code = textOf(row, codeFields);
  if (code !== null) return code.trim() === 'None' ? null : code;
  if (context.codeOf && key !== null) return context.codeOf(key, sample);
  if (fieldOf(row, codeFields) !== null && typeof fieldOf(row, codeFields) !== 'string') {
    throw new KvalError('bad-input', `the kernel (${codeFields.join(', ')}) is not text`);
  }
  if (!codeFields.some((name) => Object.hasOwn(row, name)) && textOf(row, ['status']) === null) {
    throw new KvalError('bad-input', `no kernel field (${codeFields.join(', ')})`);
  }
  return null;
}

function problemOfRow(row: JsonObject, source: string, context: RowContext): Problem | null {
  const reference = textOf(row, referenceFields);
  if (reference === null || context.problemId !== null) return null;
  const { level, number } = problemKeyOfRow(row, context.level);
  const name = textOf(row, ['name', 'problem_name', 'Op_Name']) ?? `problem_${number}`;
  return makeProblem({
    set: context.set ?? setNameOf(source),
    level,
    number,
    name: plainName(name),
    source: reference,
  });
}

/** `19_ReLU.py` is called `ReLU`. */
export function plainName(name: string): string {
  return name.replace(/\.py$/, '').replace(/^\d+_(?=.)/, '');
}

function idOf(row: JsonObject, key: ProblemKey | null, context: RowContext): string {
  const { level, number } = key ?? problemKeyOfRow(row, context.level);
  return problemId(textOf(row, ['problem_set']) ?? context.set ?? officialSet, level, number);
}

/** The archive numbers its kernels only by their row in the table. */
function sampleOf(row: JsonObject, archive: boolean): number {
  const value = fieldOf(row, archive ? ['__index_level_0__'] : ['sample_id', 'sample', 'rollout']);
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : 0;
}

function languageOf(row: JsonObject, code: string): Language {
  const stated = textOf(row, ['language'])?.toLowerCase();
  if (stated === 'python' || stated === 'cuda') return stated;
  return looksLikeCuda(code) ? 'cuda' : 'python';
}

/** A bare `.cu` has C++ lines at the left margin and no line that only Python has. */
export function looksLikeCuda(code: string): boolean {
  const python = /^(?:import\s+\w[\w.]*|from\s+[\w.]+\s+import\s|class\s+\w+\s*(?:\([^)]*\))?\s*:|def\s+\w+\s*\()/m;
  return (
    /^\s*(?:#\s*include\b|PYBIND11_MODULE\b|TORCH_LIBRARY\b|(?:extern\s+"C"\s+)?(?:template\s*<[^>]*>\s*)?__global__\b)/m.test(
      code,
    ) && !python.test(code)
  );
}

function labelOfRow(row: JsonObject, archive: boolean, run: string): PublishedLabel | null {
  if (archive) return archiveLabel(withoutCode(row));
  const gpu = textOf(row, ['gpu', 'hardware']);
  const nested = ['published', 'eval_result', 'eval', 'result'].map((name) => row[name]).find(isObject);
  if (nested) {
    const label = publishedLabel(nested, { gpu, run });
    return label.gpu === null && label.speedup !== null && isObject(nested.speedup) ? { ...label, gpu: run } : label;
  }
  const flat = ['compiled', 'correctness', 'correct', 'runtime', 'runtime_ms', 'status', 'score_default'];
  return fieldOf(row, flat) === null ? null : publishedLabel(withoutCode(row), { gpu, run });
}

const textFields = new Set([
  ...codeFields,
  ...referenceFields,
  'PyTorch_Code_Functional',
  'cuda_graph_code',
  'cudnn_code',
  'prompt',
  'messages',
  'response',
]);

/** A label's raw record is the row without the texts that are kept elsewhere or are no label. */
function withoutCode(row: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !textFields.has(name)));
}
