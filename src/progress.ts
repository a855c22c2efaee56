import cliProgress from 'cli-progress';

export interface Progress {
  update(done: number, total: number, note?: string): void;
  close(): void;
}

export interface ProgressOptions {
  readonly stream?: NodeJS.WriteStream;
  /** How often a line appears where there is no terminal. */
  readonly everyMs?: number;
  readonly now?: () => number;
}

/** A bar with rate and time left on a terminal; elsewhere a plain line now and then, and one at the end. */
export function openProgress(what: string, options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, everyMs = 15_000, now = Date.now } = options;
  return stream.isTTY ? bar(what, stream, now) : plainLines(what, stream, everyMs, now);
}

function bar(what: string, stream: NodeJS.WriteStream, now: () => number): Progress {
  const pace = openPace(now);
  const shown = new cliProgress.SingleBar({
    stream,
    format: `${what} [{bar}] {value}/{total} {pace} {note}`,
    hideCursor: true,
    linewrap: false,
  });
  let started = false;
  return {
    update: (done, total, note = '') => {
      if (!started) shown.start(total, done, { pace: '', note });
      started = true;
      shown.setTotal(total);
      shown.update(done, { pace: pace(done, total), note });
    },
    close: () => {
      if (started) shown.stop();
    },
  };
}

function plainLines(what: string, stream: NodeJS.WriteStream, everyMs: number, now: () => number): Progress {
  const pace = openPace(now);
  let last = now();
  let latest = '';
  let written = '';
  const write = () => {
    last = now();
    written = latest;
    stream.write(`${latest}\n`);
  };
  return {
    update: (done, total, note = '') => {
      latest = [`${what} ${done}/${total}`, pace(done, total), note].filter((part) => part !== '').join(', ');
      if (now() - last >= everyMs) write();
    },
    close: () => {
      if (written !== latest) write();
    },
  };
}

/** Rate and time left, from what was done since the first thing was done: what was there before counts for nothing. */
function openPace(now: () => number): (done: number, total: number) => string {
  const begin = now();
  let before: number | undefined;
  return (done, total) => {
    before ??= Math.max(0, done - 1);
    const seconds = (now() - begin) / 1_000;
    const made = done - before;
    if (seconds < 1 || made <= 0) return '';
    const perSecond = made / seconds;
    const rate = perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${(perSecond * 60).toFixed(1)}/min`;
    return done >= total ? rate : `${rate}, ${spoken((total - done) / perSecond)} left`;
  };
}

function spoken(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
