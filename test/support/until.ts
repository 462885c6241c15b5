/**
 * Waits for what happens elsewhere.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';

/** Longer than any retry of what a test waits for. */
const UNTIL_MS_MAX = 30_000;

/** Looks again until it is so. @throws Error that says what was waited for */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + UNTIL_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > giveUpMs) throw new Error(`it never came to be: ${what}`);
    await setTimeout(20);
  }
}
