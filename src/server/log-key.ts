/**
 * The key that signs the log: Ed25519, made once, sealed under the key of the tenant `system`, which the root key seals.
 *
 * @module
 */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { Ledger } from '../audit/ledger.ts';
import type { LogSigner } from '../audit/note.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError } from '../errors.ts';
import { SYSTEM_TENANT_NAME } from '../model/principal.ts';
import type { Keyring, SealPlace } from '../seal/keyring.ts';
import type { StoreReader } from '../store/contract.ts';

const PLACE: SealPlace = { purpose: 'log-key', tenantId: SYSTEM_TENANT_NAME, id: '', version: 1 };

/** The sealed key of the tenant `system`. */
export async function sealedSystemKey(store: StoreReader): Promise<Uint8Array | null> {
  const kept = await store.setting('system-key');
  return kept === null ? null : Buffer.from(kept, 'base64');
}

export interface LogKeyParts {
  readonly store: StoreReader;
  readonly ledger: Ledger;
  /** Its root key is known to be the store's. */
  readonly keyring: Keyring;
}

/**
 * Opens the log's key; makes it where the store has none, at its first start or because an older release made the store.
 *
 * @param wanted name that checkpoints are signed with; made from the log's id where it is null
 * @throws INVALID_ARGUMENT where the configuration names another origin than the log has; STORE_UNAVAILABLE where there
 * are checkpoints and their key is gone
 */
export async function openLogSigner(parts: LogKeyParts, wanted: string | null): Promise<LogSigner> {
  const { store, keyring } = parts;
  const kept = await store.setting('log-key');
  if (kept === null) return newLogSigner(parts, wanted);
  const origin = (await store.setting('log-origin'))!;
  if (wanted !== null && wanted !== origin) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`audit.origin\` is \`${wanted}\`, but the log of this store was begun as \`${origin}\`, and that never changes: set it to this, or leave it out`,
    );
  }
  using secret = await keyring.open(PLACE, Buffer.from(kept, 'base64'));
  return { origin, key: createPrivateKey({ key: secret.reveal(), format: 'der', type: 'pkcs8' }) };
}

/** Origin, key of the tenant `system` and the log's key below it are kept together, before anything is signed. */
async function newLogSigner({ ledger, keyring }: LogKeyParts, wanted: string | null): Promise<LogSigner> {
  if (ledger.checkpoint !== null) {
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      'the key that the log was signed with is missing from the store: it was changed from outside; restore a backup',
    );
  }
  const origin = wanted ?? `claviger/${ledger.logId}`;
  const systemKey = keyring.newTenantKey(SYSTEM_TENANT_NAME);
  const { privateKey } = generateKeyPairSync('ed25519');
  using secret = new SecretBytes(privateKey.export({ format: 'der', type: 'pkcs8' }));
  const sealed = await keyring.seal(PLACE, secret.reveal());
  await ledger.keep([
    { put: 'setting', name: 'log-origin', value: origin },
    { put: 'setting', name: 'system-key', value: systemKey.toBase64() },
    { put: 'setting', name: 'log-key', value: sealed.toBase64() },
  ]);
  return { origin, key: privateKey };
}
