/**
 * `npm run build`: makes `dist/` from `src/`.
 *
 * Cleans it, compiles, then copies what the compiler does not: policies, schemas and static pages.
 *
 * @module
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, mustRun } from '../run.ts';
import { copyAssets } from './assets.ts';

const SOURCE = join(ROOT, 'src');
const TARGET = join(ROOT, 'dist');

await rm(TARGET, { recursive: true, force: true });
try {
  await mustRun('tsc', ['-p', 'tsconfig.build.json'], { onLine: (line) => console.log(line) });
  const copied = await copyAssets(SOURCE, TARGET);
  console.log(`built dist/ with ${copied.length} files that are not TypeScript`);
} catch (error) {
  // The compiler has shown its findings already, line by line.
  console.error(`build failed: ${(error as Error).message.split('\n')[0]}`);
  process.exitCode = 1;
}
