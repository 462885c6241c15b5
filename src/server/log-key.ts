/**
 * The key that signs the log: Ed25519, made at the first start, sealed under the key of the tenant `system`, which the
 * root key seals.
 *
 * @module
 */
import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import type { LogSigner } from '../audit/note.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError } from '../errors.ts';
import { SYSTEM_TENANT_NAME } from '../model/principal.ts';
import type { Random } from '../ports/random.ts';
import { Keyring, type SealPlace } from '../seal/keyring.ts';
import type { StoreReader } from '../store/contract.ts';

const PLACE: SealPlace = { purpose: 'log-key', tenantId: SYSTEM_TENANT_NAME, id: '', version: 1 };

/**
 * The settings of a new log: its id, its origin, the key of the tenant `system`, and the log's key below it. They are
 * written together, and only where the store has none.
 *
 * @param origin name that checkpoints are signed with; made from the log's id where it is null
 */
export async function newLogSettings(
  root: SecretBytes,
  random: Random,
  origin: string | null,
): Promise<Readonly<Record<string, string>>> {
  const logId = randomUUID();
  // A keyring of its own: what it makes is thrown away where the store has these settings already.
  const keyring = new Keyring(root, random, () => Promise.resolve(null));
  const systemKey = keyring.newTenantKey(SYSTEM_TENANT_NAME);
  const { privateKey } = generateKeyPairSync('ed25519');
  using secret = new SecretBytes(privateKey.export({ format: 'der', type: 'pkcs8' }));
  const sealed = await keyring.seal(PLACE, secret.reveal());
  return {
    'log-id': logId,
    'log-origin': origin ?? `claviger/${logId}`,
    'root-check': keyring.rootCheck().toString('base64'),
    'system-key': systemKey.toBase64(),
    'log-key': sealed.toBase64(),
  };
}

/** The sealed key of the tenant `system`. */
export async function sealedSystemKey(store: StoreReader): Promise<Uint8Array | null> {
  const kept = await store.setting('system-key');
  return kept === null ? null : Buffer.from(kept, 'base64');
}

/**
 * Opens the log's key.
 *
 * @throws INVALID_ARGUMENT where the configuration names another origin than the log has
 */
export async function openLogSigner(store: StoreReader, keyring: Keyring, wanted: string | null): Promise<LogSigner> {
  const origin = await store.setting('log-origin');
  if (wanted !== null && wanted !== origin) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`audit.origin\` is \`${wanted}\`, but the log of this store was begun as \`${origin}\`, and that never changes: set it to this, or leave it out`,
    );
  }
  const sealed = Buffer.from((await store.setting('log-key')) ?? '', 'base64');
  using secret = await keyring.open(PLACE, sealed);
  return { origin: origin!, key: createPrivateKey({ key: secret.reveal(), format: 'der', type: 'pkcs8' }) };
}
