/**
 * Every operation that a caller can ask for, by the name that the library, the client and the REST API give it.
 *
 * @module
 */
import { activateKey } from './activate-key.ts';
import { listAlerts, testAlerts } from './alerts.ts';
import { getAuditEntries, getAuditOpenings } from './audit-entries.ts';
import { getAuditReceipt } from './audit-receipt.ts';
import {
  getAuditCheckpoint,
  getAuditLogKey,
  getAuditTile,
  listAuditCheckpoints,
  proveAuditConsistency,
  proveAuditInclusion,
} from './audit-tree.ts';
import { createAlias, deleteAlias, listAliases, updateAlias } from './aliases.ts';
import { decryptBatch, encryptBatch, signBatch, verifyBatch } from './batch.ts';
import { cancelKeyDeletion } from './cancel-key-deletion.ts';
import { clearProvider } from './clear-provider.ts';
import { compromiseKey } from './compromise-key.ts';
import { createKey } from './create-key.ts';
import { deactivateKey } from './deactivate-key.ts';
import { decrypt } from './decrypt.ts';
import { describeKey } from './describe-key.ts';
import { disableKey } from './disable-key.ts';
import { enableKey } from './enable-key.ts';
import { encrypt } from './encrypt.ts';
import { generateDataKeyPair } from './generate-data-key-pair.ts';
import { generateDataKey } from './generate-data-key.ts';
import { generateRandom } from './generate-random.ts';
import { getHealth } from './get-health.ts';
import { getMetrics } from './get-metrics.ts';
import { getPublicKey } from './get-public-key.ts';
import { addKeyBacking, removeKeyBacking, repairKeyBackings } from './key-backings.ts';
import { deleteImportedKeyMaterial, getParametersForImport, importKeyMaterial } from './import-key.ts';
import { decapsulate, deriveSharedSecret, encapsulate } from './key-agreement.ts';
import { explainPolicy, getKeyPolicy, setKeyPolicy } from './key-policy.ts';
import { listAuditRecords } from './list-audit-records.ts';
import { listKeys } from './list-keys.ts';
import { generateMac, verifyMac } from './mac.ts';
import type { Operation } from './operation.ts';
import { redactAuditRecords } from './redact-audit-records.ts';
import { reEncrypt } from './re-encrypt.ts';
import { rewrap } from './rewrap.ts';
import { rotateKey } from './rotate-key.ts';
import { scheduleKeyDeletion } from './schedule-key-deletion.ts';
import { setKeyRotation } from './set-key-rotation.ts';
import { sign } from './sign.ts';
import { tagKey, untagKey } from './tag-key.ts';
import { createTenant, listTenants } from './tenants.ts';
import { createToken, listTokens, revokeToken } from './tokens.ts';
import { updateKey } from './update-key.ts';
import { verify } from './verify.ts';

export const OPERATIONS = {
  createKey,
  listKeys,
  describeKey,
  updateKey,
  getPublicKey,
  getKeyPolicy,
  setKeyPolicy,
  encrypt,
  decrypt,
  reEncrypt,
  generateDataKey,
  generateDataKeyPair,
  sign,
  verify,
  generateMac,
  verifyMac,
  deriveSharedSecret,
  encapsulate,
  decapsulate,
  encryptBatch,
  decryptBatch,
  signBatch,
  verifyBatch,
  rewrap,
  addKeyBacking,
  removeKeyBacking,
  repairKeyBackings,
  rotateKey,
  setKeyRotation,
  activateKey,
  enableKey,
  disableKey,
  deactivateKey,
  compromiseKey,
  scheduleKeyDeletion,
  cancelKeyDeletion,
  tagKey,
  untagKey,
  getParametersForImport,
  importKeyMaterial,
  deleteImportedKeyMaterial,
  createAlias,
  listAliases,
  updateAlias,
  deleteAlias,
  createToken,
  listTokens,
  revokeToken,
  createTenant,
  listTenants,
  generateRandom,
  listAuditRecords,
  listAlerts,
  testAlerts,
  getAuditLogKey,
  getAuditCheckpoint,
  listAuditCheckpoints,
  getAuditTile,
  getAuditEntries,
  getAuditOpenings,
  proveAuditInclusion,
  proveAuditConsistency,
  getAuditReceipt,
  redactAuditRecords,
  explainPolicy,
  getHealth,
  clearProvider,
  getMetrics,
} as const;

type Operations = typeof OPERATIONS;

/** The operations as methods: what the in-process service and the REST client both are. */
export type ClavigerApi = {
  readonly [Name in keyof Operations]: Operations[Name] extends Operation<infer I, infer O>
    ? Record<string, never> extends I
      ? (input?: I) => Promise<O>
      : (input: I) => Promise<O>
    : never;
};

export type OperationKey = keyof ClavigerApi;
export const OPERATION_KEYS = Object.keys(OPERATIONS) as readonly OperationKey[];
