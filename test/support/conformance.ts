/**
 * Runs the conformance suite under node:test, and makes faults of the fault proxy.
 *
 * @module
 */
import { describe, test } from 'node:test';
import { conformanceCases, type ConformanceHarness, type FaultSwitch } from '../../src/providers/conformance/index.ts';
import type { Fault, FaultProxy } from './fault-proxy.ts';

/**
 * One test a case. What the harness reaches may be made in `before`: nothing but its shape is looked at until a test runs.
 *
 *     conformanceTests('vault-transit', harness);
 */
export function conformanceTests(name: string, harness: ConformanceHarness): void {
  describe(name, { concurrency: false }, () => {
    for (const { name, knownFault, run } of conformanceCases(harness)) {
      test(knownFault === null ? name : `${name} (known fault: ${knownFault})`, run);
    }
  });
}

/** How a service says these things, over HTTP. */
export interface ServiceWords {
  readonly throttled: Omit<Fault & { readonly kind: 'answer' }, 'kind'>;
  readonly failed: Omit<Fault & { readonly kind: 'answer' }, 'kind'>;
  readonly denied: Omit<Fault & { readonly kind: 'answer' }, 'kind'>;
}

/** Bytes of an answer's body before it is cut off. */
const CUT_BYTES = 7;

/**
 * Faults that a proxy with `mode: 'http'` makes before a real service.
 *
 * @param proxy asked for when a fault is set, so that it may be started in `before`
 */
export function httpFaults(proxy: () => FaultProxy, words: ServiceWords): FaultSwitch {
  const set = (fault: Fault) => (): Promise<void> => proxy().set(fault);
  return {
    calls: () => proxy().requests,
    heal: () => proxy().heal(),
    throttle: set({ kind: 'answer', ...words.throttled }),
    fail5xx: set({ kind: 'answer', ...words.failed }),
    hang: set({ kind: 'stall' }),
    reset: set({ kind: 'reset' }),
    refuse: set({ kind: 'refuse' }),
    cut: set({ kind: 'cut', afterBytes: CUT_BYTES }),
    nonsense: set({ kind: 'answer', status: 200, headers: { 'content-type': 'application/json' }, body: '{"a":1}' }),
    deny: set({ kind: 'answer', ...words.denied }),
  };
}
