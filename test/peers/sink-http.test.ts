/** The webhook and OTLP sinks: what receivers get, checked by openssl and by the official protocol buffers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { DeliveryError } from '../../src/audit/follow.ts';
import type { OtlpSinkOptions, WebhookSinkOptions } from '../../src/audit/sinks/options.ts';
import { OtlpSink } from '../../src/audit/sinks/otlp.ts';
import { WebhookSink } from '../../src/audit/sinks/webhook.ts';
import type { Log } from '../../src/ports/log.ts';
import { silentLog } from '../../src/ports/log.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { newAuthority } from '../support/certificates.ts';
import { FakeClock } from '../support/clock.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { from, sinkBatch } from '../support/sink-records.ts';

const NEVER = new AbortController().signal;
const SECRET = 'a secret of more than 24 bytes';
const ORIGIN = { hostname: 'kms.example.com', version: '1.2.3' };

const folder = testFolder();
after(() => removeFolder(folder));

let receiver: Receiver;
before(async () => {
  receiver = await startReceiver();
});
after(() => receiver.stop());

function webhookTo(url: string, more: Partial<WebhookSinkOptions> = {}, clock = new FakeClock()): WebhookSink {
  return new WebhookSink({ kind: 'webhook', name: 'hook', url, secret: SECRET, allowHttp: false, ...more }, clock);
}

function otlpTo(url: string, more: Partial<OtlpSinkOptions> = {}, log: Log = silentLog): OtlpSink {
  const options: OtlpSinkOptions = { kind: 'otlp', name: 'otel', url, headers: {}, allowHttp: false, ...more };
  return new OtlpSink(options, ORIGIN, new FakeClock(), log);
}

/** What one delivery was refused with. */
async function refusal(deliver: Promise<void>): Promise<DeliveryError> {
  const error = await deliver.then(
    () => assert.fail('it was taken'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof DeliveryError, String(error));
  return error;
}

describe('the webhook sink', () => {
  test('signs what openssl signs the same, and names log and range', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const batch = await sinkBatch(5, () => ({ principal: 'Käthe' }));
    receiver.received.length = 0;
    await webhookTo(receiver.url).deliver(from(batch, 1), NEVER);
    const [{ headers, body }] = receiver.received as [Receiver['received'][number]];
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['webhook-id'], `${batch.logId}/1-4`);
    assert.equal(headers['webhook-timestamp'], String(Date.parse('2026-01-31T12:00:00Z') / 1000));
    const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body]);
    const { stdout } = await mustRun(openssl.program, ['dgst', '-sha256', '-hmac', SECRET, '-r'], {
      input: signed.toString(),
    });
    const hex = stdout.split(' ')[0]!;
    assert.equal(headers['webhook-signature'], `v1,${Buffer.from(hex, 'hex').toString('base64')}`);
    assert.deepEqual(
      JSON.parse(body.toString()),
      from(batch, 1).records.map(({ record }) => ({ logId: batch.logId, ...record })),
    );
  });

  test('keeps the id of a batch that is tried again', async () => {
    const batch = await sinkBatch(2);
    receiver.received.length = 0;
    const clock = new FakeClock();
    const sink = webhookTo(receiver.url, {}, clock);
    receiver.answer = () => ({ status: 503 });
    await refusal(sink.deliver(batch, NEVER));
    clock.advance(5000);
    receiver.answer = () => ({ status: 204 });
    await sink.deliver(batch, NEVER);
    const [first, second] = receiver.received.map(({ headers }) => headers);
    assert.equal(first!['webhook-id'], second!['webhook-id']);
    assert.notEqual(first!['webhook-timestamp'], second!['webhook-timestamp']);
  });

  test('tells a receiver that wants it later from one that refuses it, and hears when', async () => {
    const batch = await sinkBatch(1);
    const sink = webhookTo(receiver.url);
    for (const [status, headers, refused, retryAfterMs] of [
      [500, {}, false, null],
      [502, {}, false, null],
      [429, { 'retry-after': '17' }, false, 17_000],
      [503, { 'retry-after': 'Sat, 31 Jan 2026 12:00:30 GMT' }, false, 30_000],
      [503, { 'retry-after': 'Sat, 31 Jan 2026 11:00:00 GMT' }, false, 0],
      [429, { 'retry-after': 'soon' }, false, null],
      [408, {}, false, null],
      [400, {}, true, null],
      [401, {}, true, null],
      [413, {}, true, null],
      [302, { location: 'http://127.0.0.1:1/' }, true, null],
    ] as const) {
      receiver.answer = () => ({ status, headers });
      const error = await refusal(sink.deliver(batch, NEVER));
      assert.deepEqual([error.refused, error.retryAfterMs], [refused, retryAfterMs], `status ${status}`);
      assert.match(error.message, new RegExp(String(status)));
    }
    receiver.answer = () => ({ status: 204 });
  });

  test('follows no redirect', async () => {
    const elsewhere = await startReceiver();
    receiver.answer = () => ({ status: 307, headers: { location: elsewhere.url } });
    await refusal(webhookTo(receiver.url).deliver(await sinkBatch(1), NEVER));
    assert.equal(elsewhere.received.length, 0);
    receiver.answer = () => ({ status: 204 });
    await elsewhere.stop();
  });

  test('refuses an address in the clear, and the metadata services of clouds', async () => {
    for (const url of [
      'http://siem.example.com/',
      'http://169.254.169.254/latest',
      'https://[fe80::1]/',
      'file:///x',
    ]) {
      assert.throws(() => webhookTo(url), { code: 'INVALID_ARGUMENT' }, url);
    }
    assert.throws(() => webhookTo('http://169.254.169.254/', { allowHttp: true }), { code: 'INVALID_ARGUMENT' });
    assert.doesNotThrow(() => webhookTo('http://siem.example.com/', { allowHttp: true }));
  });

  test('speaks TLS to a receiver of the right authority only, with a certificate of its own where asked', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const trusted = newAuthority(openssl.program, folder, 'trusted');
    const other = newAuthority(openssl.program, folder, 'other');
    const own = trusted.issue('receiver');
    const secure = await startReceiver({
      tls: {
        cert: readFileSync(own.certificate),
        key: readFileSync(own.key),
        ca: readFileSync(trusted.ca),
        requestCert: true,
        rejectUnauthorized: true,
      },
    });
    t.after(() => secure.stop());
    const batch = await sinkBatch(1);
    const client = trusted.issue('client');
    await assert.rejects(webhookTo(secure.url).deliver(batch, NEVER), /unable to verify|self.signed/);
    await assert.rejects(webhookTo(secure.url, { tls: { ca: other.ca, ...client } }).deliver(batch, NEVER));
    await assert.rejects(webhookTo(secure.url, { tls: { ca: trusted.ca } }).deliver(batch, NEVER));
    assert.equal(secure.received.length, 0);
    await webhookTo(secure.url, { tls: { ca: trusted.ca, ...client } }).deliver(batch, NEVER);
    assert.equal(secure.received.length, 1);
    await assert.rejects(
      webhookTo(secure.url, { tls: { ca: join(folder, 'nowhere.pem') } }).deliver(batch, NEVER),
      /ENOENT.*nowhere\.pem/,
    );
  });

  test('ends an attempt with its signal', async () => {
    receiver.answer = () => null;
    const attempt = new AbortController();
    const delivering = webhookTo(receiver.url).deliver(await sinkBatch(1), attempt.signal);
    setTimeout(() => attempt.abort(), 100);
    await assert.rejects(delivering);
    receiver.answer = () => ({ status: 204 });
  });
});

describe('the OTLP sink', () => {
  async function decoded(t: TestContext): Promise<any[] | null> {
    const python = await requirePeer(t, 'python');
    if (python === null) return null;
    const input = receiver.received.map(({ body }) => `${body.toString()}\n`).join('');
    const { stdout } = await mustRun(python.python, [join(import.meta.dirname, 'otlp_logs.py')], { input });
    return stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  test('sends what the official protocol buffers read, field by field', async (t) => {
    const batch = await sinkBatch(2, (index) => ({
      principal: 'Käthe',
      context: { shop: 'north', 'dotted.name': 'x' },
      failovers: ['aws', 'gcp'],
      outcome: index === 0 ? 'OK' : 'PERMISSION_DENIED',
    }));
    receiver.received.length = 0;
    await otlpTo(receiver.url, { headers: { authorization: 'Bearer 4711' } }).deliver(batch, NEVER);
    assert.equal(receiver.received[0]!.headers['authorization'], 'Bearer 4711');
    assert.equal(receiver.received[0]!.headers['content-type'], 'application/json');
    const records = await decoded(t);
    if (records === null) return;
    assert.equal(records.length, 2);
    for (const [index, { record }] of batch.records.entries()) {
      const fields = Object.entries(record).map(([name, value]) => [`claviger.audit.${name}`, value]);
      assert.deepEqual(records[index], {
        resource: {
          'service.name': 'claviger',
          'service.version': '1.2.3',
          'host.name': 'kms.example.com',
          'claviger.log.id': batch.logId,
        },
        scope: ['claviger.audit', '1.2.3'],
        timeMs: Date.parse(record.time),
        observedMs: Date.parse('2026-01-31T12:00:00Z'),
        severity: index === 0 ? [9, 'INFO'] : [13, 'WARN'],
        event: 'claviger.audit',
        body: index === 0 ? 'Encrypt OK' : 'Encrypt PERMISSION_DENIED',
        attributes: Object.fromEntries(fields),
        trace: '',
      });
    }
  });

  test('tells the operator of what a collector rejects for good, and goes on', async () => {
    const said: unknown[] = [];
    const log: Log = { write: (level, _, fields) => void said.push([level, fields]) };
    const batch = await sinkBatch(3);
    for (const body of ['{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}', '{}', 'null', 'ok']) {
      receiver.answer = () => ({ status: 200, body });
      await otlpTo(receiver.url, {}, log).deliver(batch, NEVER);
    }
    assert.deepEqual(said, [['error', { records: 2, cause: 'too old' }]]);
    receiver.answer = () => ({ status: 204 });
  });

  test('tries again where the collector is busy', async () => {
    receiver.answer = () => ({ status: 503, headers: { 'retry-after': '3' } });
    const error = await refusal(otlpTo(receiver.url).deliver(await sinkBatch(1), NEVER));
    assert.equal(error.retryAfterMs, 3000);
    receiver.answer = () => ({ status: 204 });
  });
});
