/** The official protocol buffers of OpenTelemetry read what we export. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { startCollector } from '../support/collector.ts';
import { startTestServer } from '../support/server.ts';

interface Decoded {
  readonly service: string;
  readonly scope: string;
  readonly name: string;
  readonly kind: number;
  readonly nanos: number;
  readonly attributes: readonly string[];
}

test('what is exported is OTLP, by its own definition', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const collector = await startCollector();
  const traces = `{ endpoint: ${JSON.stringify(collector.endpoint)}, ratio: 1 }`;
  const server = await startTestServer({ config: `telemetry: { traces: ${traces} }` });
  try {
    const { id } = await server.client.createKey({ spec: 'P-256' });
    await server.client.sign({ key: id, message: Buffer.from('hello') });
    await collector.traceWith(({ name }) => name.endsWith(':sign'));
  } finally {
    await server.stop();
    await collector.stop();
  }
  const output = execFileSync(python.python, [join(import.meta.dirname, 'otlp_decode.py')], {
    input: collector.bodies.map((body) => `${JSON.stringify(JSON.parse(body))}\n`).join(''),
    encoding: 'utf8',
  });
  const spans = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Decoded);
  assert.equal(spans.length, collector.spans().length);
  for (const { service, scope, nanos } of spans) {
    assert.deepEqual([service, scope], ['claviger', 'claviger']);
    assert.ok(nanos >= 0);
  }
  const sign = spans.find(({ name }) => name === 'Sign')!;
  assert.deepEqual(sign.attributes, [
    'claviger.algorithm',
    'claviger.code',
    'claviger.gateway',
    'claviger.key',
    'claviger.key_version',
    'claviger.permitted',
    'claviger.policies',
    'claviger.provider',
    'claviger.request_id',
    'claviger.tenant',
  ]);
  assert.equal(spans.find(({ name }) => name === 'POST /v1/keys/{key}:sign')!.kind, 2);
});
