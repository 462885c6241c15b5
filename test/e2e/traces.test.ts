import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startCollector, type Collector, type CollectedSpan } from '../support/collector.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE_ID}-${PARENT_ID}-01`;

let collector: Collector;
let server: TestServer;
let keyId: string;
before(async () => {
  collector = await startCollector();
  // Nothing is traced but what asks for it.
  server = await startTestServer({ config: tracesTo(collector, 0) });
  keyId = (await server.client.createKey({ spec: 'P-256' })).id;
});
after(async () => {
  await server.stop();
  await collector.stop();
});

function tracesTo({ endpoint }: Collector, ratio: number): string {
  return `telemetry: { traces: { endpoint: ${JSON.stringify(endpoint)}, ratio: ${ratio} } }`;
}

const sign = (headers: Record<string, string>, body: unknown = { message: 'aGVsbG8=' }) =>
  server.fetch('POST', `/v1/keys/${keyId}:sign`, body, { headers });
const named = (spans: readonly CollectedSpan[], name: string): CollectedSpan => {
  const found = spans.find((span) => span.name === name);
  assert.ok(found, `no span ${name} in ${spans.map((span) => span.name).join(', ')}`);
  return found;
};
/** A trace id that nobody else has. */
const freshTrace = (): string => crypto.randomUUID().replaceAll('-', '');

suite('a request that comes with a sampled trace', () => {
  test('goes on with it: request → operation → provider and commit', async () => {
    const { headers } = await sign({ traceparent: SAMPLED, tracestate: 'vendor=1' });
    const spans = await collector.traceWith(({ name, traceId }) => name.startsWith('POST') && traceId === TRACE_ID);
    const request = named(spans, 'POST /v1/keys/{key}:sign');
    const operation = named(spans, 'Sign');
    const provider = named(spans, 'software sign');
    const commit = named(spans, 'commit');
    assert.equal(request.parentSpanId, PARENT_ID);
    assert.equal(request.kind, 2, 'SERVER');
    assert.equal(request.traceState, 'vendor=1');
    assert.equal(operation.parentSpanId, request.spanId);
    assert.equal(provider.parentSpanId, operation.spanId);
    assert.equal(commit.parentSpanId, operation.spanId);
    assert.equal(request.fields['http.response.status_code'], 200);
    assert.equal(operation.fields['claviger.code'], 'OK');
    assert.equal(operation.fields['claviger.key'], keyId);
    assert.equal(operation.fields['claviger.provider'], 'software');
    assert.equal(operation.fields['claviger.request_id'], headers.get('x-request-id'));
    assert.ok(BigInt(request.endTimeUnixNano) >= BigInt(commit.endTimeUnixNano));
    assert.equal(headers.get('traceparent'), `00-${TRACE_ID}-${request.spanId}-01`);
    assert.equal(headers.get('tracestate'), 'vendor=1');
  });

  test('and is refused, says with which code, and who decided', async () => {
    const traceId = freshTrace();
    const client = await server.clientWith('key-administrator');
    assert.ok(client);
    const made = await server.client.createToken({ name: 'admin', roles: ['key-administrator'] });
    const traceparent = `00-${traceId}-${PARENT_ID}-01`;
    const { status } = await server.fetch(
      'POST',
      `/v1/keys/${keyId}:sign`,
      { message: 'aGVsbG8=' },
      { token: made.token!, headers: { traceparent } },
    );
    assert.equal(status, 403);
    const spans = await collector.traceWith((span) => span.traceId === traceId && span.name.startsWith('POST'));
    const operation = named(spans, 'Sign');
    assert.equal(operation.fields['error.type'], 'PERMISSION_DENIED');
    assert.equal(operation.fields['claviger.permitted'], false);
    assert.equal(operation.status.code, 2, 'ERROR');
    assert.equal(named(spans, 'POST /v1/keys/{key}:sign').status.code ?? 0, 0, 'a 4xx is no error of the server');
    assert.ok(!spans.some(({ name }) => name === 'software sign'), 'no provider was asked');
  });

  test('over the AWS endpoint names its operation', async () => {
    const traceId = freshTrace();
    await fetch(server.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'TrentService.Sign', traceparent: `00-${traceId}-${PARENT_ID}-01` },
      body: '{}',
    });
    const spans = await collector.traceWith((span) => span.traceId === traceId && span.name === 'POST / Sign');
    assert.ok(spans.some(({ fields }) => fields['claviger.gateway'] === 'aws'));
  });
});

suite('a request', () => {
  for (const [what, traceparent] of [
    ['with a trace that is not sampled', `00-${TRACE_ID}-${PARENT_ID}-00`],
    ['with a header of zeros', `00-${'0'.repeat(32)}-${PARENT_ID}-01`],
    ['with a header that is cut', SAMPLED.slice(0, -1)],
    ['with a version that there is not', `ff-${TRACE_ID}-${PARENT_ID}-01`],
    ['with capitals', SAMPLED.toUpperCase()],
    ['with a kilobyte of it', `${SAMPLED}-${'x'.repeat(1024)}`],
  ] as const) {
    test(`${what} is answered, and not traced`, async () => {
      const { status, headers } = await sign({ traceparent });
      assert.equal(status, 200);
      assert.equal(headers.get('traceparent'), null);
    });
  }

  test('without a trace is not traced at a ratio of 0', async () => {
    assert.equal((await sign({})).headers.get('traceparent'), null);
  });

  test('without a trace begins one at a ratio of 1', async () => {
    const all = await startTestServer({ config: tracesTo(collector, 1) });
    try {
      const { headers } = await all.fetch('GET', '/v1/health');
      const [, traceId, , flags] = headers.get('traceparent')!.split('-');
      assert.equal(flags, '01');
      const spans = await collector.traceWith((span) => span.traceId === traceId && span.name === 'GET /v1/health');
      assert.equal(named(spans, 'GET /v1/health').parentSpanId ?? '', '');
    } finally {
      await all.stop();
    }
  });
});

test('strangers can ask for only so many traces a second', async () => {
  const before = collector.spans().length;
  const asked = 1500;
  let traced = 0;
  const begunMs = performance.now();
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let n = 0; n < asked / 20; n++) {
        const answer = await fetch(`${server.endpoint}/v1/health`, { headers: { traceparent: SAMPLED } });
        await answer.arrayBuffer();
        if (answer.headers.has('traceparent')) traced += 1;
      }
    }),
  );
  const seconds = (performance.now() - begunMs) / 1000;
  assert.ok(traced <= 1000 * (Math.ceil(seconds) + 1), `${traced} of ${asked} in ${seconds} s`);
  assert.ok(collector.spans().length >= before);
});

test('a collector that is away costs no answer, and a stop no more than a few seconds', async () => {
  const dead = await startCollector();
  await dead.stop();
  const alone = await startTestServer({ config: tracesTo(dead, 1) });
  for (let n = 0; n < 20; n++) assert.equal((await alone.fetch('GET', '/v1/health')).status, 200);
  const begunMs = performance.now();
  await alone.stop();
  assert.ok(performance.now() - begunMs < 8000);
});

test('headers of the configuration are sent along, to the collector only', async () => {
  const other = await startCollector();
  const yaml = `telemetry: { traces: { endpoint: ${JSON.stringify(other.endpoint)}, ratio: 1, headers: { x-key: '\${COLLECTOR_KEY}' } } }`;
  const alone = await startTestServer({ config: yaml, environment: { COLLECTOR_KEY: 'collector-secret-1' } });
  try {
    await alone.fetch('GET', '/v1/health');
    await other.traceWith(({ name }) => name === 'GET /v1/health');
    assert.equal(other.headers[0]!['x-key'], 'collector-secret-1');
    assert.ok(!other.bodies.join('').includes('collector-secret-1'));
  } finally {
    await alone.stop();
    await other.stop();
  }
});
