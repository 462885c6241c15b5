/**
 * 10,000 keep-alive connections that made one request each and say nothing more: what they weigh, and what they do to
 * good clients.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../bench.ts';
import { startCrowd } from '../children.ts';
import { descriptorsMax, footprintOf } from '../footprint.ts';
import { compare, goodOrder, prepareGood } from '../good-clients.ts';

const IDLE = 10_000;
/** The server has one for each, and some for the good clients and its own files. */
const DESCRIPTORS = IDLE + 250;
/** Until the server has put away what it needed to take them. */
const SETTLE_MS = 2000;

export const idleConnections: Scenario = {
  title: 'good clients beside 10,000 idle connections',
  takes: '60 s',
  run: async (bench) => {
    if (descriptorsMax() < DESCRIPTORS)
      throw new Error(`it needs \`ulimit -n\` ${DESCRIPTORS}, not ${descriptorsMax()}`);
    const server = await bench.serve();
    const good = await prepareGood(server);
    if (good.plan.kind !== 'http') throw new Error('the good clients send what they made before');
    const signing = good.plan.requests[0]!;
    const order = goodOrder(bench, server, good);
    const crowd = startCrowd();
    let kibPerConnection = 0;
    let lost = 0;
    try {
      const { figures, failures } = await compare(bench, order, good, async (during) => {
        const before = footprintOf(server.pid);
        const request = { do: 'come', port: server.port, connections: IDLE, kind: 'idle', request: signing } as const;
        const come = await crowd.ask(request);
        bench.say(`${come.open} idle connections`);
        await sleep(SETTLE_MS);
        // The first time: later, memory of those who left is used again.
        if (kibPerConnection === 0) {
          kibPerConnection = ((footprintOf(server.pid).rssMib - before.rssMib) * 1024) / IDLE;
        }
        const result = await during();
        const left = await crowd.ask({ do: 'go' });
        lost += IDLE - left.open;
        return result;
      });
      return { figures: { connections: IDLE, kibPerConnection, lost, ...figures }, failures };
    } finally {
      crowd.stop();
    }
  },
};
