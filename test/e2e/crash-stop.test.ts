/** A graceful stop: what was taken is answered, what was answered is in the log, and it ends soon. */
import assert from 'node:assert/strict';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, test } from 'node:test';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { checkLog, readLog } from '../support/stored-log.ts';

const CONFIG = 'limits: { changesPerSecond: 1000000 }';

let folder: string;
let server: ChildServer;
beforeEach(async () => {
  folder = testFolder();
  server = await startChildServer(folder, { config: CONFIG });
});
afterEach(async () => {
  server.child.kill('SIGKILL');
  removeFolder(folder);
});

test('SIGTERM under load ends with code 0; every answer that came is in the log, and no connection was cut in an answer', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const answered: string[] = [];
  const failures: string[] = [];
  const stopping = { now: false };
  const caller = async (n: number): Promise<void> => {
    for (;;) {
      try {
        const body = n % 4 === 0 ? { spec: 'AES-256-GCM' } : { bytes: 16 };
        const { status, requestId, complete } = await post(agent, n % 4 === 0 ? '/v1/keys' : '/v1/random', body);
        assert.ok(complete, 'an answer was cut');
        if (status < 300) answered.push(requestId!);
        else if (!stopping.now) failures.push(`status ${status}`);
        else return;
      } catch (error) {
        if (!stopping.now || error instanceof assert.AssertionError) failures.push(String(error));
        return;
      }
    }
  };
  const callers = Array.from({ length: 32 }, (_, n) => caller(n));
  while (answered.length < 200) await new Promise((resolve) => setTimeout(resolve, 5));
  stopping.now = true;
  const code = await server.terminate();
  await Promise.all(callers);
  agent.destroy();
  assert.deepEqual(failures, []);
  assert.equal(code, 0);
  checkLog(folder);
  const recorded = new Set(readLog(folder).map(({ record }) => record['requestId'] as string));
  assert.deepEqual(
    answered.filter((id) => !recorded.has(id)),
    [],
  );
});

test('a long request that is under way when SIGTERM comes is answered', async () => {
  const agent = new Agent({ keepAlive: true });
  const slow = Array.from({ length: 6 }, () => post(agent, '/v1/keys', { spec: 'RSA-4096' }));
  // One that is sent after them and answered shows that they have been taken.
  await post(agent, '/v1/random', { bytes: 1 });
  const code = await server.terminate();
  const answers = await Promise.all(slow);
  assert.deepEqual(
    answers.map(({ status }) => status),
    slow.map(() => 201),
  );
  assert.equal(code, 0);
  const made = readLog(folder).filter(
    ({ record }) => record['operation'] === 'CreateKey' && record['outcome'] === 'OK',
  );
  assert.equal(made.length, slow.length);
  agent.destroy();
});

test('connections that have nothing to say, or never say all of it, do not hold up the end for long', async () => {
  const { hostname, port } = new URL(server.endpoint);
  const sockets: Socket[] = [];
  for (const text of [
    '',
    'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n',
    'POST /v1/random HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{',
  ]) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    if (text !== '') socket.write(text);
    sockets.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await server.terminate(), 0);
  for (const socket of sockets) socket.destroy();
});

interface Answered {
  readonly status: number;
  readonly requestId: string | undefined;
  readonly complete: boolean;
}

function post(agent: Agent, path: string, body: object): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const sent = request(`${server.endpoint}${path}`, { agent, method: 'POST', headers }, (response: IncomingMessage) => {
    const done = (): void =>
      resolve({
        status: response.statusCode!,
        requestId: response.headers['x-request-id'] as string | undefined,
        complete: response.complete,
      });
    response.resume();
    response.on('end', done);
    response.on('error', done);
  });
  sent.on('error', reject);
  sent.end(JSON.stringify(body));
  return promise;
}
