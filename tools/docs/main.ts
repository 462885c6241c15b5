/**
 * `npm run docs`: writes the pages that are generated from the code. `npm run docs -- --check` writes nothing, and fails
 * where a page is not what the code says.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { ROOT } from '../run.ts';
import { PAGES, stalePages, writePage } from './pages.ts';

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
const stale = await stalePages(ROOT);
for (const page of stale) {
  if (check) {
    console.error(`${page.path} is stale; run \`npm run docs\``);
  } else {
    await writePage(ROOT, page);
    console.log(`${page.path} written`);
  }
}
console.log(`docs: ${PAGES.length - stale.length} of ${PAGES.length} pages were up to date`);
if (check && stale.length > 0) process.exitCode = 1;
