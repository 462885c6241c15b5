/**
 * The library in a program that has registered an OpenTelemetry SDK of its own; a process of its own, for the SDK is
 * registered for good.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { Claviger } from '../../src/server/claviger.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const folders = [testFolder(), testFolder()];
const exporter = new InMemorySpanExporter();
after(() => folders.forEach(removeFolder));

const principal = { name: 'app', roles: ['key-administrator', 'crypto-user'] } as const;

before(async () => {
  // Opened before the SDK: nothing is traced, whatever comes later.
  await using early = await Claviger.open({ folder: folders[0]!, principal });
  context.setGlobalContextManager(new StackContextManager().enable());
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  await early.createKey({ spec: 'AES-256-GCM' });
});

test('a service that was opened without an SDK leaves no span', () => {
  assert.deepEqual(exporter.getFinishedSpans(), []);
});

test('what the library does stands below the span that the program is in', async () => {
  await using claviger = await Claviger.open({ folder: folders[1]!, principal });
  const parent = trace.getTracer('program').startSpan('checkout');
  const made = context.with(trace.setSpan(context.active(), parent), () => claviger.createKey({ spec: 'AES-256-GCM' }));
  await made;
  parent.end();
  const spans = exporter.getFinishedSpans();
  const named = (name: string) => spans.find((span) => span.name === name)!;
  assert.equal(named('claviger').parentSpanContext?.spanId, parent.spanContext().spanId);
  assert.equal(named('CreateKey').parentSpanContext?.spanId, named('claviger').spanContext().spanId);
  assert.equal(named('CreateKey').attributes['claviger.code'], 'OK');
  assert.ok(!spans.some(({ name }) => name === 'probe'), 'the look at the SDK leaves nothing');
});
