/**
 * The system's random bytes, fetched in blocks: a call for a few bytes each would cost more than what they are for.
 *
 * @module
 */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../ports/random.ts';

const POOL_BYTES = 16_384;
/** A larger request goes to the system by itself, so that it does not throw away what the pool still holds. */
const POOLED_BYTES_MAX = POOL_BYTES / 4;

const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let used = POOL_BYTES;

export const systemRandom: Random = {
  bytes(length) {
    // Not a slice of a shared slab: the caller owns these bytes, may transfer them and may zero them.
    const bytes = Buffer.allocUnsafeSlow(length);
    if (length > POOLED_BYTES_MAX) return randomFillSync(bytes);
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const end = used + length;
    pool.copy(bytes, 0, used, end);
    // What was handed out is a secret of its owner; it must not stay here, nor be handed out again.
    pool.fill(0, used, end);
    used = end;
    return bytes;
  },
};
