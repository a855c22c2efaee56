import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';

/** Where the forms of a report lie. */
export interface ReportFiles {
  readonly json: string;
  readonly markdown: string;
  readonly html: string;
}

export async function writeReport(
  forms: { readonly json: object; readonly markdown: string; readonly html: string },
  folder: string,
): Promise<ReportFiles> {
  await mkdir(folder, { recursive: true });
  const files = {
    json: resolve(folder, 'report.json'),
    markdown: resolve(folder, 'report.md'),
    html: resolve(folder, 'report.html'),
  };
  await writeFile(files.json, `${JSON.stringify(forms.json, null, 2)}\n`);
  await writeFile(files.markdown, forms.markdown);
  await writeFile(files.html, forms.html);
  return files;
}
