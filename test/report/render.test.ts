import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/report/render-html.js';
import { renderMarkdown } from '../../src/report/render-markdown.js';
import { renderTerminal } from '../../src/report/render-terminal.js';
import { buildReport } from '../../src/report/report.js';
import { demoInput } from './demo.js';

const full = buildReport(demoInput());
const built = buildReport(demoInput({ executed: false, second: false }));

describe('the terminal summary', () => {
  it('keeps within 100 columns, whatever the names', () => {
    const demo = demoInput({ kernels: 60 });
    const long = 'a-simulator-with-a-name-that-nobody-would-type-twice-'.repeat(3);
    const renamed = JSON.parse(JSON.stringify(demo).replaceAll('gtm-1.5b', long)) as typeof demo;
    for (const report of [
      full,
      built,
      buildReport({ ...renamed, title: `${long} ${long}`, notes: [long.repeat(4)] }),
    ]) {
      for (const line of renderTerminal(report).split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    }
  });

  it('holds no escape sequence unless colours are asked for', () => {
    const demo = demoInput({ kernels: 60 });
    const hostile = buildReport({ ...demo, title: 'red \u001b[31malert\u001b[0m', notes: ['bell \u0007'] });
    expect(renderTerminal(hostile)).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(renderTerminal(full, { colour: true })).toContain('\u001b[1m');
  });

  it('shows the tables, the baselines and the published figures', () => {
    const text = renderTerminal(full);
    for (const words of [
      'embedded',
      'gtm-1.5b',
      'always "yes"',
      'problem prior',
      'GTM, as published',
      'real validator',
    ]) {
      expect(text).toContain(words);
    }
    expect(renderTerminal(built)).toContain('built but were not executed');
  });
});

describe('the Markdown form', () => {
  it('has tables whose rows all have as many cells as their head', () => {
    const blocks = renderMarkdown(full)
      .split(/\n\n+/)
      .filter((block) => block.startsWith('| '));
    expect(blocks.length).toBeGreaterThan(12);
    for (const block of blocks) {
      const widths = block.split('\n').map((line) => line.replace(/\\\|/g, '').split('|').length);
      expect(new Set(widths).size, block).toBe(1);
    }
  });

  it('lets no name become markup', () => {
    expect(renderMarkdown(full)).not.toContain('<b>');
    expect(renderMarkdown(full)).toContain('\\<b\\>evil');
  });
});

describe('the page', () => {
  const page = renderHtml(full);

  it('is one file: no script, nothing fetched', () => {
    expect(page).not.toMatch(/<script|<link|<img|\bsrc=|@import|url\(/);
    expect(page.match(/href="[^#]/g)).toBeNull();
    expect(page).toContain("default-src 'none'");
  });

  it('escapes what kernels and names say', () => {
    expect(page).not.toContain('<b>evil');
    expect(page).toContain('&lt;b&gt;evil &amp; &quot;quoted&quot;&lt;/b&gt;');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('can be read without seeing it', () => {
    const plots = page.match(/<svg[^>]* class="plot"[^>]*>/g) ?? [];
    expect(plots.length).toBe(17);
    for (const plot of plots) expect(plot).toMatch(/role="img".* aria-label="[^"]{20,}"/);
    const tables = page.match(/<table>/g)?.length ?? 0;
    expect(page.match(/<caption>/g)).toHaveLength(tables);
    expect(page.match(/<th scope="col"/g)?.length).toBeGreaterThan(tables * 2);
    expect(page.match(/class="scroll[^"]*" tabindex="0" role="region" aria-label="/g)?.length).toBeGreaterThan(10);
  });

  it('has text that stands out from its paper, light and dark', () => {
    const [light = '', dark = ''] = page.split('@media (prefers-color-scheme: dark)');
    for (const theme of [light, dark]) {
      const colour = (name: string): string => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(theme)?.[1] ?? '';
      for (const name of ['ink', 'soft', 'accent', 'warn']) {
        expect(contrast(colour(name), colour('paper')), name).toBeGreaterThan(4.5);
        expect(contrast(colour(name), colour('card')), name).toBeGreaterThan(4.5);
      }
      for (const name of ['s0', 's1', 's2', 's3', 's4', 's5'])
        expect(contrast(colour(name), colour('card')), name).toBeGreaterThan(3);
    }
  });
});

/** The contrast ratio of WCAG 2. */
function contrast(a: string, b: string): number {
  const luminance = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}
