/**
 * Waiting for what heeds no signal.
 *
 * @module
 */

/**
 * What comes first: the promise, or the end of the signal. For what is shared, such as a token or a connection, and
 * outlives the caller who waits.
 *
 * @throws the signal's reason where it ends first
 */
export async function untilEnded<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, ended]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
