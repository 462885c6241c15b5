/**
 * Random bytes of a service: how many it gives at a time.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

/** @throws INVALID_ARGUMENT, before any call */
export function requireCount(provider: string, bytes: number, bytesMax: number): void {
  if (Number.isInteger(bytes) && bytes >= 1 && bytes <= bytesMax) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `provider \`${provider}\` gives 1 to ${bytesMax} random bytes, not ${bytes}`,
  );
}

/** As many bytes as are wanted, of a service that gives fewer in one answer. */
export async function inParts(
  bytes: number,
  partBytesMax: number,
  ask: (bytes: number) => Promise<Uint8Array>,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let left = bytes; left > 0; left -= partBytesMax) parts.push(await ask(Math.min(left, partBytesMax)));
  return Buffer.concat(parts);
}
