import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';

/** Why there is no browser here, or null: the package brings one for Linux on x64. */
export const noBrowser =
  process.platform === 'linux' && process.arch === 'x64' ? null : 'the packaged Chromium runs on Linux on x64 alone';

/**
 * Chromium as the package `@sparticuz/chromium` ships it, with the libraries and fonts that a bare machine lacks beside
 * it: nothing is downloaded, nothing installed. `close` removes it again.
 */
export async function openBrowser(): Promise<{ browser: Browser; close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'kval-chromium-'));
  const executablePath = join(folder, 'chromium');
  writeFileSync(executablePath, unpacked('chromium.br'));
  chmodSync(executablePath, 0o755);
  for (const name of ['al2023', 'fonts']) {
    mkdirSync(join(folder, name));
    execFileSync('tar', ['-x', '-C', join(folder, name)], { input: unpacked(`${name}.tar.br`) });
  }
  const fonts = join(folder, 'fonts.conf');
  writeFileSync(fonts, `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/cache</cachedir></fontconfig>`);
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-zygote', '--disable-gpu', '--disable-dev-shm-usage'],
    chromiumSandbox: false,
    env: {
      LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
      FONTCONFIG_FILE: fonts,
      HOME: folder,
    },
  });
  return {
    browser,
    close: async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function unpacked(name: string): Buffer {
  const require = createRequire(import.meta.url);
  const entry = dirname(require.resolve('@sparticuz/chromium'));
  const bin = ['..', '../..', '../../..'].map((up) => join(entry, up, 'bin', name)).find((path) => existsSync(path));
  if (bin === undefined) throw new Error(`@sparticuz/chromium ships no ${name}`);
  return brotliDecompressSync(readFileSync(bin));
}
