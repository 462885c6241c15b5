/** Bodies as strangers may send them: how much of them is held, for how long, and what it costs to refuse them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { RequestReader } from '../../src/server/read-request.ts';
import { heldBytes } from '../support/held-bytes.ts';
import { startTestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const COMING_BYTES_MAX = 320_000;

/** What came of the requests, in order: the path, and the body's text or the code of the error. */
let read: string[];
let server: Server;
let sockets: Socket[];
beforeEach(async () => {
  read = [];
  sockets = [];
  const reader = new RequestReader({ comingBytesMax: COMING_BYTES_MAX });
  server = createServer((message, response) => {
    reader.read(message, ({ path, body }, error) => {
      read.push(`${path} ${error?.code ?? body.toString('latin1')}`);
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  server.closeAllConnections();
});

test('a body is whole, whatever the pieces are that it comes in', async () => {
  const text = Array.from({ length: 3000 }, (_, n) => String(n)).join(' ');
  const socket = await begun('transfer-encoding: chunked');
  for (const piece of text.match(/.{1,7}/g)!) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  socket.write('0\r\n\r\n');
  await until('it is read', () => read.length > 0);
  assert.deepEqual(read, [`/ ${text}`]);
});

test('a body in single bytes takes not much more memory than one in one piece', async () => {
  const before = heldBytes();
  const socket = await begun('transfer-encoding: chunked');
  const bytes = 100_000;
  await send(socket, '1\r\nx\r\n'.repeat(bytes));
  await arrived();
  assert.ok(heldBytes() - before < 30 * bytes, `${heldBytes() - before} bytes for ${bytes}`);
  socket.write('0\r\n\r\n');
  await until('it is read', () => read.length > 0);
  assert.equal(read[0], `/ ${'x'.repeat(bytes)}`);
});

test('where too much comes at once, the body that has been coming the longest is given up, and the others are read', async () => {
  const coming: Socket[] = [];
  for (let n = 0; read.length === 0; n++) {
    const socket = await begun('content-length: 66000', `/${n}`);
    coming.push(socket);
    await send(socket, 'x'.repeat(65_000));
    await arrived();
  }
  assert.deepEqual(read, ['/0 THROTTLED']);
  assert.ok(coming.length > 2, 'there was room for more than one');
  for (const socket of coming.slice(1)) await send(socket, 'x'.repeat(1000));
  await until('the others are read', () => read.length === coming.length);
  for (const one of read.slice(1)) assert.match(one, /^\/\d+ x{66000}$/);
});

test('a caller that goes away leaves room for others', async () => {
  for (let n = 0; n < 10; n++) {
    const socket = await begun('content-length: 200000');
    await send(socket, 'x'.repeat(65_000));
    await arrived();
    socket.destroy();
  }
  const socket = await begun('content-length: 130000');
  await send(socket, 'x'.repeat(65_000));
  await arrived();
  await send(socket, 'x'.repeat(65_000));
  await until('it is read', () => read.length > 0);
  assert.deepEqual(read, [`/ ${'x'.repeat(130_000)}`]);
});

test('what strangers send at length is not parsed, and is refused with a record of what it asked for', async (t) => {
  const kms = await startTestServer();
  try {
    const parse = t.mock.method(JSON, 'parse');
    const raw = JSON.stringify({ items: Array.from({ length: 10_000 }, () => ({ message: 'aGVsbG8=' })) });
    const rest = await kms.fetch('POST', '/v1/keys/x:signBatch', undefined, { raw, token: 'no token of ours' });
    const aws = await kms.fetch('POST', '/', undefined, { raw, headers: { 'x-amz-target': 'TrentService.Sign' } });
    assert.equal(rest.status, 401);
    assert.equal(aws.status, 400);
    const parsed = parse.mock.calls.map(({ arguments: [text] }) => text.length);
    assert.ok(Math.max(...parsed) < 10_000, `${Math.max(...parsed)} characters were parsed`);
    parse.mock.restore();
    const { records } = await kms.client.listAuditRecords({ outcome: 'UNAUTHENTICATED' });
    assert.deepEqual(
      records.map(({ operation }) => operation),
      ['Sign', 'SignBatch'],
    );
  } finally {
    await kms.stop();
  }
});

/** A connection on which the head of a request was sent. */
async function begun(header: string, path = '/'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, noDelay: true });
  sockets.push(socket);
  socket.on('error', () => undefined).write(`POST ${path} HTTP/1.1\r\nhost: kms\r\n${header}\r\n\r\n`);
  await once(socket, 'connect');
  return socket;
}

function send(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => socket.write(text, () => resolve()));
}

/** What was sent has been taken in: client and server are one process. */
function arrived(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
