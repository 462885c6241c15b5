/**
 * `npm run check`: everything that can be said about the code without running it.
 *
 * Runs all checks in order even when one fails, so that one run shows all there is to repair; ends with a summary, and
 * with exit code 1 where anything failed. `npm run check -- lint format` runs only those.
 *
 * @module
 */
import { join } from 'node:path';
import { ROOT, run } from '../run.ts';
import { checkLayers } from './layers.ts';
import { checkPackage } from './package.ts';
import { type Check, type Finding, runChecks } from './suite.ts';

const CHECKS: readonly Check[] = [
  { name: 'types', run: () => program('tsc', ['-p', 'tsconfig.json']) },
  {
    name: 'lint',
    run: () => program('oxlint', ['--type-aware', '--deny-warnings', '--report-unused-disable-directives']),
  },
  { name: 'layers', run: layers },
  { name: 'format', run: () => program('prettier', ['--check', '--log-level', 'warn', '.']) },
  { name: 'unused', run: () => program('knip', ['--no-progress', '--no-config-hints']) },
  { name: 'package', run: checkPackage },
];

async function program(command: string, args: readonly string[]): Promise<Finding> {
  const { ok, output } = await run(command, args);
  return { ok, output };
}

async function layers(): Promise<Finding> {
  const { filesExamined, importsExamined, problems } = await checkLayers(join(ROOT, 'src'));
  return {
    ok: problems.length === 0,
    output: problems.join('\n'),
    note: `${importsExamined} imports in ${filesExamined} files`,
  };
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CHECKS.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}; there are ${CHECKS.map((check) => check.name).join(', ')}`);
  process.exit(2);
}
process.exitCode = await runChecks(
  CHECKS.filter((check) => wanted.length === 0 || wanted.includes(check.name)),
  (line) => console.log(line),
);
