/**
 * `npm test`: installs the peers that tests talk to, runs the tests, and sums up.
 *
 *     npm test                             everything
 *     npm test -- test/unit/crypto         only the tests under these paths
 *     npm test -- --no-install             with the peers that are there already
 *
 * The last line of the output is always `N passed, N failed, N skipped`. The exit code is 1 where a test failed or none ran.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { installPeers } from '../peers/install.ts';
import { ROOT, duration } from '../run.ts';
import { runBatch } from './batch.ts';
import { findTests, shown } from './files.ts';
import { type FileTally, Tally } from './tally.ts';

/** For a unit test, and for the unit tests of a folder together. */
const UNIT_LIMITS = { testMs: 2 * 60 * 1000, batchMs: 10 * 60 * 1000 };
/** For a test of its own process, and for each such file. */
const ISOLATED_LIMITS = { testMs: 8 * 60 * 1000, batchMs: 10 * 60 * 1000 };
/** Processes at a time: they start servers, and measure time. */
const CONCURRENCY = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: { install: { type: 'boolean', default: true } },
});

/** Who names tests wants to see what they print, also where they pass. */
const verbose = positionals.length > 0;
const startMs = performance.now();
const tally = new Tally((line) => console.log(line));
try {
  const { unit, isolated } = await findTests(ROOT, positionals);
  // A peer that cannot be had is told by the tests that need it: they skip, or under CI they fail.
  if (values.install) await installPeers((line) => console.log(line));
  await inTurns(unitFolders(unit), runUnit);
  await inTurns(isolated, runIsolated);
} catch (error) {
  tally.fail('the test runner', error instanceof Error ? error.message : String(error));
}
console.log(`\ntests took ${duration(performance.now() - startMs)}`);
process.exitCode = tally.close();

/** Unit tests by the folder of `test/unit/` that they are in. */
function unitFolders(files: readonly string[]): readonly (readonly string[])[] {
  return [...Map.groupBy(files, (file) => shown(ROOT, file).split('/').slice(0, 3).join('/')).values()];
}

/** Files in one process, in order: where another file's events begin, the file before has ended. */
async function runUnit(files: readonly string[]): Promise<void> {
  const accounts: FileTally[] = [];
  let current = '';
  const { fault, output } = await runBatch(files, UNIT_LIMITS, (event) => {
    const name = shown(ROOT, event.file);
    if (current !== name) {
      accounts.at(-1)?.close();
      accounts.push(tally.file(name));
      current = name;
    }
    accounts.at(-1)?.add(event);
  });
  accounts.at(-1)?.close();
  if (fault !== null) tally.file('test/unit').close(`${fault}; the last test that ended is of ${current || 'no file'}`);
  if (fault !== null || verbose || accounts.some((account) => account.failed)) tally.printed(output);
}

async function runIsolated(file: string): Promise<void> {
  const account = tally.file(shown(ROOT, file));
  const { fault, output } = await runBatch([file], ISOLATED_LIMITS, (event) => account.add(event));
  account.close(fault);
  if (verbose || account.failed) tally.printed(output);
}

async function inTurns<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
