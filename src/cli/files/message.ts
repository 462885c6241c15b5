/**
 * Files of any size as messages of the AWS Encryption SDK, streamed: under keys of the server, from a source to a target.
 *
 * @module
 */
import { systemRandom } from '../../crypto/random.ts';
import { Envelope } from '../../envelope/envelope.ts';
import type { CommitmentPolicy, Keyring, MessageHeader } from '../../envelope/index.ts';
import type { KeyService } from '../../envelope/key-service.ts';
import { clavigerKeyring } from '../../envelope/keyrings/claviger.ts';
import { discoveryKeyring } from '../../envelope/keyrings/discovery.ts';
import { beginMessage, openMessage, type Terms } from '../../envelope/message/begin.ts';
import { ENCRYPTED_DATA_KEYS_MAX, FRAME_BYTES, LARGE_BYTES } from '../../envelope/message/limits.ts';
import { Decryption, Encryption } from '../../envelope/message/passage.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { pump, type Pumped } from './pump.ts';
import { remembering } from './remembering.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';

const MIB = 1024 * 1024;
/** A frame costs some µs whatever its length, and a reader holds a whole one. */
const LARGE_FRAME_BYTES = MIB;
/** Ciphertext waits until there is enough for one call of the cipher, 64 KiB; this is more than that. */
export const DECRYPTION_KEEPS_BYTES = MIB;

export interface EncryptRequest {
  readonly service: KeyService;
  /** Ids, ARNs or aliases; each of them opens the message. */
  readonly keys: readonly string[];
  readonly context: EncryptionContext;
  /** Names of pairs that are authenticated only. */
  readonly requiredContext: readonly string[];
  /** Chosen by the length of the source where it is not given. */
  readonly frameBytes?: number | undefined;
  readonly onBytes: (bytes: number) => void;
}

export interface DecryptRequest {
  readonly service: KeyService;
  /** Any key of the service that the caller may use, where it is empty. */
  readonly keys: readonly string[];
  /** Pairs that the message must have. */
  readonly context: EncryptionContext;
  readonly commitmentPolicy?: CommitmentPolicy | undefined;
  readonly onBytes: (bytes: number) => void;
}

export interface Transferred extends Pumped {
  readonly header: MessageHeader;
}

/** Encrypts the whole of a source; the target is not finished yet. */
export async function encryptTo(
  source: Source,
  target: Target,
  request: EncryptRequest,
): Promise<Transferred & { readonly missingHomes: readonly string[] }> {
  const { keys, context, requiredContext, onBytes, frameBytes = frameBytesOf(source.bytes) } = request;
  const { service, reasonOf } = remembering(request.service);
  const making = encryption({ service, keys, context, requiredContext, frameBytes });
  try {
    const pumped = await pump(source, [making], frameBytes, target, onBytes);
    return { ...pumped, header: await making.header, missingHomes: await making.missingHomes };
  } catch (error) {
    throw reasonOf(error);
  }
}

/** Decrypts the whole of a source; the target is not finished yet, and may hold plaintext where this throws. */
export async function decryptTo(source: Source, target: Target, request: DecryptRequest): Promise<Transferred> {
  const { service, reasonOf } = remembering(request.service);
  const opening = decryption({ ...request, service });
  try {
    const pumped = await pump(source, [opening], DECRYPTION_KEEPS_BYTES, target, request.onBytes);
    return { ...pumped, header: await opening.header };
  } catch (error) {
    throw reasonOf(error);
  }
}

/** A message that is yet to be made. A file that only some of the named keys open is not what was asked for. */
export function encryption({
  service,
  keys,
  context,
  requiredContext,
  frameBytes,
}: Omit<EncryptRequest, 'onBytes' | 'frameBytes'> & { readonly frameBytes: number }): Encryption {
  const keyring = clavigerKeyring(service, { keys, wrapQuorum: keys.length });
  const terms = termsOf(keyring, 'require-encrypt-require-decrypt', requiredContext);
  return new Encryption((ended) => beginMessage(terms, context, frameBytes, null, ended), null, undefined);
}

/** A message that is yet to be opened. */
export function decryption({
  service,
  keys,
  context,
  commitmentPolicy = 'require-encrypt-require-decrypt',
}: Omit<DecryptRequest, 'onBytes'>): Decryption {
  const terms = termsOf(openingKeyring(service, keys), commitmentPolicy, []);
  return new Decryption(
    (parsed, ended) => openMessage(terms, parsed, context, ended),
    terms.encryptedDataKeysMax,
    undefined,
  );
}

/** The plaintext of a message that is held whole. */
export async function decryptWhole(
  message: Uint8Array,
  request: Omit<DecryptRequest, 'onBytes'>,
): Promise<{ readonly plaintext: Buffer; readonly header: MessageHeader }> {
  const { service, reasonOf } = remembering(request.service);
  try {
    const { keys, context, commitmentPolicy } = request;
    const policy = commitmentPolicy === undefined ? {} : { commitmentPolicy };
    return await new Envelope({ keyring: openingKeyring(service, keys), ...policy }).decrypt(message, { context });
  } catch (error) {
    throw reasonOf(error);
  }
}

function openingKeyring(service: KeyService, keys: readonly string[]): Keyring {
  return keys.length === 0 ? discoveryKeyring(service) : clavigerKeyring(service, { keys });
}

function termsOf(keyring: Keyring, commitmentPolicy: CommitmentPolicy, requiredContext: readonly string[]): Terms {
  return {
    keyring,
    commitmentPolicy,
    requiredContext,
    encryptedDataKeysMax: ENCRYPTED_DATA_KEYS_MAX,
    random: systemRandom,
  };
}

/** Length of the frames of a source: long ones where it is known to be long. */
export function frameBytesOf(bytes: number | null): number {
  return bytes !== null && bytes >= LARGE_BYTES ? LARGE_FRAME_BYTES : FRAME_BYTES;
}
