/**
 * Bytes of a source through messages to a target: while one piece is worked on, the next is read and the one before is
 * written.
 *
 * Fresh memory costs as much as its encryption. So what is read lies in the same few buffers again and again, and what is
 * written is given back at once.
 *
 * @module
 */
import type { Passage } from '../../envelope/message/passage.ts';
import type { Source } from './source.ts';
import type { Target } from './target.ts';

/** One write, of what a piece that was read became. */
const WRITE_BYTES = 1024 * 1024;

export interface Pumped {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/**
 * @param passages the first takes what is read, each next what the one before gives; they are closed at the end
 * @param keepBytes most that the first holds back of what it took
 */
export async function pump(
  source: Source,
  passages: readonly Passage[],
  keepBytes: number,
  target: Target,
  onBytes: (bytes: number) => void,
): Promise<Pumped> {
  let bytesRead = 0;
  let bytesWritten = 0;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const write = async (): Promise<void> => {
    const pieces = waiting;
    bytesWritten += waitingBytes;
    waiting = [];
    waitingBytes = 0;
    await target.write(pieces);
  };
  const give = async (pieces: Iterable<Buffer>, to: number): Promise<void> => {
    const next = passages[to];
    for (const piece of pieces) {
      if (next !== undefined) await give(await next.write(piece), to + 1);
      else {
        waiting.push(piece);
        waitingBytes += piece.length;
        if (waitingBytes >= WRITE_BYTES) await write();
      }
    }
  };
  try {
    for await (const piece of source.pieces(keepBytes)) {
      bytesRead += piece.length;
      await give(await passages[0]!.write(piece), 1);
      onBytes(piece.length);
    }
    for (const [at, passage] of passages.entries()) await give(await passage.end(), at + 1);
    await write();
  } finally {
    for (const passage of passages) passage.close();
  }
  return { bytesRead, bytesWritten };
}
