/**
 * A file or standard input, read in large pieces while those before are worked on.
 *
 * @module
 */
import { close, constants, fstatSync, openSync, read, type Stats } from 'node:fs';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { ClavigerError } from '../../errors.ts';
import { fileError } from '../input.ts';
import type { Terminal } from '../terminal.ts';

/** One read; several frames of a large file. */
const PIECE_BYTES = 1024 * 1024;

const readFrom = promisify(read);
const closeFd = promisify(close);

export interface Source extends AsyncDisposable {
  /** As the user named it, for messages. */
  readonly name: string;
  /** Null for standard input. */
  readonly path: string | null;
  /** Null for standard input. */
  readonly stats: Stats | null;
  /** Length, where it is known: that of a regular file when it was opened. */
  readonly bytes: number | null;
  /** The first bytes, at least so many where there are so many; `pieces` gives them again. */
  first(bytes: number): Promise<Buffer>;
  /** So many bytes from a place of a file, fewer where there are fewer; none of standard input. */
  readonly readAt: (at: number, bytes: number) => Promise<Buffer>;
  /**
   * All bytes, once. A piece stays as it is until so many bytes more were taken, and the next piece is asked for; then its
   * memory serves again.
   */
  pieces(keepBytes: number): AsyncGenerator<Buffer, void, void>;
}

/** @param path `-` or undefined is standard input */
export function openSource(terminal: Terminal, path: string | undefined): Source {
  if (path !== undefined && path !== '-') return fileSource(path);
  if (terminal.input.isTty) terminal.say('reading from the terminal; end with Ctrl-D on a new line');
  return new StreamSource(terminal.input.stream);
}

/**
 * @param flags of open(2), beside that it is only read
 * @throws ClavigerError where it cannot be read
 */
export function fileSource(path: string, flags = 0): Source {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | flags);
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  return new FileSource(path, fd);
}

/** Keeps what was looked at before the rest is read. */
abstract class Looked {
  #looked: Buffer[] = [];
  #rest: AsyncGenerator<Buffer, void, void> | null = null;
  /** Of the pieces that are read from now on; what was looked at stays. */
  protected keepBytes = Infinity;

  protected abstract read(): AsyncGenerator<Buffer, void, void>;

  async first(bytes: number): Promise<Buffer> {
    this.#rest ??= this.read();
    while (this.#looked.reduce((sum, { length }) => sum + length, 0) < bytes) {
      const { value } = await this.#rest.next();
      if (value === undefined) break;
      this.#looked.push(value);
    }
    if (this.#looked.length > 1) this.#looked = [Buffer.concat(this.#looked)];
    return this.#looked[0] ?? Buffer.alloc(0);
  }

  async *pieces(keepBytes: number): AsyncGenerator<Buffer, void, void> {
    this.keepBytes = keepBytes;
    this.#rest ??= this.read();
    yield* this.#looked;
    this.#looked = [];
    yield* this.#rest;
  }
}

/**
 * Buffers that come again.
 *
 * INVARIANT: while a piece is read into one, the caller works on the piece before it, and may look at the `keepBytes`
 * before that. Every piece but the last is full, so these are so many bytes rounded up to pieces, and one; one more is to
 * spare. A buffer that came again too soon would change what is being encrypted.
 */
class Memory {
  readonly #keepBytes: () => number;
  readonly #given: Buffer[] = [];

  constructor(keepBytes: () => number) {
    this.#keepBytes = keepBytes;
  }

  next(): Buffer {
    const kept = Math.ceil(this.#keepBytes() / PIECE_BYTES) + 2;
    const buffer = this.#given.length > kept ? this.#given.shift()! : Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.#given.push(buffer);
    return buffer;
  }
}

class StreamSource extends Looked implements Source {
  readonly name = 'standard input';
  readonly path = null;
  readonly stats = null;
  readonly bytes = null;
  readonly #stream: Readable;

  constructor(stream: Readable) {
    super();
    this.#stream = stream;
  }

  readonly readAt = async (): Promise<Buffer> => Buffer.alloc(0);

  protected async *read(): AsyncGenerator<Buffer, void, void> {
    yield* this.#stream as AsyncIterable<Buffer>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.destroy();
  }
}

class FileSource extends Looked implements Source {
  readonly name: string;
  readonly path: string;
  readonly stats: Stats;
  readonly bytes: number | null;
  readonly #fd: number;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(path: string, fd: number) {
    super();
    this.name = `\`${path}\``;
    this.path = path;
    this.#fd = fd;
    this.stats = fstatSync(fd);
    // Files of /proc say that they are empty.
    this.bytes = this.stats.isFile() && this.stats.size > 0 ? this.stats.size : null;
  }

  readonly readAt = async (at: number, bytes: number): Promise<Buffer> => {
    const buffer = Buffer.alloc(bytes);
    try {
      const { bytesRead } = await readFrom(this.#fd, buffer, 0, bytes, at);
      return buffer.subarray(0, bytesRead);
    } catch (cause) {
      throw fileError('read', this.path, cause);
    }
  };

  protected async *read(): AsyncGenerator<Buffer, void, void> {
    const memory = new Memory(() => this.keepBytes);
    // One read is always under way while the caller works on the piece before.
    for (let next = this.#piece(memory.next()); ;) {
      const piece = await next;
      // What is added to the file from here on is not its content when it was opened.
      if (piece.length < PIECE_BYTES) {
        if (piece.length > 0) yield piece;
        return;
      }
      next = this.#piece(memory.next());
      // Should the caller leave, nobody waits for it.
      next.catch(() => undefined);
      yield piece;
    }
  }

  /** Fills a buffer; what is shorter is the end of the file. */
  async #piece(buffer: Buffer): Promise<Buffer> {
    let length = 0;
    try {
      while (length < buffer.length) {
        const reading = readFrom(this.#fd, buffer, length, buffer.length - length, null);
        this.#reading = reading.catch(() => undefined);
        const { bytesRead } = await reading;
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return buffer.subarray(0, length);
    } catch (cause) {
      throw fileError('read', this.path, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading;
    await closeFd(this.#fd);
  }
}

/**
 * The whole of a source that is to be short.
 *
 * @param tooLong says what to do with one that is longer
 */
export async function wholeOf(source: Source, bytesMax: number, tooLong: string): Promise<Buffer> {
  const bytes = await source.first(bytesMax + 1);
  if (bytes.length <= bytesMax) return bytes;
  throw new ClavigerError('INVALID_ARGUMENT', `${source.name} has more than ${bytesMax} bytes; ${tooLong}`);
}
