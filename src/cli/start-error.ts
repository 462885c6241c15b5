/**
 * A server that did not start. Its cause is on this machine, so the exit code is 1, whatever the code of the error.
 *
 * @module
 */
export class StartError extends Error {
  override readonly name = 'StartError';
}
