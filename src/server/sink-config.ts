/**
 * `audit.sinks` of the configuration.
 *
 * @module
 */
import { normalize, resolve } from 'node:path';
import { z } from 'zod';
import { SASL_MECHANISMS, type SinkOptions, type TlsFiles } from '../audit/sinks/options.ts';
import { receiverUrl } from '../audit/post.ts';
import { webhookSecret } from '../audit/webhook.ts';
import { ClavigerError, ERRORS } from '../errors.ts';
import { isOperationName } from '../model/operation.ts';

/** A sink costs a reader of the log: more than a few are a mistake. */
const SINKS_MAX = 16;
const MIB = 1024 * 1024;
/** RFC 5424, section 6.2.1: log audit. */
const FACILITY_LOG_AUDIT = 13;
/** RFC 5425, section 4.1. */
const SYSLOG_TLS_PORT = 6514;
/** A few are asked for the others of the cluster. */
const BROKERS_MAX = 16;
/** RFC 5612: for examples, and for who has no number of his own. */
const ENTERPRISE_EXAMPLE = 32_473;

const path = z.string().min(1);
const text = z.string().min(1).max(512);
/** A field that is given by reference only. */
const secret = z.string().min(1).meta({ secret: true });

const outcome = z
  .string()
  .refine((code) => code === 'OK' || Object.hasOwn(ERRORS, code), 'must be `OK` or an error code');
const operation = z.string().refine(isOperationName, 'must be the name of an operation, such as `CreateKey`');

const tls = z
  .strictObject({
    ca: path.optional().describe('File with authorities, PEM, in place of those of the system.'),
    certificate: path.optional().describe('File with our own certificate and its chain, PEM, where the receiver asks.'),
    key: path.optional().describe('File with its private key, PEM.'),
  })
  .refine(
    ({ certificate, key }) => (certificate === undefined) === (key === undefined),
    'must have both `certificate` and `key`, or neither',
  )
  .optional()
  .describe('TLS. The files are read anew for each connection.');

const common = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -')
    .describe('Names how far it has come: a sink that comes back under its name goes on where it was.'),
  from: z
    .enum(['beginning', 'now'])
    .default('beginning')
    .describe('Where a new sink begins: with the first record of the log, or with the next.'),
  filter: z
    .strictObject({
      outcomes: z.array(outcome).min(1).optional().describe('`OK`, or error codes.'),
      operations: z.array(operation).min(1).optional().describe('Operations, such as `CreateKey`.'),
    })
    .optional()
    .describe('Which records it is given; all where it is not set.'),
};

const allowHttp = z.boolean().default(false).describe('Allows http:// to other than loopback addresses.');

const file = z.strictObject({
  kind: z.literal('file').describe('JSON lines in a file, mode 0600.'),
  ...common,
  path: path.describe('The file; its folder exists.'),
  rotateBytes: z
    .int()
    .min(65_536)
    .max(100 * 1024 * MIB)
    .default(100 * MIB)
    .describe('A file that would be larger is put aside, and a new one begun.'),
  rotateDaily: z.boolean().default(true).describe('A new file each day (UTC) as well.'),
  keepFiles: z.int().min(0).max(100_000).default(90).describe('Files put aside that are kept; older ones are deleted.'),
});

const transport = z
  .enum(['tls', 'tcp'])
  .default('tls')
  .describe('`tcp` sends in the clear: for a receiver on this machine or behind a tunnel.');

const syslog = z.strictObject({
  kind: z.literal('syslog').describe('RFC 5424 over TLS or TCP.'),
  ...common,
  host: text.describe('Name or address of the receiver.'),
  port: z.int().min(1).max(65_535).default(SYSLOG_TLS_PORT).describe('Its port.'),
  transport,
  tls,
  facility: z.int().min(0).max(23).default(FACILITY_LOG_AUDIT).describe('Facility; 13 is log audit.'),
  appName: z
    .string()
    .regex(/^[!-~]{1,48}$/, 'must be 1 to 48 printable characters without blanks')
    .default('claviger')
    .describe('APP-NAME.'),
  enterpriseNumber: z
    .int()
    .min(1)
    .max(4_294_967_295)
    .default(ENTERPRISE_EXAMPLE)
    .describe('Private enterprise number in the name of the structured data, `claviger@NUMBER`.'),
});

const webhook = z
  .strictObject({
    kind: z.literal('webhook').describe('POST of a JSON array, signed.'),
    ...common,
    url: text.describe('Address of the receiver, https://.'),
    secret: secret.describe('Signs: `whsec_` and base64, or 24 to 64 characters of your own.'),
    allowHttp,
    tls,
  })
  .superRefine(({ url, secret: given, allowHttp: http }, context) => {
    check(context, 'url', () => receiverUrl(url, 'url', http ? 'anywhere' : 'loopback'));
    check(context, 'secret', () => webhookSecret(given, 'secret'));
  });

const otlp = z
  .strictObject({
    kind: z.literal('otlp').describe('OpenTelemetry logs, OTLP/HTTP with JSON.'),
    ...common,
    url: text.describe('Address of the collector with its path, such as `https://otel.example.com/v1/logs`.'),
    headers: z
      .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header'), secret)
      .default({})
      .describe('Headers that are sent along, for instance `authorization`.'),
    allowHttp,
    tls,
  })
  .superRefine(({ url, allowHttp: http }, context) => {
    check(context, 'url', () => receiverUrl(url, 'url', http ? 'anywhere' : 'loopback'));
  });

const cloudwatch = z
  .strictObject({
    kind: z
      .literal('cloudwatch')
      .describe('Amazon CloudWatch Logs; needs the package `@aws-sdk/client-cloudwatch-logs`.'),
    ...common,
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'must be a-z, 0-9 and -')
      .describe('Region of AWS.'),
    group: text.describe('Log group.'),
    stream: text.default('claviger').describe('Log stream.'),
    create: z.boolean().default(true).describe('Makes group and stream where they are not there.'),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Another endpoint than the one of the region.'),
    accessKeyId: secret.optional().describe("Access key; without it AWS's own search order holds."),
    secretAccessKey: secret.optional().describe('Its secret.'),
  })
  .refine(
    ({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined),
    'must have both `accessKeyId` and `secretAccessKey`, or neither',
  );

const broker = z.string().refine(isBroker, 'must be `host:port`, such as `kafka-1.example.com:9093`');

const kafka = z
  .strictObject({
    kind: z.literal('kafka').describe('Apache Kafka; needs the package `@platformatic/kafka`.'),
    ...common,
    brokers: z
      .array(broker)
      .min(1)
      .max(BROKERS_MAX)
      .describe('Brokers, `host:port`, that are asked for the others of the cluster.'),
    topic: z
      .string()
      .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, 'must be 1 to 249 of A-Z, a-z, 0-9, `.`, `_` and `-`')
      .describe('Topic; it exists.'),
    transport,
    tls,
    sasl: z
      .strictObject({
        mechanism: z.enum(SASL_MECHANISMS).default('SCRAM-SHA-512').describe('How we log in.'),
        username: text.describe('User.'),
        password: secret.describe('Its password.'),
      })
      .optional()
      .describe('Login; none where it is not set.'),
  })
  .refine(
    ({ transport: given, sasl }) => given === 'tls' || sasl?.mechanism !== 'PLAIN',
    'must not send a password in the clear: use `transport: tls`, or a mechanism of SCRAM',
  );

export const sinksSchema = z
  .array(z.discriminatedUnion('kind', [file, syslog, webhook, otlp, cloudwatch, kafka]))
  .max(SINKS_MAX)
  .refine((sinks) => new Set(sinks.map(({ name }) => name)).size === sinks.length, 'must have a name each of its own')
  .refine(haveOwnFiles, 'must have a file each of its own')
  .default([])
  .describe('Where the log is sent as well. Each sink reads it from a cursor of its own, and never holds it up.');

type SinkConfig = z.output<typeof sinksSchema>[number];

/** What the sinks of a configuration are; paths in it are relative to `folder`. */
export function sinkOptions(sinks: readonly SinkConfig[], folder: string): readonly SinkOptions[] {
  const absolute = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : resolve(folder, name);
  const files = (given: TlsFiles = {}): TlsFiles => ({
    ca: absolute(given.ca),
    certificate: absolute(given.certificate),
    key: absolute(given.key),
  });
  return sinks.map((sink): SinkOptions => {
    if (sink.kind === 'file') return { ...sink, path: resolve(folder, sink.path) };
    if (sink.kind === 'cloudwatch') return sink;
    if (sink.kind === 'webhook' || sink.kind === 'otlp') return { ...sink, tls: files(sink.tls) };
    const { transport: way, ...rest } = sink;
    return { ...rest, tls: way === 'tls' ? files(sink.tls) : null };
  });
}

/** A sink as the library's user writes it: the fields of the configuration, secrets as they are. */
export type SinkInput = NonNullable<z.input<typeof sinksSchema>>[number];

/** @throws INVALID_ARGUMENT that names each mistake by its path */
export function parseSinks(sinks: readonly SinkInput[]): readonly SinkOptions[] {
  const parsed = sinksSchema.safeParse(sinks);
  if (parsed.success) return sinkOptions(parsed.data, process.cwd());
  const mistakes = parsed.error.issues.map(
    ({ path: place, message }) => `\`${['sinks', ...place].join('.')}\`: ${message}`,
  );
  throw new ClavigerError('INVALID_ARGUMENT', mistakes.join('; '));
}

function check(context: z.core.$RefinementCtx, field: string, attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    // What the check says begins with the field, which the path says already.
    context.addIssue({ code: 'custom', path: [field], message: error.message.replace(/^`[^`]*`: /, '') });
  }
}

function isBroker(text: string): boolean {
  const port = Number(/^(?:[^\s:[\]/@]+|\[[0-9a-fA-F:.]+\]):(?<port>[0-9]{1,5})$/u.exec(text)?.groups?.['port'] ?? 0);
  return port >= 1 && port <= 65_535;
}

/** False where two write to one file, as far as their paths tell. */
export function haveOwnFiles(
  writers: readonly { readonly kind: string; readonly path?: string | undefined }[],
): boolean {
  const paths = writers.flatMap(({ kind, path: written }) => (kind === 'file' ? [normalize(written!)] : []));
  return new Set(paths).size === paths.length;
}
