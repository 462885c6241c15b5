/**
 * docs/operating/capacity.md, as it is made of results: which ones, and what it says where a number is missing.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { capacityPage } from '../../../tools/docs/capacity.ts';
import { recordSizes } from '../../../tools/docs/record-sizes.ts';
import { readResults, type Results } from '../../../tools/docs/results.ts';

const NOTHING: Results = { full: null, soak: null, figures: [] };
/** What no page may show, whatever is missing. */
const BROKEN = /NaN|undefined|Infinity|null/;

const MACHINE = { cpu: 'CPU', cores: 2, kernel: '6', node: '26', openssl: '3', fileSystem: 'ext4', syncMs: 0.2 };
const CPU = { main: 40, workers: 38, others: 2, total: 80 };

function aCase(name: string): object {
  const requestsPerSecond = { median: 18_000, min: 17_000, max: 19_000 };
  return { name, title: name, items: 1, requestsPerSecond, itemsPerSecond: 18_000, serverCpuUs: CPU };
}

const STEADY = { seconds: 60, requestsPerSecond: 10_000, meanMs: 2, p50Ms: 1, p99Ms: 9, p999Ms: 20, maxMs: 40 };

function aRun(at: string, parts: object = {}): object {
  return {
    at,
    version: '1.2.3',
    machine: MACHINE,
    connections: 64,
    windowMs: 5000,
    rounds: 3,
    cases: [aCase('p256-sign'), aCase('aes-encrypt-1k')],
    scenarios: [{ name: 'steady', title: 'steady', figures: { ...STEADY, bytesPerRecord: 1000 }, failures: [] }],
    outcomes: [],
    ...parts,
  };
}

function aSoak(at: string, figures: object): object {
  return aRun(at, { cases: [], scenarios: [{ name: 'soak', title: 'soak', figures, failures: [] }] });
}

/** A folder with these files. */
async function folderOf(t: TestContext, files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'claviger-capacity-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), JSON.stringify(content));
  }
  return folder;
}

suite('the page about capacity', () => {
  test('says that nothing was measured where there is no result, and keeps its formulas', () => {
    const page = capacityPage(NOTHING);
    assert.match(page, /\*\*Not measured yet\.\*\*/);
    assert.match(page, /\| 1,000\/s \| not measured yet \| not measured yet \|/);
    assert.match(page, /^cores +=/m);
    assert.doesNotMatch(page, BROKEN);
    assert.doesNotMatch(page, /!\[/);
  });

  test('puts the numbers of a result into its formulas', async (t) => {
    const folder = await folderOf(t, {
      'bench/results/2026-01-02-two.json': aRun('2026-01-02T00:00:00Z'),
      'bench/results/2026-01-02-two.md': '',
      'docs/images/bench-throughput.svg': '',
    });
    const page = capacityPage(readResults(folder));
    const [, cores, disk, days] = /\| 1,000\/s \| ([^|]+) \| ([^|]+) \| ([^|]+) \|/.exec(page)!;
    // 1,000 × 80 µs at 60 %; 86,400 × (1,000 × 1,000 bytes and four checkpoints).
    assert.deepEqual([cores, disk, days], ['0.1', '86.5 GB', '12.7 days']);
    assert.match(page, /\[2026-01-02-two\.md\]\(\.\.\/\.\.\/bench\/results\/2026-01-02-two\.md\)/);
    assert.match(page, /99 % within 9 ms/);
    assert.match(page, /\(\.\.\/images\/bench-throughput\.svg\)/);
    assert.doesNotMatch(page, /bench-latency\.svg/);
    assert.match(page, /K, an open connection: not measured yet/);
    assert.doesNotMatch(page, BROKEN);
  });

  test('is made of the newest full result: none that is quick, partial, or of an older form', async (t) => {
    const { scenarios: _, ...older } = aRun('2026-01-09T00:00:00Z') as { scenarios: unknown };
    const folder = await folderOf(t, {
      'bench/results/a.json': aRun('2026-01-01T00:00:00Z'),
      'bench/results/b.json': aRun('2026-01-03T00:00:00Z'),
      'bench/results/quick.json': aRun('2026-01-07T00:00:00Z', { windowMs: 300 }),
      'bench/results/partial.json': aRun('2026-01-08T00:00:00Z', { cases: [aCase('p256-sign')] }),
      'bench/results/older.json': older,
    });
    const { full, soak } = readResults(folder);
    assert.equal(full?.page, 'bench/results/b.json');
    assert.equal(soak, null);
  });

  test('takes the memory of hours from the newest soak that was long enough, whatever run it was in', async (t) => {
    const folder = await folderOf(t, {
      'bench/results/a.json': aRun('2026-01-03T00:00:00Z'),
      'bench/results/soak.json': aSoak('2026-01-02T00:00:00Z', { minutes: 60, mibPerHour: -1.5, mibLast: 321 }),
      'bench/results/short.json': aSoak('2026-01-04T00:00:00Z', { minutes: 1, mibLast: 99 }),
    });
    const page = capacityPage(readResults(folder));
    assert.match(page, /M, a server under load: 321 MiB/);
    assert.match(page, /Over 60 minutes .+ -1\.50 MiB an hour/);
    assert.match(page, /Memory over hours is from \[soak\.json\]/);
  });
});

test('what a record weighs is told by the code: an item of a batch less than a record, an export its parts', () => {
  const { entry, openings, batchItem, sent, exported, checkpoint } = recordSizes();
  assert.ok(batchItem < openings && openings < entry, `${batchItem} ${openings} ${entry}`);
  assert.ok(exported > entry + openings + 32 && exported < entry + openings + 32 + 64);
  assert.ok(sent > 500 && sent < 700 && checkpoint > 200 && checkpoint < 300);
});
