/**
 * A collector of traces for tests: takes OTLP/HTTP JSON as any collector does, and keeps what it got.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
 * @module
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
  readonly traceState?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Collector {
  readonly endpoint: string;
  /** Bodies as they came. */
  readonly bodies: readonly string[];
  readonly headers: readonly NodeJS.Dict<string | string[]>[];
  spans(): readonly CollectedSpan[];
  /** Waits until a span is there that fits; gives the spans of its trace. */
  traceWith(fits: (span: CollectedSpan) => boolean): Promise<readonly CollectedSpan[]>;
  stop(): Promise<void>;
}

const WAIT_MS_MAX = 15_000;

export async function startCollector(): Promise<Collector> {
  const bodies: string[] = [];
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString());
      headers.push(request.headers);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const spans = (): CollectedSpan[] => bodies.flatMap((body) => spansOf(JSON.parse(body)));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    bodies,
    headers,
    spans,
    traceWith: async (fits) => {
      const untilMs = performance.now() + WAIT_MS_MAX;
      for (;;) {
        const found = spans().find(fits);
        if (found !== undefined) return spans().filter(({ traceId }) => traceId === found.traceId);
        if (performance.now() > untilMs) throw new Error(`no such span came: ${JSON.stringify(spans())}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function spansOf(body: any): CollectedSpan[] {
  return body.resourceSpans.flatMap(({ scopeSpans }: any) =>
    scopeSpans.flatMap(({ spans }: any) =>
      spans.map((span: any) => ({
        ...span,
        fields: Object.fromEntries(
          span.attributes.map(({ key, value }: any) => [key, Object.values(value as object)[0] as unknown]),
        ),
      })),
    ),
  );
}
