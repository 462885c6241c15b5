/**
 * Good clients beside slow ones: some send their requests a byte at a time, some ask for long answers and take them a
 * byte at a time.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../bench.ts';
import { startCrowd } from '../children.ts';
import { footprintOf } from '../footprint.ts';
import { compare, goodOrder, prepareGood } from '../good-clients.ts';
import type { PlainRequest } from '../requests.ts';

const WRITERS = 100;
const READERS = 100;
/** Until what the readers have asked for is stuck. */
const SETTLE_MS = 1500;
/** The longest answer that there is to such a short question. */
const LONG_ANSWER: PlainRequest = { method: 'GET', path: '/openapi.json', headers: {}, body: '' };

export const slowClient: Scenario = {
  title: 'good clients beside slow ones',
  takes: '45 s',
  run: async (bench) => {
    const server = await bench.serve();
    const good = await prepareGood(server);
    if (good.plan.kind !== 'http') throw new Error('the good clients send what they made before');
    const signing = good.plan.requests[0]!;
    const { port } = server;
    const writers = startCrowd();
    const readers = startCrowd();
    let lost = 0;
    let rssMib = 0;
    try {
      const { figures, failures } = await compare(bench, goodOrder(bench, server, good), good, async (during) => {
        await Promise.all([
          writers.ask({ do: 'come', port, connections: WRITERS, kind: 'slow-writer', request: signing }),
          readers.ask({ do: 'come', port, connections: READERS, kind: 'slow-reader', request: LONG_ANSWER }),
        ]);
        await sleep(SETTLE_MS);
        const result = await during();
        rssMib = Math.max(rssMib, footprintOf(server.pid).rssMib);
        const left = await Promise.all([writers.ask({ do: 'go' }), readers.ask({ do: 'go' })]);
        lost += WRITERS + READERS - left.reduce((sum, { open }) => sum + open, 0);
        return result;
      });
      return { figures: { ...figures, serverMib: rssMib, slowOnesLost: lost }, failures };
    } finally {
      writers.stop();
      readers.stop();
    }
  },
};
