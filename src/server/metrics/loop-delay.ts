/**
 * How late the event loop is: a timer that should have run by now and did not.
 *
 * `perf_hooks.monitorEventLoopDelay` gives quantiles since its last reset, which two scrapers would take from each
 * other, and which cannot be added up over servers. Buckets can.
 *
 * @module
 */
import { METRICS } from './definitions.ts';
import { Histogram } from './histogram.ts';

/** Often enough to see a loop that hangs for 20 ms; fifty timers a second cost nothing that can be measured. */
const INTERVAL_MS = 20;

export class LoopDelay {
  readonly seconds = new Histogram(METRICS.claviger_event_loop_delay_seconds.buckets);
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let dueMs = performance.now() + INTERVAL_MS;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.seconds.add(Math.max(0, nowMs - dueMs) / 1000);
      dueMs = nowMs + INTERVAL_MS;
    }, INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
