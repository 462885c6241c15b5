/**
 * When the load sends: as fast as it is answered, or on a schedule that does not wait for anybody.
 *
 * A load that waits for each answer before it sends again asks less of a server that stalls, and so hides the stall
 * ("coordinated omission"). On a schedule, a request is due at its time whether or not the server has kept up, and its
 * latency counts from then.
 *
 * @module
 */

export type PaceOrder =
  /** One request in flight on each connection, always. */
  | { readonly kind: 'closed' }
  /** So many a second, evenly. */
  | { readonly kind: 'open'; readonly perSecond: number };

/** What a pace needs of a connection. */
export interface Sender {
  send(request: Buffer, dueMs: number, nowMs: number): void;
  close(): void;
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Pace {
  /** A connection with nothing in flight asks what to do. */
  free(connection: Sender): void;
  /** True where a request that was due then, and is answered now, counts in the latencies of the window. */
  counts(dueMs: number, nowMs: number, window: Window): boolean;
  /** Requests of the schedule that have not even been sent. */
  readonly unsent: number;
  /** Gives up: nothing more is sent. */
  end(): void;
}

type NextRequest = () => Buffer;

/** How often the schedule is looked at; timers of Node are no finer. */
const TICK_MS = 1;

export function paceOf(order: PaceOrder, next: NextRequest, begunMs: number, endMs: number): Pace {
  return order.kind === 'closed'
    ? new ClosedPace(next, endMs)
    : new OpenPace(next, order.perSecond, begunMs, endMs, () => performance.now());
}

class ClosedPace implements Pace {
  readonly unsent = 0;
  readonly #next: NextRequest;
  #endMs: number;

  constructor(next: NextRequest, endMs: number) {
    this.#next = next;
    this.#endMs = endMs;
  }

  free(connection: Sender): void {
    const nowMs = performance.now();
    if (nowMs >= this.#endMs) connection.close();
    else connection.send(this.#next(), nowMs, nowMs);
  }

  counts(_dueMs: number, nowMs: number, { fromMs, toMs }: Window): boolean {
    return nowMs >= fromMs && nowMs < toMs;
  }

  end(): void {
    this.#endMs = 0;
  }
}

/** Sends request n at `begunMs + n / rate`, on whichever connection is free; where none is, as soon as one is. */
export class OpenPace implements Pace {
  readonly #next: NextRequest;
  readonly #everyMs: number;
  readonly #begunMs: number;
  readonly #requests: number;
  readonly #now: () => number;
  readonly #idle: Sender[] = [];
  readonly #timer: NodeJS.Timeout;
  #sent = 0;

  constructor(next: NextRequest, perSecond: number, begunMs: number, endMs: number, now: () => number) {
    this.#next = next;
    this.#everyMs = 1000 / perSecond;
    this.#begunMs = begunMs;
    this.#requests = Math.round(((endMs - begunMs) * perSecond) / 1000);
    this.#now = now;
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  get unsent(): number {
    return this.#requests - this.#sent;
  }

  free(connection: Sender): void {
    if (this.unsent === 0) connection.close();
    else if (!this.#sendDue(connection, this.#now())) this.#idle.push(connection);
  }

  /** Sends what has become due. */
  tick(): void {
    const nowMs = this.#now();
    while (this.#idle.length > 0) {
      // The one that has waited longest, so that all are used.
      if (!this.#sendDue(this.#idle[0]!, nowMs)) break;
      this.#idle.shift();
    }
    if (this.unsent === 0) this.end();
  }

  end(): void {
    clearInterval(this.#timer);
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  counts(dueMs: number, _nowMs: number, { fromMs, toMs }: Window): boolean {
    return dueMs >= fromMs && dueMs < toMs;
  }

  #sendDue(connection: Sender, nowMs: number): boolean {
    const dueMs = this.#begunMs + this.#sent * this.#everyMs;
    if (this.unsent === 0 || dueMs > nowMs) return false;
    this.#sent += 1;
    connection.send(this.#next(), dueMs, nowMs);
    return true;
  }
}
