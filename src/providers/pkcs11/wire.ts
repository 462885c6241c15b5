/**
 * Frames between the server and a host process: many requests under way, answers in any order.
 *
 *     length  32 bits, big-endian, of what follows
 *     id      32 bits: an answer has the id of its request
 *     kind    8 bits: the operation of a request, the status of an answer
 *     body    the rest
 *
 * What is written within a turn leaves in one write. Both sides wipe what has left, because PINs, data keys and plaintexts
 * pass through here.
 *
 * @module
 */

const HEADER_BYTES = 9;
/** Key material of RSA-4096 has 3 KiB, a plaintext at most 64 KiB: what is longer is no frame of ours. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** A write of about 600 signatures. */
const CHUNK_BYTES = 64 * 1024;
/** Written chunks that are kept for the next writes. */
const SPARE_CHUNKS_MAX = 4;

export interface Frame {
  readonly id: number;
  readonly kind: number;
  /** A view of memory that is wiped when the frame has been taken: who keeps any of it copies it. */
  readonly body: Buffer;
}

/** Where bytes go: a socket. */
export interface ByteSink {
  write(bytes: Uint8Array, written: () => void): unknown;
}

export class FrameWriter {
  readonly #sink: ByteSink;
  readonly #spare: Buffer[] = [];
  #chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #used = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Copies the parts; they leave with `flush`, or when a chunk is full. */
  write(id: number, kind: number, ...parts: readonly Uint8Array[]): void {
    let size = HEADER_BYTES;
    for (const part of parts) size += part.length;
    if (this.#used + size > this.#chunk.length) this.#makeRoom(size);
    const chunk = this.#chunk;
    let at = chunk.writeUInt32BE(size - 4, this.#used);
    at = chunk.writeUInt32BE(id, at);
    at = chunk.writeUInt8(kind, at);
    for (const part of parts) {
      chunk.set(part, at);
      at += part.length;
    }
    this.#used = at;
  }

  flush(): void {
    if (this.#used === 0) return;
    const chunk = this.#chunk;
    const used = this.#used;
    this.#chunk = this.#spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
    this.#sink.write(chunk.subarray(0, used), () => {
      chunk.fill(0, 0, used);
      if (chunk.length === CHUNK_BYTES && this.#spare.length < SPARE_CHUNKS_MAX) this.#spare.push(chunk);
    });
  }

  #makeRoom(size: number): void {
    this.flush();
    if (size > this.#chunk.length) this.#chunk = Buffer.allocUnsafeSlow(size);
  }
}

export class FrameReader {
  readonly #take: (frame: Frame) => void;
  #rest: Buffer | null = null;

  constructor(take: (frame: Frame) => void) {
    this.#take = take;
  }

  /**
   * Takes every whole frame of what has come, then wipes it.
   *
   * @throws Error for a length that no frame has
   */
  push(bytes: Buffer): void {
    const all = this.#rest === null ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest?.fill(0);
    this.#rest = null;
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const size = all.readUInt32BE(at) + 4;
      if (size < HEADER_BYTES || size > FRAME_BYTES_MAX) throw new Error(`a frame of ${size} bytes`);
      if (all.length - at < size) break;
      this.#take({
        id: all.readUInt32BE(at + 4),
        kind: all.readUInt8(at + 8),
        body: all.subarray(at + HEADER_BYTES, at + size),
      });
      at += size;
    }
    if (at < all.length) this.#rest = Buffer.from(all.subarray(at));
    all.fill(0);
    if (all !== bytes) bytes.fill(0);
  }
}
