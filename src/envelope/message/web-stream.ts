/**
 * A message as a pair of web streams: what `pipeThrough` takes.
 *
 * Pieces are made when the reader wants them, so a chunk of many frames does not fill the memory.
 *
 * @module
 */
import {
  ReadableStream,
  WritableStream,
  type ReadableStreamDefaultController,
  type TransformStream,
} from 'node:stream/web';
import { ClavigerError } from '../../errors.ts';
import { canceledBy } from '../../resilience/index.ts';
import { Garbage } from './garbage.ts';
import type { Passage, Pieces } from './passage.ts';
import { Turns } from './turns.ts';

/** Made ahead of the reader. */
const AHEAD_BYTES = 64 * 1024;

/** What `pipeThrough` looks at. */
type StreamPair = Pick<TransformStream<Uint8Array, Uint8Array>, 'readable' | 'writable'>;

export function webStream(passage: Passage): StreamPair {
  const turns = new Turns(passage.signal);
  const garbage = new Garbage();
  let output!: ReadableStreamDefaultController<Uint8Array>;
  let isOver = false;
  let wanted = Promise.withResolvers<void>();

  const over = (reason?: unknown): void => {
    isOver = true;
    passage.signal.removeEventListener('abort', aborted);
    passage.close(reason);
    wanted.resolve();
  };
  const aborted = (): void => {
    if (isOver) return;
    const error = canceledBy(passage.signal);
    over(error);
    output.error(error);
    input.error(error);
  };
  const give = async (made: () => Pieces): Promise<void> => {
    try {
      const pieces = made();
      for (const piece of Symbol.iterator in pieces ? pieces : await pieces) {
        output.enqueue(piece);
        turns.did(piece.length);
        garbage.of(piece.length);
        if (output.desiredSize! <= 0) {
          wanted = Promise.withResolvers();
          await wanted.promise;
        }
        // The next piece would need a key that is no more.
        if (isOver) throw canceledBy(passage.signal);
        if (turns.isOver) await turns.next();
      }
    } catch (error) {
      if (!isOver) {
        over(error);
        output.error(error);
      }
      throw error;
    }
  };

  let input!: { error(reason: unknown): void };
  const readable = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        output = controller;
      },
      pull: () => wanted.resolve(),
      cancel: (reason: unknown) => {
        over(reason);
        input.error(canceledBy({ reason }));
      },
    },
    { highWaterMark: AHEAD_BYTES, size: (chunk) => chunk.length },
  );
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      input = controller;
      // Not `abort` of this sink, which would be called when the piece that waits for its reader is taken, or never.
      controller.signal.addEventListener('abort', () => {
        over(controller.signal.reason);
        output.error(controller.signal.reason);
      });
    },
    write: (chunk) => give(() => passage.write(requireBytes(chunk))),
    close: async () => {
      await give(() => passage.end());
      over();
      output.close();
    },
  });
  passage.signal.addEventListener('abort', aborted);
  return { readable, writable };
}

function requireBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new ClavigerError('INVALID_ARGUMENT', 'a stream of a message takes bytes, as `Uint8Array`');
}
