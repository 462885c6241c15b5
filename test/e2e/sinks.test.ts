/** Sinks of a running server: every record arrives, whatever happens to server and receivers, and nobody waits for them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ClavigerClient } from '../../src/client/index.ts';
import { SinkHost, type SinkStatus } from '../../src/audit/sinks/host.ts';
import { parseConfig } from '../../src/server/config.ts';
import { Claviger } from '../../src/server/claviger.ts';
import { runCli } from '../support/cli.ts';
import { openTestService } from '../support/service.ts';
import { startChildServer } from '../support/child-server.ts';
import { freePort, startReceiver, type Receiver } from '../support/receiver.ts';
import {
  removeFolder,
  startTestServer,
  testFolder,
  type TestServer,
  type TestServerOptions,
} from '../support/server.ts';
import { checkLog, readLog } from '../support/stored-log.ts';
import { until } from '../support/until.ts';

const SECRET = 'a secret of more than 24 bytes';

const fileSink = (path: string, more = ''): string => `{ name: archive, kind: file, path: ${path}${more} }`;
const hookSink = (url: string, more = ''): string =>
  `{ name: hook, kind: webhook, url: "${url}", secret: "\${HOOK_SECRET}"${more} }`;
const audit = (...sinks: readonly string[]): string => `audit: { sinks: [${sinks.join(', ')}] }`;

function start(folder: string, sinks: readonly string[], more: TestServerOptions = {}): Promise<TestServer> {
  return startTestServer({ folder, config: audit(...sinks), environment: { HOOK_SECRET: SECRET }, ...more });
}

/** Indexes of the records in a file of JSON lines. */
function indexesIn(path: string): number[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { index: number }).index);
}

const receivedBy = ({ received }: Receiver): any[] =>
  received.flatMap(({ body }) => JSON.parse(body.toString()) as unknown[]);

async function sinkOf(server: TestServer, name: string): Promise<SinkStatus> {
  const { sinks } = await server.client.getHealth();
  return sinks.find((sink) => sink.name === name)!;
}

/** Fails where an index below the log's size is missing. */
function requireAll(indexes: readonly number[], folder: string): void {
  const seen = new Set(indexes);
  const missing = readLog(folder).filter(({ index }) => !seen.has(index));
  assert.deepEqual(missing, []);
}

describe('a sink', () => {
  test('is given what the list shows, from the first record on', async () => {
    const folder = testFolder();
    const path = join(folder, 'audit.jsonl');
    const server = await start(folder, [fileSink(path)]);
    await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
    await assert.rejects(server.client.describeKey({ key: 'alias:nothing' }));
    const { records } = await server.client.listAuditRecords({ limit: 100 });
    await until('all records are in the file', () => indexesIn(path).length >= records.length);
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    const { log } = await server.client.getHealth();
    for (const record of records) {
      assert.deepEqual(lines[record.index], { logId: log.id, ...record });
    }
    assert.equal(lines[0].index, 0);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await server.stop();
    requireAll(indexesIn(path), folder);
    removeFolder(folder);
  });

  test('is given only what its filter lets through', async () => {
    const folder = testFolder();
    const path = join(folder, 'audit.jsonl');
    const server = await start(folder, [
      fileSink(path, ', filter: { outcomes: [KEY_NOT_FOUND], operations: [DescribeKey] }'),
    ]);
    await server.client.createKey({ spec: 'AES-256-GCM' });
    await assert.rejects(server.client.describeKey({ key: 'alias:nothing' }));
    await assert.rejects(server.client.encrypt({ key: 'alias:nothing', plaintext: Buffer.from('x') }));
    await server.stop();
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    assert.deepEqual(
      lines.map((line) => {
        const { operation, outcome } = JSON.parse(line);
        return [operation, outcome];
      }),
      [['DescribeKey', 'KEY_NOT_FOUND']],
    );
    removeFolder(folder);
  });

  test('which is down at the start gets everything once it is there, and its lag is seen meanwhile', async () => {
    const folder = testFolder();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/hook`;
    const server = await start(folder, [hookSink(url)]);
    await server.client.createKey({ spec: 'AES-256-GCM' });
    await until('the failure is seen', async () => (await sinkOf(server, 'hook')).failures > 0);
    const behind = await sinkOf(server, 'hook');
    assert.match(behind.lastError!, /ECONNREFUSED/);
    assert.ok(behind.lagRecords > 0 && behind.lagSeconds > 0);
    assert.equal(behind.delivered, 0);
    const auditor = await (await server.clientWith('auditor')).getHealth();
    assert.ok(auditor.sinks[0]!.failures > 0);
    assert.equal(auditor.sinks[0]!.lastError, null, 'where the log goes is no business of a tenant');
    const { body: metrics } = await server.fetch('GET', '/metrics');
    assert.match(metrics, /^claviger_audit_sink_lag_records\{sink="hook"\} [1-9]/m);
    assert.match(metrics, /^claviger_audit_sink_lag_seconds\{sink="hook"\} [0-9.]+/m);

    const receiver = await startReceiver({ port });
    // Each look at the health is a record more: what counts is what there was before.
    const wanted = behind.position! + behind.lagRecords;
    await until('it has caught up', async () => {
      const { position, lastError } = await sinkOf(server, 'hook');
      return position! >= wanted && lastError === null;
    });
    await server.stop();
    requireAll(
      receivedBy(receiver).map(({ index }) => index as number),
      folder,
    );
    await receiver.stop();
    removeFolder(folder);
  });

  test('goes on after a restart where it was, and what it does not take holds up neither answers nor the stop', async () => {
    const folder = testFolder();
    const receiver = await startReceiver();
    receiver.answer = () => null;
    const first = await start(folder, [hookSink(receiver.url), fileSink(join(folder, 'audit.jsonl'))]);
    const { id } = await first.client.createKey({ spec: 'AES-256-GCM' });
    await until('it hangs', () => receiver.received.length > 0);
    const beganMs = performance.now();
    for (let n = 0; n < 100; n++) await first.client.encrypt({ key: id, plaintext: Buffer.from('x') });
    assert.ok(performance.now() - beganMs < 5000, 'answers do not wait');
    const stopMs = performance.now();
    await first.stop();
    assert.ok(performance.now() - stopMs < 8000, 'the stop is bounded');
    const delivered = indexesIn(join(folder, 'audit.jsonl'));
    requireAll(delivered, folder);
    assert.equal(new Set(delivered).size, delivered.length, 'the other sink had everything, once');

    receiver.received.length = 0;
    receiver.answer = () => ({ status: 200 });
    const second = await start(folder, [hookSink(receiver.url), fileSink(join(folder, 'audit.jsonl'))]);
    await second.stop();
    requireAll(
      receivedBy(receiver).map(({ index }) => index as number),
      folder,
    );
    receiver.received.length = 0;
    const third = await start(folder, [hookSink(receiver.url), fileSink(join(folder, 'audit.jsonl'))]);
    await third.client.getHealth();
    await third.stop();
    const again = receivedBy(receiver).map(({ index }) => index as number);
    assert.ok(Math.min(...again) > delivered.at(-1)!, 'what was delivered does not come again after a stop');
    await receiver.stop();
    removeFolder(folder);
  });

  test('misses nothing though the server is killed again and again', async () => {
    const folder = testFolder();
    const path = join(folder, 'audit.jsonl');
    for (let round = 0; round < 3; round++) {
      const server = await startChildServer(folder, { config: audit(fileSink(path)) });
      const client = new ClavigerClient({ endpoint: server.endpoint, token: server.token });
      const { id } = await client.createKey({ spec: 'AES-256-GCM' });
      // Until the server is gone; what it answered by then is in the log.
      const asking = Promise.allSettled(
        Array.from({ length: 16 }, async () => {
          for (;;) await client.encrypt({ key: id, plaintext: Buffer.from('x') });
        }),
      );
      await setTimeout(600 + 500 * round);
      await server.kill();
      await asking;
    }
    const last = await startChildServer(folder, { config: audit(fileSink(path)) });
    assert.equal(await last.terminate(), 0);
    assert.ok(checkLog(folder) > 100);
    const delivered = indexesIn(path);
    requireAll(delivered, folder);
    removeFolder(folder);
  });
});

describe('an operator', () => {
  test('sees in the doctor and in the check of the configuration what is sent where, and no secret', async () => {
    const folder = testFolder();
    const file = join(folder, 'claviger.yaml');
    const server = await start(folder, [fileSink(join(folder, 'audit.jsonl')), hookSink('http://127.0.0.1:9/hook')]);
    await until('the failure is seen', async () => (await sinkOf(server, 'hook')).failures > 0);
    const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token, HOOK_SECRET: SECRET };
    const doctor = await runCli(['doctor'], { cwd: folder, env });
    assert.match(doctor.stdout, /sink archive\s+file, \d+ records behind/);
    assert.match(doctor.stdout, /sink hook\s+\d+ records behind for \d+ s: .*ECONNREFUSED/);
    assert.notEqual(doctor.code, 0);
    await server.stop();

    const config = (sinks: string): void => writeFileSync(file, `${sinks}\n`);
    config(audit(fileSink('audit.jsonl'), hookSink('https://siem.example.com/')));
    const words = await runCli(['config', 'check', '--config', file], { cwd: folder, env });
    assert.match(words.stdout, /^sinks +archive \(file\), hook \(webhook\)$/m);
    const json = await runCli(['config', 'check', '--config', file, '--json'], { cwd: folder, env });
    assert.equal(JSON.parse(json.stdout).config.audit.sinks[1].secret, '(set)');
    assert.equal(json.stdout.includes(SECRET), false);
    config(
      audit(
        '{ name: k, kind: kafka, brokers: ["127.0.0.1:9"], topic: a, sasl: { username: u, password: "${HOOK_SECRET}" } }',
        '{ name: o, kind: otlp, url: "https://otel.example.com/", headers: { authorization: "${HOOK_SECRET}" } }',
        '{ name: c, kind: cloudwatch, region: r, group: g, accessKeyId: "${HOOK_SECRET}", secretAccessKey: "${HOOK_SECRET}" }',
      ),
    );
    const others = await runCli(['config', 'check', '--config', file, '--json'], { cwd: folder, env });
    assert.equal(JSON.parse(others.stdout).config.audit.sinks[0].sasl.password, '(set)');
    assert.equal(others.stdout.includes(SECRET), false);
    config(audit('{ name: s, kind: syslog, host: x, tls: { ca: nowhere.pem } }'));
    const missing = await runCli(['config', 'check', '--config', file], { cwd: folder, env });
    assert.match(missing.stderr, /the sink `s` needs `.*nowhere\.pem`/);
    assert.notEqual(missing.code, 0);
    removeFolder(folder);
  });

  test('of the library has sinks too', async () => {
    const folder = testFolder();
    const path = join(folder, 'audit.jsonl');
    const principal = { name: 'shop', roles: ['key-administrator'] } as const;
    const claviger = await Claviger.open({ folder, principal, sinks: [{ name: 'archive', kind: 'file', path }] });
    await claviger.createKey({ spec: 'AES-256-GCM' });
    await claviger.close();
    requireAll(indexesIn(path), folder);
    await assert.rejects(
      Claviger.open({ folder, principal, sinks: [{ name: 'Archive', kind: 'file', path }] }),
      /`sinks\.0\.name`: must be 1 to 63/,
    );
    removeFolder(folder);
  });
});

describe('the thread of the sinks', () => {
  test('that dies is told, seen and started again, and the service goes on', async () => {
    const service = await openTestService();
    const { ledger } = service.services;
    const said: string[] = [];
    const host = new SinkHost({
      sinks: [{ name: 'archive', kind: 'file', path: '/x', rotateBytes: 1, rotateDaily: false, keepFiles: 1 }],
      databasePath: join(service.folder, 'nowhere', 'claviger.db'),
      ledger,
      log: { write: (level, message) => void said.push(`${level}: ${message}`) },
      version: '1',
    });
    host.start();
    await until('it has died', () => said.length > 0);
    assert.match(said[0]!, /^error: the thread of the audit sinks died; it is started again/);
    const [status] = host.status();
    assert.ok(status!.lastError !== null && status!.failures > 0);
    await until('it has died again', () => said.length > 1);
    await host.stop(1000);
    await service.api.createKey({ spec: 'AES-256-GCM' });
    await service.remove();
  });
});

describe('the set of sinks', () => {
  test('is in the log whenever it has changed since the last start, and only then', async () => {
    const folder = testFolder();
    const path = join(folder, 'audit.jsonl');
    const hook = hookSink('http://127.0.0.1:9/hook');
    const other = hookSink('http://127.0.0.1:10/hook');
    for (const sinks of [[fileSink(path)], [fileSink(path)], [fileSink(path), hook], [fileSink(path), other], [], []]) {
      await (await start(folder, sinks)).stop();
    }
    const changes = readLog(folder).filter(({ record }) => record['operation'] === 'ConfigureAuditSinks');
    assert.deepEqual(
      changes.map(({ record, values }) => [values['principal'], record['outcome'], values['resource']]),
      ['added archive', 'added hook', 'changed hook', 'removed archive, hook'].map((what) => [
        'job/audit-sinks',
        'OK',
        what,
      ]),
    );
    const file = readFileSync(join(folder, 'claviger.db'));
    assert.equal(file.includes(SECRET), false, 'no secret of a sink is in the store');
    removeFolder(folder);
  });

  test('that a new secret changes is the same set, and no secret of it is in the store', async () => {
    const folder = testFolder();
    const hook = hookSink('http://127.0.0.1:9/hook');
    const kafka =
      '{ name: k, kind: kafka, brokers: ["127.0.0.1:9"], topic: a, sasl: { username: u, password: "${HOOK_SECRET}" } }';
    await (await start(folder, [hook, kafka])).stop();
    await (await start(folder, [hook, kafka], { environment: { HOOK_SECRET: `another ${SECRET}` } })).stop();
    const changes = readLog(folder).filter(({ record }) => record['operation'] === 'ConfigureAuditSinks');
    assert.equal(changes.length, 1);
    assert.equal(readFileSync(join(folder, 'claviger.db')).includes(SECRET), false);
    removeFolder(folder);
  });
});

describe('a configuration of sinks is refused', () => {
  const refusal = (yaml: string): string => {
    try {
      parseConfig(yaml, '/etc/claviger', { HOOK_SECRET: SECRET, SHORT: 'short' });
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  test('with a secret that stands in it as it is', () => {
    assert.match(
      refusal(audit(`{ name: hook, kind: webhook, url: "https://x.example", secret: "${SECRET}" }`)),
      /`audit\.sinks\.0\.secret`: a secret is given as/,
    );
    assert.match(
      refusal(
        audit('{ name: o, kind: otlp, url: "https://x.example/v1/logs", headers: { authorization: "Bearer x" } }'),
      ),
      /`audit\.sinks\.0\.headers\.authorization`: a secret is given as/,
    );
  });

  test('with an address where secrets must not go', () => {
    for (const [url, why] of [
      ['http://siem.example.com/hook', /`audit\.sinks\.0\.url`: must begin with https:/],
      ['https://169.254.169.254/latest', /`audit\.sinks\.0\.url`: 169\.254\.169\.254 is no address of a receiver/],
      ['ftp://x.example', /`audit\.sinks\.0\.url`: must be an address/],
    ] as const) {
      assert.match(refusal(audit(hookSink(url))), why);
    }
    assert.equal(refusal(audit(hookSink('http://siem.example.com/hook', ', allowHttp: true'))), 'accepted');
  });

  test('with a short secret, two sinks of one name, half a pair, or a name that is none', () => {
    assert.match(
      refusal(audit('{ name: hook, kind: webhook, url: "https://x.example", secret: "${SHORT}" }')),
      /`audit\.sinks\.0\.secret`: has 24 to 64 bytes/,
    );
    assert.match(refusal(audit(fileSink('a'), fileSink('b'))), /`audit\.sinks`: must have a name each of its own/);
    assert.match(
      refusal(audit('{ name: s, kind: syslog, host: x, tls: { certificate: a.pem } }')),
      /`audit\.sinks\.0\.tls`: must have both/,
    );
    assert.match(refusal(audit(fileSink('a', ', filter: { outcomes: [FINE] }'))), /must be `OK` or an error code/);
    assert.match(
      refusal(audit(fileSink('a', ', filter: { operations: [Encrpyt] }'))),
      /must be the name of an operation/,
    );
    assert.match(refusal(audit(fileSink('a', ', size: 3'))), /there is no `size`; there are .*rotateBytes/);
    assert.match(refusal(audit('{ name: k, kind: pigeon }')), /`audit\.sinks\.0\.kind`/);
  });

  test('with a password for Kafka in the clear, a broker without a port, or a topic that can be none', () => {
    const kafkaSink = (more: string): string => audit(`{ name: k, kind: kafka, topic: audit, ${more} }`);
    const login = (mechanism: string): string =>
      `sasl: { mechanism: ${mechanism}, username: u, password: "\${SHORT}" }`;
    const brokers = 'brokers: ["kafka.example.com:9093"]';
    assert.match(refusal(kafkaSink(`${brokers}, transport: tcp, ${login('PLAIN')}`)), /a password in the clear/);
    assert.equal(refusal(kafkaSink(`${brokers}, transport: tcp, ${login('SCRAM-SHA-256')}`)), 'accepted');
    assert.equal(refusal(kafkaSink(`${brokers}, ${login('PLAIN')}`)), 'accepted');
    assert.equal(refusal(kafkaSink('brokers: ["[2001:db8::7]:9093"]')), 'accepted');
    for (const broker of [
      'kafka.example.com',
      'kafka:0',
      'kafka:65536',
      '2001:db8::7:9093',
      'http://kafka:9092',
      ':9092',
    ]) {
      assert.match(refusal(kafkaSink(`brokers: ["${broker}"]`)), /`audit\.sinks\.0\.brokers\.0`: must be `host:port`/);
    }
    assert.match(refusal(audit(`{ name: k, kind: kafka, ${brokers}, topic: a/b }`)), /`audit\.sinks\.0\.topic`/);
    assert.match(
      refusal(kafkaSink(`${brokers}, sasl: { username: u, password: pencil }`)),
      /`audit\.sinks\.0\.sasl\.password`: a secret is given as/,
    );
  });

  test('and paths are relative to its file', () => {
    const { audit: parsed } = parseConfig(
      audit(fileSink('audit.jsonl'), '{ name: s, kind: syslog, host: x, tls: { ca: ca.pem } }'),
      '/etc/claviger',
      {},
    );
    assert.deepEqual(
      parsed.sinks.map((sink) => (sink.kind === 'file' ? sink.path : sink.kind === 'syslog' ? sink.tls?.ca : null)),
      ['/etc/claviger/audit.jsonl', '/etc/claviger/ca.pem'],
    );
  });
});
