/**
 * Cases: wraps of data keys open again, and nothing else does.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { EncryptionContext } from '../../../model/encryption-context.ts';
import { SPECS, type Spec } from '../../../model/spec.ts';
import type { Made, WrapFacet } from '../../provider.ts';
import { specsOf, type Bench, type Case } from '../bench.ts';
import { CONTEXT, DATA_KEY_BYTES } from '../calls.ts';
import { refused, refusedHere } from '../expect.ts';
import { brokenBytes, Draw, flipped, positions } from '../fuzz.ts';

/** Contract of `WrapFacet`: at most 64 bytes. */
const DATA_KEY_LENGTHS = [16, 32, 64];
/** Bits that are changed, spread over a wrap. */
const FLIPS_MAX = 40;

/** Contexts that are not `CONTEXT`. */
const OTHER_CONTEXTS: readonly (readonly [what: string, context: EncryptionContext])[] = [
  ['no context', {}],
  ['another value', { ...CONTEXT, key: 'orders2' }],
  ['a value in another case', { ...CONTEXT, tenant: 'Acme' }],
  ['a pair too many', { ...CONTEXT, more: '1' }],
  ['a pair too few', { tenant: 'acme', key: 'orders' }],
  ['values changed places', { ...CONTEXT, tenant: 'orders', key: 'acme' }],
];

export const wrapCases: readonly Case[] = specsOf('encrypt-decrypt').flatMap((spec) => [
  wrapCase(spec, 'data keys come back as they were', async (bench, { wrap }) => {
    for (const length of DATA_KEY_LENGTHS) {
      const dataKey = randomBytes(length);
      const before = Buffer.from(dataKey);
      const wrapped = await wrap.wrap(dataKey, CONTEXT, bench.options);
      assert.deepEqual(dataKey, before, 'what was given is left as it is');
      assert.ok(!wrapped.value.includes(dataKey), 'the wrap holds the data key in the clear');
      const opened = await wrap.unwrap(wrapped.value, CONTEXT, bench.options);
      assert.deepEqual(Buffer.from(opened.value), dataKey, `a data key of ${length} bytes comes back as it was`);
      // What was given away is the caller's: it is wiped after use, and the next one gets its own.
      opened.value.fill(0);
      const again = await wrap.unwrap(wrapped.value, CONTEXT, bench.options);
      assert.deepEqual(Buffer.from(again.value), dataKey, 'a second opening gives the data key too');
    }
  }),
  wrapCase(spec, 'results name the version that did the work', async (bench, { wrap, ref }) => {
    const { version } = await bench.provider.describe(ref, bench.options);
    const wrapped = await wrap.wrap(randomBytes(DATA_KEY_BYTES), CONTEXT, bench.options);
    const opened = await wrap.unwrap(wrapped.value, CONTEXT, bench.options);
    for (const made of [wrapped, opened]) requireVersion(made, version);
  }),
  wrapCase(spec, 'two wraps of one data key differ', async (bench, { wrap }) => {
    const dataKey = randomBytes(DATA_KEY_BYTES);
    const one = await wrap.wrap(dataKey, CONTEXT, bench.options);
    const two = await wrap.wrap(dataKey, CONTEXT, bench.options);
    // AES-KW and KWP are deterministic: RFC 3394, RFC 5649.
    if (wrap.bindsContext || SPECS[spec].family === 'rsa') assert.notDeepEqual(one.value, two.value);
  }),
  wrapCase(spec, 'the order of a context does not matter', async (bench, { wrap }) => {
    const dataKey = randomBytes(DATA_KEY_BYTES);
    const turned = Object.fromEntries(Object.entries(CONTEXT).toReversed());
    const { value } = await wrap.wrap(dataKey, CONTEXT, bench.options);
    assert.deepEqual(Buffer.from((await wrap.unwrap(value, turned, bench.options)).value), dataKey);
  }),
  wrapCase(spec, 'another context is refused', async (bench, { wrap }) => {
    const dataKey = randomBytes(DATA_KEY_BYTES);
    const { value } = await wrap.wrap(dataKey, CONTEXT, bench.options);
    const bare = await wrap.wrap(dataKey, {}, bench.options);
    for (const [what, context] of OTHER_CONTEXTS) {
      await requireOther(bench, wrap, what, value, context, dataKey);
    }
    await requireOther(bench, wrap, 'a context where there was none', bare.value, CONTEXT, dataKey);
  }),
  wrapCase(spec, 'a wrap of one key does not open under another', async (bench, { wrap }) => {
    const { wrap: other } = await bench.key(spec, 'encrypt-decrypt', 1);
    const { value } = await wrap.wrap(randomBytes(DATA_KEY_BYTES), CONTEXT, bench.options);
    await refused('another key', 'INVALID_CIPHERTEXT', () => other!.unwrap(value, CONTEXT, bench.options));
  }),
  wrapCase(spec, 'a wrap with one bit changed does not open, wherever it is', async (bench, { wrap }) => {
    const { value } = await wrap.wrap(randomBytes(DATA_KEY_BYTES), CONTEXT, bench.options);
    for (const at of positions(value.length, FLIPS_MAX)) {
      const what = `a changed bit in byte ${at} of ${value.length}`;
      await refused(what, 'INVALID_CIPHERTEXT', () => wrap.unwrap(flipped(value, at), CONTEXT, bench.options));
    }
  }),
  wrapCase(spec, 'a wrap that is cut or longer does not open', async (bench, { wrap }) => {
    const { value } = await wrap.wrap(randomBytes(DATA_KEY_BYTES), CONTEXT, bench.options);
    const others = {
      empty: Buffer.alloc(0),
      'one byte': value.subarray(0, 1),
      half: value.subarray(0, value.length / 2),
      'without its first byte': value.subarray(1),
      'without its last byte': value.subarray(0, -1),
      'with a byte more': Buffer.concat([value, Buffer.of(0)]),
      'with a newline more': Buffer.concat([value, Buffer.from('\n')]),
      'with a byte before': Buffer.concat([Buffer.of(0), value]),
      twice: Buffer.concat([value, value]),
    };
    for (const [what, bytes] of Object.entries(others)) {
      await refused(`a wrap: ${what}`, 'INVALID_CIPHERTEXT', () => wrap.unwrap(bytes, CONTEXT, bench.options));
    }
  }),
  wrapCase(spec, 'noise does not open', async (bench, { wrap }) => {
    const { value } = await wrap.wrap(randomBytes(DATA_KEY_BYTES), CONTEXT, bench.options);
    const draw = new Draw(bench.seed);
    for (let n = 0; n < bench.fuzzRuns; n++) {
      const noise = brokenBytes(draw, value);
      const what = `noise ${n} of seed ${bench.seed}: ${noise.toString('base64')}`;
      await refused(what, 'INVALID_CIPHERTEXT', () => wrap.unwrap(noise, CONTEXT, bench.options));
    }
  }),
  wrapCase(spec, 'a data key that is too long is refused before any call', async (bench, { wrap }) => {
    const { maxBytes } = bench.find('wrap', spec)!;
    if (maxBytes === null) return;
    await refusedHere(bench, `${maxBytes + 1} bytes`, ['LIMIT_EXCEEDED', 'INVALID_ARGUMENT'], () =>
      wrap.wrap(Buffer.alloc(maxBytes + 1, 7), CONTEXT, bench.options),
    );
  }),
  wrapCase(spec, 'data keys that the service makes open, differ, and are bound like others', async (bench, key) => {
    const { wrap, ref } = key;
    if (!bench.can('generate-data-key', spec)) return;
    const { version } = await bench.provider.describe(ref, bench.options);
    const one = await wrap.generate!(DATA_KEY_BYTES, CONTEXT, bench.options);
    const two = await wrap.generate!(DATA_KEY_BYTES, CONTEXT, bench.options);
    for (const made of [one, two]) {
      const { plaintext, wrapped } = made.value;
      requireVersion(made, version);
      assert.equal(plaintext.length, DATA_KEY_BYTES);
      assert.deepEqual(Buffer.from((await wrap.unwrap(wrapped, CONTEXT, bench.options)).value), Buffer.from(plaintext));
    }
    assert.notDeepEqual(one.value.plaintext, two.value.plaintext);
    assert.notDeepEqual(one.value.wrapped, two.value.wrapped);
    await requireOther(bench, wrap, 'another context', one.value.wrapped, {}, one.value.plaintext);
  }),
  wrapCase(spec, 'a wrap made anew opens to the same data key', async (bench, { wrap }) => {
    if (wrap.rewrap === undefined) return;
    const dataKey = randomBytes(DATA_KEY_BYTES);
    const { value } = await wrap.wrap(dataKey, CONTEXT, bench.options);
    const anew = await wrap.rewrap(value, CONTEXT, bench.options);
    assert.notDeepEqual(anew.value, value);
    assert.deepEqual(Buffer.from((await wrap.unwrap(anew.value, CONTEXT, bench.options)).value), dataKey);
    await refused('a wrap made anew of a changed one', 'INVALID_CIPHERTEXT', () =>
      wrap.rewrap!(flipped(value, value.length - 1), CONTEXT, bench.options),
    );
    if (!wrap.bindsContext) return;
    await refused('a wrap made anew under another context', 'INVALID_CIPHERTEXT', () =>
      wrap.rewrap!(value, {}, bench.options),
    );
  }),
]);

/** A result names the version of its key, or none where the service does not say. */
export function requireVersion(made: Made<unknown>, version: string | null): void {
  if (made.version !== null) assert.equal(made.version, version, 'a result names the version that did the work');
}

/** Another context is refused; where none is bound, it does not matter. */
async function requireOther(
  bench: Bench,
  wrap: WrapFacet,
  what: string,
  wrapped: Buffer,
  context: EncryptionContext,
  dataKey: Buffer,
): Promise<void> {
  const open = (): Promise<Made<Buffer>> => wrap.unwrap(wrapped, context, bench.options);
  if (wrap.bindsContext) await refused(what, 'INVALID_CIPHERTEXT', open);
  else assert.deepEqual(Buffer.from((await open()).value), Buffer.from(dataKey), `${what}: it says that it binds none`);
}

interface Wrapping {
  readonly ref: string;
  readonly wrap: WrapFacet;
}

/** A case about keys that wrap; one about a spec that does not wrap has nothing to say. */
function wrapCase(spec: Spec, claim: string, run: (bench: Bench, key: Wrapping) => Promise<void>): Case {
  return {
    name: `wrap ${spec}: ${claim}`,
    run: async (bench) => {
      if (!bench.can('wrap', spec)) return;
      const { ref, wrap } = await bench.key(spec, 'encrypt-decrypt');
      assert.ok(wrap, 'it is declared, and the facet is absent');
      await run(bench, { ref, wrap });
    },
  };
}
