/** The Kafka sink against a broker of Apache Kafka, read by Kafka's own consumer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { KafkaSink } from '../../src/audit/sinks/kafka.ts';
import type { KafkaSinkOptions } from '../../src/audit/sinks/options.ts';
import type { SinkBatch } from '../../src/audit/sinks/sink.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { newAuthority, type Authority } from '../support/certificates.ts';
import { freePort } from '../support/receiver.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { from, sinkBatch } from '../support/sink-records.ts';
import { readLog } from '../support/stored-log.ts';
import { until } from '../support/until.ts';
import { PASSWORD, startKafka, USER, type Broker } from './kafka-support.ts';

const NEVER = new AbortController().signal;

suite('the Kafka sink', () => {
  const folder = testFolder();
  let broker: Broker;
  let authority: Authority;
  let other: Authority;
  let batch: SinkBatch;
  let missing = false;

  before(async (t) => {
    const [kafka, openssl] = [
      await requirePeer(t as TestContext, 'kafka'),
      await requirePeer(t as TestContext, 'openssl'),
    ];
    missing = kafka === null || openssl === null;
    if (kafka === null || openssl === null) return;
    authority = newAuthority(openssl.program, folder, 'trusted');
    other = newAuthority(openssl.program, folder, 'other');
    batch = await sinkBatch(30, (index) => ({
      atMs: Date.now() - 60_000 + index,
      principal: 'Käthe',
      resource: 'a\tb',
    }));
    broker = await startKafka({ ...kafka, folder, authority });
  });
  after(async () => {
    if (!missing) await broker.stop();
    removeFolder(folder);
  });

  function sink(more: Partial<KafkaSinkOptions> = {}): KafkaSink {
    return new KafkaSink({
      kind: 'kafka',
      name: 'stream',
      brokers: [`127.0.0.1:${broker.ports.open}`],
      topic: 'audit',
      tls: null,
      ...more,
    });
  }

  /** Sends one record to a topic of this name, and says whether it is there. */
  async function sends(topic: string, more: Partial<KafkaSinkOptions>): Promise<boolean> {
    await broker.makeTopic(topic, 1);
    const one = sink({ topic, ...more });
    await one.deliver(from(batch, 0, 1), NEVER);
    await one.close();
    return (await broker.read(topic)).length === 1;
  }

  test('sends every record in order into one partition, with its time and the id of its log', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    await broker.makeTopic('audit', 3);
    const stream = sink();
    await stream.deliver(from(batch, 0, 10), NEVER);
    await stream.deliver(from(batch, 10), NEVER);
    await stream.close();
    const read = await broker.read('audit');
    assert.equal(new Set(read.map(({ partition }) => partition)).size, 1);
    assert.deepEqual(
      read.map(({ partition: _, ...message }) => message),
      batch.records.map(({ record }) => ({
        timestampMs: Date.parse(record.time),
        key: batch.logId,
        value: { logId: batch.logId, ...record },
      })),
    );
  });

  test('sends what is as large as a batch may be', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    await broker.makeTopic('large', 1);
    // Characters that JSON writes as six.
    const context = { text: '\u0001'.repeat(1000) };
    const large = await sinkBatch(44, () => ({ context }));
    const bytes = Buffer.byteLength(JSON.stringify(large.records.map(({ record }) => record)));
    assert.ok(bytes > 256 * 1024, `${bytes} bytes`);
    const stream = sink({ topic: 'large' });
    await stream.deliver(large, NEVER);
    await stream.close();
    assert.equal((await broker.read('large')).length, 44);
  });

  test('reaches a broker by TLS and shows its certificate, and logs in by each mechanism', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    const { ports } = broker;
    const files = { ca: authority.ca, ...authority.issue('claviger') };
    assert.ok(await sends('by-tls', { brokers: [`127.0.0.1:${ports.tls}`], tls: files }));
    // The broker calls itself by its address, whatever name it was asked under.
    assert.ok(await sends('by-name', { brokers: [`localhost:${ports.tls}`], tls: files }));
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      const login = { sasl: { mechanism, username: USER, password: PASSWORD } };
      const brokers = [`127.0.0.1:${ports.saslTls}`];
      assert.ok(await sends(`by-${mechanism}`, { brokers, tls: { ca: authority.ca }, ...login }), mechanism);
    }
    const scram = { sasl: { mechanism: 'SCRAM-SHA-512', username: USER, password: PASSWORD } } as const;
    assert.ok(await sends('in-the-clear', { brokers: [`127.0.0.1:${ports.sasl}`], ...scram }));
  });

  test('is refused in words: no login, a wrong one, none of our certificates, one that nobody vouches for', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    await broker.makeTopic('refused', 1);
    const refused = async (more: Partial<KafkaSinkOptions>, message: RegExp): Promise<void> => {
      const one = sink({ topic: 'refused', ...more });
      await assert.rejects(one.deliver(from(batch, 0, 1), NEVER), { name: 'Error', message });
      await one.close();
    };
    const { ports } = broker;
    const brokers = [`127.0.0.1:${ports.saslTls}`];
    const tls = { ca: authority.ca };
    const sasl = { mechanism: 'SCRAM-SHA-512', username: USER, password: PASSWORD } as const;
    const wrong = { ...sasl, password: 'wrong' };
    await refused({ brokers, tls, sasl: wrong }, /authentication failed/i);
    await refused({ brokers, tls, sasl: { ...wrong, mechanism: 'PLAIN' } }, /authentication failed/i);
    await refused({ brokers, tls }, /closed|SASL/i);
    await refused({ brokers, tls: {}, sasl }, /unable to verify|self.signed/i);
    await refused({ brokers, tls: { ca: other.ca }, sasl }, /unable to verify|self.signed/i);
    await refused({ brokers: [`127.0.0.1:${ports.tls}`], tls }, /certificate|handshake|closed/i);
    await refused(
      { brokers: [`127.0.0.1:${ports.tls}`], tls: { ...tls, ...other.issue('stranger') } },
      /certificate|handshake|closed/i,
    );
    assert.deepEqual(await broker.read('refused'), []);
  });

  test('tells of a topic that is not there, and does not make it', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    const nowhere = sink({ topic: 'nowhere' });
    await assert.rejects(nowhere.deliver(batch, NEVER), { message: /topic `?nowhere/i, refused: true });
    await assert.rejects(nowhere.deliver(batch, NEVER), { message: /topic `?nowhere/i, refused: true });
    await nowhere.close();
  });

  test('fails in words where nobody answers, and ends with its signal, also where a broker says nothing', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    const away = sink({ brokers: [`127.0.0.1:${await freePort()}`] });
    await assert.rejects(away.deliver(batch, NEVER), { message: /ECONNREFUSED/, refused: false });
    await assert.rejects(away.deliver(batch, AbortSignal.abort()), { name: 'AbortError' });
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    t.after(() => mute.close());
    await once(mute, 'listening');
    const waiting = sink({ brokers: [`127.0.0.1:${(mute.address() as AddressInfo).port}`] });
    await assert.rejects(waiting.deliver(batch, AbortSignal.timeout(200)), { name: 'TimeoutError' });
    await waiting.close();
  });

  test('misses nothing of a busy server while the broker is restarted', async (t) => {
    if (missing) return t.skip('kafka or openssl is missing');
    await broker.makeTopic('busy', 3);
    const data = join(folder, 'data-of-ours');
    const server = await startTestServer({
      folder: data,
      config: `audit: { sinks: [{ name: stream, kind: kafka, brokers: ["127.0.0.1:${broker.ports.saslTls}"], topic: busy,
        tls: { ca: ${authority.ca} }, sasl: { username: ${USER}, password: "\${KAFKA_PASSWORD}" } }] }`,
      environment: { KAFKA_PASSWORD: PASSWORD },
    });
    const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const asking = new AbortController();
    const askers = Array.from({ length: 4 }, async () => {
      while (!asking.signal.aborted) await server.client.encrypt({ key: id, plaintext: Buffer.from('x') });
    });
    await until('it has sent something', async () => (await server.client.getHealth()).sinks[0]!.position! > 100);
    await broker.stop();
    await until('it has failed', async () => (await server.client.getHealth()).sinks[0]!.failures > 0);
    await broker.start();
    asking.abort();
    await Promise.all(askers);
    const { position, lagRecords } = (await server.client.getHealth()).sinks[0]!;
    await until('it has caught up', async () => {
      const [status] = (await server.client.getHealth()).sinks;
      return status!.position! >= position! + lagRecords;
    });
    await server.stop();
    const read = await broker.read('busy');
    const seen = new Set(read.map(({ value }) => value.index as number));
    const log = readLog(data);
    assert.ok(log.length > 200, `${log.length} records`);
    assert.deepEqual(
      log.filter(({ index }) => !seen.has(index)).map(({ index }) => index),
      [],
    );
    const indexes = read.map(({ value }) => value.index as number);
    const first = indexes.filter((index, at) => indexes.indexOf(index) === at);
    assert.deepEqual(
      first,
      first.toSorted((a, b) => a - b),
      'what comes again comes behind what it repeats',
    );
    assert.equal(JSON.stringify(log).includes(PASSWORD), false, 'no password is in the log');
  });
});
