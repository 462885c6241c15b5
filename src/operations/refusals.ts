/**
 * Records of refused strangers: the first few of a source each get their own, the rest one a second with their count,
 * so that whoever cannot even log in cannot fill the disk.
 *
 * @module
 */

/** Refusals of one source that are recorded one by one within a second, where nothing else is configured. */
export const SINGLE_REFUSALS_PER_SECOND = 10;
/** Sources that are told apart within a second; those beyond share one count. */
const SOURCES_MAX = 1000;
const WINDOW_MS = 1000;
/**
 * Refusals that are answered in one turn of the event loop: together about half a millisecond, and who asks again is read in
 * the next. So a flood makes nobody's turn longer than that.
 */
export const ANSWERS_A_TURN = 16;
/** Refusals that wait for their turn hold memory: where more wait, those in front are answered at once. */
export const ANSWERS_WAITING_MAX = 4096;

interface Count {
  seen: number;
  readonly fromMs: number;
  toMs: number;
}

export interface AggregatedRefusals {
  /** null for the sources beyond the limit, together. */
  readonly source: string | null;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export class RefusalThrottle {
  readonly #now: () => number;
  readonly #singleMax: number;
  readonly #flush: (refusals: AggregatedRefusals) => void;
  readonly #counts = new Map<string | null, Count>();
  #timer: NodeJS.Timeout | null = null;
  /** Those who wait to be told, the longest in front. */
  readonly #waiting: (() => void)[] = [];

  /** @param flush called once a second for each source that had more refusals than are recorded one by one */
  constructor(
    now: () => number,
    flush: (refusals: AggregatedRefusals) => void,
    singleMax = SINGLE_REFUSALS_PER_SECOND,
  ) {
    this.#now = now;
    this.#flush = flush;
    this.#singleMax = singleMax;
  }

  /**
   * Has a refusal that was counted answered: in its order, a few at the end of each turn of the event loop. A stranger that
   * waits sends nothing, so strangers get what good callers leave of a turn. Answers that leave one after the other also
   * cost half of what they cost between other work.
   *
   * @param tell answers; it must not throw
   */
  answerInTurn(tell: () => void): void {
    if (this.#waiting.push(tell) === 1) setImmediate(this.#answer);
  }

  readonly #answer = (): void => {
    const over = this.#waiting.length - ANSWERS_WAITING_MAX;
    for (const tell of this.#waiting.splice(0, Math.max(ANSWERS_A_TURN, over))) tell();
    if (this.#waiting.length > 0) setImmediate(this.#answer);
  };

  /** True where the next refusal of this source will only be counted: it, or too many others, had theirs of this second. */
  counting(source: string | null): boolean {
    const count = this.#counts.get(source);
    if (count === undefined && this.#counts.size >= SOURCES_MAX) return true;
    return (count?.seen ?? 0) >= this.#singleMax;
  }

  /** True where this refusal gets a record of its own; otherwise it has been counted. */
  recordAlone(source: string | null): boolean {
    const name = this.#counts.has(source) || this.#counts.size < SOURCES_MAX ? source : null;
    const now = this.#now();
    const count = this.#counts.get(name) ?? { seen: 0, fromMs: now, toMs: now };
    this.#counts.set(name, count);
    count.seen += 1;
    count.toMs = now;
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS).unref();
    return name !== null && count.seen <= this.#singleMax;
  }

  /** Ends the window: what was only counted is handed on. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [source, { seen, fromMs, toMs }] of this.#counts) {
      const count = source === null ? seen : seen - this.#singleMax;
      if (count > 0) this.#flush({ source, count, fromMs, toMs });
    }
    this.#counts.clear();
  }
}
