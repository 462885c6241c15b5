/**
 * encrypt: under a symmetric key, a ciphertext blob bound to its encryption context; under an RSA key, OAEP with the
 * public key.
 *
 * @module
 */
import { oaepEncrypt } from '../crypto/oaep.ts';
import { blobAad, encodeHeader } from '../envelope/ciphertext.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError } from '../errors.ts';
import type { EncryptionAlgorithmName } from '../model/algorithm.ts';
import type { Key, KeyVersion, KeyWithVersions } from '../model/key.ts';
import { algorithmFor, madeBy, requireInputBytes, type MadeBy } from './crypto-input.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import { sealAtHomes } from './wrapped.ts';

export interface PlaintextInput {
  /** At most 4,096 bytes; under an RSA key less, by its size and hash. */
  readonly plaintext: Uint8Array;
  readonly context?: EncryptionContext | undefined;
  readonly algorithm?: EncryptionAlgorithmName | undefined;
}

export interface EncryptInput extends PlaintextInput {
  readonly key: string;
}

export interface EncryptOutput extends MadeBy {
  readonly algorithm: EncryptionAlgorithmName;
  readonly ciphertext: Uint8Array;
}

export const encrypt: Operation<EncryptInput, EncryptOutput> = {
  name: 'Encrypt',
  async run(scope, input) {
    const use = { usage: 'encrypt-decrypt', kind: 'protect', context: input.context ?? NO_CONTEXT } as const;
    const found = await scope.useKey(input.key, use);
    return { output: await encryptUnder(scope, found, input) };
  },
};

/** Encrypts under the primary version of a key whose use was checked. */
export async function encryptUnder(
  scope: Scope,
  found: KeyWithVersions,
  { plaintext, context = NO_CONTEXT, algorithm: named }: PlaintextInput,
): Promise<EncryptOutput> {
  const { key } = found;
  requireInputBytes('plaintext', plaintext);
  const algorithm = algorithmFor<EncryptionAlgorithmName>(scope, key, named);
  const version = scope.primary(found);
  // A public key needs no home, and what is protected by it would not open.
  if (key.spec !== 'AES-256-GCM') scope.requireUnrefused(key, version);
  requireContextFits(key, context);
  const ciphertext =
    key.spec === 'AES-256-GCM'
      ? await sealBlob(scope, found, version, plaintext, context)
      : oaepEncrypt(publicKeyOf(version), key.spec, algorithm, plaintext);
  scope.note({ keyVersion: version.version });
  return { ...(await madeBy(scope, key, version)), algorithm, ciphertext };
}

/** The ciphertext blob of spec/ciphertext.md. */
export async function sealBlob(
  scope: Scope,
  found: KeyWithVersions,
  version: KeyVersion,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Promise<Buffer> {
  if (found.key.homes !== null) return sealAtHomes(scope, found, version, plaintext, context);
  const handle = await scope.handle(found, version);
  const { header, aad } = frameOf(found.key, version);
  return handle.aead!.seal(plaintext, isEmpty(context) ? aad : blobAad(header, context), header);
}

/** What every blob of a version begins with, and what it is bound to without a context: made once for each version. */
function frameOf({ tenantId, id: keyId }: Key, version: KeyVersion): { readonly header: Buffer; readonly aad: Buffer } {
  const known = frames.get(version);
  if (known !== undefined) return known;
  const header = encodeHeader({ kind: 'direct', tenantId, keyId, keyVersion: version.version });
  const frame = { header, aad: blobAad(header, NO_CONTEXT) };
  frames.set(version, frame);
  return frame;
}

const frames = new WeakMap<KeyVersion, { readonly header: Buffer; readonly aad: Buffer }>();

function isEmpty(context: EncryptionContext): boolean {
  for (const _ in context) return false;
  return true;
}

/** @throws INVALID_ARGUMENT for a context under an RSA key, which could not be bound to the ciphertext */
export function requireContextFits(key: Key, context: EncryptionContext): void {
  if (key.spec === 'AES-256-GCM' || Object.keys(context).length === 0) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `key ${key.id} of spec \`${key.spec}\` takes no encryption context: only symmetric keys bind one`,
  );
}

/** The public key of a version of an asymmetric key: SPKI DER. */
export function publicKeyOf({ publicKey }: KeyVersion): Uint8Array {
  if (publicKey === null) throw new ClavigerError('INTERNAL', 'an asymmetric key version has no public key');
  return publicKey;
}
