/**
 * The KMS operations that are answered, one row each: what is read, which operation runs, what is sent.
 *
 * @module
 */
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
import { SPECS } from '../../model/spec.ts';
import {
  blob,
  encryptionAlgorithm,
  encryptionContext,
  epochSeconds,
  grantTokens,
  importAlgorithm,
  keyId,
  keyPairSpec,
  keySpec,
  keyUsage,
  macAlgorithm,
  numberOfBytes,
  page,
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
const tagList = z.array(z.object({ TagKey: z.string(), TagValue: z.string() })).max(50);

export const AWS_OPERATIONS: ReadonlyMap<string, AwsOperation> = new Map(
  Object.entries({
    CreateKey: row(
      z.object({
        KeySpec: keySpec.optional(),
        CustomerMasterKeySpec: keySpec.optional(),
        KeyUsage: keyUsage.optional(),
        Description: z.string().max(8192).optional(),
        Origin: z.enum(['AWS_KMS', 'EXTERNAL']).optional(),
        Policy: z.string().min(1).max(131_072).optional(),
        Tags: tagList.optional(),
      }),
      createKey,
      (fields) => ({
        spec: fields.KeySpec ?? fields.CustomerMasterKeySpec ?? 'AES-256-GCM',
        usage: fields.KeyUsage ?? 'encrypt-decrypt',
        description: fields.Description,
        origin: fields.Origin === 'EXTERNAL' ? ('external' as const) : ('claviger' as const),
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
      z.object({ KeyId: keyId, PendingWindowInDays: z.int().min(1).max(365).optional() }),
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
      ['Recipient'],
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
    GetKeyRotationStatus: row(onKey, getKeyRotation, keyOf, ({ arn, rotation }) => ({
      KeyId: arn,
      KeyRotationEnabled: rotation !== null,
      ...(rotation === null
        ? {}
        : { RotationPeriodInDays: rotation.periodDays, NextRotationDate: epoch(rotation.nextAt) }),
    })),
    RotateKeyOnDemand: row(onKey, rotateSymmetricKey, keyOf, ({ id }) => ({ KeyId: id })),
    ListKeyRotations: row(
      z.object({ KeyId: keyId, ...page(1000) }),
      listKeyRotations,
      keyOf,
      ({ id, versions }) => ({
        Rotations: versions
          .filter(({ cause }) => cause.startsWith('rotated'))
          .map(({ cause, createdAt }) => ({
            KeyId: id,
            RotationDate: epoch(createdAt),
            RotationType: cause === 'rotated-by-schedule' ? 'AUTOMATIC' : 'ON_DEMAND',
          })),
        Truncated: false,
      }),
      ['IncludeKeyMaterial'],
    ),

    TagResource: row(
      z.object({ KeyId: keyId, Tags: tagList }),
      tagKey,
      ({ KeyId, Tags }) => ({ key: KeyId, tags: tagsOf(Tags) }),
      empty,
    ),
    UntagResource: row(
      z.object({ KeyId: keyId, TagKeys: z.array(z.string()).max(50) }),
      untagKey,
      ({ KeyId, TagKeys }) => ({ key: KeyId, tagKeys: TagKeys }),
      empty,
    ),
    ListResourceTags: row(z.object({ KeyId: keyId, ...page(50) }), listKeyTags, keyOf, ({ tags }) => ({
      Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      Truncated: false,
    })),

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
        ImportType: z.literal('EXISTING_KEY_MATERIAL').optional(),
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

function truncated(nextCursor: string | null): object {
  return nextCursor === null ? { Truncated: false } : { Truncated: true, NextMarker: nextCursor };
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
  readonly SigningAlgorithm: string;
}

/** AWS says what a message is by its type; the types are not interchangeable. */
function toSign({ Message, MessageType = 'RAW', SigningAlgorithm }: SignFields): {
  message?: Uint8Array;
  digest?: Uint8Array;
} {
  const mlDsa = SigningAlgorithm === 'ML_DSA_SHAKE_256';
  if (MessageType === 'RAW') return { message: Message };
  if (mlDsa !== (MessageType === 'EXTERNAL_MU')) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${SigningAlgorithm}\` takes no message of type \`${MessageType}\``);
  }
  return { digest: Message };
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
