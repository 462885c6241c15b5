/**
 * The beginning of a message, written and read: from a keyring's data key to the key of the body. What is done with the
 * body, at once or as a stream, is done elsewhere.
 *
 * @module
 */
import { gcm } from '../../crypto/gcm.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { NO_CONTEXT, type EncryptionContext } from '../../model/encryption-context.ts';
import type { Random } from '../../ports/random.ts';
import type { Keyring } from '../keyring.ts';
import { encodeMessageContext, PUBLIC_KEY_NAME, requireCallersContext } from './context.ts';
import { MessageDecryptor } from './decryptor.ts';
import { MessageEncryptor } from './encryptor.ts';
import { encodeHeader, MESSAGE_ID_BYTES, type MessageHeader, type ParsedHeader } from './header.ts';
import { headerTag, messageKeys, openHeader } from './keys.ts';
import { FRAME_BYTES_MAX } from './limits.ts';
import { requireMayDecrypt, requireMayEncrypt, type CommitmentPolicy } from './policy.ts';
import { SignatureCheck } from './signature.ts';
import { COMMITTING_SUITE } from './suites.ts';

/** What all messages of an envelope have in common. */
export interface Terms {
  readonly keyring: Keyring;
  readonly commitmentPolicy: CommitmentPolicy;
  /** Names that every context has, and that are not stored. */
  readonly requiredContext: readonly string[];
  readonly encryptedDataKeysMax: number;
  readonly random: Random;
}

export interface BegunMessage {
  readonly header: MessageHeader;
  /** The header as it stands in the message. */
  readonly pieces: readonly Buffer[];
  readonly encryptor: MessageEncryptor;
  readonly missingHomes: readonly string[];
}

export interface OpenedMessage {
  readonly header: MessageHeader;
  readonly decryptor: MessageDecryptor;
}

/**
 * Has a data key made, and the header that carries it.
 *
 * @param plaintextBytes that will come; null where nobody knows
 * @throws INVALID_ARGUMENT, UNSUPPORTED, LIMIT_EXCEEDED, and what the keyring refuses with
 */
export async function beginMessage(
  terms: Terms,
  given: EncryptionContext | undefined,
  frameBytes: number,
  plaintextBytes: number | null,
  signal: AbortSignal,
): Promise<BegunMessage> {
  requireMayEncrypt(terms.commitmentPolicy);
  requireFrameBytes(frameBytes);
  const context = requireCallersContext(given ?? NO_CONTEXT);
  requireNames(terms.requiredContext, context);
  const { dataKey, encryptedDataKeys, missing } = await terms.keyring.wrap({
    bytes: COMMITTING_SUITE.keyBytes,
    suiteId: COMMITTING_SUITE.id,
    context,
    plaintextBytes,
    signal,
  });
  using secret = dataKey;
  requireCount(encryptedDataKeys.length, terms.encryptedDataKeysMax);
  if (secret.length !== COMMITTING_SUITE.keyBytes) {
    throw new ClavigerError('INTERNAL', `the keyring gave a data key of ${secret.length} bytes`);
  }
  const messageId = terms.random.bytes(MESSAGE_ID_BYTES);
  const { key, commitment } = messageKeys(COMMITTING_SUITE, secret.reveal(), messageId);
  const encryption = gcm.encryption(COMMITTING_SUITE.cipher, key);
  try {
    const { stored, authenticated } = divided(context, terms.requiredContext);
    const { header, body } = encodeHeader(messageId, stored, encryptedDataKeys, frameBytes, commitment);
    const tag = headerTag(encryption, body, encodeMessageContext(authenticated));
    const missingHomes = missing.map(({ home }) => home);
    return { header, pieces: [body, tag], encryptor: new MessageEncryptor(header, encryption), missingHomes };
  } catch (error) {
    encryption[Symbol.dispose]();
    throw error;
  }
}

/**
 * Gets the data key of a message, and verifies its header.
 *
 * @param given pairs that the message must have; what is not stored is authenticated
 * @throws INVALID_ARGUMENT, UNSUPPORTED, INVALID_CIPHERTEXT, and what the keyring refuses with
 */
export async function openMessage(
  terms: Terms,
  parsed: ParsedHeader,
  given: EncryptionContext | undefined,
  signal: AbortSignal,
): Promise<OpenedMessage> {
  const { header } = parsed;
  const { suite } = header;
  requireMayDecrypt(terms.commitmentPolicy, suite);
  const expected = requireCallersContext(given ?? NO_CONTEXT);
  requireNames(terms.requiredContext, expected);
  const { context, authenticated } = joined(header.context, expected);
  if (suite.signature === null && Object.hasOwn(header.context, PUBLIC_KEY_NAME)) throw invalidCiphertext();
  const signature = suite.signature === null ? null : new SignatureCheck(suite.signature, header.context);
  const { dataKey } = await terms.keyring.unwrap({
    bytes: suite.keyBytes,
    suiteId: suite.id,
    context,
    encryptedDataKeys: header.encryptedDataKeys,
    signal,
  });
  using secret = dataKey;
  const decryption = openHeader(parsed, secret.reveal(), encodeMessageContext(authenticated));
  if (signature !== null) {
    signature.update(parsed.body);
    if (header.formatVersion === 1) signature.update(parsed.iv);
    signature.update(parsed.tag);
  }
  return { header, decryptor: new MessageDecryptor(header, decryption, signature) };
}

/** What stands in the header, and what is only authenticated. */
function divided(
  context: EncryptionContext,
  required: readonly string[],
): { readonly stored: EncryptionContext; readonly authenticated: EncryptionContext } {
  if (required.length === 0) return { stored: context, authenticated: NO_CONTEXT };
  const pairs = Object.entries(context);
  return {
    stored: Object.fromEntries(pairs.filter(([name]) => !required.includes(name))),
    authenticated: Object.fromEntries(pairs.filter(([name]) => required.includes(name))),
  };
}

/** The context that the message was made with, if it was made with what its reader expects. */
function joined(
  stored: EncryptionContext,
  expected: EncryptionContext,
): { readonly context: EncryptionContext; readonly authenticated: EncryptionContext } {
  const pairs = Object.entries(expected);
  if (pairs.length === 0) return { context: stored, authenticated: NO_CONTEXT };
  for (const [name, value] of pairs) {
    if (Object.hasOwn(stored, name) && stored[name] !== value) throw invalidCiphertext();
  }
  const others = pairs.filter(([name]) => !Object.hasOwn(stored, name));
  if (others.length === 0) return { context: stored, authenticated: NO_CONTEXT };
  const authenticated = Object.fromEntries(others);
  return { context: { ...stored, ...authenticated }, authenticated };
}

function requireNames(names: readonly string[], context: EncryptionContext): void {
  for (const name of names) {
    if (Object.hasOwn(context, name)) continue;
    throw new ClavigerError('INVALID_ARGUMENT', `the encryption context lacks \`${name}\`, which is required: give it`);
  }
}

function requireFrameBytes(frameBytes: number): void {
  if (Number.isSafeInteger(frameBytes) && frameBytes >= 1 && frameBytes <= FRAME_BYTES_MAX) return;
  throw new ClavigerError('INVALID_ARGUMENT', `a frame has 1 to ${FRAME_BYTES_MAX} bytes, not ${frameBytes}`);
}

function requireCount(count: number, max: number): void {
  if (count >= 1 && count <= max) return;
  throw new ClavigerError(
    'LIMIT_EXCEEDED',
    `a message has 1 to ${max} encrypted data keys, not ${count}: use fewer homes, or raise \`encryptedDataKeysMax\``,
  );
}
