/**
 * Randomness, as an argument: a test gives its own.
 *
 * @module
 */

/** Fetched at a time by `inBlocks`. */
const BLOCK_BYTES = 4096;
/** A larger request is fetched by itself, so that it does not throw away what the block still holds. */
const PIECE_BYTES_MAX = BLOCK_BYTES / 4;

export interface Random {
  /** Fresh random bytes that the caller owns. */
  bytes(length: number): Buffer;
}

/**
 * Random bytes for what is no secret and is used up at once, such as those of an id: pieces of a block, because memory of
 * its own costs three times what a few bytes do. No byte is given twice, but pieces share their memory with others, so
 * whoever takes one makes text of it or copies it, and hands it to no other thread.
 */
export function inBlocks(random: Random): Random {
  let block: Buffer = Buffer.alloc(0);
  let used = 0;
  return {
    bytes(length) {
      if (!(length >= 0 && length <= PIECE_BYTES_MAX)) return random.bytes(length);
      if (used + length > block.length) {
        block = random.bytes(BLOCK_BYTES);
        used = 0;
      }
      return block.subarray(used, (used += length));
    },
  };
}
