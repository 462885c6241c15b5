/**
 * Waiting that ends: with its result, with its time, or with its caller.
 *
 * Timers are `setTimeout` and times `performance.now()`, so that a test can drive both. Whatever ends a wait, its timer
 * and its listener are gone then, and what comes later is heard by nobody.
 *
 * @module
 */
import type { ClavigerError } from '../errors.ts';
import type { CallOptions } from '../providers/provider.ts';
import { canceledBy } from './verdict.ts';

/** How a call ended: `work` by itself, `time` and `caller` by us. */
export type Ended<T> =
  | { readonly by: 'work'; readonly value: T }
  | { readonly by: 'work'; readonly thrown: unknown }
  | { readonly by: 'time' | 'caller'; readonly thrown: ClavigerError };

/**
 * Runs work that gets a signal of its own. It is over when its time is, even where the work does not heed the signal.
 *
 * @param late makes the error of a call that took too long
 * @param threw called in the moment the work throws by itself, before whoever waits for it goes on; late where it was over
 */
export function inTime<T>(
  work: (options: CallOptions) => Promise<T>,
  timeoutMs: number,
  caller: AbortSignal,
  late: () => ClavigerError,
  threw?: (thrown: unknown, isLate: boolean) => void,
): Promise<Ended<T>> {
  return new Promise((resolve) => {
    const own = new AbortController();
    const end = (ended: Ended<T>): void => {
      clearTimeout(timer);
      caller.removeEventListener('abort', onAbort);
      resolve(ended);
    };
    const stop = (by: 'time' | 'caller', thrown: ClavigerError): void => {
      end({ by, thrown });
      own.abort(thrown);
    };
    const onAbort = (): void => stop('caller', canceledBy(caller));
    const timer = setTimeout(() => stop('time', late()), timeoutMs);
    caller.addEventListener('abort', onAbort);
    Promise.try(work, { signal: own.signal, timeoutMs }).then(
      (value) => end({ by: 'work', value }),
      (thrown: unknown) => {
        const isLate = own.signal.aborted;
        if (isLate && thrown === own.signal.reason) return;
        end({ by: 'work', thrown });
        threw?.(thrown, isLate);
      },
    );
  });
}

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** A signal that aborts with another one, or by itself; disposed of, it is tied to the other no longer. */
export class Stop implements Disposable {
  readonly #own = new AbortController();
  readonly #caller: AbortSignal;
  readonly #onAbort = (): void => this.abort(canceledBy(this.#caller));

  constructor(caller: AbortSignal) {
    this.#caller = caller;
    if (caller.aborted) this.#onAbort();
    else caller.addEventListener('abort', this.#onAbort);
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  abort(reason: ClavigerError): void {
    this.#own.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#caller.removeEventListener('abort', this.#onAbort);
  }
}
