/**
 * Counts vectors: which were run, which were left out and why, and which came out wrong.
 *
 * The counts are asserted exactly. The vectors are pinned, so a number moves only when somebody moves it; a reader that
 * finds nothing in a file of another form fails instead of passing.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { ClavigerError } from '../../src/errors.ts';

/** What an operation gave: bytes as hex, a length, or the code of the error it refused with. */
export type Outcome = string | number | boolean | null;

const SHOWN_MAX = 20;

export interface Counts {
  readonly ran: number;
  /** Reason → how many. */
  readonly skipped?: Readonly<Record<string, number>>;
}

export class Tally {
  readonly #title: string;
  readonly #skipped: Record<string, number> = {};
  readonly #wrong: string[] = [];
  #ran = 0;

  constructor(title: string) {
    this.#title = title;
  }

  /** One vector; `outcomes` are what the ways to run it gave, and each must be as expected. */
  check(id: string | number, expected: Outcome, outcomes: Readonly<Record<string, Outcome>>): void {
    this.#ran += 1;
    for (const [way, got] of Object.entries(outcomes)) {
      if (got !== expected) this.#wrong.push(`${id}, ${way}: expected ${brief(expected)}, got ${brief(got)}`);
    }
  }

  skip(reason: string, count = 1): void {
    this.#skipped[reason] = (this.#skipped[reason] ?? 0) + count;
  }

  /** Prints the counts, and fails where a vector came out wrong or the counts are others. */
  close({ ran, skipped = {} }: Counts): void {
    const reasons = Object.entries(this.#skipped).map(([reason, count]) => `, ${count} not run: ${reason}`);
    console.log(`${this.#title}: ${this.#ran} run${reasons.join('')}`);
    const shown = this.#wrong.slice(0, SHOWN_MAX).join('\n');
    assert.equal(this.#wrong.length, 0, `${this.#title}: ${this.#wrong.length} outcomes are wrong\n${shown}`);
    assert.notEqual(this.#ran, 0, `${this.#title}: nothing was run`);
    assert.deepEqual({ ran: this.#ran, skipped: this.#skipped }, { ran, skipped }, `${this.#title}: other counts`);
  }
}

/** Runs one operation; a refusal of ours is its code, and any other error is told apart from all codes. */
export async function outcomeOf(run: () => Outcome | Uint8Array | Promise<Outcome | Uint8Array>): Promise<Outcome> {
  try {
    const result = await run();
    return result instanceof Uint8Array ? Buffer.from(result).toString('hex') : result;
  } catch (error) {
    return error instanceof ClavigerError ? error.code : `not an error of ours: ${String(error)}`;
  }
}

function brief(outcome: Outcome): string {
  const text = String(outcome);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
