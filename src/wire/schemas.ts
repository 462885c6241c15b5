/**
 * Zod schemas of what the REST bodies are made of. Requests are strict: an unknown field is refused, so that a
 * misspelt one is not ignored. Answers are open: a newer server may say more.
 *
 * @module
 */
import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import {
  ENCRYPTION_ALGORITHMS,
  IMPORT_ALGORITHMS,
  MAC_ALGORITHMS,
  SIGNING_ALGORITHMS,
  type AlgorithmName,
} from '../model/algorithm.ts';
import { HOME_REFUSALS } from '../model/key.ts';
import { ROLES } from '../model/principal.ts';
import { PROVIDER_KINDS } from '../model/provider-kind.ts';
import { SPECS, USAGES, type Spec } from '../model/spec.ts';
import { KEY_STATES } from '../model/state.ts';
import { bytesSchema } from './bytes.ts';

/** Characters of a text that is looked at; what it means has tighter limits of its own. */
const TEXT_CHARS_MAX = 8192;

function namesOf<T extends Record<string, unknown>>(table: T): z.ZodEnum<{ [K in keyof T & string]: K }> {
  return z.enum(Object.keys(table)) as unknown as z.ZodEnum<{ [K in keyof T & string]: K }>;
}

export const text = z.string().max(TEXT_CHARS_MAX);
export const keyName = z
  .string()
  .min(1)
  .max(512)
  .meta({ description: 'a key: id, ARN, `alias:NAME`, `alias/NAME` or alias ARN' });
export const isoTime = z.iso.datetime({ offset: true }).meta({ description: 'ISO 8601' });

const SPEC_NAMES = Object.keys(SPECS) as Spec[];
const specByName: ReadonlyMap<string, Spec> = new Map([
  ...SPEC_NAMES.map((name) => [SPECS[name].aws, name] as const),
  ...SPEC_NAMES.map((name) => [name, name] as const),
]);

export const spec = namesOf(SPECS);
/** The spec of a data-key pair: ours, or AWS's name for it. */
export const pairSpec = z
  .string()
  .meta({ description: `one of ${SPEC_NAMES.join(', ')}, or the AWS name of one` })
  .transform((name, context): Spec => {
    const found = specByName.get(name);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `is no spec; there are ${SPEC_NAMES.join(', ')}` });
    return z.NEVER;
  });
export const usage = z.enum(USAGES);
export const state = z.enum(KEY_STATES);
export const role = z.enum(ROLES);
export const encryptionAlgorithm = namesOf(ENCRYPTION_ALGORITHMS);
export const signingAlgorithm = namesOf(SIGNING_ALGORITHMS);
export const macAlgorithm = namesOf(MAC_ALGORITHMS);
export const importAlgorithm = namesOf(IMPORT_ALGORITHMS);
const errorCode = z.string() as unknown as z.ZodType<ErrorCode, ErrorCode>;
const anyAlgorithm = z.string() as unknown as z.ZodType<AlgorithmName, AlgorithmName>;

export const context = z
  .record(z.string(), z.string())
  .meta({ description: 'encryption context: the same pairs are needed to decrypt; logged in clear' });
export const tags = z.record(z.string(), z.string());
export const keyVersion = z.int().min(1).max(0xffff_ffff);
/** A whole number in a query: in decimal digits, where `Number` would take `0x10`, `1e3` and an empty text as well. */
export const queryNumber = (min: number, max: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^(?:0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : value),
    z
      .int({
        error: ({ code, input }) =>
          code === 'invalid_type' ? (input === undefined ? 'must be given' : 'must be a whole number') : undefined,
      })
      .min(min)
      .max(max),
  );
export const limit = queryNumber(1, 1000);
export const cursor = z.string().max(1024);
export const paging = { limit: limit.optional(), cursor: cursor.optional() };

/** Which key, and which version of it, made a result. */
export const madeBy = {
  keyId: z.string(),
  arn: z.string(),
  keyVersion: z.number(),
  provider: z.string().nullable().optional().meta({ description: 'of keys with homes outside: who did the work' }),
  failovers: z.array(z.string()).optional().meta({ description: 'who was to do it and did not' }),
  missingHomes: z.array(z.string()).optional().meta({ description: 'homes without a wrap: `rewrap` completes it' }),
  thumbprint: z.string().optional().meta({ description: 'of a key with a pair in each home: which pair signed' }),
};

export const plaintextItem = {
  plaintext: bytesSchema('at most 4,096 bytes'),
  context: context.optional(),
  algorithm: encryptionAlgorithm.optional(),
};
export const ciphertextItem = {
  ciphertext: bytesSchema('what encrypt gave'),
  context: context.optional(),
  algorithm: encryptionAlgorithm.optional(),
  keyVersion: keyVersion.optional(),
};
export const signItem = {
  message: bytesSchema('at most 4,096 bytes, hashed here; or `digest`').optional(),
  digest: bytesSchema('a digest that the caller made; or `message`').optional(),
  algorithm: signingAlgorithm.optional(),
};
export const verifyItem = {
  ...signItem,
  signature: bytesSchema('ECDSA: DER'),
  keyVersion: keyVersion.optional(),
};

export const encryptAnswer = z.looseObject({
  ...madeBy,
  algorithm: encryptionAlgorithm,
  ciphertext: bytesSchema('a ciphertext blob, or the RSA ciphertext'),
});
export const decryptAnswer = z.looseObject({
  ...madeBy,
  algorithm: encryptionAlgorithm,
  plaintext: bytesSchema('the text'),
});
export const signAnswer = z.looseObject({
  ...madeBy,
  algorithm: signingAlgorithm,
  signature: bytesSchema('ECDSA: DER'),
});
export const verifyAnswer = z.looseObject({
  keyId: z.string(),
  arn: z.string(),
  keyVersion: z.number().nullable(),
  algorithm: signingAlgorithm,
  valid: z.boolean(),
});

/** 1 to 100 items. */
export function batchOf<T extends z.ZodRawShape>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<z.ZodObject<T, z.core.$strict>> }> {
  return z.strictObject({ items: z.array(z.strictObject(item)).min(1).max(100) }) as never;
}

export const itemError = z.looseObject({ code: z.string(), detail: z.string() });

/** Results in the order of the items, each an answer or an error. */
export function resultsOf<T extends z.ZodType>(
  answer: T,
): z.ZodObject<{ results: z.ZodArray<z.ZodUnion<[z.ZodObject<{ error: typeof itemError }>, T]>> }> {
  return z.looseObject({ results: z.array(z.union([z.looseObject({ error: itemError }), answer])) }) as never;
}

export const keyInfo = z.looseObject({
  id: z.string(),
  arn: z.string(),
  spec,
  usage,
  state,
  origin: z.enum(['claviger', 'external']),
  description: z.string(),
  tags,
  aliases: z.array(z.string()),
  algorithms: z.array(anyAlgorithm),
  createdAt: z.string(),
  deletionAt: z.string().nullable(),
  primaryVersion: z.number(),
  materialPresent: z.boolean(),
  rotation: z.looseObject({ periodDays: z.number(), nextAt: z.string() }).nullable(),
  published: z.boolean(),
  hasPolicy: z.boolean(),
  versions: z.array(
    z.looseObject({
      version: z.number(),
      state,
      cause: z.enum(['created', 'imported', 'rotated-on-demand', 'rotated-by-schedule']),
      createdAt: z.string(),
      expiresAt: z.string().nullable(),
      providers: z.array(z.string()),
      backings: z.array(
        z.looseObject({
          provider: z.string(),
          ref: z.string(),
          adopted: z.boolean(),
          status: z.enum(['live', 'quarantined', 'removed']),
          refusal: z.looseObject({ code: errorCode, at: z.string() }).nullable(),
        }),
      ),
      refusal: z.looseObject({ provider: z.string(), code: errorCode, at: z.string() }).nullable(),
    }),
  ),
  homes: z
    .looseObject({
      group: z.string().nullable(),
      providers: z.array(z.string()),
      onHomeRefusal: z.enum(HOME_REFUSALS),
      siblings: z.boolean(),
    })
    .nullable(),
});

export const providerName = z.string().min(1).max(64);

export const providerHealth = z.looseObject({
  name: z.string(),
  kind: z.enum(PROVIDER_KINDS),
  status: z.enum(['ok', 'degraded', 'down']),
  circuit: z.enum(['closed', 'half-open', 'open', 'quarantined']),
  since: z.string(),
  lastError: z.looseObject({ code: errorCode, message: z.string(), at: z.string() }).nullable(),
  latencyMs: z.looseObject({ mean: z.number(), p99: z.number() }).nullable(),
  calls: z.number(),
  failures: z.number(),
  retries: z.number(),
  inFlight: z.number(),
});

export const aliasInfo = z.looseObject({
  name: z.string(),
  arn: z.string(),
  keyId: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

export const tokenInfo = z.looseObject({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['token', 'aws']),
  tenantId: z.string(),
  roles: z.array(role),
  systemScope: z.boolean(),
  accessKeyId: z.string().nullable(),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});

export const tenantInfo = z.looseObject({
  id: z.string(),
  name: z.string(),
  accountId: z.string(),
  createdAt: z.string(),
});

export const auditRecord = z.looseObject({
  index: z.number(),
  time: z.string(),
  phase: z.string(),
  tenant: z.string().optional(),
  principal: z.string().optional(),
  source: z.string().optional(),
  operation: z.string().optional(),
  key: z.string().optional(),
  keyVersion: z.number().optional(),
  provider: z.string().optional(),
  backing: z.string().optional(),
  failovers: z.array(z.string()).optional(),
  missingHomes: z.array(z.string()).optional(),
  algorithm: z.string().optional(),
  digest: z.string().optional(),
  context: context.optional(),
  destinationContext: context.optional(),
  resource: z.string().optional(),
  policies: z.array(z.string()).optional(),
  outcome: z.string().nullable(),
  requestId: z.string(),
  latencyUs: z.number().optional(),
  items: z.looseObject({ count: z.number(), failed: z.number(), root: z.string() }).optional(),
  aggregate: z.looseObject({ count: z.number(), from: z.string(), to: z.string() }).optional(),
  redaction: z.looseObject({ from: z.number(), to: z.number() }).optional(),
  redacted: z.literal(true).optional(),
  leafHash: z.string(),
});

const severity = z.enum(['info', 'warning', 'critical']);

export const alertRule = z.looseObject({
  id: z.string(),
  severity,
  title: z.string(),
  action: z.string(),
  runbook: z.string(),
  enabled: z.boolean(),
  threshold: z.number().nullable(),
  unit: z.string(),
  windowSeconds: z.number().nullable(),
  firing: z.number(),
});

export const alertInfo = z.looseObject({
  id: z.string(),
  rule: z.string(),
  severity,
  title: z.string(),
  subject: z.string(),
  tenantId: z.string().nullable(),
  firstAt: z.string(),
  lastAt: z.string(),
  count: z.number(),
  facts: z.looseObject({}),
});

export const alertChannel = z.looseObject({
  name: z.string(),
  kind: z.string(),
  severities: z.array(severity),
  queued: z.number(),
  delivered: z.number(),
  dropped: z.number(),
  failures: z.number(),
  failingSince: z.string().nullable(),
  lastError: z.string().nullable(),
});

/** RFC 9457, with our code, a reason where there is one, and the request's id. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  reason: z.string().optional(),
  requestId: z.string(),
});
