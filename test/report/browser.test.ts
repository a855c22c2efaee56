/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderAgentHtml } from '../../src/report/agents/render.js';
import { renderHtml } from '../../src/report/render-html.js';
import { buildReport } from '../../src/report/report.js';
import { demoRuns } from './agents/demo.js';
import { noBrowser, openBrowser } from './browser.js';
import { demoInput } from './demo.js';

const pages = {
  'two simulators': renderHtml(buildReport(demoInput({ kernels: 300 }))),
  'nothing executed': renderHtml(buildReport(demoInput({ kernels: 60, executed: false, second: false }))),
  agents: renderAgentHtml(demoRuns()),
};

describe.skipIf(noBrowser !== null)(
  `a page in a real browser${noBrowser === null ? '' : ` (skipped: ${noBrowser})`}`,
  () => {
    let opened: Awaited<ReturnType<typeof openBrowser>>;
    beforeAll(async () => {
      opened = await openBrowser();
    }, 120_000);
    afterAll(() => opened.close());

    /** Opens a page, keeps what it complains of, and refuses it every look outside itself. */
    async function look<T>(
      html: string,
      options: { width?: number; dark?: boolean; print?: boolean },
      see: (page: Page, complaints: string[]) => Promise<T>,
    ): Promise<T> {
      const { width = 1280, dark = false, print = false } = options;
      const page = await opened.browser.newPage({ viewport: { width, height: 900 } });
      await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light', media: print ? 'print' : 'screen' });
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('request', (request) => complaints.push(`asks for ${request.url()}`));
      try {
        await page.setContent(html);
        return await see(page, complaints);
      } finally {
        await page.close();
      }
    }

    describe.each(Object.entries(pages))('%s', (_, html) => {
      it('has nothing to complain of, and is what was written', async () => {
        await look(html, {}, async (page, complaints) => {
          expect(complaints).toEqual([]);
          // Every element was closed where it was meant to be: what the browser made of the page has as many.
          for (const tag of ['svg', 'table', 'tr', 'section', 'figure', 'details']) {
            expect(await page.locator(tag).count(), tag).toBe(html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0);
          }
        });
      });

      it('names every picture, table and place', async () => {
        await look(html, {}, async (page) => {
          const plots = page.locator('svg:not([aria-hidden])');
          for (const plot of await plots.all()) {
            expect(await plot.getAttribute('role')).toBe('img');
            expect((await plot.getAttribute('aria-label'))?.length).toBeGreaterThan(20);
          }
          expect(await page.locator('table:not(:has(caption))').count()).toBe(0);
          expect(await page.locator('tbody th:not(:has-text(""))').count()).toBe(0);
          const empty = page.locator('tbody th').filter({ hasNotText: /\S/ });
          expect(await empty.count()).toBe(0);
          for (const link of await page.locator('nav a').all()) {
            expect(await page.locator(`[id="${(await link.getAttribute('href'))?.slice(1)}"]`).count()).toBe(1);
          }
        });
      });

      it('fits a phone: only tables scroll, and they scroll by themselves', async () => {
        const wide = await look(html, { width: 390 }, (page) => page.evaluate(overflowing));
        expect(wide).toEqual([]);
      });

      it('is dark where the reader is', async () => {
        const [light, dark] = await Promise.all(
          [false, true].map((dark) => look(html, { dark }, (page) => page.evaluate(colours))),
        );
        expect(light?.paper).toBeGreaterThan(0.9);
        expect(light?.ink).toBeLessThan(0.2);
        expect(dark?.paper).toBeLessThan(0.2);
        expect(dark?.ink).toBeGreaterThan(0.8);
      });

      it('prints whole tables in ink on paper', async () => {
        // A4 within the margins, at 96 pixels an inch.
        const printed = await look(html, { width: 688, dark: true, print: true }, async (page) => ({
          wide: await page.evaluate(overflowing),
          cut: await page.locator('.scroll').evaluateAll(clipped),
          ...(await page.evaluate(colours)),
          pdf: (await page.pdf({ preferCSSPageSize: true })).subarray(0, 5).toString(),
        }));
        expect(printed).toMatchObject({ wide: [], cut: [], pdf: '%PDF-' });
        expect(printed.paper).toBeGreaterThan(0.9);
        expect(printed.ink).toBeLessThan(0.2);
      });
    });

    it('shows a kernel when it is asked for', async () => {
      await look(pages['two simulators'], {}, async (page) => {
        const code = page.locator('details pre').first();
        expect(await code.isVisible()).toBe(false);
        await page.locator('summary').first().click();
        expect(await code.isVisible()).toBe(true);
        expect(await code.textContent()).toContain('__global__');
      });
    });

    it('would tell if something were wrong', async () => {
      const broken = pages['nothing executed'].replace(
        '</main>',
        '<img src="https://example.invalid/x.png"><p style="width:900px">wide</p></main>',
      );
      await look(broken, { width: 390 }, async (page, complaints) => {
        expect(complaints.join('\n')).toContain('Content Security Policy');
        expect(await page.evaluate(overflowing)).not.toEqual([]);
      });
    });
  },
);

/** Elements that reach over the right edge of the page without a box of their own to scroll in. */
function overflowing(): string[] {
  const { clientWidth, scrollWidth } = document.documentElement;
  const edge = clientWidth + 1;
  const boxed = (element: Element): boolean =>
    element.closest('.scroll, pre, .skip, .unseen') !== null && !element.matches('.scroll, pre');
  const page = scrollWidth > edge ? [`the page is ${scrollWidth} wide`] : [];
  const elements = [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > edge && !boxed(element))
    .map((element) => `${element.tagName} ${element.className}`);
  return [...page, ...elements];
}

/** How bright the paper and the ink are, from 0 to 1. */
function colours(): { paper: number; ink: number } {
  const brightness = (colour: string): number =>
    Math.max(...(colour.match(/\d+/g) ?? []).slice(0, 3).map(Number)) / 255;
  const { backgroundColor, color } = getComputedStyle(document.body);
  return { paper: brightness(backgroundColor), ink: brightness(color) };
}

/** Boxes whose content is wider than they are: on paper nobody can scroll. */
function clipped(boxes: (HTMLElement | SVGElement)[]): string[] {
  return boxes
    .filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => `${box.getAttribute('aria-label')}: ${box.scrollWidth} in ${box.clientWidth}`);
}
