/**
 * Cases: errors say who failed, and say no secret; neither do a provider and its keys when they are shown.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { ClavigerError, ErrorCode } from '../../../errors.ts';
import type { ConformanceHarness } from '../harness.ts';
import { within, type Bench, type Case } from '../bench.ts';
import { callsOn, CONTEXT, DATA_KEY_BYTES, everyCall, kindsOf } from '../calls.ts';
import { refusal } from '../expect.ts';
import { flipped } from '../fuzz.ts';
import { during, recovered } from './faults.ts';
import { changesOf } from './states.ts';

/** Errors of a service, by which its operator finds out what happened. */
const NAMES_PROVIDER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'THROTTLED',
  'PROVIDER_UNAVAILABLE',
  'PROVIDER_TIMEOUT',
  'PROVIDER_DENIED',
  'KEY_DISABLED',
  'KEY_STATE',
  'KEY_NOT_FOUND',
]);
const FAULTS = ['throttle', 'fail5xx', 'reset', 'refuse', 'cut', 'nonsense', 'deny', 'hang'] as const;
const CALL_MS = 400;
/** Shorter ones stand in any text by chance. */
const SECRET_CHARS_MIN = 6;

export const errorCases: readonly Case[] = [
  {
    name: 'errors: what a service refused names the provider in `native`',
    run: async (bench) => {
      for (const [what, error] of (await allErrors(bench)).errors) {
        if (error.native !== undefined) assert.equal(error.native.provider, bench.provider.name, what);
        else assert.ok(!NAMES_PROVIDER.has(error.code), `${what}: ${error.code} has no \`native\``);
      }
    },
  },
  {
    name: 'errors: messages begin small, and end without a period',
    run: async (bench) => {
      for (const [what, { message }] of (await allErrors(bench)).errors) {
        assert.match(message, /^[^A-Z\s].*[^.\s]$|^[A-Z]{2,}.*[^.\s]$/s, what);
      }
    },
  },
  {
    name: 'errors: no secret stands in them, nor in what they were caused by',
    run: async (bench) => {
      const { errors, atStake } = await allErrors(bench);
      for (const [what, error] of errors) {
        requireNoSecret(`${what}, ${error.code}`, `${shownWhole(error)}\n${error.stack}`, bench.harness, atStake);
      }
    },
  },
  {
    name: 'inspect: a provider and its keys show no secret',
    run: async (bench) => {
      for (const { spec, usage } of kindsOf(bench)) {
        const shown = shownWhole(bench.provider.key(await bench.ref(spec, usage), spec));
        requireNoSecret(`a key of ${spec}`, shown, bench.harness, []);
      }
      requireNoSecret('the provider', shownWhole(bench.provider), bench.harness, []);
      requireNoSecret('the provider as JSON', JSON.stringify(bench.provider) ?? '', bench.harness, []);
    },
  },
];

interface Collected {
  readonly errors: readonly (readonly [what: string, error: ClavigerError])[];
  /** Plain texts of the calls that failed. */
  readonly atStake: readonly Buffer[];
}

/** Collected once for all of these cases: some of the faults take their time. */
const COLLECTED = new WeakMap<ConformanceHarness, Promise<Collected>>();

function allErrors(bench: Bench): Promise<Collected> {
  const collected = COLLECTED.get(bench.harness) ?? collect(bench);
  COLLECTED.set(bench.harness, collected);
  return collected;
}

/** Errors of every sort that can be had here. */
async function collect(bench: Bench): Promise<Collected> {
  const { provider, harness } = bench;
  const errors: [string, ClavigerError][] = [];
  const atStake: Buffer[] = [];
  const take = async (what: string, call: () => unknown): Promise<void> =>
    void errors.push([what, await refusal(what, call)]);
  const { ref, spec, usage } = await bench.anyRef();
  for (const unknown of harness.references?.unknown ?? []) {
    await take(`resolve \`${unknown}\``, () => provider.resolve(unknown, bench.options));
  }
  await take('an empty reference', () => provider.resolve('', bench.options));
  await take('an aborted call', () => provider.describe(ref, { signal: AbortSignal.abort(), timeoutMs: CALL_MS }));
  for (const kind of kindsOf(bench)) {
    const { wrap } = await bench.key(kind.spec, kind.usage);
    if (kind.usage !== 'encrypt-decrypt' || wrap === undefined) continue;
    const dataKey = randomBytes(DATA_KEY_BYTES);
    atStake.push(dataKey);
    const { value } = await wrap.wrap(dataKey, CONTEXT, bench.options);
    await take('a changed wrap', () => wrap.unwrap(flipped(value, value.length - 1), CONTEXT, bench.options));
    if (wrap.bindsContext) await take('another context', () => wrap.unwrap(value, {}, bench.options));
    const { maxBytes } = bench.find('wrap', kind.spec)!;
    if (maxBytes === null) continue;
    const tooLong = randomBytes(maxBytes + 1);
    atStake.push(tooLong);
    await take('a data key that is too long', () => wrap.wrap(tooLong, CONTEXT, bench.options));
  }
  const { disable } = changesOf(bench);
  if (disable !== null) {
    const disabled = await bench.freshRef(spec, usage);
    const calls = await callsOn(bench, disabled, spec, usage);
    await disable(disabled);
    for (const { what, make } of calls) await take(`${what} with a disabled key`, () => make(bench.options));
  }
  const calls = await everyCall(bench);
  for (const fault of FAULTS.filter((one) => harness.faults?.[one] !== undefined)) {
    await during(bench, fault, async () => {
      await Promise.all(calls.map(({ what, make }) => take(`${what}, ${fault}`, () => make(within(CALL_MS)))));
    });
    for (const { what, make } of calls) await recovered(bench, what, make);
  }
  return { errors, atStake };
}

/** As a log would show it, and more. */
function shownWhole(value: unknown): string {
  return inspect(value, { depth: 8, maxArrayLength: 1000, maxStringLength: Infinity, breakLength: Infinity });
}

/** @param atStake bytes that must not be there in any encoding either */
function requireNoSecret(
  what: string,
  text: string,
  { secrets = [] }: ConformanceHarness,
  atStake: readonly Buffer[],
): void {
  const packed = text.replaceAll(/\s/g, '');
  for (const secret of [...secrets.map((one) => Buffer.from(one)), ...atStake]) {
    for (const form of ['utf8', 'base64', 'base64url', 'hex'] as const) {
      const shown = secret.toString(form);
      if (shown.length < SECRET_CHARS_MIN) continue;
      const isShown = text.includes(shown) || packed.includes(shown);
      assert.ok(!isShown, `${what}: a secret stands in it, as ${form}`);
    }
  }
}
