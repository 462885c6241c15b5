/**
 * Cases: a key that was disabled or destroyed does nothing, and the refusal is final.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { BackingState } from '../../provider.ts';
import type { Bench, Case } from '../bench.ts';
import { callsOn, kindsOf, type ReadyCall } from '../calls.ts';
import { refusal, refused } from '../expect.ts';

const GONE = ['KEY_STATE', 'KEY_NOT_FOUND'] as const;
const GONE_STATES: readonly BackingState[] = ['destroyed', 'pending-deletion'];

interface Change {
  readonly disable: ((ref: string) => Promise<void>) | null;
  readonly enable: ((ref: string) => Promise<void>) | null;
  readonly destroy: ((ref: string) => Promise<void>) | null;
}

export const stateCases: readonly Case[] = [
  {
    name: 'states: a disabled key is refused with KEY_DISABLED after one call, and works again when it is enabled',
    run: async (bench) => {
      const { disable, enable } = changesOf(bench);
      if (disable === null) return;
      await eachKind(bench, async (ref, calls) => {
        for (const { make } of calls) await make(bench.options);
        await disable(ref);
        for (const { what, make } of calls) await requireOneCall(bench, what, make);
        assert.equal((await bench.provider.describe(ref, bench.options)).state, 'disabled');
        if (enable === null) return;
        await enable(ref);
        for (const { make } of calls) await make(bench.options);
        assert.equal((await bench.provider.describe(ref, bench.options)).state, 'enabled');
      });
    },
  },
  {
    name: 'states: a destroyed key is refused with KEY_STATE, or as not there',
    run: async (bench) => {
      const { destroy } = changesOf(bench);
      if (destroy === null) return;
      await eachKind(bench, async (ref, calls) => {
        await destroy(ref);
        for (const { what, make } of calls) {
          await refused(`${what} with a destroyed key`, GONE, () => make(bench.options));
        }
        await requireGone(bench, ref);
      });
    },
  },
  {
    name: 'states: the provider disables and enables a key by itself',
    run: async (bench) => {
      const { lifecycle } = bench.provider;
      if (lifecycle?.setEnabled === undefined) return;
      const { spec, usage } = await bench.anyRef();
      const ref = await bench.freshRef(spec, usage);
      const calls = await callsOn(bench, ref, spec, usage);
      await lifecycle.setEnabled(ref, false, bench.options);
      for (const { what, make } of calls) await requireOneCall(bench, what, make);
      await lifecycle.setEnabled(ref, true, bench.options);
      for (const { make } of calls) await make(bench.options);
    },
  },
  {
    name: 'states: the provider destroys a key by itself, and restores it while it can',
    run: async (bench) => {
      const spec = bench.specWith('destroy');
      if (spec === null) return;
      const usage = bench.usageOf(spec);
      const { lifecycle } = bench;
      const ref = await bench.freshRef(spec, usage);
      const calls = await callsOn(bench, ref, spec, usage);
      await lifecycle.destroy(ref, bench.options);
      for (const { what, make } of calls) await refused(`${what} with it`, GONE, () => make(bench.options));
      const gone = await bench.provider.describe(ref, bench.options).catch(() => null);
      if (lifecycle.restore === undefined || gone?.state !== 'pending-deletion') return requireGone(bench, ref);
      await lifecycle.restore(ref, bench.options);
      // Services give back a disabled key: who restored it looks at it first.
      const { state } = await bench.provider.describe(ref, bench.options);
      if (state === 'disabled') await lifecycle.setEnabled!(ref, true, bench.options);
      for (const { make } of calls) await make(bench.options);
    },
  },
];

/** Ways to change a key: the service's own tools, or the provider where the harness has none; null where there are none. */
export function changesOf({ harness: { admin }, provider: { lifecycle }, options }: Bench): Change {
  const setEnabled =
    lifecycle?.setEnabled === undefined
      ? null
      : (enabled: boolean) => (ref: string) => lifecycle.setEnabled!(ref, enabled, options);
  const destroy = lifecycle === undefined ? null : (ref: string) => lifecycle.destroy(ref, options);
  return {
    disable: admin.disable ?? setEnabled?.(false) ?? null,
    enable: admin.enable ?? setEnabled?.(true) ?? null,
    destroy: admin.destroy ?? destroy,
  };
}

/** A key of its own for each kind that the provider has. */
async function eachKind(bench: Bench, run: (ref: string, calls: readonly ReadyCall[]) => Promise<void>): Promise<void> {
  for (const { spec, usage } of kindsOf(bench)) {
    const ref = await bench.freshRef(spec, usage);
    await run(ref, await callsOn(bench, ref, spec, usage));
  }
}

/** A refusal that somebody meant is not tried again. */
async function requireOneCall(bench: Bench, what: string, make: ReadyCall['make']): Promise<void> {
  const calls = await bench.callsOf(() =>
    refused(`${what} with a disabled key`, 'KEY_DISABLED', () => make(bench.options)),
  );
  assert.ok(calls === null || calls === 1, `${what} with a disabled key: the service had ${calls} calls, not one`);
}

async function requireGone(bench: Bench, ref: string): Promise<void> {
  const described = await bench.provider.describe(ref, bench.options).catch(() => null);
  if (described !== null) {
    assert.ok(GONE_STATES.includes(described.state), `it is ${described.state}`);
    return;
  }
  const { code } = await refusal('describe', () => bench.provider.describe(ref, bench.options));
  assert.equal(code, 'KEY_NOT_FOUND', 'a service that forgets a key has none');
}
