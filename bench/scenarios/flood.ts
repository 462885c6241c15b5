/**
 * A flood of requests that nobody may make, beside good clients. Each is refused; the log counts all of them, and grows
 * by a few records a second.
 *
 * The flood is paced a little above its limit, so that what is measured is the good clients' lot at that rate, and not
 * how many connections a stranger can open.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Scenario } from '../bench.ts';
import type { ServerProcess } from '../children.ts';
import { compare, goodOrder, prepareGood } from '../good-clients.ts';
import type { LoadOrder, LoadResult } from '../load.ts';
import { rateOf, refusedOf, warmUp } from '../orders.ts';
import { bearer, type PlainRequest } from '../requests.ts';
import { median } from '../stats.ts';
import type { World } from '../world.ts';

const FLOOD_PER_SECOND = 31_500;
const FLOOD_CONNECTIONS = 128;
/** Different tokens of credentials that do not exist: what was looked up once must not make the next one cheap. */
const UNKNOWN_TOKENS = 4096;
const TOKEN_ID_CHARS = 22;
/** Counted refusals come into the log once a second. */
const COUNTED_MS = 1500;
const PAGE = 1000;

export const flood: Scenario = {
  title: 'good clients beside a flood of strangers',
  takes: '45 s',
  run: async (bench) => {
    const server = await bench.serve();
    const good = await prepareGood(server);
    const floods: LoadResult[] = [];
    const cpuUs: number[] = [];
    const counts: (RefusalCount & { readonly tookMs: number })[] = [];
    const order = floodOrder(bench, server);
    const goodClients = goodOrder(bench, server, good);
    await warmUp(bench, [goodClients, order]);
    await sleep(COUNTED_MS);
    const { figures, failures } = await compare(bench, goodClients, good, async (during) => {
      const since = new Date().toISOString();
      const begunMs = performance.now();
      const [result, refused] = await Promise.all([during(), bench.load(order)]);
      floods.push(refused);
      // Of all answers, for the server's threads do not tell them apart.
      cpuUs.push(refused.serverCpu.main / (result.answers + refused.answers));
      const tookMs = performance.now() - begunMs;
      await sleep(COUNTED_MS);
      counts.push({ ...(await refusalsSince(server.world, since)), tookMs });
      return result;
    });
    return {
      figures: {
        ...figures,
        refusedPerSecond: median(floods.map(rateOf)),
        refusalP99Ms: median(floods.map(({ latencyMs }) => latencyMs.p99)),
        mainCpuUs: median(cpuUs),
        uncounted: floods.reduce((sum, { answersInAll }, at) => sum + Math.abs(answersInAll - counts[at]!.refusals), 0),
        recordsPerSecond: median(counts.map(({ records, tookMs }) => (records * 1000) / tookMs)),
      },
      failures: [...failures, ...floods.flatMap((result) => refusedOf(result, '401'))],
    };
  },
};

function floodOrder({ warmUpMs, windowMs: durationMs }: Bench, { port, pid, world }: ServerProcess): LoadOrder {
  return {
    port,
    serverPid: pid,
    connections: FLOOD_CONNECTIONS,
    pace: { kind: 'open', perSecond: FLOOD_PER_SECOND },
    warmUpMs,
    durationMs,
    plan: { kind: 'http', requests: strangers(world.credentials.token) },
  };
}

/** In turn: no token, what is no token, a true token's id with another secret, the token of nobody. */
function strangers(token: string): readonly PlainRequest[] {
  const headers = [
    () => ({}),
    () => bearer('not-a-token'),
    () => bearer(`${token.slice(0, 'clv_'.length + TOKEN_ID_CHARS)}_${randomBytes(32).toString('base64url')}`),
    () => bearer(`clv_${uuid().toString('base64url')}_${randomBytes(32).toString('base64url')}`),
  ];
  return Array.from({ length: 4 * UNKNOWN_TOKENS }, (_, n) => ({
    path: '/v1/keys/alias%2Fapp:sign',
    headers: { 'content-type': 'application/json', ...headers[n % headers.length]!() },
    body: '{"message":"aGVsbG8="}',
  }));
}

/** Version 7, as ours are. */
function uuid(): Buffer {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

interface RefusalCount {
  readonly refusals: number;
  readonly records: number;
}

/** Refusals that the log has since then: those with a record of their own, and those that are only counted. */
async function refusalsSince({ client }: World, since: string): Promise<RefusalCount> {
  let refusals = 0;
  let records = 0;
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await client.listAuditRecords({
      outcome: 'UNAUTHENTICATED',
      since,
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    records += page.records.length;
    for (const { aggregate } of page.records) refusals += aggregate?.count ?? 1;
    cursor = page.nextCursor;
  }
  return { refusals, records };
}
