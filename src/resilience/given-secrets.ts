/**
 * Secrets that homes give for one request, of which at most one is used: an answer may come after another one was taken,
 * or after whoever asked has gone. All others are wiped, whenever they come.
 *
 * @module
 */
export class GivenSecrets implements Disposable {
  readonly #given = new Set<Buffer>();
  #isOver = false;

  /** Notes a secret that a home has just given. */
  add(secret: Buffer): Buffer {
    if (this.#isOver) secret.fill(0);
    else this.#given.add(secret);
    return secret;
  }

  /** The one that is used: it stays, and belongs to whoever takes it. */
  take(secret: Buffer): Buffer {
    this.#given.delete(secret);
    return secret;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const secret of this.#given) secret.fill(0);
  }
}
