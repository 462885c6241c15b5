/**
 * decrypt: opens what encrypt, generateDataKey and generateDataKeyPair made.
 *
 * A blob names its key, which is believed only once it has opened. What names no key of the caller's tenant gives the
 * same answer as noise.
 *
 * @module
 */
import { blobAad, parseBlob, type ParsedBlob } from '../envelope/ciphertext.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import type { EncryptionAlgorithmName } from '../model/algorithm.ts';
import type { KeyVersion, KeyWithVersions } from '../model/key.ts';
import { entity } from '../store/change.ts';
import { algorithmFor, madeBy, type MadeBy } from './crypto-input.ts';
import { requireContextFits } from './encrypt.ts';
import { handleOf } from './handles.ts';
import type { Operation } from './operation.ts';
import type { Scope, Use } from './scope.ts';
import { openAtHomes } from './wrapped.ts';

export interface CiphertextInput {
  readonly ciphertext: Uint8Array;
  readonly context?: EncryptionContext | undefined;
  readonly algorithm?: EncryptionAlgorithmName | undefined;
  /** For RSA ciphertexts, which name no version; without it the usable ones are tried, newest first. */
  readonly keyVersion?: number | undefined;
}

export interface DecryptInput extends CiphertextInput {
  /** May be left out for a ciphertext blob, which names its key. */
  readonly key?: string | undefined;
}

export interface DecryptOutput extends MadeBy {
  readonly algorithm: EncryptionAlgorithmName;
  readonly plaintext: Uint8Array;
}

export const decrypt: Operation<DecryptInput, DecryptOutput> = {
  name: 'Decrypt',
  async run(scope, input) {
    const found = await keyToOpen(scope, input);
    return { output: await decryptUnder(scope, found, input) };
  },
};

/** The key of a ciphertext, named by the caller or by the blob, with its use checked. */
export async function keyToOpen(
  scope: Scope,
  { key: name, ciphertext, context }: DecryptInput,
): Promise<KeyWithVersions> {
  const use: Use = { usage: 'encrypt-decrypt', kind: 'process', context: context ?? NO_CONTEXT };
  if (name !== undefined) return scope.useKey(name, use);
  const found = await ownKeyOf(scope, parseBlob(ciphertext));
  scope.note({ keyId: found.key.id });
  scope.checkUse(found.key, use);
  return found;
}

/** Opens a ciphertext under a key whose use was checked. */
export async function decryptUnder(
  scope: Scope,
  found: KeyWithVersions,
  input: CiphertextInput,
): Promise<DecryptOutput & { readonly plaintext: Buffer }> {
  const { key } = found;
  const algorithm = algorithmFor<EncryptionAlgorithmName>(scope, key, input.algorithm);
  requireContextFits(key, input.context ?? NO_CONTEXT);
  const { plaintext, version } =
    key.spec === 'AES-256-GCM' ? await openBlob(scope, found, input) : await openRsa(scope, found, algorithm, input);
  return { ...(await madeBy(scope, key, version)), algorithm, plaintext };
}

interface Opened {
  readonly plaintext: Buffer;
  readonly version: KeyVersion;
}

async function openBlob(scope: Scope, found: KeyWithVersions, input: CiphertextInput): Promise<Opened> {
  const { ciphertext, context = NO_CONTEXT, keyVersion } = input;
  const { blob, version } = await versionOfBlob(scope, found, ciphertext, keyVersion);
  if (blob.kind === 'wrapped') {
    if (found.key.homes === null) throw invalidCiphertext();
    return { plaintext: await openAtHomes(scope, found, version, blob, context), version };
  }
  // What was encrypted before the key had other homes than the built-in keystore, which still has its material.
  const handle = await scope.handle(found, version);
  return { plaintext: handle.aead!.open(blob.sealed, blobAad(blob.header, context)), version };
}

/** A blob with the version that made it, which may be used. */
export async function versionOfBlob(
  scope: Scope,
  found: KeyWithVersions,
  ciphertext: Uint8Array,
  keyVersion?: number,
): Promise<{ readonly blob: ParsedBlob; readonly version: KeyVersion }> {
  const blob = parseBlob(ciphertext);
  if (blob.keyId !== found.key.id) {
    const other = await ownKeyOf(scope, blob);
    throw new ClavigerError('INCORRECT_KEY', `the ciphertext was made under another key, ${other.key.id}`);
  }
  const version = found.versions.find((candidate) => candidate.version === blob.keyVersion);
  const wrong = version === undefined || (keyVersion !== undefined && keyVersion !== blob.keyVersion);
  if (wrong || blob.tenantId !== found.key.tenantId) throw invalidCiphertext();
  scope.requireVersionUsable(found.key, version);
  return { blob, version };
}

/** Raw RSA ciphertexts name no version: each candidate is tried, and there is one answer for every failure. */
async function openRsa(
  scope: Scope,
  found: KeyWithVersions,
  algorithm: EncryptionAlgorithmName,
  { ciphertext, keyVersion }: CiphertextInput,
): Promise<Opened> {
  for (const version of scope.candidates(found, keyVersion)) {
    const handle = await handleOf(scope, found, version);
    try {
      return { plaintext: await handle.decrypt!(algorithm, ciphertext), version };
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code !== 'INVALID_CIPHERTEXT') throw error;
    }
  }
  throw invalidCiphertext();
}

/** @throws INVALID_CIPHERTEXT where the blob names no key of the caller's tenant */
async function ownKeyOf(scope: Scope, blob: ParsedBlob): Promise<KeyWithVersions> {
  if (blob.tenantId !== scope.principal.tenantId) throw invalidCiphertext();
  scope.read.push(entity.key(blob.keyId));
  const found = await scope.services.cache.key(blob.keyId);
  if (found === null || found.key.tenantId !== scope.principal.tenantId) throw invalidCiphertext();
  return found;
}
