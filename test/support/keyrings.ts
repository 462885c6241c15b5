/**
 * Requests to keyrings, for tests.
 *
 * @module
 */
import type { EncryptionContext } from '../../src/model/encryption-context.ts';
import type { EncryptedDataKey, Keyring, UnwrapRequest, WrapRequest } from '../../src/envelope/keyring.ts';

/** The suite that messages are written with. */
export const SUITE_ID = 0x0478;
export const CONTEXT: EncryptionContext = { tenant: 'a', purpose: 'test', Größe: 'klein' };

export function wrapRequest(more: Partial<WrapRequest> = {}): WrapRequest {
  const { signal } = new AbortController();
  return { bytes: 32, suiteId: SUITE_ID, context: CONTEXT, plaintextBytes: 100, signal, ...more };
}

export function unwrapRequest(
  encryptedDataKeys: readonly EncryptedDataKey[],
  more: Partial<UnwrapRequest> = {},
): UnwrapRequest {
  const { signal } = new AbortController();
  return { bytes: 32, suiteId: SUITE_ID, context: CONTEXT, encryptedDataKeys, signal, ...more };
}

/** A data key that was wrapped, as hexadecimal, and its wraps. */
export async function wrapped(
  keyring: Keyring,
  more: Partial<WrapRequest> = {},
): Promise<{ readonly hex: string; readonly entries: readonly EncryptedDataKey[]; readonly missing: string[] }> {
  const { dataKey, encryptedDataKeys, missing } = await keyring.wrap(wrapRequest(more));
  using key = dataKey;
  return { hex: key.reveal().toString('hex'), entries: encryptedDataKeys, missing: missing.map(({ home }) => home) };
}

/** What wraps open to, as hexadecimal. */
export async function opened(
  keyring: Keyring,
  entries: readonly EncryptedDataKey[],
  more: Partial<UnwrapRequest> = {},
): Promise<string> {
  const { dataKey } = await keyring.unwrap(unwrapRequest(entries, more));
  using key = dataKey;
  return key.reveal().toString('hex');
}

export function textOf({ providerInfo }: EncryptedDataKey): string {
  return Buffer.from(providerInfo).toString();
}

/** An entry with one bit of its ciphertext changed. */
export function changed(entry: EncryptedDataKey): EncryptedDataKey {
  const ciphertext = Buffer.from(entry.ciphertext);
  ciphertext[ciphertext.length - 1]! ^= 1;
  return { ...entry, ciphertext };
}
