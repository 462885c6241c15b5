/**
 * Which records are not opened, and which of them a redaction record accounts for.
 *
 * Kept as runs of neighbours, so a log of millions with its first years redacted is two runs.
 *
 * @module
 */

/** Runs that are kept; a log that alternates more often was not redacted by the service, which forgets whole ranges. */
const RUNS_MAX = 100_000;

interface Run {
  from: number;
  to: number;
  readonly opened: boolean;
  /** What is missing of the first record of a run that is not opened. */
  readonly closed: readonly string[];
}

export class Redactions {
  /** In order, without overlap. */
  #runs: Run[] = [];
  #redacted = 0;
  #stillOpen = 0;

  /** Records whose openings were forgotten, and a redaction record says so. */
  get redacted(): number {
    return this.#redacted;
  }

  /** Records that a redaction record names, and that are open all the same. */
  get stillOpen(): number {
    return this.#stillOpen;
  }

  /** The first record that is not opened and that no redaction record accounts for. */
  get firstMissing(): { readonly index: number; readonly count: number; readonly closed: readonly string[] } | null {
    const missing = this.#runs.filter(({ opened }) => !opened);
    const [first] = missing;
    if (first === undefined) return null;
    return {
      index: first.from,
      count: missing.reduce((sum, { from, to }) => sum + to - from, 0),
      closed: first.closed,
    };
  }

  /** False where there are more runs than are kept. */
  get bounded(): boolean {
    return this.#runs.length <= RUNS_MAX;
  }

  /**
   * A record that has something to open.
   *
   * @param closed what is not opened of it; nothing where all is
   */
  add(index: number, closed: readonly string[]): void {
    const opened = closed.length === 0;
    const last = this.#runs.at(-1);
    if (last !== undefined && last.to === index && last.opened === opened) last.to = index + 1;
    else this.#runs.push({ from: index, to: index + 1, opened, closed });
  }

  /** A redaction record: what is not opened within its range is accounted for. */
  redact(from: number, to: number): void {
    this.#runs = this.#runs.flatMap((run) => {
      const start = Math.max(run.from, from);
      const end = Math.min(run.to, to);
      if (start >= end) return [run];
      if (run.opened) {
        this.#stillOpen += end - start;
        return [run];
      }
      this.#redacted += end - start;
      return [
        { ...run, to: start },
        { ...run, from: end },
      ].filter((rest) => rest.from < rest.to);
    });
  }
}
