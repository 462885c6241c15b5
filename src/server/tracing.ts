/**
 * Traces through OpenTelemetry: exported by OTLP/HTTP where the configuration says where to, or through whatever SDK the
 * program around us has registered.
 *
 * The SDK is an optional dependency, loaded only where traces are configured. Whether a request is traced is decided
 * before anything of it runs: who comes with a sampled trace goes on with it, who comes with none is chosen at random.
 * So an untraced request costs the look at a header.
 *
 * @see https://www.w3.org/TR/trace-context/ section 3.2
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
  type TextMapPropagator,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import type * as Core from '@opentelemetry/core';
import type * as Exporter from '@opentelemetry/exporter-trace-otlp-http';
import type * as Resources from '@opentelemetry/resources';
import type * as Sdk from '@opentelemetry/sdk-trace';
import { ClavigerError } from '../errors.ts';
import { monotonicMs } from '../ports/clock.ts';
import type { Carrier, Span, SpanFields, TraceHeaders, Tracer } from '../ports/tracing.ts';
import { VERSION } from './version.ts';

/**
 * Traces a second that callers can ask for. A header comes from anybody, before anybody is authenticated: without a limit
 * a stranger could make the server trace every request.
 */
const ASKED_PER_SECOND_MAX = 1000;
/** Spans that wait to be sent; beyond, they are dropped, for requests do not wait for a collector. */
const SPANS_WAITING_MAX = 8192;
const EXPORT_INTERVAL_MS = 2000;
/** Time for one export with its repeats, and for the last ones at a stop: nothing is worth waiting for longer. */
const EXPORT_TIMEOUT_MS = 3000;
const NAME = 'claviger';
const SDK_PACKAGES = [
  '@opentelemetry/core',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace',
];

export interface TracesConfig {
  /** `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  /** Share of the requests without a trace of their own that are traced, 0 to 1. */
  readonly ratio: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * The tracer of the configuration, or that of an SDK which is registered already; null where nobody wants traces.
 *
 * @throws INVALID_ARGUMENT where traces are configured and the SDK is not installed
 */
export async function openTracer(config: TracesConfig | null): Promise<Tracer | null> {
  if (config !== null) return exportingTracer(config);
  const tracer = trace.getTracer(NAME, VERSION);
  // Without a registered SDK the API gives spans that are nothing. This one is never ended, so no SDK shows it.
  const probe = tracer.startSpan('probe', { root: true });
  if (!isSpanContextValid(probe.spanContext())) return null;
  return {
    begin: (name, carrier) => {
      const parent = carrier === null ? context.active() : propagation.extract(ROOT_CONTEXT, carrier);
      return spanOf(tracer, propagation, name, carrier, parent);
    },
    close: async () => undefined,
  };
}

async function exportingTracer({ endpoint, ratio, headers = {} }: TracesConfig): Promise<Tracer> {
  const { sdk, exporting, resources, core } = await loadSdk();
  const exporter = new exporting.OTLPTraceExporter({
    url: endpoint,
    headers: { ...headers },
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new sdk.TracerProvider({
    // Which requests are traced is decided below.
    sampler: new sdk.AlwaysOnSampler(),
    resource: resources.resourceFromAttributes({ 'service.name': NAME, 'service.version': VERSION }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter,
        maxQueueSize: SPANS_WAITING_MAX,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  const tracer = provider.getTracer(NAME, VERSION);
  const w3c = new core.W3CTraceContextPropagator();
  const asked = perSecond(ASKED_PER_SECOND_MAX);
  return {
    begin: (name, carrier) => {
      const parent =
        carrier?.['traceparent'] === undefined
          ? ROOT_CONTEXT
          : w3c.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
      const from = trace.getSpanContext(parent);
      const wanted =
        from === undefined ? Math.random() < ratio : (from.traceFlags & TraceFlags.SAMPLED) !== 0 && asked();
      return wanted ? spanOf(tracer, w3c, name, carrier, parent) : null;
    },
    // What cannot be sent at the end is lost; a stop must not fail, or wait long, because of a collector.
    close: () =>
      Promise.race([provider.shutdown().catch(() => undefined), sleep(EXPORT_TIMEOUT_MS, undefined, { ref: false })]),
  };
}

interface LoadedSdk {
  readonly sdk: typeof Sdk;
  readonly exporting: typeof Exporter;
  readonly resources: typeof Resources;
  readonly core: typeof Core;
}

async function loadSdk(): Promise<LoadedSdk> {
  try {
    const [sdk, exporting, resources, core] = await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/core'),
    ]);
    return { sdk, exporting, resources, core };
  } catch (cause) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`telemetry.traces\` needs OpenTelemetry, which is not installed; run \`npm install ${SDK_PACKAGES.join(' ')}\` beside claviger`,
      { cause },
    );
  }
}

/** A span that records, or null where the SDK's sampler decided against it. */
function spanOf(
  tracer: OtelTracer,
  propagator: Pick<TextMapPropagator, 'inject'>,
  name: string,
  carrier: Carrier | null,
  parent: Context,
): Span | null {
  const kind = carrier === null ? SpanKind.INTERNAL : SpanKind.SERVER;
  const span = tracer.startSpan(name, { kind }, parent);
  return span.isRecording() ? new OpenSpan(tracer, propagator, span, parent) : null;
}

class OpenSpan implements Span {
  readonly #tracer: OtelTracer;
  readonly #propagator: Pick<TextMapPropagator, 'inject'>;
  readonly #span: OtelSpan;
  readonly #within: Context;

  constructor(tracer: OtelTracer, propagator: Pick<TextMapPropagator, 'inject'>, span: OtelSpan, parent: Context) {
    this.#tracer = tracer;
    this.#propagator = propagator;
    this.#span = span;
    this.#within = trace.setSpan(parent, span);
  }

  child(name: string, fields: SpanFields = {}): Span {
    const span = this.#tracer.startSpan(name, { attributes: { ...fields } }, this.#within);
    return new OpenSpan(this.#tracer, this.#propagator, span, this.#within);
  }

  rename(name: string): void {
    this.#span.updateName(name);
  }

  set(fields: SpanFields): void {
    this.#span.setAttributes({ ...fields });
  }

  headers(): TraceHeaders {
    const headers: Record<string, string> = {};
    this.#propagator.inject(this.#within, headers, defaultTextMapSetter);
    return headers;
  }

  end(failure?: string): void {
    if (failure !== undefined) {
      this.#span.setAttribute('error.type', failure);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

/** True at most so often within a second. */
function perSecond(max: number): () => boolean {
  let second = 0;
  let count = 0;
  return () => {
    const now = Math.floor(monotonicMs() / 1000);
    if (now !== second) [second, count] = [now, 0];
    count += 1;
    return count <= max;
  };
}
