/**
 * Messages of the AWS Encryption SDK, written and read: bytes at once, streams of the web, streams of Node.
 * spec/esdk-profile.md says what of the format is written, what is read, and every limit.
 *
 * @module
 */
import type { Transform } from 'node:stream';
import type { TransformStream } from 'node:stream/web';
import { systemRandom } from '../crypto/random.ts';
import { ClavigerError, invalidCiphertext } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';
import type { Random } from '../ports/random.ts';
import { canceledBy } from '../resilience/index.ts';
import type { Keyring } from './keyring.ts';
import { beginMessage, openMessage, type Terms } from './message/begin.ts';
import { parseHeader, type MessageHeader } from './message/header.ts';
import {
  ENCRYPTED_DATA_KEYS_MAX,
  FIELD_BYTES_MAX,
  FRAME_BYTES,
  LARGE_BYTES,
  LARGE_FRAME_BYTES,
} from './message/limits.ts';
import { MessageTransform } from './message/node-stream.ts';
import { Decryption, Encryption } from './message/passage.ts';
import { requirePolicy, type CommitmentPolicy } from './message/policy.ts';
import { Turns } from './message/turns.ts';
import { webStream } from './message/web-stream.ts';

export interface EnvelopeOptions {
  /** What makes data keys and gets them back. */
  readonly keyring: Keyring;
  /** `require-encrypt-require-decrypt` where nothing else is said. */
  readonly commitmentPolicy?: CommitmentPolicy;
  /** Names of pairs that each context must have. They are authenticated, but not stored: who decrypts has to know them. */
  readonly requiredContext?: readonly string[];
  /** Encrypted data keys in a message, 1 to 65,535; 16 where nothing else is said. */
  readonly encryptedDataKeysMax?: number;
  readonly random?: Random;
}

export interface EncryptOptions {
  /** Pairs that the message is bound to. They stand in it for everybody to read. */
  readonly context?: EncryptionContext;
  /** Length of a frame, 1 byte to 16 MiB; 64 KiB where nothing else is said, 256 KiB for streams known to be large. */
  readonly frameBytes?: number;
  readonly signal?: AbortSignal;
}

export interface EncryptStreamOptions extends EncryptOptions {
  /** At most so many bytes will come, where that is known: more are refused. It chooses the length of frames. */
  readonly plaintextBytes?: number;
}

export interface DecryptOptions {
  /** Pairs that the message must have been made with. */
  readonly context?: EncryptionContext;
  readonly signal?: AbortSignal;
}

/** What a stream that encrypts can tell before it has ended. Nobody has to look. */
export interface EncryptingStream {
  /** Settles when the data key is there. */
  readonly header: Promise<MessageHeader>;
  /** Homes that hold no wrap of the data key though they were to. */
  readonly missingHomes: Promise<readonly string[]>;
}

/** What a stream that decrypts can tell before it has ended. Nobody has to look. */
export interface DecryptingStream {
  /** Settles when the header is verified. */
  readonly header: Promise<MessageHeader>;
}

const NEVER = new AbortController().signal;

export class Envelope {
  readonly #terms: Terms;

  /** @throws INVALID_ARGUMENT */
  constructor(options: EnvelopeOptions) {
    const { keyring, commitmentPolicy = 'require-encrypt-require-decrypt', requiredContext = [] } = options;
    const { encryptedDataKeysMax = ENCRYPTED_DATA_KEYS_MAX, random = systemRandom } = options;
    if (!Number.isInteger(encryptedDataKeysMax) || encryptedDataKeysMax < 1 || encryptedDataKeysMax > FIELD_BYTES_MAX) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `\`encryptedDataKeysMax\` is 1 to ${FIELD_BYTES_MAX}, not ${encryptedDataKeysMax}`,
      );
    }
    this.#terms = {
      keyring,
      commitmentPolicy: requirePolicy(commitmentPolicy),
      requiredContext: [...requiredContext],
      encryptedDataKeysMax,
      random,
    };
  }

  /**
   * A message of these bytes, under a data key of its own.
   *
   * @throws INVALID_ARGUMENT, LIMIT_EXCEEDED, UNSUPPORTED, CANCELED, and what the keyring refuses with
   */
  async encrypt(
    plaintext: Uint8Array,
    options: EncryptOptions = {},
  ): Promise<{ readonly message: Buffer; readonly header: MessageHeader; readonly missingHomes: readonly string[] }> {
    const { context, frameBytes = FRAME_BYTES, signal = NEVER } = options;
    if (signal.aborted) throw canceledBy(signal);
    const begun = await beginMessage(this.#terms, context, frameBytes, plaintext.length, signal);
    using encryptor = begun.encryptor;
    const pieces = [...begun.pieces];
    const turns = new Turns(signal);
    for (const piece of encryptor.end(plaintext)) {
      pieces.push(piece);
      turns.did(piece.length);
      if (turns.isOver) await turns.next();
    }
    return { message: Buffer.concat(pieces), header: begun.header, missingHomes: begun.missingHomes };
  }

  /**
   * The plaintext of a message, when all of it is verified. The header's parts are views of the message.
   *
   * @throws INVALID_CIPHERTEXT, with one message for every way in which it does not open; LIMIT_EXCEEDED, UNSUPPORTED,
   *   INVALID_ARGUMENT, CANCELED, and what the keyring refuses with
   */
  async decrypt(
    message: Uint8Array,
    options: DecryptOptions = {},
  ): Promise<{ readonly plaintext: Buffer; readonly header: MessageHeader }> {
    const { context, signal = NEVER } = options;
    if (signal.aborted) throw canceledBy(signal);
    const parsed = parseHeader(message, this.#terms.encryptedDataKeysMax);
    if ('needs' in parsed) throw invalidCiphertext();
    const { header, decryptor: opened } = await openMessage(this.#terms, parsed, context, signal);
    using decryptor = opened;
    const pieces: Buffer[] = [];
    const turns = new Turns(signal);
    try {
      for (const piece of decryptor.write(message.subarray(header.headerBytes))) {
        pieces.push(piece);
        turns.did(piece.length);
        if (turns.isOver) await turns.next();
      }
      decryptor.end();
    } catch (error) {
      for (const piece of pieces) piece.fill(0);
      throw error;
    }
    return { plaintext: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), header };
  }

  /**
   * A pair of streams for `pipeThrough`: plaintext in, a message out. A chunk that was written is not to change until the
   * message has ended.
   *
   * @throws INVALID_ARGUMENT; what else goes wrong is the error of the streams
   */
  encryptStream(options: EncryptStreamOptions = {}): TransformStream<Uint8Array, Uint8Array> & EncryptingStream {
    const passage = this.#encryption(options);
    return { ...webStream(passage), header: passage.header, missingHomes: passage.missingHomes };
  }

  /**
   * A pair of streams for `pipeThrough`: a message in, plaintext out, each frame when its tag is verified.
   *
   * That a message has ended as it was meant to, and that a signed one is signed, is known at the end: whatever is done
   * with the plaintext before must be undone where the stream fails.
   */
  decryptStream(options: DecryptOptions = {}): TransformStream<Uint8Array, Uint8Array> & DecryptingStream {
    const passage = this.#decryption(options);
    return { ...webStream(passage), header: passage.header };
  }

  /** As `encryptStream`, for `pipeline` of `node:stream`. */
  encryptTransform(options: EncryptStreamOptions = {}): Transform & EncryptingStream {
    const passage = this.#encryption(options);
    return Object.assign(new MessageTransform(passage), {
      header: passage.header,
      missingHomes: passage.missingHomes,
    });
  }

  /** As `decryptStream`, with the same warning. */
  decryptTransform(options: DecryptOptions = {}): Transform & DecryptingStream {
    const passage = this.#decryption(options);
    return Object.assign(new MessageTransform(passage), { header: passage.header });
  }

  #encryption({ context, frameBytes, plaintextBytes, signal }: EncryptStreamOptions): Encryption {
    const length =
      frameBytes ?? (plaintextBytes !== undefined && plaintextBytes >= LARGE_BYTES ? LARGE_FRAME_BYTES : FRAME_BYTES);
    const bytesMax = plaintextBytes ?? null;
    return new Encryption((ended) => beginMessage(this.#terms, context, length, bytesMax, ended), bytesMax, signal);
  }

  #decryption({ context, signal }: DecryptOptions): Decryption {
    return new Decryption(
      (parsed, ended) => openMessage(this.#terms, parsed, context, ended),
      this.#terms.encryptedDataKeysMax,
      signal,
    );
  }
}
