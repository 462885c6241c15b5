/**
 * Bytes that are all there, to a file that is complete or not there.
 *
 * @module
 */
import type { Session } from '../session.ts';
import { openTarget, type TargetOptions } from './target.ts';
import { Unfinished } from './unfinished.ts';

/** @throws ClavigerError where it cannot be written, or is there already */
export async function writeWhole(
  { terminal }: Session,
  path: string,
  bytes: Uint8Array,
  options: Omit<TargetOptions, 'unfinished'>,
): Promise<void> {
  using unfinished = new Unfinished(terminal);
  await using target = openTarget(terminal, path, { ...options, unfinished });
  // The target does with it what it likes; the bytes stay their owner's.
  await target.write([Buffer.from(bytes)]);
  await target.finish();
}
