/** Every way in which kval itself can fail, with its exit status, its HTTP status and what to do about it. */
const table = {
  usage: { exit: 2, http: 400, fix: 'See `kval --help`, or `kval <command> --help`.' },
  'not-found': {
    exit: 3,
    http: 404,
    fix: 'Check the name; `kval problems list` and `kval labels list` show what there is.',
  },
  'bad-input': { exit: 4, http: 400, fix: 'Correct the input and run the command again.' },
  'store-corrupt': {
    exit: 5,
    http: 500,
    fix: 'Keep the file for inspection, restore a copy, or start a new store with --store and bring labels in with `kval labels import`.',
  },
  'store-newer': {
    exit: 6,
    http: 500,
    fix: 'The store was written by a newer kval; upgrade kval, or name another file with --store.',
  },
  'store-busy': {
    exit: 7,
    http: 503,
    fix: 'Another process is writing this store; wait for it to end, or use another --store.',
  },
  'dataset-changed': {
    exit: 8,
    http: 500,
    fix: 'Build the data set again with `kval dataset build`, or restore the files that its manifest lists.',
  },
  'model-missing': {
    exit: 9,
    http: 503,
    fix: 'Train one with `kval finetune --recipe embedded`, or name a model folder with --model.',
  },
  'model-invalid': {
    exit: 10,
    http: 500,
    fix: 'Train the model again with `kval finetune`, or name another folder with --model.',
  },
  'toolchain-missing': { exit: 11, http: 503, fix: 'Run `npm run setup`, then `kval doctor`.' },
  'sandbox-missing': {
    exit: 19,
    http: 503,
    fix: 'Run `kval doctor`; allow what is missing, or use --sandbox best-effort to judge behind the fences there are.',
  },
  'device-missing': {
    exit: 12,
    http: 503,
    fix: 'Run `kval doctor`; use --device cpu to execute in software, or --device none to build without executing.',
  },
  'worker-protocol': {
    exit: 13,
    http: 500,
    fix: 'The Python side does not fit this version; run `npm run setup`, then `kval doctor`.',
  },
  'worker-died': {
    exit: 14,
    http: 503,
    fix: 'Try again; if it happens again, run `kval doctor` and look at the worker log named above.',
  },
  instrument: {
    exit: 15,
    http: 503,
    fix: 'This is a failure of the instrument, not of the kernel; mend its cause and run the command again.',
  },
  'disk-full': {
    exit: 16,
    http: 507,
    fix: 'Free some disk space (`kval cache prune` empties the build cache) and run the command again; nothing was lost.',
  },
  'endpoint-failed': {
    exit: 17,
    http: 502,
    fix: 'Check the endpoint URL, its key and its log; finished samples are kept, so run the command again.',
  },
  unsupported: {
    exit: 18,
    http: 501,
    fix: 'CUDA in software cannot run this kernel, which says nothing about it; judge it on a GPU (--device cuda).',
  },
  busy: {
    exit: 20,
    http: 429,
    fix: 'The queue is full; ask again after the time that Retry-After names, or add workers.',
  },
  deadline: {
    exit: 21,
    http: 504,
    fix: 'The verdict was not there in time; it is still being made, so ask the same again, or as a job (POST /v1/jobs).',
  },
  unauthorised: {
    exit: 22,
    http: 401,
    fix: 'Send the token of the service as `Authorization: Bearer TOKEN`, or ask below /t/TOKEN/.',
  },
  conflict: {
    exit: 23,
    http: 422,
    fix: 'Use another Idempotency-Key for another request; the same key stands for the same request.',
  },
  closing: {
    exit: 24,
    http: 503,
    fix: 'The service finishes what it has accepted and then ends; ask again when it has been started anew.',
  },
  starting: {
    exit: 25,
    http: 503,
    fix: 'GET /readyz says what is missing; once it is there the service judges, without a restart. Ask again until then.',
  },
  interrupted: { exit: 130, http: 499, fix: 'Run the same command again; it continues where it stopped.' },
  internal: { exit: 70, http: 500, fix: 'This is a defect of kval; please report it with the text above.' },
} as const;

export type ErrorCode = keyof typeof table;

export const errorTable: Readonly<Record<ErrorCode, { exit: number; http: number; fix: string }>> = table;

/** A failure of the instrument or of its use. A failing kernel is never one: that is a verdict. */
export class KvalError extends Error {
  readonly code: ErrorCode;
  readonly fix: string;
  /** Whether the same call may succeed when tried again. */
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; fix?: string; retry?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KvalError';
    this.code = code;
    this.fix = options.fix ?? table[code].fix;
    this.retry = options.retry ?? false;
  }

  get exitStatus(): number {
    return table[this.code].exit;
  }

  get httpStatus(): number {
    return table[this.code].http;
  }
}

/** Turns whatever was thrown into a `KvalError`: known system errors get their own code, the rest is `internal`. */
export function toKvalError(thrown: unknown): KvalError {
  if (thrown instanceof KvalError) return thrown;
  const code = errorCodeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (code === 'ENOSPC' || code === 'SQLITE_FULL')
    return new KvalError('disk-full', message, { cause: thrown, retry: true });
  if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES' || code === 'ENOTDIR') {
    return new KvalError('bad-input', message, { cause: thrown });
  }
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return new KvalError('store-busy', message, { cause: thrown, retry: true });
  }
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB')
    return new KvalError('store-corrupt', message, { cause: thrown });
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new KvalError('interrupted', 'stopped before it was finished', { cause: thrown });
  }
  return new KvalError('internal', message, { cause: thrown });
}

function errorCodeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
