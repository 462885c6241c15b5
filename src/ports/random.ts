/**
 * Randomness, as an argument: a test gives its own.
 *
 * @module
 */

export interface Random {
  /** Fresh random bytes that the caller owns. */
  bytes(length: number): Buffer;
}
