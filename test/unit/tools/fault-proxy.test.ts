/** The proxy that fails on command, before a server that counts what reached it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFaultProxy, type FaultProxy, type FaultProxyOptions } from '../../support/fault-proxy.ts';

const ANSWER = 'x'.repeat(50_000);
const SOON_MS = 150;

let server: Server;
let reached = 0;

before(async () => {
  server = createServer((incoming, response) => {
    void buffer(incoming).then((body) => {
      reached += 1;
      response.writeHead(200, {
        'X-Saw': `${incoming.method} ${incoming.url} ${incoming.headers.host} ${body.length}`,
      });
      response.end(ANSWER);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => {
  server.closeAllConnections();
  server.close();
});

interface Caller {
  readonly proxy: FaultProxy;
  readonly call: (path?: string) => Promise<{ readonly status: number; readonly saw: string; readonly body: string }>;
}

/** A proxy, and a client that keeps its connections. */
async function proxied(t: TestContext, mode: FaultProxyOptions['mode']): Promise<Caller> {
  const proxy = await startFaultProxy({ target: { port: (server.address() as AddressInfo).port }, mode });
  const agent = new Agent({ keepAlive: true });
  t.after(async () => {
    agent.destroy();
    await proxy.stop();
  });
  return {
    proxy,
    call: async (path = '/') => {
      const call = request(`${proxy.url}${path}`, { agent, method: 'POST' });
      call.end('question');
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      const body = await buffer(answer);
      return { status: answer.statusCode!, saw: String(answer.headers['x-saw']), body: body.toString() };
    },
  };
}

/** What a call ended with; null while it has not. */
function outcome(call: Promise<unknown>): Promise<unknown> {
  const settled = call.then(
    () => 'answered',
    (error: NodeJS.ErrnoException) => error.code,
  );
  return Promise.race([settled, sleep(SOON_MS, null)]);
}

for (const mode of ['tcp', 'http'] as const) {
  describe(`the fault proxy, ${mode}`, () => {
    test('passes requests and answers as they are, over kept connections', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      for (let n = 0; n < 3; n++) {
        const { status, saw, body } = await call('/a?b=c');
        assert.deepEqual([status, saw, body], [200, `POST /a?b=c 127.0.0.1:${proxy.port} 8`, ANSWER]);
      }
      assert.equal(proxy.connections, 1);
      assert.equal(proxy.requests, mode === 'http' ? 3 : 0);
    });

    test('refuses connections, kept ones too, and comes back on the same port', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await call();
      await proxy.set({ kind: 'refuse' });
      assert.match(String(await outcome(call())), /^(ECONNREFUSED|ECONNRESET)$/);
      assert.equal(await outcome(call()), 'ECONNREFUSED');
      await proxy.set({ kind: 'refuse' });
      await proxy.heal();
      assert.equal((await call()).status, 200);
    });

    test('resets connections before the server hears of anything', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await call();
      const before = reached;
      await proxy.set({ kind: 'reset' });
      for (let n = 0; n < 3; n++) assert.equal(await outcome(call()), 'ECONNRESET');
      assert.equal(reached, before);
      await proxy.heal();
      assert.equal((await call()).status, 200);
    });

    test('stalls: it accepts and never answers, and goes on when it is over', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await call();
      const before = reached;
      await proxy.set({ kind: 'stall' });
      const calls = [call(), call()];
      assert.deepEqual(await Promise.all(calls.map(outcome)), [null, null]);
      assert.equal(reached, before);
      await proxy.heal();
      assert.deepEqual(
        (await Promise.all(calls)).map(({ status }) => status),
        [200, 200],
      );
    });

    test('cuts an answer off in its middle, after the server has done its work', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      for (const afterBytes of [0, 300, 40_000]) {
        const before = reached;
        await proxy.set({ kind: 'cut', afterBytes });
        assert.equal(await outcome(call()), 'ECONNRESET', `after ${afterBytes} bytes`);
        assert.equal(reached, before + 1);
        await proxy.heal();
        assert.equal((await call()).body, ANSWER);
      }
    });

    test('delays', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await proxy.set({ kind: 'delay', ms: SOON_MS });
      const startMs = performance.now();
      assert.equal((await call()).body, ANSWER);
      assert.ok(performance.now() - startMs >= SOON_MS - 1);
    });

    test('fails so many times, then no more', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await proxy.set({ kind: 'reset' }, { times: 2 });
      const outcomes = [];
      for (let n = 0; n < 3; n++) outcomes.push(await outcome(call()));
      assert.deepEqual(outcomes, ['ECONNRESET', 'ECONNRESET', 'answered']);
    });

    test('a server that is away looks like one', async (t) => {
      const proxy = await startFaultProxy({ target: { port: 1 }, mode });
      t.after(() => proxy.stop());
      const socket = connectTcp(proxy.port, proxy.host);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.on('error', () => undefined);
      socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
      socket.resume();
      assert.notEqual(await Promise.race([closed, sleep(5000, 'still open')]), 'still open');
    });

    test('stops although calls stand still', async (t) => {
      const { proxy, call } = await proxied(t, mode);
      await proxy.set({ kind: 'stall' });
      const stalled = outcome(call());
      await sleep(20);
      await proxy.stop();
      assert.notEqual(await stalled, null);
    });
  });
}

describe('the fault proxy, http', () => {
  test('answers by itself, so often and so as it is told, and the server never hears of it', async (t) => {
    const { proxy, call } = await proxied(t, 'http');
    const body = '{"__type":"ThrottlingException"}';
    await proxy.set({ kind: 'answer', status: 429, body, headers: { 'x-saw': 'proxy' } }, { times: 1 });
    const before = reached;
    assert.deepEqual(await call(), { status: 429, saw: 'proxy', body });
    assert.equal(reached, before);
    assert.equal((await call()).status, 200);
    assert.equal(proxy.requests, 2);
  });

  test('fails some requests, and passes the others', async (t) => {
    const { proxy, call } = await proxied(t, 'http');
    await proxy.set({ kind: 'answer', status: 503 }, { where: ({ url }) => url === '/sign' });
    assert.deepEqual(
      [(await call('/sign')).status, (await call('/login')).status, (await call('/sign')).status],
      [503, 200, 503],
    );
  });

  test('bytes that only pass are refused an answer of their own', async (t) => {
    const { proxy } = await proxied(t, 'tcp');
    await assert.rejects(proxy.set({ kind: 'answer', status: 503 }), /mode: http/);
    await assert.rejects(proxy.set({ kind: 'reset' }, { where: () => true }), /mode: http/);
  });
});
