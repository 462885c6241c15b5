/**
 * The KMS operations that are answered, one row each: what is read, which operation runs, what is sent.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { createAlias, deleteAlias, listAliases, updateAlias } from '../../operations/aliases.ts';
import { cancelKeyDeletion } from '../../operations/cancel-key-deletion.ts';
import { createKey } from '../../operations/create-key.ts';
import { decrypt } from '../../operations/decrypt.ts';
import { describeKey, getKeyRotation, listKeyRotations, listKeyTags } from '../../operations/describe-key.ts';
import { disableKey } from '../../operations/disable-key.ts';
import { enableKey } from '../../operations/enable-key.ts';
import { encrypt } from '../../operations/encrypt.ts';
import { generateDataKeyPair } from '../../operations/generate-data-key-pair.ts';
import { generateDataKey } from '../../operations/generate-data-key.ts';
import { generateRandom } from '../../operations/generate-random.ts';
import { getPublicKey } from '../../operations/get-public-key.ts';
import { deleteImportedKeyMaterial, getParametersForImport, importKeyMaterial } from '../../operations/import-key.ts';
import { decapsulate, deriveSharedSecret, encapsulate } from '../../operations/key-agreement.ts';
import { confirmKeyPolicy, defaultPolicyDocument, getKeyPolicy } from '../../operations/key-policy.ts';
import { listKeys } from '../../operations/list-keys.ts';
import { generateMac, verifyMac } from '../../operations/mac.ts';
import type { Operation } from '../../operations/operation.ts';
import { reEncrypt } from '../../operations/re-encrypt.ts';
import { rotateSymmetricKey } from '../../operations/rotate-key.ts';
import { scheduleKeyDeletion } from '../../operations/schedule-key-deletion.ts';
import { ROTATION_DAYS, setKeyRotation } from '../../operations/set-key-rotation.ts';
import { sign } from '../../operations/sign.ts';
import { tagKey, untagKey } from '../../operations/tag-key.ts';
import { updateKey } from '../../operations/update-key.ts';
import { verify } from '../../operations/verify.ts';
import { ClavigerError, errorOf } from '../../errors.ts';
import type { SigningAlgorithmName } from '../../model/algorithm.ts';
import { SPECS, type Spec, type Usage } from '../../model/spec.ts';
import type { KeyInfo, KeyVersionInfo } from '../../operations/key-info.ts';
import { pageOfWhole, truncated, withMarkerOf } from './pages.ts';
import {
  blob,
  encryptionAlgorithm,
  encryptionContext,
  epochSeconds,
  grantTokens,
  importAlgorithm,
  includeKeyMaterial,
  keyId,
  keyPairSpec,
  keySpec,
  keyUsage,
  macAlgorithm,
  numberOfBytes,
  page,
  pendingWindowDays,
  publicKey,
  signingAlgorithm,
  smallBlob,
  wrappedMaterial,
} from './schemas.ts';
import { accountOf, epoch, keyMetadata, specFields } from './views.ts';

/** One KMS operation, with its types put away. */
export interface AwsOperation {
  readonly operation: Operation<unknown, unknown>;
  readonly schema: z.ZodType<Record<string, unknown>>;
  /** Fields that AWS knows and we do not honour: refused by name, rather than ignored. */
  readonly refused: readonly string[];
  readonly toInput: (fields: never) => unknown;
  /** null for an empty body. @throws what AWS answers as an exception where we have an answer */
  readonly toAnswer: (output: never, fields: never) => object | null;
}

function row<S extends z.ZodType<Record<string, unknown>>, I, O>(
  schema: S,
  operation: Operation<I, O>,
  toInput: (fields: z.output<S>) => I,
  toAnswer: (output: O, fields: z.output<S>) => object | null,
  refused: readonly string[] = [],
): AwsOperation {
  return { schema, operation: operation as never, toInput, toAnswer, refused };
}

const empty = (): null => null;
const onKey = z.object({ KeyId: keyId });
const keyOf = ({ KeyId }: { KeyId: string }): { key: string } => ({ key: KeyId });
const use = { KeyId: keyId, GrantTokens: grantTokens, DryRun: z.boolean().optional() };

const dataKeyFields = z.object({
  ...use,
  EncryptionContext: encryptionContext,
  KeySpec: z.enum(['AES_256', 'AES_128']).optional(),
  NumberOfBytes: numberOfBytes.optional(),
});
const pairFields = z.object({ ...use, EncryptionContext: encryptionContext, KeyPairSpec: keyPairSpec });
const signFields = {
  ...use,
  Message: smallBlob,
  MessageType: z.enum(['RAW', 'DIGEST', 'EXTERNAL_MU']).optional(),
  SigningAlgorithm: signingAlgorithm,
};
const macFields = { ...use, Message: smallBlob, MacAlgorithm: macAlgorithm };
/** How many there may be is a limit of the key's, which has an exception of its own. */
const tagList = z.array(z.object({ TagKey: z.string(), TagValue: z.string() }));

export const AWS_OPERATIONS: ReadonlyMap<string, AwsOperation> = new Map(
  Object.entries({
    CreateKey: row(
      z.object({
        KeySpec: keySpec.optional(),
        CustomerMasterKeySpec: keySpec.optional(),
        KeyUsage: keyUsage.optional(),
        Description: z.string().max(8192).optional(),
        Origin: z.enum(['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE']).optional(),
        Policy: z.string().min(1).max(131_072).optional(),
        Tags: tagList.optional(),
      }),
      createKey,
      (fields) => ({
        ...specAndUsage(fields),
        description: fields.Description,
        origin: originOf(fields.Origin ?? 'AWS_KMS'),
        tags: tagsOf(fields.Tags ?? []),
        policyDocument: fields.Policy,
      }),
      (key) => ({ KeyMetadata: keyMetadata(key) }),
      ['CustomKeyStoreId', 'XksKeyId', 'MultiRegion'],
    ),
    DescribeKey: row(onKey, describeKey, keyOf, (key) => ({ KeyMetadata: keyMetadata(key) })),
    ListKeys: row(
      z.object(page(1000)),
      listKeys,
      ({ Limit, Marker }) => ({ limit: Limit ?? 100, cursor: Marker }),
      ({ keys, nextCursor }) => ({
        Keys: keys.map(({ id, arn }) => ({ KeyId: id, KeyArn: arn })),
        ...truncated(nextCursor),
      }),
    ),
    EnableKey: row(onKey, enableKey, keyOf, empty),
    DisableKey: row(onKey, disableKey, keyOf, empty),
    ScheduleKeyDeletion: row(
      z.object({ KeyId: keyId, PendingWindowInDays: pendingWindowDays.optional() }),
      scheduleKeyDeletion,
      ({ KeyId, PendingWindowInDays }) => ({ key: KeyId, pendingWindowDays: PendingWindowInDays }),
      ({ arn, deletionAt }, { PendingWindowInDays }) => ({
        KeyId: arn,
        DeletionDate: epoch(deletionAt!),
        KeyState: 'PendingDeletion',
        PendingWindowInDays: PendingWindowInDays ?? 30,
      }),
    ),
    CancelKeyDeletion: row(onKey, cancelKeyDeletion, keyOf, ({ arn }) => ({ KeyId: arn })),
    UpdateKeyDescription: row(
      z.object({ KeyId: keyId, Description: z.string().max(8192) }),
      updateKey,
      ({ KeyId, Description }) => ({ key: KeyId, description: Description }),
      empty,
    ),

    Encrypt: row(
      z.object({
        ...use,
        Plaintext: smallBlob,
        EncryptionContext: encryptionContext,
        EncryptionAlgorithm: encryptionAlgorithm.optional(),
      }),
      encrypt,
      (fields) => ({
        key: fields.KeyId,
        plaintext: fields.Plaintext,
        context: fields.EncryptionContext,
        algorithm: fields.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      }),
      ({ arn, ciphertext, algorithm }) => ({ KeyId: arn, CiphertextBlob: ciphertext, EncryptionAlgorithm: algorithm }),
    ),
    Decrypt: row(
      z.object({
        ...use,
        KeyId: keyId.optional(),
        CiphertextBlob: blob,
        EncryptionContext: encryptionContext,
        EncryptionAlgorithm: encryptionAlgorithm.optional(),
      }),
      decrypt,
      (fields) => ({
        key: fields.KeyId,
        ciphertext: fields.CiphertextBlob,
        context: fields.EncryptionContext,
        algorithm: fields.EncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      }),
      ({ arn, plaintext, algorithm }) => ({ KeyId: arn, Plaintext: plaintext, EncryptionAlgorithm: algorithm }),
      ['Recipient', 'DryRunModifiers'],
    ),
    ReEncrypt: row(
      z.object({
        CiphertextBlob: blob,
        SourceKeyId: keyId.optional(),
        SourceEncryptionContext: encryptionContext,
        SourceEncryptionAlgorithm: encryptionAlgorithm.optional(),
        DestinationKeyId: keyId,
        DestinationEncryptionContext: encryptionContext,
        DestinationEncryptionAlgorithm: encryptionAlgorithm.optional(),
        GrantTokens: grantTokens,
        DryRun: z.boolean().optional(),
      }),
      reEncrypt,
      (fields) => ({
        key: fields.SourceKeyId,
        ciphertext: fields.CiphertextBlob,
        context: fields.SourceEncryptionContext,
        algorithm: fields.SourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
        destinationKey: fields.DestinationKeyId,
        destinationContext: fields.DestinationEncryptionContext,
        destinationAlgorithm: fields.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT',
      }),
      ({ arn, ciphertext, algorithm, source }) => ({
        KeyId: arn,
        CiphertextBlob: ciphertext,
        SourceKeyId: source.arn,
        SourceEncryptionAlgorithm: source.algorithm,
        DestinationEncryptionAlgorithm: algorithm,
      }),
      ['DryRunModifiers'],
    ),
    GenerateDataKey: row(
      dataKeyFields,
      generateDataKey,
      (fields) => dataKeyInput(fields, false),
      ({ arn, ciphertext, plaintext }) => ({ KeyId: arn, CiphertextBlob: ciphertext, Plaintext: plaintext }),
      ['Recipient'],
    ),
    GenerateDataKeyWithoutPlaintext: row(
      dataKeyFields,
      generateDataKey,
      (fields) => dataKeyInput(fields, true),
      ({ arn, ciphertext }) => ({ KeyId: arn, CiphertextBlob: ciphertext }),
    ),
    GenerateDataKeyPair: row(
      pairFields,
      generateDataKeyPair,
      (fields) => pairInput(fields, false),
      (output) => ({ ...pairAnswer(output), PrivateKeyPlaintext: output.privateKey }),
      ['Recipient'],
    ),
    GenerateDataKeyPairWithoutPlaintext: row(
      pairFields,
      generateDataKeyPair,
      (fields) => pairInput(fields, true),
      pairAnswer,
    ),
    GenerateRandom: row(
      z.object({ NumberOfBytes: numberOfBytes }),
      generateRandom,
      ({ NumberOfBytes }) => ({ bytes: NumberOfBytes }),
      ({ bytes }) => ({ Plaintext: bytes }),
      ['CustomKeyStoreId', 'Recipient'],
    ),

    Sign: row(
      z.object(signFields),
      sign,
      (fields) => ({ key: fields.KeyId, algorithm: fields.SigningAlgorithm, ...toSign(fields) }),
      ({ arn, signature, algorithm }) => ({ KeyId: arn, Signature: signature, SigningAlgorithm: algorithm }),
    ),
    Verify: row(
      z.object({ ...signFields, Signature: blob }),
      verify,
      (fields) => ({
        key: fields.KeyId,
        algorithm: fields.SigningAlgorithm,
        signature: fields.Signature,
        ...toSign(fields),
      }),
      ({ arn, valid, algorithm }) => {
        if (!valid) throw new ClavigerError('INVALID_SIGNATURE', 'the signature is not one of this key and message');
        return { KeyId: arn, SignatureValid: true, SigningAlgorithm: algorithm };
      },
    ),
    GetPublicKey: row(
      z.object({ KeyId: keyId, GrantTokens: grantTokens }),
      getPublicKey,
      keyOf,
      ({ arn, publicKey: spki, ...key }) => ({ KeyId: arn, PublicKey: spki, ...specFields(key) }),
    ),
    GenerateMac: row(
      z.object(macFields),
      generateMac,
      (fields) => ({ key: fields.KeyId, message: fields.Message, algorithm: fields.MacAlgorithm }),
      ({ arn, mac, algorithm }) => ({ KeyId: arn, Mac: mac, MacAlgorithm: algorithm }),
    ),
    VerifyMac: row(
      z.object({ ...macFields, Mac: blob }),
      verifyMac,
      (fields) => ({ key: fields.KeyId, message: fields.Message, mac: fields.Mac, algorithm: fields.MacAlgorithm }),
      ({ arn, valid, algorithm }) => {
        if (!valid) throw new ClavigerError('INVALID_MAC', 'the MAC is not one of this key and message');
        return { KeyId: arn, MacValid: true, MacAlgorithm: algorithm };
      },
    ),
    DeriveSharedSecret: row(
      z.object({ ...use, KeyAgreementAlgorithm: z.literal('ECDH'), PublicKey: publicKey }),
      deriveSharedSecret,
      (fields) => ({ key: fields.KeyId, publicKey: fields.PublicKey }),
      ({ arn, sharedSecret }) => ({ KeyId: arn, SharedSecret: sharedSecret, KeyAgreementAlgorithm: 'ECDH' }),
      ['Recipient'],
    ),
    Encapsulate: row(
      z.object({ ...use, EncapsulationAlgorithm: z.literal('ML_KEM') }),
      encapsulate,
      keyOf,
      ({ arn, ciphertext, sharedSecret }) => ({
        KeyId: arn,
        SharedSecret: sharedSecret,
        SharedSecretCiphertextBlob: ciphertext,
        EncapsulationAlgorithm: 'ML_KEM',
      }),
      ['Recipient'],
    ),
    Decapsulate: row(
      z.object({ ...use, SharedSecretCiphertextBlob: blob, EncapsulationAlgorithm: z.literal('ML_KEM') }),
      decapsulate,
      (fields) => ({ key: fields.KeyId, ciphertext: fields.SharedSecretCiphertextBlob }),
      ({ arn, sharedSecret }) => ({ KeyId: arn, SharedSecret: sharedSecret, EncapsulationAlgorithm: 'ML_KEM' }),
      ['Recipient'],
    ),

    CreateAlias: row(
      z.object({ AliasName: z.string().min(1).max(256), TargetKeyId: keyId }),
      createAlias,
      ({ AliasName, TargetKeyId }) => ({ name: aliasName(AliasName), key: TargetKeyId }),
      empty,
    ),
    UpdateAlias: row(
      z.object({ AliasName: z.string().min(1).max(256), TargetKeyId: keyId }),
      updateAlias,
      ({ AliasName, TargetKeyId }) => ({ name: aliasName(AliasName), key: TargetKeyId }),
      empty,
    ),
    DeleteAlias: row(
      z.object({ AliasName: z.string().min(1).max(256) }),
      deleteAlias,
      ({ AliasName }) => ({ name: aliasName(AliasName) }),
      empty,
    ),
    ListAliases: row(
      z.object({ KeyId: keyId.optional(), ...page(100) }),
      listAliases,
      ({ KeyId, Limit, Marker }) => ({ key: KeyId, limit: Limit ?? 50, cursor: Marker }),
      ({ aliases, nextCursor }) => ({
        Aliases: aliases.map((alias) => ({
          AliasName: `alias/${alias.name}`,
          AliasArn: alias.arn,
          TargetKeyId: alias.keyId,
          CreationDate: epoch(alias.createdAt),
          LastUpdatedDate: epoch(alias.updatedAt),
        })),
        ...truncated(nextCursor),
      }),
    ),

    EnableKeyRotation: row(
      z.object({ KeyId: keyId, RotationPeriodInDays: z.int().min(90).max(2560).optional() }),
      setKeyRotation,
      ({ KeyId, RotationPeriodInDays = ROTATION_DAYS.default }) => ({ key: KeyId, periodDays: RotationPeriodInDays }),
      empty,
    ),
    DisableKeyRotation: row(onKey, setKeyRotation, ({ KeyId }) => ({ key: KeyId, periodDays: null }), empty),
    GetKeyRotationStatus: row(onKey, getKeyRotation, keyOf, rotationStatus),
    RotateKeyOnDemand: row(onKey, rotateSymmetricKey, keyOf, ({ id }) => ({ KeyId: id })),
    ListKeyRotations: row(
      z.object({ KeyId: keyId, ...page(1000), IncludeKeyMaterial: includeKeyMaterial.optional() }),
      listKeyRotations,
      (fields) => keyOf(requireRotationsOnly(withMarkerOf('rotations', fields))),
      ({ id, versions }, fields) => {
        const rotations = versions.filter(({ cause }) => cause.startsWith('rotated'));
        const { items, more } = pageOfWhole('rotations', rotations, fields, rotationName);
        return { Rotations: items.map((version) => rotationEntry(id, version)), ...more };
      },
    ),

    TagResource: row(
      z.object({ KeyId: keyId, Tags: tagList }),
      tagKey,
      ({ KeyId, Tags }) => ({ key: KeyId, tags: tagsOf(Tags) }),
      empty,
    ),
    UntagResource: row(
      z.object({ KeyId: keyId, TagKeys: z.array(z.string()) }),
      untagKey,
      ({ KeyId, TagKeys }) => ({ key: KeyId, tagKeys: TagKeys }),
      empty,
    ),
    ListResourceTags: row(
      z.object({ KeyId: keyId, ...page(50) }),
      listKeyTags,
      (fields) => keyOf(withMarkerOf('tags', fields)),
      ({ tags }, fields) => {
        const sorted = Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
        const { items, more } = pageOfWhole('tags', sorted, fields, ([name]) => name);
        return { Tags: items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })), ...more };
      },
    ),

    GetKeyPolicy: row(
      z.object({ KeyId: keyId, PolicyName: z.string().optional() }),
      getKeyPolicy,
      ({ KeyId, PolicyName }) => ({ key: onlyDefaultPolicy(PolicyName, KeyId) }),
      ({ arn }) => ({ Policy: defaultPolicyDocument(accountOf(arn)), PolicyName: 'default' }),
    ),
    PutKeyPolicy: row(
      z.object({ KeyId: keyId, PolicyName: z.string().optional(), Policy: z.string().min(1).max(131_072) }),
      confirmKeyPolicy,
      ({ KeyId, PolicyName, Policy }) => ({ key: onlyDefaultPolicy(PolicyName, KeyId), document: Policy }),
      empty,
    ),
    ListKeyPolicies: row(z.object({ KeyId: keyId, ...page(1000) }), getKeyPolicy, keyOf, () => ({
      PolicyNames: ['default'],
      Truncated: false,
    })),

    GetParametersForImport: row(
      z.object({
        KeyId: keyId,
        WrappingAlgorithm: importAlgorithm,
        WrappingKeySpec: z.enum(['RSA_2048', 'RSA_3072', 'RSA_4096']),
      }),
      getParametersForImport,
      (fields) => ({
        key: fields.KeyId,
        algorithm: fields.WrappingAlgorithm,
        wrappingKeyBits: WRAPPING_BITS[fields.WrappingKeySpec],
      }),
      ({ arn, importToken, publicKey: spki, expiresAt }) => ({
        KeyId: arn,
        ImportToken: importToken,
        PublicKey: spki,
        ParametersValidTo: epoch(expiresAt),
      }),
    ),
    ImportKeyMaterial: row(
      z.object({
        KeyId: keyId,
        ImportToken: blob,
        EncryptedKeyMaterial: wrappedMaterial,
        ValidTo: epochSeconds.optional(),
        ExpirationModel: z.enum(['KEY_MATERIAL_EXPIRES', 'KEY_MATERIAL_DOES_NOT_EXPIRE']).optional(),
        // Without effect: a key that has had material takes only the same again, whatever it is called.
        ImportType: z.enum(['NEW_KEY_MATERIAL', 'EXISTING_KEY_MATERIAL']).optional(),
      }),
      importKeyMaterial,
      (fields) => ({
        key: fields.KeyId,
        importToken: fields.ImportToken,
        encryptedKeyMaterial: fields.EncryptedKeyMaterial,
        expiresAt: expiryOf(fields.ExpirationModel ?? 'KEY_MATERIAL_EXPIRES', fields.ValidTo),
      }),
      ({ arn }) => ({ KeyId: arn }),
      ['KeyMaterialId', 'KeyMaterialDescription'],
    ),
    DeleteImportedKeyMaterial: row(onKey, deleteImportedKeyMaterial, keyOf, ({ arn }) => ({ KeyId: arn }), [
      'KeyMaterialId',
    ]),
  }),
);

/** What AWS has and we do not: answered by name, so that a caller sees what is missing. */
export const UNSUPPORTED_OPERATIONS: ReadonlySet<string> = new Set([
  'ConnectCustomKeyStore',
  'CreateCustomKeyStore',
  'DeleteCustomKeyStore',
  'DescribeCustomKeyStores',
  'DisconnectCustomKeyStore',
  'UpdateCustomKeyStore',
  'CreateGrant',
  'ListGrants',
  'ListRetirableGrants',
  'RetireGrant',
  'RevokeGrant',
  'ReplicateKey',
  'UpdatePrimaryRegion',
  'GetKeyLastUsage',
]);

const WRAPPING_BITS = { RSA_2048: 2048, RSA_3072: 3072, RSA_4096: 4096 } as const;
const DATA_KEY_BYTES = { AES_256: 32, AES_128: 16 } as const;
const SHA512_BYTES = 64;

interface CreateKeyFields {
  readonly KeySpec?: Spec | undefined;
  readonly CustomerMasterKeySpec?: Spec | undefined;
  readonly KeyUsage?: Usage | undefined;
}

/** AWS has a default for symmetric keys only: an RSA key that encrypts and was to sign would be found out late. */
function specAndUsage(fields: CreateKeyFields): { readonly spec: Spec; readonly usage: Usage } {
  const { KeySpec, CustomerMasterKeySpec, KeyUsage } = fields;
  if (KeySpec !== undefined && CustomerMasterKeySpec !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give `KeySpec` alone: `CustomerMasterKeySpec` is its old name');
  }
  const spec = KeySpec ?? CustomerMasterKeySpec ?? 'AES-256-GCM';
  if (KeyUsage === undefined && spec !== 'AES-256-GCM') {
    throw new ClavigerError('INVALID_ARGUMENT', '`KeyUsage` is needed for every key but symmetric encryption keys');
  }
  return { spec, usage: KeyUsage ?? 'encrypt-decrypt' };
}

function originOf(origin: string): 'claviger' | 'external' {
  if (origin === 'AWS_KMS') return 'claviger';
  if (origin === 'EXTERNAL') return 'external';
  throw new ClavigerError('UNSUPPORTED', `\`Origin\` ${origin} is not supported here: there are no custom key stores`);
}

/** As AWS has it, a key that is pending deletion does not rotate, and comes back to its schedule if it is kept. */
function rotationStatus({ arn, rotation, deletionAt }: KeyInfo): object {
  if (rotation === null || deletionAt !== null) return { KeyId: arn, KeyRotationEnabled: false };
  return {
    KeyId: arn,
    KeyRotationEnabled: true,
    RotationPeriodInDays: rotation.periodDays,
    NextRotationDate: epoch(rotation.nextAt),
  };
}

function requireRotationsOnly<F extends { readonly IncludeKeyMaterial?: string | undefined }>(fields: F): F {
  if (fields.IncludeKeyMaterial !== 'ALL_KEY_MATERIAL') return fields;
  throw new ClavigerError('UNSUPPORTED', '`IncludeKeyMaterial` ALL_KEY_MATERIAL is not supported here');
}

/** Versions in order, as text: there are fewer than 10,000. */
function rotationName({ version }: KeyVersionInfo): string {
  return String(version).padStart(4, '0');
}

function rotationEntry(keyId: string, { cause, createdAt }: KeyVersionInfo): object {
  return {
    KeyId: keyId,
    RotationDate: epoch(createdAt),
    RotationType: cause === 'rotated-by-schedule' ? 'AUTOMATIC' : 'ON_DEMAND',
  };
}

function tagsOf(list: readonly { TagKey: string; TagValue: string }[]): Record<string, string> {
  const tags = new Map(list.map(({ TagKey, TagValue }) => [TagKey, TagValue]));
  if (tags.size < list.length) throw errorOf('Tag', 'a tag key stands in the list twice');
  return Object.fromEntries(tags);
}

function aliasName(name: string): string {
  if (name.startsWith('alias/')) return name.slice('alias/'.length);
  throw errorOf('InvalidAliasName', 'an alias name begins with `alias/`');
}

function onlyDefaultPolicy(name: string | undefined, key: string): string {
  if (name === undefined || name === 'default') return key;
  throw new ClavigerError('NOT_FOUND', 'a key has one policy, named `default`');
}

function dataKeyInput(
  { KeyId, EncryptionContext, KeySpec, NumberOfBytes }: z.output<typeof dataKeyFields>,
  withoutPlaintext: boolean,
): Parameters<typeof generateDataKey.run>[1] {
  if ((KeySpec === undefined) === (NumberOfBytes === undefined)) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give either `KeySpec` or `NumberOfBytes`');
  }
  const bytes = KeySpec === undefined ? NumberOfBytes : DATA_KEY_BYTES[KeySpec];
  return { key: KeyId, context: EncryptionContext, bytes, withoutPlaintext };
}

function pairInput(
  { KeyId, EncryptionContext, KeyPairSpec }: z.output<typeof pairFields>,
  withoutPlaintext: boolean,
): Parameters<typeof generateDataKeyPair.run>[1] {
  return { key: KeyId, context: EncryptionContext, spec: KeyPairSpec, withoutPlaintext };
}

function pairAnswer({ arn, publicKey: spki, privateKeyCiphertext, spec }: PairOutput): object {
  return {
    KeyId: arn,
    PublicKey: spki,
    PrivateKeyCiphertextBlob: privateKeyCiphertext,
    KeyPairSpec: SPECS[spec].aws,
  };
}

type PairOutput = typeof generateDataKeyPair extends Operation<never, infer O> ? O : never;

interface SignFields {
  readonly Message: Uint8Array;
  readonly MessageType?: 'RAW' | 'DIGEST' | 'EXTERNAL_MU' | undefined;
  readonly SigningAlgorithm: SigningAlgorithmName;
}

/** AWS says what a message is by its type; the types are not interchangeable. */
function toSign({ Message, MessageType = 'RAW', SigningAlgorithm }: SignFields): {
  message?: Uint8Array;
  digest?: Uint8Array;
} {
  const types = MESSAGE_TYPES.get(SigningAlgorithm) ?? ['RAW', 'DIGEST'];
  if (!types.includes(MessageType)) {
    const told = `\`${SigningAlgorithm}\` takes \`MessageType\` ${types.join(' or ')}, not ${MessageType}`;
    throw new ClavigerError('INVALID_ARGUMENT', told);
  }
  if (MessageType === 'RAW') return { message: Message };
  // AWS hashes once more what it is sent under Ed25519ph, and who verifies elsewhere does as it says.
  return { digest: SigningAlgorithm === 'ED25519_PH_SHA_512' ? sha512Of(Message) : Message };
}

/** Algorithms that do not take both a message and its digest. */
const MESSAGE_TYPES: ReadonlyMap<SigningAlgorithmName, readonly string[]> = new Map([
  ['ED25519_SHA_512', ['RAW']],
  ['ED25519_PH_SHA_512', ['DIGEST']],
  ['ML_DSA_SHAKE_256', ['RAW', 'EXTERNAL_MU']],
]);

function sha512Of(digest: Uint8Array): Uint8Array {
  if (digest.length === SHA512_BYTES) return hash('sha512', digest, 'buffer');
  throw new ClavigerError('INVALID_ARGUMENT', `\`Message\` has ${digest.length} bytes, a SHA-512 has ${SHA512_BYTES}`);
}

function expiryOf(
  model: 'KEY_MATERIAL_EXPIRES' | 'KEY_MATERIAL_DOES_NOT_EXPIRE',
  validTo: string | undefined,
): string | undefined {
  if ((model === 'KEY_MATERIAL_EXPIRES') === (validTo !== undefined)) return validTo;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    '`ValidTo` goes with the `ExpirationModel` KEY_MATERIAL_EXPIRES, which is the default, and with no other',
  );
}
