/**
 * Traces, as OpenTelemetry has them, with as much of it as we use. A request that is not traced has no span, so what
 * nobody looks at costs a comparison with null.
 *
 * What a span says must be fit for a third party: no secret, plaintext, encryption context, token, address or name.
 *
 * @module
 */

export type SpanFields = Readonly<Record<string, string | number | boolean>>;

/** Headers that carry a trace on: `traceparent`, and `tracestate` where the caller had one. */
export type TraceHeaders = Readonly<Record<string, string>>;

export interface Span {
  /** A span below this one. */
  child(name: string, fields?: SpanFields): Span;
  rename(name: string): void;
  set(fields: SpanFields): void;
  /** For whoever is called within this span. */
  headers(): TraceHeaders;
  /** @param failure code of the error that it ended with */
  end(failure?: string): void;
}

/** What a caller says of the trace it is in. */
export type Carrier = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Tracer {
  /** The span of a request; null where it is not traced. */
  begin(name: string, carrier: Carrier | null): Span | null;
  /** Sends what is still to be sent. */
  close(): Promise<void>;
}
