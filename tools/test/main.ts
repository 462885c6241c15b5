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

/** For all unit tests together, and for each other file. */
const BATCH_TIME_MS_MAX = 10 * 60 * 1000;
/** Isolated files at a time: they start servers, and measure time. */
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
  if (unit.length > 0) await runUnit(unit);
  await runIsolated(isolated);
} catch (error) {
  tally.fail('the test runner', error instanceof Error ? error.message : String(error));
}
console.log(`\ntests took ${duration(performance.now() - startMs)}`);
process.exitCode = tally.close();

/** All in one process, in order: where another file's events begin, the file before has ended. */
async function runUnit(files: readonly string[]): Promise<void> {
  const accounts: FileTally[] = [];
  let current = '';
  const { fault, output } = await runBatch(files, BATCH_TIME_MS_MAX, (event) => {
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

async function runIsolated(files: readonly string[]): Promise<void> {
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const account = tally.file(shown(ROOT, file));
      const { fault, output } = await runBatch([file], BATCH_TIME_MS_MAX, (event) => account.add(event));
      account.close(fault);
      if (verbose || account.failed) tally.printed(output);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
