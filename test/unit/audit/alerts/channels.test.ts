/** What channels send, to real receivers, held against what PagerDuty, Slack and Standard Webhooks have published. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { z } from 'zod';
import { pagerdutyChannel, slackChannel, webhookChannel, type Channel } from '../../../../src/audit/alerts/index.ts';
import { NOTICE_KINDS, type NoticeKind } from '../../../../src/audit/alerts/alert.ts';
import { RULE_IDS, RULES, SEVERITIES } from '../../../../src/audit/alerts/rules.ts';
import { FakeClock } from '../../../support/clock.ts';
import { startReceiver, type Received, type Receiver } from '../../../support/receiver.ts';
import { openssl } from './openssl.ts';
import { envelope } from './notices.ts';
import { KEY, TENANT, TOKEN } from './records.ts';

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef');
const ROUTING_KEY = 'r'.repeat(32);
const HOSTILE = '<!channel> & <https://evil.example|click>\n*bold*\u202e';

/** Events API v2: required fields, their values and their lengths. */
const pagerdutyEvent = z.discriminatedUnion('event_action', [
  z.strictObject({
    event_action: z.literal('trigger'),
    routing_key: z.string().length(32),
    dedup_key: z.string().min(1).max(255),
    client: z.string(),
    payload: z.strictObject({
      summary: z.string().min(1).max(1024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime(),
      component: z.string(),
      class: z.string(),
      custom_details: z.record(z.string(), z.string()),
    }),
  }),
  z.strictObject({
    event_action: z.literal('resolve'),
    routing_key: z.string().length(32),
    dedup_key: z.string().min(1).max(255),
  }),
]);

/** Block Kit: the blocks that we use, with their limits. */
const mrkdwn = (charsMax: number) =>
  z.strictObject({ type: z.literal('mrkdwn'), text: z.string().min(1).max(charsMax) });
const slackMessage = z.strictObject({
  text: z.string().min(1).max(40_000),
  blocks: z
    .array(
      z.union([
        z.strictObject({
          type: z.literal('header'),
          text: z.strictObject({
            type: z.literal('plain_text'),
            text: z.string().min(1).max(150),
            emoji: z.boolean(),
          }),
        }),
        z.strictObject({ type: z.literal('section'), fields: z.array(mrkdwn(2000)).min(1).max(10) }),
        z.strictObject({ type: z.literal('section'), text: mrkdwn(3000) }),
        z.strictObject({ type: z.literal('context'), elements: z.array(mrkdwn(3000)).min(1).max(10) }),
      ]),
    )
    .min(1)
    .max(50),
});

let receiver: Receiver;
before(async () => {
  receiver = await startReceiver();
});
after(() => receiver.stop());

/** Whatever was posted, parsed. */
const jsonOf = ({ body }: Received): any => JSON.parse(body.toString());

const make: Readonly<Record<'webhook' | 'pagerduty' | 'slack', () => Channel>> = {
  webhook: () =>
    webhookChannel({
      name: 'w',
      severities: SEVERITIES,
      url: new URL(receiver.url),
      secret: SECRET,
      clock: new FakeClock(),
    }),
  pagerduty: () =>
    pagerdutyChannel({ name: 'p', severities: SEVERITIES, url: new URL(receiver.url), routingKey: ROUTING_KEY }),
  slack: () => slackChannel({ name: 's', severities: SEVERITIES, url: new URL(receiver.url) }),
};

async function sent(channel: Channel, ...args: Parameters<typeof envelope>) {
  const from = receiver.received.length;
  await channel.send(envelope(...args), AbortSignal.timeout(5000));
  return receiver.received.slice(from);
}

for (const kind of ['webhook', 'pagerduty', 'slack'] as const) {
  suite(kind, () => {
    let channel: Channel;
    beforeEach(() => {
      channel = make[kind]();
    });
    afterEach(() => {
      receiver.answer = () => ({ status: 200 });
    });

    for (const [status, refused] of [
      [400, true],
      [413, true],
      [401, false],
      [404, false],
      [429, false],
      [500, false],
      [302, false],
    ] as const) {
      test(`is told where the receiver answers ${status}, ${refused ? 'and that the same will not do' : 'and may try again'}`, async () => {
        receiver.answer = () => ({ status });
        await assert.rejects(sent(channel), { message: `the receiver answered ${status}`, refused });
      });
    }

    test('is told where there is no answer in time', async () => {
      receiver.answer = () => null;
      await assert.rejects(channel.send(envelope(), AbortSignal.timeout(200)), /abort/i);
    });

    test('posts JSON', async () => {
      const [request] = await sent(channel);
      assert.equal(request!.path, '/hook');
      assert.equal(request!.headers['content-type'], 'application/json');
    });
  });
}

suite('pagerduty', () => {
  for (const kind of NOTICE_KINDS.filter((one) => one !== 'test')) {
    test(`gets an event of its API for a notice that is ${kind}`, async () => {
      const requests = await sent(make.pagerduty(), kind);
      assert.equal(requests.length, 1);
      const event = pagerdutyEvent.parse(jsonOf(requests[0]!));
      assert.equal(event.event_action, kind === 'resolved' ? 'resolve' : 'trigger');
      assert.equal(event.dedup_key, 'a'.repeat(32));
    });
  }

  test('a test is triggered and resolved', async () => {
    const requests = await sent(make.pagerduty(), 'test');
    assert.deepEqual(
      requests.map((request) => pagerdutyEvent.parse(jsonOf(request)).event_action),
      ['trigger', 'resolve'],
    );
  });

  test('gets every rule and severity within its limits', async () => {
    for (const rule of RULE_IDS) {
      for (const severity of SEVERITIES) {
        const [request] = await sent(make.pagerduty(), 'firing', { rule, severity, subject: 's'.repeat(3000) });
        const event = pagerdutyEvent.parse(jsonOf(request!));
        assert.ok(event.event_action === 'trigger' && event.payload.summary.startsWith(RULES[rule].title));
      }
    }
  });
});

suite('slack', () => {
  for (const kind of NOTICE_KINDS) {
    test(`gets blocks for a notice that is ${kind}`, async () => {
      const [request] = await sent(make.slack(), kind);
      slackMessage.parse(jsonOf(request!));
    });
  }

  test('gets every rule within its limits, however long the subject is', async () => {
    for (const rule of RULE_IDS) {
      const [request] = await sent(make.slack(), 'resolved', { rule, subject: '&'.repeat(3000) });
      slackMessage.parse(jsonOf(request!));
    }
  });

  test('calls nobody and links nowhere, whatever a name says', async () => {
    const [request] = await sent(make.slack(), 'firing', {
      subject: HOSTILE,
      facts: { principalName: HOSTILE, principal: TOKEN },
    });
    assert.doesNotMatch(request!.body.toString(), /<[!@#h]/);
    assert.match(request!.body.toString(), /&lt;!channel&gt; &amp; /);
  });
});

suite('webhook', () => {
  for (const kind of NOTICE_KINDS) {
    test(`gets a signed message for a notice that is ${kind}, which OpenSSL verifies`, async (t) => {
      const [request] = await sent(make.webhook(), kind);
      const { headers, body } = request!;
      const json = jsonOf(request!);
      const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body.toString()}`;
      const mac = createHmac('sha256', SECRET).update(signed).digest('base64');
      assert.equal(headers['webhook-signature'], `v1,${mac}`);
      const theirs = await openssl(
        t,
        ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', `hexkey:${SECRET.toString('hex')}`, '-binary'],
        signed,
      );
      if (theirs !== null) assert.equal(headers['webhook-signature'], `v1,${theirs.toString('base64')}`);
      assert.equal(json.type, `alert.${kind}`);
      assert.equal(json.data.id, 'a'.repeat(32));
      assert.equal(json.data.tenant, TENANT);
    });
  }
});

test('no channel says more than an alert is allowed to', async () => {
  const allowed = new Set([
    'principal',
    'principalName',
    'source',
    'operation',
    'outcome',
    'keyId',
    'index',
    'value',
    'note',
  ]);
  const [request] = await sent(make.webhook());
  for (const name of Object.keys(jsonOf(request!).data.facts as object)) assert.ok(allowed.has(name), name);
  assert.equal(jsonOf(request!).data.facts.keyId, KEY);
});

test('every kind of notice has been tried', () => {
  const kinds: readonly NoticeKind[] = ['firing', 'reminder', 'resolved', 'test'];
  assert.deepEqual(NOTICE_KINDS, kinds);
});
