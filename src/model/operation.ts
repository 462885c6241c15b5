/**
 * The name of every operation: the action in policies, the operation in the audit record.
 *
 * The three groups are the action groups of the Cedar schema; a role is given groups, or single names.
 *
 * @module
 */

/** Operations that use key material. */
export const USE_OPERATIONS = [
  'Encrypt',
  'Decrypt',
  'ReEncrypt',
  'GenerateDataKey',
  'GenerateDataKeyPair',
  'Sign',
  'Verify',
  'GenerateMac',
  'VerifyMac',
  'DeriveSharedSecret',
  'Encapsulate',
  'Decapsulate',
  'Rewrap',
  'GenerateRandom',
] as const;

/** Batch → the operation whose right each of its items needs. */
export const BATCH_OPERATIONS = {
  EncryptBatch: 'Encrypt',
  DecryptBatch: 'Decrypt',
  SignBatch: 'Sign',
  VerifyBatch: 'Verify',
} as const;

/** Operations that change keys, aliases and tags. */
export const MANAGE_OPERATIONS = [
  'CreateKey',
  'UpdateKey',
  'ActivateKey',
  'EnableKey',
  'DisableKey',
  'DeactivateKey',
  'CompromiseKey',
  'ScheduleKeyDeletion',
  'CancelKeyDeletion',
  'RotateKey',
  'SetKeyRotation',
  'CreateAlias',
  'UpdateAlias',
  'DeleteAlias',
  'TagKey',
  'UntagKey',
  'GetParametersForImport',
  'ImportKeyMaterial',
  'DeleteImportedKeyMaterial',
  'ConfirmKeyPolicy',
  'AddKeyBacking',
  'RemoveKeyBacking',
  'RepairKeyBackings',
] as const;

/** Operations that read what is not secret. */
export const READ_OPERATIONS = [
  'DescribeKey',
  'ListKeys',
  'ListAliases',
  'ListKeyTags',
  'GetPublicKey',
  'GetKeyRotation',
  'ListKeyRotations',
  'GetKeyPolicy',
] as const;

/** Operations on who may do what, and on the log. */
export const GOVERN_OPERATIONS = [
  'SetKeyPolicy',
  'CreateToken',
  'ListTokens',
  'RevokeToken',
  'CreateTenant',
  'ListTenants',
  'ListAuditRecords',
  'ListAlerts',
  'TestAlerts',
  'ReadAuditTree',
  'ExportAuditEntries',
  'GetAuditReceipt',
  'RedactAuditRecords',
  'ExplainPolicy',
  'GetHealth',
  'GetMetrics',
  'ClearProvider',
] as const;

/** What only the service's own jobs do. */
export const JOB_OPERATIONS = [
  'DestroyKey',
  'ExpireKeyMaterial',
  'RotateDueKey',
  'NoteHomeRefusal',
  'ConfigureAuditSinks',
] as const;

/** Not an operation: the right, which no built-in role gives, to process with a compromised key. */
export const USE_COMPROMISED = 'UseCompromisedKey';

/** Not an operation: the right to take a native key, which is there already, for a key of one's own. */
export const ADOPT_NATIVE_KEY = 'AdoptNativeKey';

/** What policies decide on. */
export type PolicyAction =
  Exclude<OperationName, keyof typeof BATCH_OPERATIONS> | typeof USE_COMPROMISED | typeof ADOPT_NATIVE_KEY;

export type OperationName =
  | (typeof USE_OPERATIONS)[number]
  | keyof typeof BATCH_OPERATIONS
  | (typeof MANAGE_OPERATIONS)[number]
  | (typeof READ_OPERATIONS)[number]
  | (typeof GOVERN_OPERATIONS)[number]
  | (typeof JOB_OPERATIONS)[number];

const OPERATION_NAMES: ReadonlySet<string> = new Set<OperationName>([
  ...USE_OPERATIONS,
  ...(Object.keys(BATCH_OPERATIONS) as (keyof typeof BATCH_OPERATIONS)[]),
  ...MANAGE_OPERATIONS,
  ...READ_OPERATIONS,
  ...GOVERN_OPERATIONS,
  ...JOB_OPERATIONS,
]);

export function isOperationName(name: string): name is OperationName {
  return OPERATION_NAMES.has(name);
}

/** The action that policies decide on for an operation: a batch needs the right of what it does many times. */
export function policyAction(name: OperationName): PolicyAction {
  return name in BATCH_OPERATIONS ? BATCH_OPERATIONS[name as keyof typeof BATCH_OPERATIONS] : (name as PolicyAction);
}
