/**
 * Cases: a call ends when its caller wants it to, and a provider that was closed makes none.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { ClavigerError } from '../../../errors.ts';
import type { CallOptions } from '../../provider.ts';
import type { Case } from '../bench.ts';
import { everyCall } from '../calls.ts';
import { ended, refused, refusedHere, SLACK_MS } from '../expect.ts';
import { during } from './faults.ts';

/** Longer than a request takes to be sent, so that it is under way. */
const UNDER_WAY_MS = 50;
const LONG_MS = 60_000;

export const endingCases: readonly Case[] = [
  {
    name: 'abort: a call that the caller gives up ends with CANCELED, at once',
    fault: 'hang',
    run: async (bench) => {
      const calls = await everyCall(bench);
      await during(bench, 'hang', async () => {
        const caller = new AbortController();
        const all = calls.map(({ what, make }) =>
          ended(
            what,
            UNDER_WAY_MS + SLACK_MS,
            refused(what, 'CANCELED', () => make(given(caller.signal))),
          ),
        );
        await setTimeout(UNDER_WAY_MS);
        caller.abort();
        await Promise.all(all);
      });
    },
  },
  {
    name: 'abort: an error of ours that a call is ended with comes out as it is',
    fault: 'hang',
    run: async (bench) => {
      const calls = await everyCall(bench);
      await during(bench, 'hang', async () => {
        const caller = new AbortController();
        const reason = new ClavigerError('PROVIDER_TIMEOUT', 'the group has no more time');
        const all = calls.map(async ({ what, make }) => {
          const work = refused(what, 'PROVIDER_TIMEOUT', () => make(given(caller.signal)));
          assert.equal(await ended(what, UNDER_WAY_MS + SLACK_MS, work), reason, `${what}: it is another error`);
        });
        await setTimeout(UNDER_WAY_MS);
        caller.abort(reason);
        await Promise.all(all);
      });
    },
  },
  {
    name: 'abort: a call that was given up before it began is not made',
    run: async (bench) => {
      for (const { what, make } of await everyCall(bench)) {
        await refusedHere(bench, what, 'CANCELED', () => make(given(AbortSignal.abort())));
      }
    },
  },
  {
    name: 'abort: a call whose time was over before it began is not made',
    run: async (bench) => {
      const over = AbortSignal.timeout(1);
      await setTimeout(20);
      for (const { what, make } of await everyCall(bench)) {
        await refusedHere(bench, what, 'PROVIDER_TIMEOUT', () => make(given(over)));
      }
    },
  },
  {
    name: 'close: twice is as once, and no call is made after it',
    ownProvider: true,
    run: async (bench) => {
      const { ref } = await bench.anyRef();
      const calls = [
        ...(await everyCall(bench)),
        { what: 'resolve', make: (options: CallOptions) => bench.provider.resolve(ref, options) },
      ];
      for (const { make } of calls) await make(bench.options);
      await Promise.all([bench.provider.close(), bench.provider.close()]);
      await bench.provider.close();
      for (const { what, make } of calls) {
        await refusedHere(bench, `${what} after close`, 'PROVIDER_UNAVAILABLE', () => make(bench.options));
      }
      const health = await bench.provider.probe(bench.options).catch(() => ({ ok: false }));
      assert.equal(health.ok, false, 'a provider that was closed is not well');
    },
  },
  {
    name: 'close: calls that are under way end',
    fault: 'hang',
    ownProvider: true,
    run: async (bench) => {
      const calls = await everyCall(bench);
      await during(bench, 'hang', async () => {
        const caller = new AbortController();
        const all = calls.map(({ make }) => make(given(caller.signal)).then(() => null, endedWith));
        await setTimeout(UNDER_WAY_MS);
        const closed = ended('close', SLACK_MS, bench.provider.close());
        // A call may be given the time that it has; it must not stay for ever, nor keep `close` from ending.
        await setTimeout(UNDER_WAY_MS);
        caller.abort();
        for (const error of await Promise.all(all)) {
          assert.ok(error instanceof ClavigerError, `it ended with something of its own: ${String(error)}`);
        }
        await closed;
      });
    },
  },
];

function endedWith(error: unknown): unknown {
  return error;
}

/** Options of a call that only its signal ends. */
function given(signal: AbortSignal): CallOptions {
  return { signal, timeoutMs: LONG_MS };
}
