/** Callers who break off, send what is no HTTP, or hold what the server has ended. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { startTestServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

test('what is asked by who is gone before its address was seen is not done', async () => {
  for (let n = 0; n < 20; n++) {
    const socket = await connected();
    socket.write(post('/v1/keys', { spec: 'AES-256-GCM' }), () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  await server.client.createKey({ spec: 'AES-256-GCM' });
  const { records } = await server.client.listAuditRecords({ operation: 'CreateKey' });
  assert.ok(records.length > 0);
  for (const { index, source } of records) assert.equal(source, '127.0.0.1', `record ${index}`);
});

test('a connection that the server has ended is gone, though the caller never closes its half', async () => {
  const before = await connections();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connected({ allowHalfOpen: true })));
  for (const socket of sockets) {
    socket.on('error', () => undefined).write('this is no HTTP\r\n\r\n');
    socket.resume();
  }
  await Promise.all(sockets.map((socket) => once(socket, 'end')));
  await until('the connections are gone', async () => (await connections()) <= before);
  for (const socket of sockets) socket.destroy();
});

test('what is no HTTP behind a request does not answer it: the caller gets the answer of what it asked', async () => {
  const socket = await connected();
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.write(`${post('/v1/random', { bytes: 1 })}this is no HTTP\r\n\r\n`);
  await until('an answer', () => received.includes('\r\n\r\n'));
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
  socket.write('nor is this\r\n\r\n');
  await once(socket, 'end');
  assert.match(received, /HTTP\/1\.1 400 Bad Request\r\nconnection: close\r\n/);
  socket.destroy();
});

async function connected(options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.endpoint).port), ...options });
  await once(socket, 'connect');
  return socket;
}

function post(path: string, body: object): string {
  const text = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nhost: kms\r\nauthorization: Bearer ${server.token}`;
  return `${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

async function connections(): Promise<number> {
  const { body } = await server.fetch('GET', '/metrics');
  return Number(/^claviger_http_connections (\d+)$/m.exec(body as string)![1]);
}
