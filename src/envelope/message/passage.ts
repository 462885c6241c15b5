/**
 * A message on its way through: chunks go in, pieces come out as they are asked for. What streams of the web and streams
 * of Node have in common.
 *
 * @module
 */
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { canceledBy } from '../../resilience/index.ts';
import type { BegunMessage, OpenedMessage } from './begin.ts';
import { parseHeader, type MessageHeader, type ParsedHeader } from './header.ts';

export interface Passage {
  /** Settles when the header is made, or verified. Nobody has to look at it. */
  readonly header: Promise<MessageHeader>;
  /** Aborts when the passage is closed, or its caller gives up. */
  readonly signal: AbortSignal;
  /** Takes a chunk, and gives what comes of it. */
  write(chunk: Uint8Array): Pieces;
  /** Gives the rest. */
  end(): Pieces;
  /** Zeroes what is secret, and ends a call that waits for a data key. */
  close(reason?: unknown): void;
}

export type Pieces = Iterable<Buffer> | Promise<Iterable<Buffer>>;

const NONE: readonly Buffer[] = [];

/** Plaintext in, a message out. */
export class Encryption implements Passage {
  readonly #life: Life<BegunMessage>;
  readonly #begin: (signal: AbortSignal) => Promise<BegunMessage>;
  readonly #bytesMax: number;
  #bytes = 0;
  #begun: BegunMessage | null = null;

  /** @param bytesMax more plaintext than this is refused; null for any */
  constructor(
    begin: (signal: AbortSignal) => Promise<BegunMessage>,
    bytesMax: number | null,
    signal: AbortSignal | undefined,
  ) {
    this.#begin = begin;
    this.#bytesMax = bytesMax ?? Infinity;
    this.#life = new Life(signal);
  }

  get header(): Promise<MessageHeader> {
    return this.#life.told(({ header }) => header);
  }

  get missingHomes(): Promise<readonly string[]> {
    return this.#life.told(({ missingHomes }) => missingHomes);
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  write(chunk: Uint8Array): Pieces {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) {
      throw new ClavigerError(
        'LIMIT_EXCEEDED',
        `there is more plaintext than the ${this.#bytesMax} bytes it was to have`,
      );
    }
    return this.#begun === null ? this.#first(chunk, false) : this.#begun.encryptor.write(chunk);
  }

  end(): Pieces {
    return this.#begun === null ? this.#first(undefined, true) : this.#begun.encryptor.end();
  }

  close(reason?: unknown): void {
    this.#life.close(reason);
  }

  async #first(chunk: Uint8Array | undefined, isLast: boolean): Promise<Iterable<Buffer>> {
    const begun = await this.#begin(this.signal);
    this.#life.begin(begun, begun.encryptor);
    this.#begun = begun;
    return joined(begun.pieces, isLast ? begun.encryptor.end(chunk) : begun.encryptor.write(chunk!));
  }
}

/** A message in, plaintext out. */
export class Decryption implements Passage {
  readonly #life: Life<OpenedMessage>;
  readonly #open: (parsed: ParsedHeader, signal: AbortSignal) => Promise<OpenedMessage>;
  readonly #encryptedDataKeysMax: number;
  #opened: OpenedMessage | null = null;
  /** What there is of the header, in memory of our own. */
  #head = Buffer.alloc(0);
  #headBytes = 0;
  #headNeeds = 1;

  constructor(
    open: (parsed: ParsedHeader, signal: AbortSignal) => Promise<OpenedMessage>,
    encryptedDataKeysMax: number,
    signal: AbortSignal | undefined,
  ) {
    this.#open = open;
    this.#encryptedDataKeysMax = encryptedDataKeysMax;
    this.#life = new Life(signal);
  }

  get header(): Promise<MessageHeader> {
    return this.#life.told(({ header }) => header);
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  write(chunk: Uint8Array): Pieces {
    if (this.#opened !== null) return this.#opened.decryptor.write(chunk);
    let at = 0;
    for (;;) {
      at += this.#gather(chunk.subarray(at));
      if (this.#headBytes < this.#headNeeds) return NONE;
      const parsed = parseHeader(this.#head.subarray(0, this.#headBytes), this.#encryptedDataKeysMax);
      if (!('needs' in parsed)) return this.#first(parsed, chunk.subarray(at));
      this.#headNeeds = parsed.needs;
    }
  }

  end(): Pieces {
    if (this.#opened === null) throw invalidCiphertext();
    this.#opened.decryptor.end();
    return NONE;
  }

  close(reason?: unknown): void {
    this.#life.close(reason);
  }

  /** Takes what the header is known to need, and no more: what comes behind it is the body's. */
  #gather(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#headNeeds - this.#headBytes);
    if (this.#head.length < this.#headNeeds) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, 2 * this.#headNeeds));
      this.#head.copy(larger, 0, 0, this.#headBytes);
      this.#head = larger;
    }
    this.#head.set(taken, this.#headBytes);
    this.#headBytes += taken.length;
    return taken.length;
  }

  async #first(parsed: ParsedHeader, rest: Uint8Array): Promise<Iterable<Buffer>> {
    const opened = await this.#open(parsed, this.signal);
    this.#life.begin(opened, opened.decryptor);
    this.#opened = opened;
    return opened.decryptor.write(rest);
  }
}

/** When a passage begins and when it is over. */
class Life<Begun> {
  readonly signal: AbortSignal;
  readonly #closing = new AbortController();
  readonly #begun = Promise.withResolvers<Begun>();
  #secret: Disposable | null = null;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]);
    this.#begun.promise.catch(() => undefined);
  }

  /** Something of the beginning, for whoever wants it. */
  told<Told>(tell: (begun: Begun) => Told): Promise<Told> {
    const told = this.#begun.promise.then(tell);
    told.catch(() => undefined);
    return told;
  }

  /**
   * @param secret is disposed of at the end
   * @throws CANCELED where the end has come already
   */
  begin(begun: Begun, secret: Disposable): void {
    if (this.signal.aborted) {
      secret[Symbol.dispose]();
      throw canceledBy(this.signal);
    }
    this.#secret = secret;
    this.#begun.resolve(begun);
  }

  close(reason: unknown): void {
    this.#secret?.[Symbol.dispose]();
    const error = canceledBy({ reason });
    this.#begun.reject(error);
    this.#closing.abort(error);
  }
}

function* joined(first: Iterable<Buffer>, second: Iterable<Buffer>): Generator<Buffer, void, void> {
  yield* first;
  yield* second;
}
