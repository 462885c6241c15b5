import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { bufferBytes } from '../support/held-bytes.ts';
import { until } from '../support/until.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';

/** More than what gets a record each within a second. */
const MANY = 40;

let server: TestServer;
let key: string;
before(async () => {
  server = await startTestServer();
  key = (await server.client.createKey({ spec: 'P-256' })).id;
});
after(() => server.stop());

describe('of many strangers', () => {
  const KINDS: readonly (readonly [kind: string, token: () => string | null])[] = [
    ['no token', () => null],
    ['what is no token', () => 'nonsense'],
    ['a token with another secret', () => `${server.token.slice(0, -4)}AAAA`],
  ];
  for (const [kind, token] of KINDS) {
    test(`each is refused in the same words, recorded or only counted: ${kind}`, async () => {
      const answers = await Promise.all(Array.from({ length: MANY }, () => sign(token())));
      const words = new Set(
        answers.map(({ status, body }) => JSON.stringify([status, body.code, body.detail, body.title])),
      );
      assert.equal(words.size, 1);
      for (const { status, headers, body } of answers) {
        assert.equal(status, 401);
        assert.equal(body.requestId, headers.get('x-request-id'));
        assert.equal(headers.get('www-authenticate'), 'Bearer realm="claviger"');
      }
    });
  }

  test('none is missing in the log: what has no record of its own is counted', async () => {
    await overWindow();
    const first = await newest();
    await Promise.all(Array.from({ length: MANY }, () => sign('nonsense')));
    await overWindow();
    const { records } = await server.client.listAuditRecords({ outcome: 'UNAUTHENTICATED', limit: 1000 });
    const since = records.filter(({ index }) => index > first);
    const told = since.reduce((sum, { aggregate }) => sum + (aggregate?.count ?? 1), 0);
    assert.equal(told, MANY);
    assert.ok(since.length < MANY, 'and not each has one');
  });

  test('good callers from the same address are answered as ever, and their mistakes told', async () => {
    await Promise.all(Array.from({ length: MANY }, () => sign(null)));
    const answers = await Promise.all([sign(server.token), sign(server.token, { message: 5 }), sign(null)]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 400, 401],
    );
  });

  test('the metrics count all of them', async () => {
    const before = await refusedInMetrics();
    await Promise.all(Array.from({ length: MANY }, () => sign('nonsense')));
    assert.equal((await refusedInMetrics()) - before, MANY);
  });

  test('who is refused again and again, and then shows a token, is answered on the same connection', async () => {
    const callers = await Promise.all(Array.from({ length: MANY }, () => Caller.connect(server)));
    for (const token of [null, 'nonsense', null]) {
      await Promise.all(callers.map((caller) => caller.ask([token])));
    }
    const answers = await Promise.all(callers.map((caller) => caller.ask([server.token])));
    assert.deepEqual(new Set(answers.flat()), new Set([200]));
    for (const caller of callers) caller.socket.destroy();
  });

  test('requests that are sent one behind the other are answered in their order, refused or not', async () => {
    await Promise.all(Array.from({ length: MANY }, () => sign(null)));
    const caller = await Caller.connect(server);
    const tokens = Array.from({ length: 3 * MANY }, (_, at) => (at % 7 === 6 ? server.token : 'nonsense'));
    assert.deepEqual(
      await caller.ask(tokens),
      tokens.map((token) => (token === server.token ? 200 : 401)),
    );
    caller.socket.destroy();
  });

  test('a body that comes late is waited for, and what stands behind it is answered as a request of its own', async () => {
    await flooded();
    for (const body of [BODY, 'x'.repeat(600_000)]) {
      const caller = await Caller.connect(server);
      caller.socket.write(head('nonsense', `content-length: ${body.length}`));
      await turns();
      assert.equal(caller.received, '');
      caller.socket.write(body.slice(0, 5));
      await turns();
      assert.equal(caller.received, '');
      assert.deepEqual(await caller.send(body.slice(5) + request(server.token), 2), [401, 200]);
      caller.socket.destroy();
    }
  });

  test('a body in pieces that do not say how many there are is refused where it has come, and its connection kept', async () => {
    await flooded();
    const caller = await Caller.connect(server);
    const chunked = `${head(null, 'transfer-encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`;
    assert.deepEqual(await caller.send(chunked + request(server.token), 2), [401, 200]);
    caller.socket.destroy();
  });

  test('a caller that sends on and on and takes no answer has nothing of its bodies held', async () => {
    await flooded();
    const caller = await Caller.connect(server);
    const body = 'x'.repeat(16_000);
    const one = head(null, `content-length: ${body.length}`) + body;
    const before = bufferBytes();
    caller.socket.pause();
    for (let sent = 0; sent < 3000; sent++) {
      if (!caller.socket.write(one)) await turns(2);
      if (caller.socket.writableLength > 4_000_000) break;
    }
    await turns(20);
    const theirs = caller.socket.writableLength;
    const held = bufferBytes() - before - theirs;
    caller.socket.destroy();
    assert.ok(held < 2_000_000, `${held} bytes are held`);
  });

  for (const length of ['content-length: 1048577', 'content-length: 99999999999', 'transfer-encoding: chunked']) {
    test(`what may be too large ends with its connection: ${length}`, async () => {
      await flooded();
      const caller = await Caller.connect(server);
      const closed = once(caller.socket, 'close');
      assert.deepEqual(await caller.send(head(null, length)), [401]);
      assert.match(caller.received, /^connection: close\r$/im);
      await closed;
    });
  }

  test('what is open to all, and the AWS endpoint, answer to such an address as ever', async () => {
    await flooded();
    const open = ['/livez', '/readyz', '/openapi.json', '/docs', '/v1/tenants/default/jwks.json'];
    const answers = await Promise.all(open.map((path) => server.fetch('GET', path, undefined, { token: null })));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    const aws = await server.fetch('POST', '/', {}, { token: null, headers: { 'x-amz-target': 'TrentService.Sign' } });
    assert.equal(aws.status, 400);
    assert.match(String(aws.body), /"__type":"MissingAuthenticationTokenException"/);
  });

  test('a token that was never seen before is good there too, and so are its large requests', async () => {
    const fresh = await server.client.createToken({ name: 'fresh', roles: ['crypto-user'] });
    await flooded();
    const items = Array.from({ length: 100 }, () => ({ message: Buffer.alloc(2000).toString('base64') }));
    const { status, body } = await server.fetch(
      'POST',
      `/v1/keys/${key}:signBatch`,
      { items },
      { token: fresh.token! },
    );
    assert.equal(status, 200);
    assert.equal(body.results.length, 100);
  });

  test('a server that stops answers those who wait, ends their connections and has counted them', async () => {
    const stopping = await startTestServer();
    const callers = await Promise.all(Array.from({ length: MANY }, () => Caller.connect(stopping)));
    await Promise.all(callers.map((caller) => caller.ask(['nonsense'])));
    const asked = callers.map((caller) => caller.ask(Array.from({ length: 5 }, () => 'nonsense')));
    const closed = callers.map(({ socket }) => once(socket, 'close'));
    // The first of them is answered, so the others have come or are on their way.
    await asked[0];
    await stopping.stop();
    assert.deepEqual(new Set((await Promise.all(asked)).flat()), new Set([401]));
    await Promise.all(closed);
  });
});

/** A caller that writes bytes to one connection, and reads statuses in the order in which they come. */
class Caller {
  readonly socket: Socket;
  received = '';

  static async connect({ endpoint }: TestServer): Promise<Caller> {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(endpoint).port) });
    await once(socket, 'connect');
    return new Caller(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket.setEncoding('latin1').on('data', (text: string) => (this.received += text));
  }

  /** Asks once for each token, without waiting between; the statuses. */
  ask(tokens: readonly (string | null)[]): Promise<readonly number[]> {
    return this.send(tokens.map(request).join(''), tokens.length);
  }

  /** Sends bytes, and waits for so many answers; their statuses. */
  async send(text: string, answers = 1): Promise<readonly number[]> {
    this.received = '';
    this.socket.write(text);
    await until('every answer', () => this.#statuses().length === answers);
    return this.#statuses();
  }

  #statuses(): readonly number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }
}

const BODY = '{"message":"aGVsbG8="}';

function request(token: string | null): string {
  return `${head(token, `content-length: ${BODY.length}`)}${BODY}`;
}

function head(token: string | null, length: string): string {
  const authorization = token === null ? '' : `authorization: Bearer ${token}\r\n`;
  return `POST /v1/keys/${key}:sign HTTP/1.1\r\nhost: kms\r\n${authorization}${length}\r\n\r\n`;
}

/** Lets the server, which is in this process, do what it can do by now. */
async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** From now on, and for what is left of this second, refusals of our address are only counted. */
async function flooded(): Promise<void> {
  await overWindow();
  await Promise.all(Array.from({ length: MANY }, () => sign(null)));
}

function sign(token: string | null, body: object = { message: 'aGVsbG8=' }): Promise<TestAnswer> {
  return server.fetch('POST', `/v1/keys/${key}:sign`, body, { token });
}

async function newest(): Promise<number> {
  return (await server.client.listAuditRecords({ limit: 1 })).records[0]!.index;
}

/** Waits until what was only counted has its record. */
function overWindow(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1300));
}

async function refusedInMetrics(): Promise<number> {
  const lines = (await server.client.getMetrics()).split('\n');
  const counts = lines.filter((line) => line.startsWith('claviger_requests_total') && line.includes('UNAUTHENTICATED'));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
