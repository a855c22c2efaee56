import type { Estimate } from './report-schema.js';

/** What stands where there is no figure. */
export const none = '-';

const digits = (value: number, count: number): string => {
  const text = value.toFixed(count);
  return Number(text) === 0 ? text.replace('-', '') : text;
};

export function formatCount(value: number): string {
  return value.toLocaleString('en');
}

/** `1 kernel`, `2 kernels`. */
export function formatCounted(value: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(value)} ${value === 1 ? noun : plural}`;
}

/** `0.8123` as `81.2`; in running text with the sign: `formatPercent(x, '%')`. */
export function formatPercent(value: number | null | undefined, sign = ''): string {
  if (value === null || value === undefined) return none;
  const percent = value * 100;
  const rounded = digits(percent, 1);
  if (rounded === '100.0' && percent < 100) return `99.9${sign}`;
  return `${rounded}${sign}`;
}

export function formatNumber(value: number | null | undefined, count = 3): string {
  return value === null || value === undefined ? none : digits(value, count);
}

/** `81.2 (78.1 to 84.0)`; without bounds the value alone. */
export function formatShare(estimate: Estimate | null | undefined): string {
  return withBounds(estimate, (value) => formatPercent(value));
}

export function formatScore(estimate: Estimate | null | undefined): string {
  return withBounds(estimate, (value) => formatNumber(value));
}

/** A difference of shares in points, with its sign. */
export function formatGain(estimate: Estimate | null | undefined): string {
  return withBounds(estimate, (value) => `${value >= 0.0005 ? '+' : ''}${digits(value * 100, 1)}`);
}

function withBounds(estimate: Estimate | null | undefined, write: (value: number) => string): string {
  if (estimate === null || estimate === undefined) return none;
  const { value, low, high } = estimate;
  return low === null || high === null ? write(value) : `${write(value)} (${write(low)} to ${write(high)})`;
}

/** A time in the unit that a person would use, with three significant digits. */
export function formatMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return none;
  if (ms === 0) return '0 ms';
  if (ms < 1) return ms < 0.001 ? `${significant(ms * 1e6)} ns` : `${significant(ms * 1000)} µs`;
  if (ms < 1000) return `${significant(ms)} ms`;
  if (ms < 120_000) return `${significant(ms / 1000)} s`;
  return ms < 7_200_000 ? `${significant(ms / 60_000)} min` : `${significant(ms / 3_600_000)} h`;
}

/** A number of milliseconds for a column that names the unit. */
export function formatMilliseconds(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? none : significant(ms);
}

export function formatFactor(value: number | null | undefined): string {
  if (value === null || value === undefined) return none;
  return value >= 100 ? Math.round(value).toLocaleString('en') : significant(value);
}

function significant(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return magnitude >= 3
    ? Math.round(value).toLocaleString('en')
    : digits(value, Math.max(0, Math.min(6, 2 - magnitude)));
}
