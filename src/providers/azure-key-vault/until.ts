/**
 * Waiting for something that is shared: a token or the first request of a connection outlive the caller who waits.
 *
 * @module
 */

/**
 * What comes first: the promise, or the end of the signal.
 *
 * @throws Error of no meaning where the signal ends first; the caller looks at the signal
 */
export async function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new Error('the signal ended'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, ended]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
