/**
 * How much memory is held, for tests that what is let go is gone.
 *
 * @module
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the process holds once all that can be has been given back. */
export function heldBytes(): number {
  const { heapUsed, external } = collected();
  return heapUsed + external;
}

/** Of it, the memory of buffers. */
export function bufferBytes(): number {
  return collected().arrayBuffers;
}

/** Uses Node's pool of small buffers up, as other work would: what is a slice of it now has all of it to itself. */
export function usePoolUp(): void {
  for (let n = 0; n < 3; n++) Buffer.allocUnsafe(Buffer.poolSize / 2 - 8);
}

function collected(): NodeJS.MemoryUsage {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The first one may leave memory of buffers to be swept.
  collect();
  collect();
  return process.memoryUsage();
}
