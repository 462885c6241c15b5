/**
 * Every page that is generated, by its path, and how the files are held against the code.
 *
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../run.ts';
import { capacityPage } from './capacity.ts';
import { configurationPage } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { metricsPage } from './metrics.ts';
import { readResults } from './results.ts';

export interface Page {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly text: () => string;
}

export const PAGES: readonly Page[] = [
  { path: 'docs/operating/capacity.md', text: () => capacityPage(readResults(ROOT)) },
  { path: 'docs/reference/configuration.md', text: configurationPage },
  { path: 'docs/reference/errors.md', text: errorsPage },
  { path: 'docs/reference/metrics.md', text: metricsPage },
];

/** The pages whose file is missing, or is not what the code says. */
export async function stalePages(root: string): Promise<readonly Page[]> {
  const written = await Promise.all(PAGES.map(({ path }) => readFile(join(root, path), 'utf8').catch(() => null)));
  return PAGES.filter(({ text }, at) => text() !== written[at]);
}

export async function writePage(root: string, { path, text }: Page): Promise<void> {
  await writeFile(join(root, path), text());
}
