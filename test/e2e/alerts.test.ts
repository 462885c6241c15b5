/** Alerts of a real server: what a channel is told of, who may see and try them, on the command line too. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { ClavigerClient } from '../../src/client/index.ts';
import { parseConfig } from '../../src/server/config.ts';
import { runCli } from '../support/cli.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { readLog } from '../support/stored-log.ts';

const SECRET = '0123456789abcdef0123456789abcdef';
const WAIT_MS_MAX = 20_000;

let receiver: Receiver;
let server: TestServer;

before(async () => {
  receiver = await startReceiver();
  server = await startTestServer({
    config: `alerts:
  channels:
    - { name: siem, kind: webhook, url: "${receiver.url}", secret: "\${SECRET}" }
    - { name: oncall, kind: pagerduty, url: "${receiver.url}", routingKey: "\${ROUTING_KEY}", severities: [info] }
  rules:
    refusals-source: { windowSeconds: 3 }
`,
    environment: { SECRET, ROUTING_KEY: 'k'.repeat(32) },
  });
});
after(async () => {
  await server.stop();
  await receiver.stop();
});

interface Told {
  readonly type: string;
  readonly data: { readonly rule: string; readonly subject: string; readonly count: number; readonly facts: any };
}

/** The message of a type, a rule and a subject, once it has come. */
async function told(type: string, rule: string, subject: string | RegExp): Promise<Told> {
  const untilMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const messages = receiver.received.map(({ body }) => JSON.parse(body.toString()) as Told);
    const found = messages.find(
      (one) =>
        one.type === `alert.${type}` &&
        one.data.rule === rule &&
        (typeof subject === 'string' ? one.data.subject === subject : subject.test(one.data.subject)),
    );
    if (found !== undefined) return found;
    assert.ok(performance.now() < untilMs, `no ${type} of ${rule}`);
    await setTimeout(25);
  }
}

test('the first start is nothing to be alarmed by', async () => {
  await setTimeout(1500);
  assert.deepEqual((await server.client.listAlerts()).alerts, []);
  assert.equal(receiver.received.length, 0);
});

test('a burst of tokens that nobody knows is told, counted with those that share a record, and is over when it ends', async () => {
  const stranger = { token: `clv_${'x'.repeat(40)}` };
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 6 }, () => server.fetch('GET', '/v1/keys', undefined, stranger)));
  }
  const firing = await told('firing', 'refusals-source', '127.0.0.1');
  assert.ok(firing.data.count >= 30, String(firing.data.count));
  assert.equal(firing.data.facts.outcome, 'UNAUTHENTICATED');
  const resolved = await told('resolved', 'refusals-source', '127.0.0.1');
  assert.equal(resolved.data.count, 60);
});

test('a deletion is told, with the name of who asked, and is over when it is cancelled', async () => {
  const { id } = await server.client.createKey({ spec: 'AES-256-GCM' });
  await server.client.scheduleKeyDeletion({ key: id });
  const firing = await told('firing', 'key-deletion', id);
  assert.deepEqual(
    [firing.data.facts.principalName, firing.data.facts.source, firing.data.facts.keyId],
    ['development', '127.0.0.1', id],
  );
  const { alerts } = await server.client.listAlerts();
  assert.ok(alerts.some(({ rule, subject }) => rule === 'key-deletion' && subject === id));
  await server.client.cancelKeyDeletion({ key: id });
  await told('resolved', 'key-deletion', id);
});

test('a token that turns up at another address is told, and its first address is not', async () => {
  const made = await server.client.createToken({ name: 'wanderer', roles: ['crypto-user'] });
  const from = async (localAddress: string): Promise<number> => {
    const headers = { authorization: `Bearer ${made.token!}`, 'content-type': 'application/json' };
    const sent = request(`${server.endpoint}/v1/random`, { method: 'POST', localAddress, headers });
    sent.end('{"bytes":1}');
    const [response] = await once(sent, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode as number;
  };
  assert.equal(await from('127.0.0.1'), 200);
  await setTimeout(1500);
  assert.equal(await from('127.0.0.2'), 200);
  const { data } = await told('firing', 'new-source', new RegExp(`^${made.id} from `));
  assert.deepEqual([data.subject, data.facts.principalName], [`${made.id} from 127.0.0.2`, 'wanderer']);
});

describe('who may', () => {
  test('see alerts: auditors and officers, and a refusal is recorded', async () => {
    for (const role of ['auditor', 'security-officer'] as const) {
      const { watching, rules, channels } = await (await server.clientWith(role)).listAlerts();
      assert.equal(watching, true);
      assert.ok(rules.length >= 15);
      // Channels are of the whole service.
      assert.deepEqual(channels, []);
    }
    for (const role of ['crypto-user', 'key-administrator', 'approver']) {
      const { token } = await server.client.createToken({ name: role, roles: [role as never] });
      const { status, headers } = await server.fetch('GET', '/v1/alerts', undefined, { token: token! });
      assert.equal(status, 403);
      const { record } = readLog(server.folder)[Number(headers.get('x-claviger-audit')!.split('/')[1])]!;
      assert.deepEqual([record['operation'], record['outcome']], ['ListAlerts', 'PERMISSION_DENIED']);
    }
    assert.equal((await server.fetch('GET', '/v1/alerts', undefined, { token: null })).status, 401);
  });

  test('try channels: an officer with the system scope, and both answers are recorded', async () => {
    const tried = await server.fetch('POST', '/v1/alerts:test', {});
    assert.deepEqual(tried.body.results, [
      { channel: 'siem', delivered: true, error: null },
      { channel: 'oncall', delivered: true, error: null },
    ]);
    const { token } = await server.client.createToken({ name: 'officer', roles: ['security-officer'] });
    const refused = await server.fetch('POST', '/v1/alerts:test', {}, { token: token! });
    assert.equal(refused.status, 403);
    const log = readLog(server.folder);
    const outcomes = [tried, refused].map(({ headers }) => {
      const { record } = log[Number(headers.get('x-claviger-audit')!.split('/')[1])]!;
      return [record['operation'], record['outcome']];
    });
    assert.deepEqual(outcomes, [
      ['TestAlerts', 'OK'],
      ['TestAlerts', 'PERMISSION_DENIED'],
    ]);
  });

  test('name a channel that there is, and no other', async () => {
    const { results } = await server.client.testAlerts({ channel: 'siem' });
    assert.deepEqual(results, [{ channel: 'siem', delivered: true, error: null }]);
    await assert.rejects(server.client.testAlerts({ channel: 'sims' }), {
      code: 'NOT_FOUND',
      message: 'there is no alert channel `sims`; there are siem, oncall',
    });
  });
});

test('no secret of a channel is shown', async () => {
  const { body } = await server.fetch('GET', '/v1/alerts');
  assert.equal(body.channels.length, 2);
  assert.doesNotMatch(JSON.stringify(body), new RegExp(`${SECRET}|${'k'.repeat(32)}|${receiver.port}`));
});

describe('on the command line', () => {
  const run = (...args: string[]) =>
    runCli(args, { env: { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token } });

  test('`alerts list` shows what fires, the channels and the rules', async () => {
    const { code, stdout } = await run('alerts', 'list');
    assert.equal(code, 0);
    assert.match(stdout, /^siem +webhook +info warning critical +0 +works$/m);
    assert.match(stdout, /^refusals-source +warning +30 records in 3 s +\d+ +an address is refused/m);
    assert.match(stdout, /^sink-lag +warning +300 seconds/m);
    const json = JSON.parse((await run('alerts', 'list', '--json')).stdout) as { rules: unknown[] };
    assert.ok(json.rules.length >= 15);
  });

  test('`alerts test` says for each channel whether it was taken, and fails where one was not', async () => {
    const good = await run('alerts', 'test', '--channel', 'siem');
    assert.deepEqual([good.code, good.stdout], [0, 'CHANNEL  RESULT\nsiem     taken\n']);
    receiver.answer = () => ({ status: 500 });
    const bad = await run('alerts', 'test');
    receiver.answer = () => ({ status: 204 });
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^oncall +the receiver answered 500$/m);
    assert.equal((await run('alerts', 'test', '--channel', 'nobody')).code, 4);
  });
});

test('what fired before a restart still stands after it, and is not told again', async () => {
  const folder = testFolder();
  const standing = async (client: ClavigerClient): Promise<readonly string[]> =>
    (await client.listAlerts()).alerts.filter(({ rule }) => rule === 'key-deletion').map(({ firstAt }) => firstAt);
  try {
    const first = await startTestServer({ folder });
    const { id } = await first.client.createKey({ spec: 'AES-256-GCM' });
    await first.client.scheduleKeyDeletion({ key: id });
    while ((await standing(first.client)).length === 0) await setTimeout(50);
    const before = await standing(first.client);
    await first.stop();
    const lines: string[] = [];
    const second = await startTestServer({ folder, log: { write: (_level, message) => lines.push(message) } });
    await setTimeout(1500);
    assert.deepEqual(await standing(second.client), before);
    await second.stop();
    assert.deepEqual(
      lines.filter((line) => line.startsWith('alert: ')),
      [],
    );
  } finally {
    removeFolder(folder);
  }
});

describe('a configuration is refused', () => {
  const siem = '{ name: siem, kind: webhook, url: "https://siem.example/x", secret: "${SECRET}" }';
  const mail = 'name: m, kind: email, from: a@b.example, to: [c@d.example]';
  for (const [what, yaml, mistake] of [
    [
      'with a secret as it is',
      `channels: [${siem.replace('${SECRET}', SECRET)}]`,
      /`alerts\.channels\.0\.secret`: a secret is given as/,
    ],
    [
      'with the address of an incoming webhook as it is',
      'channels: [{ name: s, kind: slack, url: "https://hooks.example/x" }]',
      /`alerts\.channels\.0\.url`: a secret is given as/,
    ],
    [
      'with a secret that is too short',
      `channels: [${siem.replace('SECRET', 'SHORT')}]`,
      /`alerts\.channels\.0\.secret`: has 24 to 64 bytes/,
    ],
    ['with plain HTTP to somewhere', `channels: [${siem.replace('https', 'http')}]`, /plain HTTP is for loopback/],
    [
      'with the metadata service as receiver',
      `channels: [${siem.replace('siem.example', '169.254.169.254')}]`,
      /169\.254\.169\.254 is no address of a receiver/,
    ],
    ['with two channels of one name', `channels: [${siem}, ${siem}]`, /names of their own/],
    [
      'with a user and no password',
      `channels: [{ ${mail}, host: mail.example, user: u }]`,
      /`user` and `password`, or neither/,
    ],
    [
      'with mail in the clear to another machine',
      `channels: [{ ${mail}, host: mail.example, security: none }]`,
      /`security: none` is for a mail server on this machine/,
    ],
    [
      'with a rule that there is none of',
      'rules: { key-delation: { enabled: false } }',
      /there is no `key-delation`; there are new-source, key-deletion/,
    ],
    [
      'with a window for what is measured',
      'rules: { sink-lag: { windowSeconds: 5 } }',
      /there is no `windowSeconds`; there are enabled, severity, threshold/,
    ],
    [
      'with a threshold of nothing',
      'rules: { refusals-source: { threshold: 0 } }',
      /`alerts\.rules\.refusals-source\.threshold`/,
    ],
  ] as const) {
    test(what, () => {
      assert.throws(() => parseConfig(`alerts: { ${yaml} }`, '/', { SECRET, SHORT: 'short' }), {
        code: 'INVALID_ARGUMENT',
        message: mistake,
      });
    });
  }
});
