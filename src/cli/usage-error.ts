/**
 * A command line that cannot be meant: nothing was sent, and the exit code is 2.
 *
 * @module
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** The command whose help says more. */
  readonly command: string | null;

  constructor(message: string, command: string | null = null) {
    super(message);
    this.command = command;
  }
}
