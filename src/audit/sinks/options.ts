/**
 * What an operator says of a sink; server/sink-config.ts has the words for it.
 *
 * @module
 */

export const SINK_KINDS = ['file', 'syslog', 'webhook', 'otlp', 'cloudwatch', 'kafka'] as const;
export type SinkKind = (typeof SINK_KINDS)[number];

/** Which records a sink is given; what is left out takes all. */
export interface SinkFilter {
  /** `OK` or error codes. */
  readonly outcomes?: readonly string[] | undefined;
  readonly operations?: readonly string[] | undefined;
}

interface CommonOptions {
  /** Names the cursor: the same name goes on where it was. */
  readonly name: string;
  readonly from?: 'beginning' | 'now' | undefined;
  readonly filter?: SinkFilter | undefined;
}

/** Files, PEM; read anew for each connection, so that a renewed certificate needs no restart. */
export interface TlsFiles {
  /** Authorities that the receiver's certificate must come from; those of the system where it is not given. */
  readonly ca?: string | undefined;
  /** Our own certificate with its chain, and its key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export interface FileSinkOptions extends CommonOptions {
  readonly kind: 'file';
  readonly path: string;
  /** Bytes after which a new file is begun. */
  readonly rotateBytes: number;
  /** A new file each day (UTC) as well. */
  readonly rotateDaily: boolean;
  /** Older files that are kept. */
  readonly keepFiles: number;
}

export interface SyslogSinkOptions extends CommonOptions {
  readonly kind: 'syslog';
  readonly host: string;
  readonly port: number;
  /** Null for plain TCP. */
  readonly tls: TlsFiles | null;
  /** RFC 5424, section 6.2.1. */
  readonly facility: number;
  readonly appName: string;
  /** Private enterprise number that the structured data stands under. */
  readonly enterpriseNumber: number;
}

export interface WebhookSinkOptions extends CommonOptions {
  readonly kind: 'webhook';
  readonly url: string;
  readonly secret: string;
  readonly allowHttp: boolean;
  readonly tls?: TlsFiles | undefined;
}

export interface OtlpSinkOptions extends CommonOptions {
  readonly kind: 'otlp';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly allowHttp: boolean;
  readonly tls?: TlsFiles | undefined;
}

export interface CloudwatchSinkOptions extends CommonOptions {
  readonly kind: 'cloudwatch';
  readonly region: string;
  readonly group: string;
  readonly stream: string;
  /** Makes group and stream where they are not there. */
  readonly create: boolean;
  readonly endpoint?: string | undefined;
  /** Both or none; without, the SDK looks where it always does. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

export interface KafkaSinkOptions extends CommonOptions {
  readonly kind: 'kafka';
  /** `host:port`, where the cluster is asked for its others. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Null for plain TCP. */
  readonly tls: TlsFiles | null;
  /** Without, we do not log in. */
  readonly sasl?:
    | { readonly mechanism: (typeof SASL_MECHANISMS)[number]; readonly username: string; readonly password: string }
    | undefined;
}

export type SinkOptions =
  FileSinkOptions | SyslogSinkOptions | WebhookSinkOptions | OtlpSinkOptions | CloudwatchSinkOptions | KafkaSinkOptions;

/** Fields that hold secrets: they stand in no record and no message. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['secret', 'headers', 'accessKeyId', 'secretAccessKey', 'password']);

/** What a sink is, without its secrets: as one text, the same for the same options. */
export function describeSink(options: SinkOptions): string {
  const fields = Object.entries(options).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(fields), (name, value: unknown) =>
    SECRET_FIELDS.has(name) ? undefined : value,
  );
}
