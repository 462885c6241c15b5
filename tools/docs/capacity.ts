/**
 * docs/operating/capacity.md, of the benchmark's newest full result: formulas, with its numbers in them. Where a number was
 * not measured, the page says so, and the formula stays.
 *
 * @module
 */
import { figuresOf, type CaseResult, type Run } from '../../bench/report.ts';
import { figureText } from '../../bench/targets.ts';
import { whole } from '../../bench/table.ts';
import { CHECKPOINT_EVERY_MS } from '../../src/audit/group.ts';
import { blocks, table } from './markdown.ts';
import { recordSizes, type RecordSizes } from './record-sizes.ts';
import type { Result, Results } from './results.ts';

/** Busier than this, a server answers late whenever a few requests come at once. The soak runs at it. */
const BUSY_SHARE = 0.6;
/** What docs/guides/audit-verification.md says of `claviger audit verify`. */
const VERIFIED_PER_SECOND = 40_000;
const DAY_SECONDS = 86_400;
const TIB_BYTES = 1024 ** 4;
const GB_BYTES = 1e9;
const RATES: readonly number[] = [10, 100, 1000, 5000, 10_000];
/** What stands where a number is missing. */
const MISSING = 'not measured yet';

/** The numbers of a run that the formulas need; each is missing where it was not measured. */
interface Measured {
  readonly cpuUs: number | undefined;
  readonly recordBytes: number | undefined;
  readonly connectionKib: number | undefined;
  readonly serverMib: number | undefined;
}

export function capacityPage({ full, soak, figures }: Results): string {
  const sizes = recordSizes();
  const measured = measuredIn(full, soak);
  return blocks(
    INTRODUCTION,
    source(full, soak),
    '## At a glance',
    'P-256 signatures over REST with a token, one record each:',
    glance(measured, sizes),
    GLANCE_WORDS,
    '## Processor',
    PROCESSOR,
    ...(full === null ? [] : [casesTable(full.run.cases)]),
    ...figure(figures, 'bench-throughput.svg', 'Operations a second of each kind, with a durable audit record each'),
    PROCESSOR_WORDS,
    ...figure(figures, 'bench-vault.svg', 'Beside Vault Transit with its file audit device, in the same run'),
    '## Latency',
    latency(full?.run ?? null),
    ...figure(figures, 'bench-latency.svg', 'Latency of P-256 signatures at 10,000 a second, in percentiles'),
    ...figure(figures, 'bench-neighbours.svg', 'p99 of P-256 signatures alone, and beside each kind of bad neighbour'),
    '## Disk',
    disk(measured, sizes),
    '## Memory',
    memory(measured, soak?.run ?? null),
    ...figure(figures, 'bench-soak.svg', 'Memory of the server over the soak'),
    '## Network',
    network(sizes),
    '## Keeping, exporting and verifying',
    keeping(sizes),
    '## Beyond one server',
    BEYOND,
  );
}

const INTRODUCTION = `# Capacity planning

<!-- Generated from bench/results by \`npm run docs\`. Change tools/docs/capacity.ts, not this page. -->

How much a server carries, and what it takes: processor, disk, memory, network. Each part is a formula and the numbers that we
measured. Measure your own machine with [the benchmark](../../bench/README.md), and put yours in.`;

function source(full: Result | null, soak: Result | null): string {
  if (full === null) {
    return `**Not measured yet.** There is no full result of this release in bench/results, so what the formulas need from one is missing
below. \`npm run bench -- --case all --scenario all\` makes one in ten minutes, and \`npm run docs\` puts its numbers in.`;
  }
  const { at, version, machine, connections } = full.run;
  const { cpu, cores, kernel, node, fileSystem, syncMs } = machine;
  const others = soak === null || soak.page === full.page ? '' : ` Memory over hours is from ${linkTo(soak)}.`;
  return `Measured with Claviger ${version} on ${at.slice(0, 10)}: ${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}; the store on ${fileSystem},
${figureText(syncMs)} ms a synced write; ${connections} connections, the load on the same cores. All of it is in ${linkTo(full)}.${others}`;
}

function linkTo({ page }: Result): string {
  return `[${page.slice('bench/results/'.length)}](../../${page})`;
}

function measuredIn(full: Result | null, soak: Result | null): Measured {
  const figures = full === null ? {} : figuresOf(full.run);
  const long = soak === null ? {} : (figuresOf(soak.run)['soak'] ?? {});
  return {
    cpuUs: figures['p256-sign']?.['cpuUs'],
    recordBytes: figures['steady']?.['bytesPerRecord'] ?? long['bytesPerRecord'],
    connectionKib: figures['idle-connections']?.['kibPerConnection'],
    serverMib: long['mibLast'] ?? figures['slow-client']?.['serverMib'],
  };
}

function glance({ cpuUs, recordBytes }: Measured, { sent, checkpoint }: RecordSizes): string {
  const rows = RATES.map((rate) => {
    const perDay = recordBytes === undefined ? undefined : bytesPerDay(rate, recordBytes, checkpoint);
    return [
      `${whole(rate)}/s`,
      told(cpuUs, (us) => coresFor(rate, us)),
      told(perDay, (bytes) => `${figureText(bytes / GB_BYTES)} GB`),
      told(perDay, (bytes) => `${figureText(TIB_BYTES / bytes)} days`),
      `${figureText((rate * sent * 8) / 1e6)} Mbit/s`,
      duration((rate * DAY_SECONDS) / VERIFIED_PER_SECOND),
    ];
  });
  return table(['records', 'cores', 'disk a day', '1 TiB lasts', 'to each sink', 'to verify the log of one day'], rows);
}

const GLANCE_WORDS = `*Cores* are those of the server, busy to ${BUSY_SHARE * 100} %. A batch of up to 100 items is one record, a refusal is one like any other; of
strangers, the first ten a second from an address are recorded, and one more that counts the rest.`;

const PROCESSOR = `\`\`\`
cores      = Σ requests/s × CPU µs ÷ 1,000,000 ÷ ${BUSY_SHARE}
requests/s ≤ 1,000,000 ÷ µs of the event loop, however many cores there are
\`\`\`

*Measured* is what the machine above gave, with the load beside the server.`;

function casesTable(cases: readonly CaseResult[]): string {
  const rows = cases.map(({ title, items, requestsPerSecond, itemsPerSecond, serverCpuUs }) => [
    title,
    whole(requestsPerSecond.median),
    items === 1 ? '' : whole(itemsPerSecond),
    whole(serverCpuUs.total),
    whole(serverCpuUs.main),
    whole(1e6 / serverCpuUs.total),
    whole(1e6 / serverCpuUs.main),
  ]);
  const head = [
    'request',
    'measured/s',
    'items/s',
    'CPU µs',
    'of it event loop',
    'each core/s',
    'event loop, at most/s',
  ];
  return table(head, rows);
}

const PROCESSOR_WORDS = `The event loop parses, decides, encrypts and answers; a second thread signs with the fast curves, hashes and commits; RSA,
ML-DSA and the slow curves run beside them, as many at a time as there are cores. So short operations use two cores, and
more cores help the slow ones. The numbers are without TLS: add about 20 µs a request and 1 ms a handshake, on the event
loop. A traced request takes 9 µs more, and a sink its share of a core: what has to be sent is made into JSON again.`;

function latency(run: Run | null): string {
  const figures = run === null ? {} : figuresOf(run);
  const { requestsPerSecond, seconds, meanMs, p50Ms, p99Ms, maxMs } = figures['steady'] ?? {};
  const steady =
    requestsPerSecond === undefined
      ? `At a rate that callers keep, without waiting for each other: ${MISSING}.`
      : `At ${whole(requestsPerSecond)} P-256 signatures a second for ${whole(seconds!)} s, of callers that do not wait for each other: mean ${figureText(meanMs!)} ms,
half within ${figureText(p50Ms!)} ms, 99 % within ${figureText(p99Ms!)} ms, the slowest ${figureText(maxMs!)} ms.`;
  const slow = figures['slow-disk'];
  const slowDisk =
    slow === undefined
      ? `On a disk with 5 ms a commit: ${MISSING}.`
      : `On a disk that takes 5 ms longer for a commit, one request alone takes ${figureText(slow['oneAloneMs']!)} ms, and 256 connections still get
${whole(slow['requestsPerSecond']!)} signatures a second, because a commit carries more records the longer it takes.`;
  return `An answer waits for one commit, so a request to an idle server takes a synced write and about a millisecond: \`latency ≈ commit + 1 ms\`.
The disk decides latency, and hardly the throughput.

${steady}

${slowDisk}`;
}

function disk({ recordBytes }: Measured, { entry, openings, batchItem, checkpoint }: RecordSizes): string {
  const perSecond = 1000 / CHECKPOINT_EVERY_MS;
  return `\`\`\`
bytes a day = ${whole(DAY_SECONDS)} × (records/s × B + items of batches/s × I + min(records/s, ${perSecond}) × C)
\`\`\`

| | bytes | is |
| --- | --- | --- |
| B | ${told(recordBytes, whole)} | a record in the store, with its index, its place in the tree and all that is around it. The entry has ${entry} bytes, its openings ${openings}; names and encryption contexts come on top |
| I | ${batchItem} | an item of a batch of signatures; one of encryptions has no digest, and less |
| C | ${checkpoint} | a checkpoint; there is one every quarter of a second in which records come |

Besides, the write-ahead log has 16 MiB, and more while somebody reads the database from outside. **Nothing removes records**:
[redaction](audit-log.md#retention-and-redaction) frees the openings of old ones, and new records take their room; the file does not get smaller.

More is written than stays: a commit writes each page of 16 KiB that it changed to the write-ahead log, and later to the
database. We saw 4 KB a record written with 64 connections, 9 KB with 8, and 40 KB for records that come one by one. Flash
is rated by what may be written to it: count with that.`;
}

function memory({ serverMib, connectionKib }: Measured, soak: Run | null): string {
  const { minutes, mibPerHour } = (soak === null ? {} : figuresOf(soak)['soak']) ?? {};
  const slope =
    minutes === undefined
      ? `Over hours at ${BUSY_SHARE * 100} % of the limit: ${MISSING}.`
      : `Over ${whole(minutes)} minutes at ${BUSY_SHARE * 100} % of the limit it changed by ${figureText(mibPerHour!)} MiB an hour.`;
  return `\`\`\`
memory = M + connections × K
\`\`\`

M, a server under load: ${told(serverMib, (mib) => `${whole(mib)} MiB`)}. K, an open connection: ${told(connectionKib, (kib) => `${figureText(kib)} KiB`)}, without TLS and the kernel's share.
${slope}

A start with a passphrase takes 256 MiB for half a second. Each connection is a file descriptor, of which there have to
be enough (\`LimitNOFILE\`).`;
}

function network({ sent, checkpoint }: RecordSizes): string {
  return `| to | bytes | how often |
| --- | --- | --- |
| a sink, as JSON | ${sent} a record; more in syslog and OTLP, which name fields once more | as records come |
| a witness | ${checkpoint} and a proof of at most 3,000 | every 5 s, \`everySeconds\` |
| a copy of checkpoints | ${whole(checkpoint + 80)} | every 10 s |
| Prometheus | some 300 kB with 200 series | every scrape |

A sink that was away catches up with what the log has meanwhile: give its receiver twice the usual rate, and it is level again
after as long as it was away.`;
}

function keeping({ exported, entry, openings }: RecordSizes): string {
  return `An export has about ${whole(exported)} bytes a record. A second one into the same folder fetches only the entries and hashes that are
new, but all openings again, for they may have been redacted: about ${Math.round((100 * openings) / (entry + openings))} % of the whole. Each file that is asked for, of 256 records,
leaves a record itself.

\`claviger audit verify\` reads the whole log each time, some ${whole(VERIFIED_PER_SECOND)} records a second. The last column of the first table is for one
day of log: a year of 1,000/s takes nine days. Verify an export on another machine than the server. That
the log only grew, a [witness](witnesses.md) checks at once and at any size; it does not see what the records say.

Redaction takes 10,000 records a call, which holds up the writer for some tens of milliseconds. Redact each night, and there is
one day to redact.`;
}

const BEYOND = `One process owns one data folder and one log, and there is no cluster. For more than one server carries, run several, each
with keys and a log of its own, and give each application one of them. A key that two need is
[imported](../guides/import-keys.md) into both.`;

function coresFor(rate: number, cpuUs: number): string {
  const cores = (rate * cpuUs) / 1e6 / BUSY_SHARE;
  return cores < 0.1 ? 'less than 0.1' : cores.toFixed(1);
}

/** A busy log has its checkpoints by the clock, a quiet one has one for each record. */
function bytesPerDay(rate: number, recordBytes: number, checkpoint: number): number {
  return DAY_SECONDS * (rate * recordBytes + Math.min(rate, 1000 / CHECKPOINT_EVERY_MS) * checkpoint);
}

function told(value: number | undefined, text: (value: number) => string): string {
  return value === undefined ? MISSING : text(value);
}

function figure(figures: readonly string[], file: string, alt: string): readonly string[] {
  return figures.includes(file) ? [`![${alt}](../images/${file})`] : [];
}

function duration(seconds: number): string {
  if (seconds < 120) return `${whole(Math.ceil(seconds))} s`;
  return seconds < 7200 ? `${whole(seconds / 60)} min` : `${figureText(seconds / 3600)} h`;
}
