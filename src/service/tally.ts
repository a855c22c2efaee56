import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { compiledOf, correctOf, type Verdict } from '../verdict.js';
import type { Reply } from './request.js';

/** What was asked and said, counted: for Prometheus and for the live page. */
export interface Tally {
  request(route: string, status: number, ms: number): void;
  /** Of a verdict that was remembered, or of none, `verdict` is null. */
  reply(reply: Reply, verdict: Verdict | null): void;
  /** When a client that was refused for want of room should come again. */
  retryAfterSeconds(pending: number): number;
  state(): TallyState;
  readonly metrics: Registry;
}

export interface TallyState {
  readonly verdicts: number;
  readonly cached: number;
  /** Verdicts a second over the last minute. */
  readonly perSecond: number;
  /** Milliseconds from request to reply, of the latest replies; null before the first. */
  readonly latencyMs: { readonly p50: number; readonly p99: number } | null;
  readonly byStatus: Readonly<Record<string, number>>;
  /** Kernels that both sides judged, and for how many of them they agreed. */
  readonly audits: { readonly compared: number; readonly compiledAgreed: number; readonly correctAgreed: number };
  readonly recent: readonly Recent[];
}

export interface Recent {
  readonly at: string;
  readonly problem: string;
  readonly status: string;
  readonly fidelity: string;
  readonly reward: number;
  readonly ms: number;
  readonly cached: boolean;
}

const latestReplies = 1_000;
const shownReplies = 20;
const rateSeconds = 60;

/** `pending`: how many kernels are being judged. */
export function openTally(pending: () => number): Tally {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const registers = [metrics];
  const requests = new Counter({
    name: 'kval_requests_total',
    help: 'HTTP requests answered.',
    labelNames: ['route', 'status'],
    registers,
  });
  const requestSeconds = new Histogram({
    name: 'kval_request_seconds',
    help: 'From the arrival of a request to the end of its answer.',
    labelNames: ['route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const verdicts = new Counter({
    name: 'kval_verdicts_total',
    help: 'Verdicts given.',
    labelNames: ['status', 'fidelity', 'mode', 'cached'],
    registers,
  });
  const audits = new Counter({
    name: 'kval_audits_total',
    help: 'Kernels that harness and simulator both judged, by whether they agreed.',
    labelNames: ['question', 'agreed'],
    registers,
  });
  new Gauge({
    name: 'kval_queue_depth',
    help: 'Different kernels that are being judged or wait for it.',
    registers,
    collect() {
      this.set(pending());
    },
  });

  const begunAt = performance.now();
  const seconds = new Map<number, number>();
  const latencies: number[] = [];
  const recent: Recent[] = [];
  const byStatus: Record<string, number> = {};
  const compared = { compared: 0, compiledAgreed: 0, correctAgreed: 0 };
  const counted = new WeakSet<Verdict>();
  let given = 0;
  let cached = 0;
  let judgedMs = 0;

  const compare = (verdict: Verdict): void => {
    const audit = verdict.decision?.audit ?? null;
    // Who joins a verdict that is being made gets the same one.
    if (verdict.kind !== 'measured' || audit === null || counted.has(verdict)) return;
    counted.add(verdict);
    const compiled = audit.probabilities.compiled >= 0.5 === compiledOf(verdict.outcome);
    const correct = compiled && (audit.probabilities.correct ?? 0) >= 0.5 === (correctOf(verdict.outcome) === true);
    compared.compared += 1;
    compared.compiledAgreed += compiled ? 1 : 0;
    compared.correctAgreed += correct ? 1 : 0;
    audits.inc({ question: 'compiled', agreed: String(compiled) });
    audits.inc({ question: 'correct', agreed: String(correct) });
  };

  return {
    metrics,
    request(route, status, ms) {
      requests.inc({ route, status });
      requestSeconds.observe({ route }, ms / 1_000);
    },
    reply(reply, verdict) {
      const { status, fidelity, mode } = reply;
      verdicts.inc({ status, fidelity, mode, cached: reply.cached });
      given += 1;
      byStatus[status] = (byStatus[status] ?? 0) + 1;
      const second = Math.floor(performance.now() / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
      if (seconds.size > rateSeconds + 1) seconds.delete(seconds.keys().next().value ?? 0);
      if (latencies.push(reply.duration_ms) > latestReplies) latencies.shift();
      if (reply.cached === 1) cached += 1;
      else judgedMs = judgedMs === 0 ? reply.duration_ms : 0.95 * judgedMs + 0.05 * reply.duration_ms;
      recent.unshift({
        at: new Date().toISOString(),
        problem: reply.problem_id,
        status,
        fidelity,
        reward: reply.reward,
        ms: reply.duration_ms,
        cached: reply.cached === 1,
      });
      if (recent.length > shownReplies) recent.pop();
      if (verdict !== null) compare(verdict);
    },
    // A full queue has made its replies wait about as long as it takes to empty.
    retryAfterSeconds: () => Math.min(Math.max(Math.ceil(judgedMs / 1_000), 1), 60),
    state() {
      const now = performance.now();
      const oldest = Math.floor(now / 1_000) - rateSeconds;
      const lately = [...seconds].reduce((sum, [second, count]) => (second > oldest ? sum + count : sum), 0);
      const sorted = latencies.toSorted((a, b) => a - b);
      const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
      return {
        verdicts: given,
        cached,
        perSecond: lately / Math.min(rateSeconds, Math.max((now - begunAt) / 1_000, 1)),
        latencyMs: sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99) },
        byStatus,
        audits: compared,
        recent,
      };
    },
  };
}
