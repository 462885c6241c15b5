/**
 * The configuration file: one schema, which checks it and from which its reference page is generated.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { SinkOptions } from '../audit/sinks/options.ts';
import { systemRandom } from '../crypto/random.ts';
import { receiverUrl } from '../audit/post.ts';
import { COSIGNATURE_TYPES, parseVerifierKey } from '../audit/signed-note.ts';
import { webhookSecret } from '../audit/webhook.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError } from '../errors.ts';
import { DEFAULT_RATE_LIMITS } from '../operations/limits.ts';
import { SLOW_REQUEST_MS } from '../operations/observer.ts';
import { SINGLE_REFUSALS_PER_SECOND } from '../operations/refusals.ts';
import { fileUnseal, PASSPHRASE_BYTES_MIN, passphraseUnseal, type Unseal } from '../seal/root-key.ts';
import { witnessPrefix } from './checkpoint-keepers.ts';
import { alertsSchema, requireSoundAlerts, withAbsoluteAlertPaths } from './alerts-config.ts';
import { LOG_FORMATS, LOG_LEVELS } from './log.ts';
import { AUDIT_RETENTION_DAYS } from './open-service.ts';
import { groupMistakes, groupsSchema, providersSchema } from './providers-config.ts';
import { resolveReferences } from './references.ts';
import { haveOwnFiles, sinkOptions, sinksSchema } from './sink-config.ts';

export const DEFAULT_PORT = 8550;
export const DEFAULT_ADDRESS = '127.0.0.1';
export const DEFAULT_FOLDER = './claviger-data';
export const DEFAULT_REGION = 'us-east-1';
export const ROOT_KEY_FILE = 'root.key';

const path = z.string().min(1);
const perSecond = z.int().min(1).max(10_000_000);

/** A field that is given by reference only. */
const secret = z.string().min(1).meta({ secret: true });

/** Names what it is for in messages, metrics and cursors: it stays the same when an address changes. */
const label = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -');
const KEEPERS_MAX = 16;

/** A text that `read` can read; its refusal is the mistake. */
function readable(read: (text: string) => unknown): z.ZodString {
  return z.string().superRefine((text, context) => {
    try {
      read(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^`value`:? (is )?/, '') });
    }
  });
}

const everySeconds = z.int().min(1).max(86_400);

const witness = z.strictObject({
  name: label,
  url: readable((text) => witnessPrefix(text, 'value')).describe(
    'Submission prefix of the witness: what stands before `/add-checkpoint`.',
  ),
  key: readable((text) => parseVerifierKey(text, 'value', COSIGNATURE_TYPES)).describe(
    'Verifier key of the witness, `name+keyid+key`, type 0x04 (Ed25519) or 0x06 (ML-DSA-44).',
  ),
  everySeconds: everySeconds.default(5).describe('It is asked no more often.'),
});

const copy = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    name: label,
    path: path.describe('File on other storage that gets a line of JSON for each checkpoint.'),
    everySeconds: everySeconds.default(10).describe('It gets no two checkpoints within this time.'),
    acceptRewritten: z
      .int()
      .min(1)
      .optional()
      .describe('Size of the checkpoint at the end of the file that this log may contradict, after a restore.'),
  }),
  z.strictObject({
    kind: z.literal('webhook'),
    name: label,
    url: readable((text) => receiverUrl(text, 'value', 'loopback')).describe('Gets a signed message each time.'),
    secret: readable((text) => webhookSecret(text, 'value'))
      .meta({ secret: true })
      .describe('`${NAME}` or `file:PATH`; `whsec_` and base64, or 24 to 64 characters.'),
    everySeconds: everySeconds.default(10).describe('It gets no two checkpoints within this time.'),
  }),
]);

function distinctNames(list: readonly { readonly name: string }[]): boolean {
  return new Set(list.map(({ name }) => name)).size === list.length;
}

export const configSchema = z.strictObject({
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be a-z, 0-9 and -')
    .default(DEFAULT_REGION)
    .describe('Stands in ARNs and in the signatures of AWS SDKs.'),
  listen: z
    .strictObject({
      address: z
        .string()
        .default(DEFAULT_ADDRESS)
        .describe('Any other than a loopback address needs `tls`, or the flag `--insecure-http`.'),
      port: z.int().min(0).max(65_535).default(DEFAULT_PORT).describe('0 takes a free one.'),
    })
    .prefault({})
    .describe('Where the server answers.'),
  tls: z
    .strictObject({
      certificate: path.describe(
        'File with the certificate chain, PEM. A changed file is taken over within seconds, or at once on SIGHUP.',
      ),
      key: path.describe('File with the private key, PEM.'),
      minVersion: z.enum(['1.3', '1.2']).default('1.3').describe('Lowest version of TLS.'),
    })
    .optional()
    .describe('TLS. Without it the server speaks plain HTTP.'),
  store: z
    .strictObject({
      kind: z.literal('sqlite').default('sqlite').describe('The embedded database.'),
      folder: path.default(DEFAULT_FOLDER).describe('Data folder; one process owns it.'),
    })
    .prefault({})
    .describe('Where keys, tokens and the audit log are kept.'),
  seal: z
    .discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('file'),
        path: path.describe('File of the root key, mode 0600; made at the first start.'),
      }),
      z.strictObject({
        kind: z.literal('passphrase'),
        path: path.describe('File of the root key, wrapped by the passphrase (Argon2id); made at the first start.'),
        passphrase: secret.describe('`${NAME}` or `file:PATH`; at least 12 characters.'),
      }),
    ])
    .optional()
    .describe('Where the root key is, which seals all others. `claviger serve` does not start without it.'),
  tenants: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -'),
        accountId: z
          .string()
          .regex(/^[0-9]{12}$/, 'must be 12 digits, in quotes')
          .optional()
          .describe('Stands in ARNs; made at random where it is not given.'),
      }),
    )
    .min(1)
    .default([{ name: 'default' }])
    .describe('Tenants that are made where they do not exist; the first is the one of the first credentials.'),
  audit: z
    .strictObject({
      refusalsPerSecond: z
        .int()
        .min(0)
        .max(1000)
        .default(SINGLE_REFUSALS_PER_SECOND)
        .describe('Refused strangers of one address that get a record each within a second; the rest share one.'),
      origin: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9./_-]{0,127}$/, 'must be 1 to 128 of a-z, A-Z, 0-9, `.`, `/`, `_` and `-`')
        .optional()
        .describe(
          'Name that checkpoints of the log are signed with, such as `kms.example.com/audit`; given at the first start, it never changes. `claviger/` and the id of the log where it is not given.',
        ),
      retentionDays: z
        .int()
        .min(0)
        .max(36_500)
        .default(AUDIT_RETENTION_DAYS)
        .describe(
          'Days for which principals, addresses and contexts of records are kept at least; older ones can be redacted. Addresses that alerts remember are forgotten so many days after their last use, 35 at least.',
        ),
      sinks: sinksSchema,
      witnesses: z
        .array(witness)
        .max(KEEPERS_MAX)
        .refine(distinctNames, 'have names of their own')
        .default([])
        .describe('Witnesses (C2SP tlog-witness) that sign the checkpoints of the log as well.'),
      witnessQuorum: z
        .int()
        .min(1)
        .max(KEEPERS_MAX)
        .optional()
        .describe('Witnesses that make a checkpoint a cosigned one; more than half of them where it is not given.'),
      copies: z
        .array(copy)
        .max(KEEPERS_MAX)
        .refine(distinctNames, 'have names of their own')
        .default([])
        .describe('Copies of the checkpoints on other storage.'),
    })
    .refine(({ witnesses, witnessQuorum = 0 }) => witnessQuorum <= witnesses.length, {
      path: ['witnessQuorum'],
      message: 'must not be more than there are `witnesses`',
    })
    .refine(({ sinks, copies }) => haveOwnFiles([...sinks, ...copies]), {
      path: ['copies'],
      message: 'must have files of their own, which no sink and no other copy writes',
    })
    .prefault({})
    .describe('The audit log.'),
  providers: providersSchema,
  groups: groupsSchema,
  alerts: alertsSchema,
  limits: z
    .strictObject({
      cryptoPerSecond: perSecond
        .default(DEFAULT_RATE_LIMITS.cryptoPerSecond)
        .describe('Cryptographic operations of one principal; a batch counts as its items.'),
      changesPerSecond: perSecond.default(DEFAULT_RATE_LIMITS.changesPerSecond).describe('Changes of one principal.'),
    })
    .prefault({})
    .describe('Rate limits.'),
  policies: path.optional().describe('Folder with Cedar policies of your own (`*.cedar`).'),
  log: z
    .strictObject({
      format: z
        .enum(LOG_FORMATS)
        .optional()
        .describe('`serve` writes `json` where it is not given, `dev` writes `text`.'),
      level: z.enum(LOG_LEVELS).default('info').describe('What is less grave is not written.'),
      slowRequestMs: z
        .int()
        .min(1)
        .max(600_000)
        .default(SLOW_REQUEST_MS)
        .describe('Requests that take longer are told, at most ten a second.'),
    })
    .prefault({})
    .describe('The messages to the operator, on standard error. The audit log is something else.'),
  telemetry: z
    .strictObject({
      traces: z
        .strictObject({
          endpoint: z
            .url({ protocol: /^https?$/ })
            .describe('Where spans are posted as OTLP/HTTP JSON, such as `http://127.0.0.1:4318/v1/traces`.'),
          ratio: z
            .number()
            .min(0)
            .max(1)
            .default(0.01)
            .describe('Share of the requests that are traced, where the caller does not say whether.'),
          headers: z
            .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header'), secret)
            .optional()
            .describe('Headers that are sent along, for instance `authorization`.'),
        })
        .optional()
        .describe('Traces, through OpenTelemetry. None where it is not given.'),
    })
    .prefault({})
    .describe('What is sent to others about the work of the server.'),
});

type Parsed = z.output<typeof configSchema>;

export type Config = Omit<Parsed, 'audit'> & {
  readonly audit: Omit<Parsed['audit'], 'sinks'> & { readonly sinks: readonly SinkOptions[] };
};

/** The configuration without a file: what `claviger dev` starts from. */
export function defaultConfig(): Config {
  const { audit, ...rest } = configSchema.parse({});
  return { ...rest, audit: { ...audit, sinks: [] } };
}

/**
 * Reads a configuration file, YAML or JSON. Paths in it are relative to it.
 *
 * @throws INVALID_ARGUMENT that names each mistake by its path, and what is allowed there
 */
export function loadConfig(
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `cannot read the configuration \`${file}\`: ${(cause as Error).message}`,
      { cause },
    );
  }
  return parseConfig(text, dirname(resolve(file)), environment);
}

/** As `loadConfig`, of a text; `folder` is what its paths are relative to. */
export function parseConfig(
  text: string,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  let written: unknown;
  try {
    written = parse(text) ?? {};
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `the configuration is not YAML: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { value, referenced } = resolveReferences(written, folder, environment);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) throw mistaken(parsed.error.issues.map((issue) => mistakeOf(issue, value)));
  const config = parsed.data;
  requireNoMistakes([...plainSecrets(config, referenced), ...groupMistakes(config.providers, config.groups)]);
  if (config.seal?.kind === 'passphrase') requirePassphrase(config.seal.passphrase);
  requireSoundAlerts(config.alerts);
  const absolute = withAbsolutePaths(config, folder);
  requireOwnFiles(absolute);
  return absolute;
}

/** The way to the root key that a configuration names. */
export function unsealOf(seal: NonNullable<Config['seal']>): Unseal {
  if (seal.kind === 'file') return fileUnseal(seal.path, systemRandom);
  return passphraseUnseal(seal.path, new SecretBytes(Buffer.from(seal.passphrase)), systemRandom);
}

/** Secrets that stand in the configuration as they are. */
function plainSecrets(config: Parsed, referenced: ReadonlySet<string>): readonly string[] {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode;
  return markedPaths(schema, config, 'secret')
    .filter((path) => !referenced.has(path))
    .map((path) => `\`${path}\`: a secret is given as \`\${NAME}\` or \`file:PATH\`, never as it is`);
}

function requireNoMistakes(mistakes: readonly string[]): void {
  if (mistakes.length > 0) throw mistaken(mistakes);
}

function mistaken(mistakes: readonly string[]): ClavigerError {
  const lines = mistakes.map((mistake) => `  ${mistake}`);
  return new ClavigerError('INVALID_ARGUMENT', `the configuration has mistakes:\n${lines.join('\n')}`);
}

/** A configuration as it may be shown: every secret, which has come from its reference by now, is masked. */
export function withoutSecrets(config: Config): object {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode;
  return withEach(config, markedPaths(schema, config, 'secret'), () => '(set)');
}

/** A copy of a configuration with the values at some paths replaced. */
function withEach<T extends object>(config: T, paths: readonly string[], replace: (value: unknown) => unknown): T {
  const copy = structuredClone(config);
  for (const path of paths) {
    const parts = path.split('.');
    const last = parts.pop()!;
    const node = parts.reduce((within, part) => within[part] as Node, copy as Node);
    node[last] = replace(node[last]);
  }
  return copy;
}

type Node = Record<string, unknown>;

/** What is read of the schema's JSON form. */
interface SchemaNode {
  readonly const?: unknown;
  /** Marks of fields: given by reference only, and relative to the configuration file. */
  readonly secret?: boolean;
  readonly path?: boolean;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly oneOf?: readonly SchemaNode[];
}

/** Paths of the values that a configuration has in fields with a mark. */
function markedPaths(node: SchemaNode, value: unknown, mark: 'secret' | 'path', path = ''): readonly string[] {
  if (value === undefined) return [];
  if (node[mark] === true) return [path];
  if (typeof value !== 'object' || value === null) return [];
  const parts = Object.entries(value) as [string, unknown][];
  const form = node.oneOf?.find(({ properties = {} }) =>
    parts.every(([name, part]) => properties[name]?.const === undefined || properties[name].const === part),
  );
  const { properties = {}, additionalProperties, items } = form ?? node;
  return parts.flatMap(([name, part]) => {
    const others = typeof additionalProperties === 'object' ? additionalProperties : undefined;
    const below = Array.isArray(value) ? items : (properties[name] ?? others);
    return below === undefined ? [] : markedPaths(below, part, mark, path === '' ? name : `${path}.${name}`);
  });
}

/** Providers with their files where the configuration file sees them. */
function withAbsoluteFiles(providers: Parsed['providers'], folder: string): Parsed['providers'] {
  const schema = z.toJSONSchema(providersSchema, { io: 'input' }) as SchemaNode;
  return withEach(providers, markedPaths(schema, providers, 'path'), (file) => resolve(folder, file as string));
}

function requirePassphrase(passphrase: string): void {
  if (passphrase.length >= PASSPHRASE_BYTES_MIN) return;
  throw mistaken([`\`seal.passphrase\`: has at least ${PASSPHRASE_BYTES_MIN} characters`]);
}

/** One mistake: its path, what is wrong, and what is allowed. */
function mistakeOf(issue: z.core.$ZodIssue, written: unknown): string {
  const place = issue.path.length === 0 ? 'the top' : `\`${issue.path.map(String).join('.')}\``;
  if (issue.code === 'unrecognized_keys') {
    const { fields } = formsAt(issue.path, written);
    return `${place}: there is no \`${issue.keys.join('`, `')}\`; there are ${fields.join(', ')}`;
  }
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const { kinds } = formsAt(issue.path.slice(0, -1), written);
    return `${place}: must be one of ${kinds.join(', ')}`;
  }
  const message = issue.message.replace(/^Invalid input: /, '');
  return `${place}: ${message.replace(/^(expected .*), received undefined$/, 'is missing; $1')}`;
}

interface Forms {
  /** Names of the fields; where the value says which kind it is, of that kind alone. */
  readonly fields: readonly string[];
  readonly kinds: readonly string[];
}

/** What the schema has at a path of a written configuration. */
function formsAt(path: readonly PropertyKey[], written: unknown): Forms {
  let forms: readonly SchemaNode[] = [z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode];
  let value = written;
  for (const part of path) {
    const below = forms.flatMap(
      ({ properties, items }) => (typeof part === 'number' ? items : properties?.[String(part)]) ?? [],
    );
    forms = below.flatMap((node) => node.oneOf ?? [node]);
    value = (value as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  const { kind } = value as { readonly kind?: unknown };
  const own = forms.filter(({ properties }) => properties?.['kind']?.const === kind);
  const names = (own.length > 0 ? own : forms).flatMap(({ properties }) => Object.keys(properties ?? {}));
  return { fields: [...new Set(names)], kinds: forms.flatMap(({ properties }) => String(properties?.['kind']?.const)) };
}

/** Files that the providers of a configuration need, each with its place. */
export function filesOfProviders({ providers }: Config): readonly { readonly place: string; readonly file: string }[] {
  const schema = z.toJSONSchema(providersSchema, { io: 'input' }) as SchemaNode;
  return markedPaths(schema, providers, 'path').map((path) => ({
    place: `providers.${path}`,
    file: path.split('.').reduce((node, part) => (node as Node)[part], providers as unknown) as string,
  }));
}

/** @throws INVALID_ARGUMENT where one file has two names of which two writers know one each */
function requireOwnFiles({ audit: { sinks, copies } }: Config): void {
  if (haveOwnFiles([...sinks, ...copies])) return;
  throw new ClavigerError('INVALID_ARGUMENT', 'the configuration has two sinks or copies that write to the same file');
}

function withAbsolutePaths(config: Parsed, folder: string): Config {
  const absolute = (file: string): string => resolve(folder, file);
  return {
    ...config,
    store: { ...config.store, folder: absolute(config.store.folder) },
    audit: {
      ...config.audit,
      sinks: sinkOptions(config.audit.sinks, folder),
      copies: config.audit.copies.map((to) => (to.kind === 'file' ? { ...to, path: absolute(to.path) } : to)),
    },
    ...(config.tls === undefined
      ? {}
      : { tls: { ...config.tls, certificate: absolute(config.tls.certificate), key: absolute(config.tls.key) } }),
    ...(config.seal === undefined ? {} : { seal: { ...config.seal, path: absolute(config.seal.path) } }),
    providers: withAbsoluteFiles(config.providers, folder),
    alerts: withAbsoluteAlertPaths(config.alerts, folder),
    ...(config.policies === undefined ? {} : { policies: absolute(config.policies) }),
  };
}
