/**
 * The REST API as one table: each route's path, input and answer. The gateway serves it, the client calls it, and
 * /openapi.json is generated from it.
 *
 * @module
 */
import { z } from 'zod';
import { HOME_REFUSALS } from '../model/key.ts';
import { bytesSchema } from './bytes.ts';
import {
  alertChannel,
  alertInfo,
  alertRule,
  aliasInfo,
  auditRecord,
  batchOf,
  ciphertextItem,
  context,
  decryptAnswer,
  encryptAnswer,
  encryptionAlgorithm,
  importAlgorithm,
  isoTime,
  keyInfo,
  keyName,
  keyVersion,
  limit,
  macAlgorithm,
  madeBy,
  paging,
  pairSpec,
  plaintextItem,
  providerHealth,
  providerName,
  queryNumber,
  resultsOf,
  role,
  signAnswer,
  signItem,
  spec,
  tags,
  tenantInfo,
  text,
  tokenInfo,
  usage,
  verifyAnswer,
  verifyItem,
} from './schemas.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

export interface Route {
  readonly method: Method;
  /** With `{key}`, `{name}` or `{id}` where the path names something. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** Of the query for GET and DELETE, of the body otherwise. */
  readonly input: z.ZodType;
  readonly answer: z.ZodType;
  readonly status: 200 | 201;
  /** Content type of an answer that is not JSON but the output as it is: a text, or bytes for `BYTES_TYPE`. */
  readonly media?: string;
  /** True for what changes the store: `Idempotency-Key` holds for it. */
  readonly changes: boolean;
}

const nothing = z.strictObject({});
const KEY_PATH = '/v1/keys/{key}';
const LOG_PATH = '/v1/audit/log';

/** A number of records, or the index of one, in a query. */
const count = queryNumber(0, Number.MAX_SAFE_INTEGER);
/** Records under a checkpoint. */
const treeSize = queryNumber(1, Number.MAX_SAFE_INTEGER);
const inclusionProof = {
  index: z.number(),
  size: z.number(),
  leafHash: z.string(),
  hashes: z.array(z.string()),
};

/** Content type of an answer that is bytes. */
export const BYTES_TYPE = 'application/octet-stream';

/** `true` or `false` in a query. */
const queryFlag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })]);

const MEDIA = {
  text: 'text/plain; charset=utf-8',
  lines: 'application/jsonl',
  bytes: BYTES_TYPE,
} as const;

export const ROUTES = {
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    summary: 'Make a key',
    tag: 'Keys',
    input: z.strictObject({
      spec,
      usage: usage.optional(),
      alias: z.string().optional(),
      description: text.optional(),
      tags: tags.optional(),
      origin: z.enum(['claviger', 'external']).optional(),
      state: z.enum(['Active', 'PreActive']).optional(),
      backings: z
        .array(
          z.strictObject({
            provider: providerName,
            ref: text.min(1).optional().meta({ description: 'a native key that is there, to adopt' }),
          }),
        )
        .min(1)
        .max(16)
        .optional(),
      group: z.string().max(64).optional(),
      onHomeRefusal: z.enum(HOME_REFUSALS).optional(),
      siblings: z.boolean().optional(),
    }),
    answer: keyInfo,
    status: 201,
    changes: true,
  },
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    summary: 'List the keys of the tenant',
    tag: 'Keys',
    input: z.strictObject(paging),
    answer: z.looseObject({ keys: z.array(keyInfo), nextCursor: z.string().nullable() }),
    status: 200,
    changes: false,
  },
  describeKey: {
    method: 'GET',
    path: KEY_PATH,
    summary: 'Describe a key',
    tag: 'Keys',
    input: nothing,
    answer: keyInfo,
    status: 200,
    changes: false,
  },
  updateKey: {
    method: 'PATCH',
    path: KEY_PATH,
    summary: 'Change the description, or publish the public keys',
    tag: 'Keys',
    input: z.strictObject({ description: text.optional(), published: z.boolean().optional() }),
    answer: keyInfo,
    status: 200,
    changes: true,
  },
  getPublicKey: {
    method: 'GET',
    path: `${KEY_PATH}/publicKey`,
    summary: 'The public key: SPKI as base64 DER, PEM or JWK',
    tag: 'Keys',
    input: z.strictObject({
      format: z.enum(['der', 'pem', 'jwk']).optional(),
      keyVersion: queryNumber(1, 0xffff_ffff).optional(),
    }),
    answer: z.looseObject({
      ...madeBy,
      spec,
      usage,
      algorithms: z.array(z.string()),
      publicKey: z.union([z.string(), z.record(z.string(), z.unknown())]),
      pem: z.string().optional(),
      jwk: z.record(z.string(), z.unknown()).optional(),
      siblings: z.array(z.looseObject({ pem: z.string(), jwk: z.record(z.string(), z.unknown()) })).optional(),
    }),
    status: 200,
    changes: false,
  },
  getKeyPolicy: {
    method: 'GET',
    path: `${KEY_PATH}/policy`,
    summary: 'The policy of a key',
    tag: 'Policy',
    input: nothing,
    answer: z.looseObject({ keyId: z.string(), arn: z.string(), policy: z.string().nullable() }),
    status: 200,
    changes: false,
  },
  setKeyPolicy: {
    method: 'PUT',
    path: `${KEY_PATH}/policy`,
    summary: 'Narrow who may do what with a key, by Cedar `forbid` policies',
    tag: 'Policy',
    input: z.strictObject({ policy: z.string().nullable() }),
    answer: z.looseObject({ keyId: z.string(), arn: z.string(), policy: z.string().nullable() }),
    status: 200,
    changes: true,
  },

  encrypt: use('encrypt', 'Encrypt up to 4,096 bytes', z.strictObject(plaintextItem), encryptAnswer),
  decrypt: use('decrypt', 'Decrypt a ciphertext', z.strictObject(ciphertextItem), decryptAnswer),
  reEncrypt: use(
    'reEncrypt',
    'Decrypt under this key and encrypt under another, or under another context',
    z.strictObject({
      ...ciphertextItem,
      destinationKey: keyName,
      destinationContext: context.optional(),
      destinationAlgorithm: encryptionAlgorithm.optional(),
    }),
    z.looseObject({
      ...madeBy,
      algorithm: encryptionAlgorithm,
      ciphertext: bytesSchema('under the destination key'),
      source: z.looseObject({ ...madeBy, algorithm: encryptionAlgorithm }),
    }),
  ),
  generateDataKey: use(
    'generateDataKey',
    'A fresh data key, in plain text and encrypted',
    z.strictObject({
      spec: z.enum(['AES-256', 'AES-128', 'AES_256', 'AES_128', 'AES-256-GCM', 'AES-128-GCM']).optional(),
      bytes: z.int().min(1).max(1024).optional(),
      context: context.optional(),
      withoutPlaintext: z.boolean().optional(),
    }),
    z.looseObject({
      ...madeBy,
      plaintext: bytesSchema('absent when it was not asked for').optional(),
      ciphertext: bytesSchema('what decrypt opens'),
    }),
  ),
  generateDataKeyPair: use(
    'generateDataKeyPair',
    'A fresh key pair, its private key in plain text and encrypted',
    z.strictObject({
      spec: pairSpec,
      context: context.optional(),
      withoutPlaintext: z.boolean().optional(),
    }),
    z.looseObject({
      ...madeBy,
      spec,
      publicKey: bytesSchema('SPKI DER'),
      privateKey: bytesSchema('PKCS#8 DER; absent when it was not asked for').optional(),
      privateKeyCiphertext: bytesSchema('what decrypt opens'),
    }),
  ),
  sign: use('sign', 'Sign a message or a digest', z.strictObject(signItem), signAnswer),
  verify: use('verify', 'Verify a signature', z.strictObject(verifyItem), verifyAnswer),
  generateMac: use(
    'generateMac',
    'Make an HMAC',
    z.strictObject({ message: bytesSchema('at most 4,096 bytes'), algorithm: macAlgorithm.optional() }),
    z.looseObject({ ...madeBy, algorithm: macAlgorithm, mac: bytesSchema('as long as the hash') }),
  ),
  verifyMac: use(
    'verifyMac',
    'Verify an HMAC',
    z.strictObject({
      message: bytesSchema('at most 4,096 bytes'),
      mac: bytesSchema('what generateMac gave'),
      algorithm: macAlgorithm.optional(),
      keyVersion: keyVersion.optional(),
    }),
    z.looseObject({
      keyId: z.string(),
      arn: z.string(),
      keyVersion: z.number().nullable(),
      algorithm: macAlgorithm,
      valid: z.boolean(),
    }),
  ),
  deriveSharedSecret: use(
    'deriveSharedSecret',
    'Agree on a secret with the holder of another key (ECDH, X25519)',
    z.strictObject({ publicKey: bytesSchema('SPKI DER of the other side'), keyVersion: keyVersion.optional() }),
    z.looseObject({ ...madeBy, sharedSecret: bytesSchema('the raw shared secret') }),
  ),
  encapsulate: use(
    'encapsulate',
    'Make a shared secret and its encapsulation (ML-KEM)',
    nothing,
    z.looseObject({ ...madeBy, ciphertext: bytesSchema('for decapsulate'), sharedSecret: bytesSchema('32 bytes') }),
  ),
  decapsulate: use(
    'decapsulate',
    'Take the shared secret out of an encapsulation (ML-KEM)',
    z.strictObject({ ciphertext: bytesSchema('what encapsulate gave'), keyVersion: keyVersion.optional() }),
    z.looseObject({ ...madeBy, sharedSecret: bytesSchema('32 bytes') }),
  ),
  encryptBatch: use('encryptBatch', 'Encrypt up to 100 texts', batchOf(plaintextItem), resultsOf(encryptAnswer)),
  decryptBatch: use('decryptBatch', 'Decrypt up to 100 ciphertexts', batchOf(ciphertextItem), resultsOf(decryptAnswer)),
  signBatch: use('signBatch', 'Sign up to 100 messages or digests', batchOf(signItem), resultsOf(signAnswer)),
  verifyBatch: use('verifyBatch', 'Verify up to 100 signatures', batchOf(verifyItem), resultsOf(verifyAnswer)),

  rewrap: use(
    'rewrap',
    'Complete a ciphertext that lacks the wraps of some homes',
    z.strictObject({ ciphertext: bytesSchema('what encrypt gave'), context: context.optional() }),
    z.looseObject({ ...madeBy, ciphertext: bytesSchema('with a wrap of every home that answered') }),
  ),

  addKeyBacking: change(
    'addBacking',
    'Make the key live in one more provider; with `ref`, in a native key that is there',
    z.strictObject({ provider: providerName, ref: text.min(1).optional() }),
  ),
  removeKeyBacking: change(
    'removeBacking',
    'Take a home away; native keys that were made for it are destroyed',
    z.strictObject({ provider: providerName }),
  ),
  repairKeyBackings: change('repairBackings', 'Make the key live wherever its group or its rule says', nothing),
  rotateKey: change('rotate', 'Make a new primary version', nothing),
  setKeyRotation: change(
    'setRotation',
    'Rotate by itself every 90 to 2,560 days; null ends it',
    z.strictObject({ periodDays: z.int().nullable() }),
  ),
  activateKey: change('activate', 'PreActive → Active', nothing),
  enableKey: change('enable', 'Suspended → Active', nothing),
  disableKey: change('disable', 'Active → Suspended', nothing),
  deactivateKey: change('deactivate', 'End protection for good', nothing),
  compromiseKey: change(
    'compromise',
    'Mark the key, or one older version, as compromised',
    z.strictObject({ keyVersion: keyVersion.optional() }),
  ),
  scheduleKeyDeletion: change(
    'scheduleDeletion',
    'Destroy the key in 7 to 30 days',
    z.strictObject({ pendingWindowDays: z.int().optional() }),
  ),
  cancelKeyDeletion: change('cancelDeletion', 'Take the deletion date back', nothing),
  tagKey: change('tag', 'Set tags', z.strictObject({ tags })),
  untagKey: change('untag', 'Take tags away', z.strictObject({ tagKeys: z.array(z.string()).max(50) })),
  getParametersForImport: {
    method: 'POST',
    path: `${KEY_PATH}:getParametersForImport`,
    summary: 'A one-time RSA key to wrap material with',
    tag: 'Import',
    input: z.strictObject({
      algorithm: importAlgorithm,
      wrappingKeyBits: z.union([z.literal(2048), z.literal(3072), z.literal(4096)]),
    }),
    answer: z.looseObject({
      keyId: z.string(),
      arn: z.string(),
      importToken: bytesSchema('goes into importKeyMaterial'),
      publicKey: bytesSchema('SPKI DER'),
      expiresAt: z.string(),
    }),
    status: 200,
    changes: true,
  },
  importKeyMaterial: change(
    'importKeyMaterial',
    'Import wrapped material',
    z.strictObject({
      importToken: bytesSchema('from getParametersForImport'),
      encryptedKeyMaterial: bytesSchema('the wrapped material: raw bytes, or PKCS#8 DER'),
      expiresAt: isoTime.optional(),
    }),
    'Import',
  ),
  deleteImportedKeyMaterial: change('deleteImportedKeyMaterial', 'Take imported material out again', nothing, 'Import'),

  createAlias: {
    method: 'POST',
    path: '/v1/aliases',
    summary: 'Name a key',
    tag: 'Aliases',
    input: z.strictObject({ name: z.string(), key: keyName }),
    answer: aliasInfo,
    status: 201,
    changes: true,
  },
  listAliases: {
    method: 'GET',
    path: '/v1/aliases',
    summary: 'List aliases, of one key or all',
    tag: 'Aliases',
    input: z.strictObject({ ...paging, key: keyName.optional() }),
    answer: z.looseObject({ aliases: z.array(aliasInfo), nextCursor: z.string().nullable() }),
    status: 200,
    changes: false,
  },
  updateAlias: {
    method: 'PATCH',
    path: '/v1/aliases/{name}',
    summary: 'Let an alias name another key of the same spec and usage',
    tag: 'Aliases',
    input: z.strictObject({ key: keyName }),
    answer: aliasInfo,
    status: 200,
    changes: true,
  },
  deleteAlias: {
    method: 'DELETE',
    path: '/v1/aliases/{name}',
    summary: 'Delete an alias; the key stays',
    tag: 'Aliases',
    input: nothing,
    answer: z.looseObject({}),
    status: 200,
    changes: true,
  },

  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make an API token, or an AWS access key pair; the secret is shown once',
    tag: 'Tokens',
    input: z.strictObject({
      name: z.string(),
      roles: z.array(role).min(1).max(5),
      expiresAt: isoTime.optional(),
      tenant: z.string().max(128).optional(),
      kind: z.enum(['token', 'aws']).optional(),
      systemScope: z.boolean().optional(),
    }),
    answer: tokenInfo.extend({ token: z.string().optional(), secretAccessKey: z.string().optional() }),
    status: 201,
    changes: true,
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'List tokens, without their secrets',
    tag: 'Tokens',
    input: z.strictObject(paging),
    answer: z.looseObject({ tokens: z.array(tokenInfo), nextCursor: z.string().nullable() }),
    status: 200,
    changes: false,
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'Revoke a token, at once',
    tag: 'Tokens',
    input: nothing,
    answer: tokenInfo,
    status: 200,
    changes: true,
  },

  createTenant: {
    method: 'POST',
    path: '/v1/tenants',
    summary: 'Make a tenant and its first token (system scope)',
    tag: 'Tenants',
    input: z.strictObject({
      name: z.string(),
      accountId: z.string().optional(),
      roles: z.array(role).min(1).max(5).optional(),
    }),
    answer: tenantInfo.extend({ token: z.string() }),
    status: 201,
    changes: true,
  },
  listTenants: {
    method: 'GET',
    path: '/v1/tenants',
    summary: 'List tenants (system scope)',
    tag: 'Tenants',
    input: z.strictObject(paging),
    answer: z.looseObject({ tenants: z.array(tenantInfo), nextCursor: z.string().nullable() }),
    status: 200,
    changes: false,
  },

  generateRandom: {
    method: 'POST',
    path: '/v1/random',
    summary: 'Random bytes',
    tag: 'Cryptography',
    input: z.strictObject({ bytes: z.int().min(1).max(1024) }),
    answer: z.looseObject({ bytes: bytesSchema('as many as were asked for') }),
    status: 200,
    changes: false,
  },
  listAuditRecords: {
    method: 'GET',
    path: '/v1/audit/records',
    summary: 'The audit log, newest first',
    tag: 'Audit',
    input: z.strictObject({
      ...paging,
      outcome: z.string().max(64).optional(),
      principal: z.string().max(128).optional(),
      key: keyName.optional(),
      operation: z.string().max(64).optional(),
      requestId: z.string().max(64).optional(),
      since: isoTime.optional(),
      intents: queryFlag
        .optional()
        .meta({ description: 'true shows also the intents of changes at homes, which have no outcome yet' }),
    }),
    answer: z.looseObject({ records: z.array(auditRecord), nextCursor: z.string().nullable() }),
    status: 200,
    changes: false,
  },
  getAuditLogKey: log('key', 'The key that the log is signed with, as a C2SP signed-note verifier key', 'text'),
  getAuditCheckpoint: log(
    'checkpoint',
    'The newest checkpoint, a signed note (C2SP tlog-checkpoint), or the newest that witnesses have signed as well',
    'text',
    z.strictObject({ cosigned: queryFlag.optional() }),
  ),
  listAuditCheckpoints: log(
    'checkpoints',
    'Checkpoints, the smallest first: lines of `{"size":…,"note":…}`',
    'lines',
    z.strictObject({ after: count.optional(), limit: limit.optional() }),
  ),
  getAuditEntries: log('tile/entries/{tile}', 'A bundle of entries (C2SP tlog-tiles; system scope)', 'bytes'),
  getAuditTile: log('tile/{tile}', 'A tile of hashes, named by level and number (C2SP tlog-tiles)', 'bytes'),
  getAuditOpenings: log(
    'openings/{tile}',
    'What the commitments of a bundle open to: a line of JSON for each record (system scope)',
    'lines',
  ),
  proveAuditInclusion: {
    method: 'GET',
    path: `${LOG_PATH}/proof`,
    summary: 'That a record is in the log (RFC 9162, section 2.1.3)',
    tag: 'Audit',
    input: z.strictObject({ index: count, size: treeSize.optional() }),
    answer: z.looseObject(inclusionProof),
    status: 200,
    changes: false,
  },
  proveAuditConsistency: {
    method: 'GET',
    path: `${LOG_PATH}/consistency`,
    summary: 'That the log has only grown from one size to another (RFC 9162, section 2.1.4)',
    tag: 'Audit',
    input: z.strictObject({ from: treeSize, to: treeSize.optional() }),
    answer: z.looseObject({ from: z.number(), to: z.number(), hashes: z.array(z.string()) }),
    status: 200,
    changes: false,
  },
  getAuditReceipt: {
    method: 'GET',
    path: '/v1/audit/receipts/{requestId}',
    summary: 'The record of a request, and all that proves it: inclusion proof and signed checkpoint',
    tag: 'Audit',
    input: nothing,
    answer: z.looseObject({
      logId: z.string(),
      ...inclusionProof,
      entry: z.string(),
      openings: z.record(z.string(), z.tuple([z.string(), z.string()])),
      items: z.array(z.tuple([z.string(), z.string()])).optional(),
      checkpoint: z.string(),
    }),
    status: 200,
    changes: false,
  },
  redactAuditRecords: {
    method: 'POST',
    path: '/v1/audit:redact',
    summary: 'Forget what old records commit to, a range at a time (system scope)',
    tag: 'Audit',
    input: z.strictObject({ before: isoTime }),
    answer: z.looseObject({ from: z.number(), to: z.number(), done: z.boolean() }),
    status: 200,
    changes: true,
  },
  listAlerts: {
    method: 'GET',
    path: '/v1/alerts',
    summary: 'Alerts that fire now, the rules and the channels',
    tag: 'Audit',
    input: nothing,
    answer: z.looseObject({
      watching: z.boolean(),
      alerts: z.array(alertInfo),
      rules: z.array(alertRule),
      channels: z.array(alertChannel),
    }),
    status: 200,
    changes: false,
  },
  testAlerts: {
    method: 'POST',
    path: '/v1/alerts:test',
    summary: 'Send a test alert, to one channel or to all',
    tag: 'Audit',
    input: z.strictObject({ channel: z.string().max(64).optional() }),
    answer: z.looseObject({
      results: z.array(z.looseObject({ channel: z.string(), delivered: z.boolean(), error: z.string().nullable() })),
    }),
    status: 200,
    changes: false,
  },
  explainPolicy: {
    method: 'POST',
    path: '/v1/policy/explain',
    summary: 'Why somebody may, or may not, do something',
    tag: 'Policy',
    input: z.strictObject({
      action: z.string().max(64),
      key: keyName.optional(),
      principal: z.string().max(64).optional(),
      context: context.optional(),
      sourceAddress: z.string().max(64).optional(),
    }),
    answer: z.looseObject({
      allowed: z.boolean(),
      policies: z.array(z.string()),
      reasons: z.array(z.string()),
      principal: z.looseObject({ id: z.string(), name: z.string(), roles: z.array(z.string()) }),
      action: z.string(),
      resource: z.string(),
    }),
    status: 200,
    changes: false,
  },
  getHealth: {
    method: 'GET',
    path: '/v1/health',
    summary: 'State of the log, its sinks and the providers',
    tag: 'Service',
    input: nothing,
    answer: z.looseObject({
      status: z.enum(['ok', 'failed']),
      version: z.string(),
      log: z.looseObject({ id: z.string(), healthy: z.boolean() }),
      sinks: z.array(
        z.looseObject({
          name: z.string(),
          kind: z.string(),
          position: z.number().nullable(),
          lagRecords: z.number(),
          lagSeconds: z.number(),
          delivered: z.number(),
          failures: z.number(),
          lastError: z.string().nullable(),
        }),
      ),
      keepers: z.array(
        z.looseObject({
          name: z.string(),
          kind: z.enum(['witness', 'file', 'webhook']),
          state: z.enum(['ok', 'failing', 'rewritten']),
          confirmedSize: z.number(),
          lagSeconds: z.number(),
          taken: z.boolean().optional().meta({ description: 'it has taken a checkpoint since the start' }),
          lastError: z.string().nullable(),
        }),
      ),
      providers: z.array(providerHealth),
    }),
    status: 200,
    changes: false,
  },
  clearProvider: {
    method: 'POST',
    path: '/v1/providers/{provider}:clear',
    summary: 'Have a provider called again that was left alone (system scope)',
    tag: 'Service',
    input: nothing,
    answer: providerHealth,
    status: 200,
    changes: true,
  },
  getMetrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format',
    tag: 'Service',
    input: nothing,
    answer: z.string(),
    media: 'text/plain; version=0.0.4; charset=utf-8',
    status: 200,
    changes: false,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;
export const ROUTE_NAMES = Object.keys(ROUTES) as readonly RouteName[];

/** Bytes of a data key by the name of its spec. */
export const DATA_KEY_SPEC_BYTES: Readonly<Record<string, number>> = {
  'AES-256': 32,
  AES_256: 32,
  'AES-256-GCM': 32,
  'AES-128': 16,
  AES_128: 16,
  'AES-128-GCM': 16,
};

interface UseRoute<P extends string, I extends z.ZodType, A extends z.ZodType> {
  readonly method: 'POST';
  readonly path: P;
  readonly summary: string;
  readonly tag: string;
  readonly input: I;
  readonly answer: A;
  readonly status: 200;
  readonly changes: false;
}

interface LogRoute<I extends z.ZodType> {
  readonly method: 'GET';
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly input: I;
  readonly answer: z.ZodType;
  readonly status: 200;
  readonly media: string;
  readonly changes: false;
}

interface ChangeRoute<I extends z.ZodType> {
  readonly method: 'POST';
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly input: I;
  readonly answer: typeof keyInfo;
  readonly status: 200;
  readonly changes: true;
}

/** A cryptographic operation with a key. */
function use<V extends string, I extends z.ZodType, A extends z.ZodType>(
  verb: V,
  summary: string,
  input: I,
  answer: A,
): UseRoute<`/v1/keys/{key}:${V}`, I, A> {
  return {
    method: 'POST',
    path: `/v1/keys/{key}:${verb}`,
    summary,
    tag: 'Cryptography',
    input,
    answer,
    status: 200,
    changes: false,
  };
}

/** A file of the log. */
function log<I extends z.ZodType = typeof nothing>(
  place: string,
  summary: string,
  media: keyof typeof MEDIA,
  input: I = nothing as unknown as I,
): LogRoute<I> {
  return {
    method: 'GET',
    path: `${LOG_PATH}/${place}`,
    summary,
    tag: 'Audit',
    input,
    answer: z.string(),
    status: 200,
    media: MEDIA[media],
    changes: false,
  };
}

/** A change of a key that answers the key. */
function change<I extends z.ZodType>(verb: string, summary: string, input: I, tag = 'Lifecycle'): ChangeRoute<I> {
  return {
    method: 'POST',
    path: `${KEY_PATH}:${verb}`,
    summary,
    tag,
    input,
    answer: keyInfo,
    status: 200,
    changes: true,
  };
}
