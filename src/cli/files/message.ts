/**
 * Files of any size as messages of the AWS Encryption SDK, streamed: under keys of the server, from a source to a target.
 *
 * @module
 */
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { clavigerKeyring, discoveryKeyring } from '../../envelope/keyrings/index.ts';
import { Envelope, type CommitmentPolicy, type MessageHeader } from '../../envelope/index.ts';
import type { KeyService } from '../../envelope/key-service.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { remembering } from './remembering.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';

const MIB = 1024 * 1024;
/** A frame costs some µs whatever its length, and a reader holds a whole one. */
const LARGE_BYTES = 16 * MIB;
const LARGE_FRAME_BYTES = MIB;
const FRAME_BYTES = 64 * 1024;

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

export interface Transferred {
  readonly header: MessageHeader;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Encrypts the whole of a source; the target is not finished yet. */
export async function encryptTo(
  source: Source,
  target: Target,
  request: EncryptRequest,
): Promise<Transferred & { readonly missingHomes: readonly string[] }> {
  const { keys, context, requiredContext, onBytes } = request;
  const { service, reasonOf } = remembering(request.service);
  // A file that only some of the named keys open is not what was asked for.
  const keyring = clavigerKeyring(service, { keys, wrapQuorum: keys.length });
  const transform = new Envelope({ keyring, requiredContext }).encryptTransform({
    context,
    frameBytes: request.frameBytes ?? frameBytesOf(source.bytes),
  });
  const done = await transfer(source, transform, target, onBytes, reasonOf);
  return { ...done, missingHomes: await transform.missingHomes };
}

/** Decrypts the whole of a source; the target is not finished yet, and may hold plaintext where this throws. */
export async function decryptTo(source: Source, target: Target, request: DecryptRequest): Promise<Transferred> {
  const { context, onBytes } = request;
  const { service, reasonOf } = remembering(request.service);
  const transform = opener({ ...request, service }).decryptTransform({ context });
  return transfer(source, transform, target, onBytes, reasonOf);
}

/** The plaintext of a message that is held whole. */
export async function decryptWhole(
  message: Uint8Array,
  request: Omit<DecryptRequest, 'onBytes'>,
): Promise<{ readonly plaintext: Buffer; readonly header: MessageHeader }> {
  const { service, reasonOf } = remembering(request.service);
  try {
    return await opener({ ...request, service }).decrypt(message, { context: request.context });
  } catch (error) {
    throw reasonOf(error);
  }
}

/** What opens messages under the keys of a request. */
export function opener({ service, keys, commitmentPolicy }: Omit<DecryptRequest, 'context' | 'onBytes'>): Envelope {
  const keyring = keys.length === 0 ? discoveryKeyring(service) : clavigerKeyring(service, { keys });
  return new Envelope({ keyring, ...(commitmentPolicy === undefined ? {} : { commitmentPolicy }) });
}

/** Length of the frames of a source: long ones where it is known to be long. */
export function frameBytesOf(bytes: number | null): number {
  return bytes !== null && bytes >= LARGE_BYTES ? LARGE_FRAME_BYTES : FRAME_BYTES;
}

async function transfer(
  source: Source,
  transform: Transform & { readonly header: Promise<MessageHeader> },
  target: Target,
  onBytes: (bytes: number) => void,
  reasonOf: (error: unknown) => unknown,
): Promise<Transferred> {
  let bytesRead = 0;
  let bytesWritten = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of source.pieces()) {
      bytesRead += piece.length;
      onBytes(piece.length);
      yield piece;
    }
  };
  transform.on('data', (piece: Buffer) => (bytesWritten += piece.length));
  transform.header.catch(() => undefined);
  try {
    await pipeline(Readable.from(counted(), { objectMode: false }), transform, target.stream, { end: target.isAtomic });
  } catch (error) {
    throw brokenPipe(reasonOf(error), target);
  }
  return { header: await transform.header, bytesRead, bytesWritten };
}

function brokenPipe(error: unknown, target: Target): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ERR_STREAM_DESTROYED') return error;
  return new ClavigerError('CANCELED', `nobody reads ${target.name} any more: stopped before the end`, {
    cause: error,
  });
}
