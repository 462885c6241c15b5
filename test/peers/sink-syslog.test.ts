/** The syslog sink against rsyslog, and against receivers that misbehave. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { SyslogSinkOptions, TlsFiles } from '../../src/audit/sinks/options.ts';
import { SyslogSink } from '../../src/audit/sinks/syslog.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { newAuthority, type Authority } from '../support/certificates.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { from, sinkBatch } from '../support/sink-records.ts';
import { readLog } from '../support/stored-log.ts';
import { until } from '../support/until.ts';
import { startRsyslog, type Rsyslog } from './rsyslog-support.ts';

const NEVER = new AbortController().signal;

function sinkTo(port: number, tls: TlsFiles | null, more: Partial<SyslogSinkOptions> = {}): SyslogSink {
  const options: SyslogSinkOptions = {
    kind: 'syslog',
    name: 'test',
    host: '127.0.0.1',
    port,
    tls,
    facility: 13,
    appName: 'claviger',
    enterpriseNumber: 32_473,
    ...more,
  };
  return new SyslogSink(options, { hostname: 'kms.example.com', pid: 4711 }, systemClock);
}

const folder = testFolder();
const running: Rsyslog[] = [];
let program: string | null = null;
let authority: Authority | null = null;

before(async (t) => {
  const [rsyslog, openssl] = [
    await requirePeer(t as TestContext, 'rsyslog'),
    await requirePeer(t as TestContext, 'openssl'),
  ];
  if (rsyslog === null || openssl === null) return;
  program = rsyslog.program;
  authority = newAuthority(openssl.program, folder, 'trusted');
});
after(async () => {
  await Promise.all(running.map((rsyslog) => rsyslog.stop()));
  removeFolder(folder);
});

async function receiver(tls?: 'any' | 'certified'): Promise<Rsyslog> {
  const more =
    tls === undefined ? {} : { tls: { ...authority!.issue('receiver'), ca: authority!.ca, clients: tls } as const };
  const rsyslog = await startRsyslog({ program: program!, folder, ...more });
  running.push(rsyslog);
  return rsyslog;
}

describe('rsyslog', () => {
  test('reads every part of a message as it was meant', async (t) => {
    if (program === null) return t.skip('rsyslog or openssl is missing');
    const rsyslog = await receiver();
    const batch = await sinkBatch(2, (index) => ({
      principal: 'carol "the] boss\\',
      resource: index === 0 ? 'Schlüssel äöü 鍵' : 'line\nfeed',
      outcome: index === 0 ? 'OK' : 'PERMISSION_DENIED',
      context: { text: 'line\nfeed' },
    }));
    await sinkTo(rsyslog.port, null).deliver(batch, NEVER);
    await until('both are written', () => rsyslog.lines().length === 2);
    const [ok, refused] = rsyslog.lines();
    assert.equal(ok!.pri, String(13 * 8 + 6));
    assert.equal(refused!.pri, String(13 * 8 + 4));
    assert.equal(Date.parse(ok!.time), Date.parse(batch.records[0]!.record.time));
    const { host, app, procid, msgid } = ok!;
    assert.deepEqual(
      { host, app, procid, msgid },
      { host: 'kms.example.com', app: 'claviger', procid: '4711', msgid: 'Encrypt' },
    );
    const { record } = batch.records[0]!;
    assert.match(ok!.sd, /^\[claviger@32473 logId="[0-9a-f-]{36}" index="0" tenant="[0-9a-f-]{36}" /);
    assert.ok(ok!.sd.includes(String.raw`principal="carol \"the\] boss\\"`), ok!.sd);
    assert.ok(ok!.sd.includes(`leafHash="${record.leafHash}"`));
    for (const [line, { record: wanted }] of [
      [ok!, batch.records[0]!],
      [refused!, batch.records[1]!],
    ] as const) {
      const message = line.msg.replace(/^\uFEFF/, '');
      assert.notEqual(message, line.msg, 'the message says that it is UTF-8');
      assert.deepEqual(JSON.parse(message), { logId: batch.logId, ...wanted });
    }
  });

  test('takes a thousand records over TLS, and the largest', async (t) => {
    if (program === null) return t.skip('rsyslog or openssl is missing');
    const rsyslog = await receiver('any');
    const batch = await sinkBatch(1000, (index) => ({
      requestId: `r${index}`,
      ...(index === 500 ? { context: { large: 'x'.repeat(40_000) } } : {}),
    }));
    await sinkTo(rsyslog.port, { ca: authority!.ca }).deliver(batch, NEVER);
    await until('all are written', () => rsyslog.lines().length >= 1000);
    const messages = rsyslog.lines().map(({ msg }) => JSON.parse(msg.slice(1)) as { index: number; context?: object });
    assert.deepEqual(
      messages.map(({ index }) => index),
      Array.from({ length: 1000 }, (_, index) => index),
    );
    assert.deepEqual(messages[500]!.context, { large: 'x'.repeat(40_000) });
  });

  test('that asks for a certificate gets ours, and nothing without', async (t) => {
    if (program === null) return t.skip('rsyslog or openssl is missing');
    const rsyslog = await receiver('certified');
    const batch = await sinkBatch(3);
    const client = authority!.issue('client');
    await assert.rejects(sinkTo(rsyslog.port, { ca: authority!.ca }).deliver(batch, NEVER));
    await sinkTo(rsyslog.port, { ca: authority!.ca, ...client }).deliver(batch, NEVER);
    await until('all are written', () => rsyslog.lines().length >= 3);
    assert.equal(rsyslog.lines().length, 3);
  });

  test('with a certificate of another authority or for another address is given nothing', async (t) => {
    if (program === null) return t.skip('rsyslog or openssl is missing');
    const openssl = (await requirePeer(t, 'openssl'))!;
    const batch = await sinkBatch(1);
    const rsyslog = await receiver('any');
    const other = newAuthority(openssl.program, folder, 'other');
    await assert.rejects(sinkTo(rsyslog.port, { ca: other.ca }).deliver(batch, NEVER), /unable to verify|self.signed/);
    await assert.rejects(sinkTo(rsyslog.port, {}).deliver(batch, NEVER), /unable to verify|self.signed/);
    const elsewhere = authority!.issue('elsewhere', '127.0.0.2');
    const wrong = await startRsyslog({
      program,
      folder,
      tls: { ...elsewhere, ca: authority!.ca, clients: 'any' },
    });
    running.push(wrong);
    await assert.rejects(
      sinkTo(wrong.port, { ca: authority!.ca }).deliver(batch, NEVER),
      /does not match certificate's altnames/,
    );
    assert.deepEqual([...rsyslog.lines(), ...wrong.lines()], []);
  });

  test('that is restarted in mid-stream misses nothing of a busy server', async (t) => {
    if (program === null) return t.skip('rsyslog or openssl is missing');
    const rsyslog = await receiver('any');
    const data = join(folder, 'data');
    const server = await startTestServer({
      folder: data,
      config: `audit: { sinks: [{ name: siem, kind: syslog, host: 127.0.0.1, port: ${rsyslog.port}, tls: { ca: ${authority!.ca} } }] }`,
    });
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const endMs = performance.now() + 5000;
    const asking = Array.from({ length: 8 }, async () => {
      while (performance.now() < endMs) await server.client.encrypt({ key: id, plaintext: Buffer.from('x') });
    });
    for (let round = 0; round < 2; round++) {
      await new Promise((resolve) => setTimeout(resolve, 1200));
      await rsyslog.stop();
      await new Promise((resolve) => setTimeout(resolve, 700));
      await rsyslog.start();
    }
    await Promise.all(asking);
    const { position, lagRecords } = (await server.client.getHealth()).sinks[0]!;
    await until('it has caught up', async () => {
      const [sink] = (await server.client.getHealth()).sinks;
      return sink!.position! >= position! + lagRecords;
    });
    await server.stop();
    await rsyslog.stop();
    const seen = new Set(rsyslog.lines().map(({ msg }) => (JSON.parse(msg.slice(1)) as { index: number }).index));
    const log = readLog(data);
    assert.ok(log.length > 200, `${log.length} records`);
    assert.deepEqual(
      log.filter(({ index }) => !seen.has(index)).map(({ index }) => index),
      [],
    );
  });
});

describe('a syslog batch', () => {
  /** A receiver of plain TCP that does with each connection what it is told. */
  async function listening(t: TestContext, onConnection: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  test('is not taken by a receiver that dies before it has read it, or that closes first', async (t) => {
    const batch = await sinkBatch(2000, () => ({ context: { text: 'x'.repeat(1000) } }));
    for (const die of [
      (socket: Socket) => socket.resetAndDestroy(),
      // Dies with what it has not read: the system resets the connection.
      (socket: Socket) => socket.once('data', () => socket.destroy()),
      (socket: Socket) => socket.once('data', () => socket.end()),
    ]) {
      const port = await listening(t, (socket) => void die(socket));
      await assert.rejects(sinkTo(port, null).deliver(batch, NEVER));
    }
  });

  test('is not taken by a receiver that does not read it, and the attempt ends with its signal', async (t) => {
    const batch = await sinkBatch(10);
    const port = await listening(t, (socket) => void socket.pause());
    const attempt = new AbortController();
    const delivering = sinkTo(port, null).deliver(batch, attempt.signal);
    setTimeout(() => attempt.abort(new Error('enough')), 200);
    await assert.rejects(delivering, /enough/);
  });

  test('is taken when a slow receiver has read its last byte, not before', async (t) => {
    const batch = await sinkBatch(500, () => ({ context: { text: 'x'.repeat(2000) } }));
    let bytes = 0;
    const port = await listening(t, (socket) => {
      socket.on('data', (part: Buffer) => {
        bytes += part.length;
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      });
      socket.on('end', () => socket.end());
    });
    await sinkTo(port, null).deliver(batch, NEVER);
    assert.ok(bytes > 500 * 2000, `${bytes} bytes`);
  });

  test('that was taken just before a failure comes again before the next, and only once', async (t) => {
    const batch = await sinkBatch(3);
    const received: string[] = [];
    let takes = true;
    const port = await listening(t, (socket) => {
      if (!takes) return void socket.resetAndDestroy();
      let text = '';
      socket.on('data', (part: Buffer) => (text += part.toString()));
      socket.on('end', () => {
        received.push(...[...text.matchAll(/ index="(\d+)"/g)].map(([, index]) => index!));
        socket.end();
      });
    });
    const sink = sinkTo(port, null);
    await sink.deliver(from(batch, 0, 1), NEVER);
    takes = false;
    await assert.rejects(sink.deliver(from(batch, 1, 2), NEVER));
    await assert.rejects(sink.deliver(from(batch, 1, 2), NEVER));
    takes = true;
    await sink.deliver(from(batch, 1, 2), NEVER);
    await sink.deliver(from(batch, 2, 3), NEVER);
    assert.deepEqual(received, ['0', '0', '1', '2']);
  });
});
