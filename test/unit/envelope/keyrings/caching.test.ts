/** The cache in front of a keyring: what it saves, what it never does, and when keys are gone. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { SecretBytes } from '../../../../src/crypto/secret-bytes.ts';
import { ClavigerError } from '../../../../src/errors.ts';
import type { EncryptedDataKey, Keyring, UnwrapRequest, WrapRequest } from '../../../../src/envelope/keyring.ts';
import { cachingKeyring, rawAesKeyring, type CachingOptions } from '../../../../src/envelope/keyrings/index.ts';
import { FakeClock } from '../../../support/clock.ts';
import { bufferBytes, usePoolUp } from '../../../support/held-bytes.ts';
import { CONTEXT, opened, unwrapRequest, wrapped, wrapRequest } from '../../../support/keyrings.ts';
import { VirtualTime } from '../../../support/virtual-time.ts';

const TTL_MS = 60_000;

/** A keyring whose calls are counted, and wait, fail or lack a home as the test wants it. */
class Counted implements Keyring {
  readonly #inner = rawAesKeyring({ namespace: 'test', name: 'key', key: randomBytes(32) });
  wraps = 0;
  unwraps = 0;
  /** Every data key that it has given away, as the very bytes. */
  readonly given: Buffer[] = [];
  readonly signals: AbortSignal[] = [];
  gate: Promise<void> = Promise.resolve();
  error: ClavigerError | null = null;
  missing: readonly { readonly home: string; readonly error: ClavigerError }[] = [];

  async wrap(request: WrapRequest): ReturnType<Keyring['wrap']> {
    this.wraps += 1;
    this.signals.push(request.signal);
    await this.gate;
    if (this.error !== null) throw this.error;
    const made = await this.#inner.wrap(request);
    this.given.push(made.dataKey.reveal());
    return { ...made, missing: this.missing };
  }

  async unwrap(request: UnwrapRequest): ReturnType<Keyring['unwrap']> {
    this.unwraps += 1;
    await this.gate;
    if (this.error !== null) throw this.error;
    const made = await this.#inner.unwrap(request);
    this.given.push(made.dataKey.reveal());
    return made;
  }

  get isWiped(): boolean {
    return this.given.every((key) => key.every((byte) => byte === 0));
  }
}

function inPool<T extends { readonly dataKey: SecretBytes }>(made: T): T {
  using given = made.dataKey;
  return { ...made, dataKey: new SecretBytes(Buffer.from(given.reveal())) };
}

function cached(options: Partial<CachingOptions> = {}): {
  readonly inner: Counted;
  readonly keyring: ReturnType<typeof cachingKeyring>;
  readonly clock: FakeClock;
} {
  const inner = new Counted();
  const clock = new FakeClock();
  return { inner, clock, keyring: cachingKeyring(inner, { ttlMs: TTL_MS, clock, ...options }) };
}

suite('what it saves', () => {
  test('messages share a data key and its wraps, and what one opened the next opens without a call', async () => {
    const { inner, keyring } = cached();
    const one = await wrapped(keyring);
    const two = await wrapped(keyring);
    assert.deepEqual(two, one);
    assert.equal(await opened(keyring, one.entries), one.hex);
    assert.equal(await opened(keyring, one.entries), one.hex);
    assert.deepEqual([inner.wraps, inner.unwraps], [1, 1]);
    assert.deepEqual(keyring.counts, { hits: 2, misses: 2, evictions: 0, entries: 2 });
  });

  test('what a caller does to the wraps that it was given is not done to those of the next', async () => {
    const { keyring } = cached();
    const one = await wrapped(keyring);
    const { encryptedDataKeys } = await keyring.wrap(wrapRequest());
    for (const { providerInfo, ciphertext } of encryptedDataKeys)
      for (const bytes of [providerInfo, ciphertext]) bytes.fill(0);
    assert.deepEqual((await wrapped(keyring)).entries, one.entries);
  });

  test('what is kept is data keys and their wraps, and no memory that others had', async () => {
    // The home's data keys are slices of Node's pool, as those that come out of base64 are.
    const inner = new Counted();
    const pooled: Keyring = {
      wrap: async (request) => inPool(await inner.wrap(request)),
      unwrap: async (request) => inPool(await inner.unwrap(request)),
    };
    const keyring = cachingKeyring(pooled, { ttlMs: TTL_MS });
    const contexts = Array.from({ length: 100 }, (_, n) => ({ of: String(n) }));
    const before = bufferBytes();
    const wraps: (readonly EncryptedDataKey[])[] = [];
    for (const context of contexts) {
      const { encryptedDataKeys } = await keyring.wrap({ ...wrapRequest(), context });
      const own = ({ providerId, providerInfo, ciphertext }: EncryptedDataKey): EncryptedDataKey => ({
        providerId,
        providerInfo: new Uint8Array(providerInfo),
        ciphertext: new Uint8Array(ciphertext),
      });
      wraps.push(encryptedDataKeys.map(own));
      usePoolUp();
    }
    for (const [n, context] of contexts.entries()) {
      await keyring.unwrap({ ...unwrapRequest(wraps[n]!), context });
      usePoolUp();
    }
    inner.given.length = 0;
    const held = bufferBytes() - before;
    assert.ok(held < 4 * Buffer.poolSize, `${held} bytes for ${contexts.length} data keys, to wrap and to unwrap`);
    assert.equal(keyring.counts.entries, 2 * contexts.length);
  });

  test('1,000 callers at the same time make one call', async () => {
    const { inner, keyring } = cached();
    const gate = Promise.withResolvers<void>();
    inner.gate = gate.promise;
    const asking = Array.from({ length: 1000 }, () => wrapped(keyring));
    gate.resolve();
    const answers = await Promise.all(asking);
    assert.equal(new Set(answers.map(({ hex }) => hex)).size, 1);
    assert.equal(inner.wraps, 1);
    const { entries } = answers[0]!;
    await Promise.all(Array.from({ length: 1000 }, () => opened(keyring, entries)));
    assert.equal(inner.unwraps, 1);
  });

  test('1,000 callers after its time is over make one call too, and none gets the old key', async () => {
    const { inner, keyring, clock } = cached();
    const { hex } = await wrapped(keyring);
    clock.advance(TTL_MS - 1);
    assert.equal((await wrapped(keyring)).hex, hex);
    clock.advance(1);
    const answers = await Promise.all(Array.from({ length: 1000 }, () => wrapped(keyring)));
    assert.equal(new Set([hex, ...answers.map((answer) => answer.hex)]).size, 2);
    assert.equal(inner.wraps, 2);
  });
});

suite('what it keeps apart', () => {
  test('suite, length, context and partition have data keys of their own', async () => {
    const { inner, keyring } = cached();
    const requests: readonly Partial<WrapRequest>[] = [
      {},
      { suiteId: 0x0578 },
      { bytes: 16 },
      { context: {} },
      { context: { ...CONTEXT, more: '' } },
      { context: { a: 'bc' } },
      { context: { ab: 'c' } },
      { context: { a: 'b', c: '' } },
      { context: { a: '', b: 'c' } },
    ];
    const keys = new Set<string>();
    for (const request of requests) keys.add((await wrapped(keyring, request)).hex);
    assert.equal(keys.size, requests.length);
    assert.equal(inner.wraps, requests.length);
    // The order of pairs is none.
    const reversed = Object.fromEntries(Object.entries(CONTEXT).toReversed());
    assert.ok(keys.has((await wrapped(keyring, { context: reversed })).hex));
  });

  test('no two lists of entries are mistaken for each other, however they are cut', async () => {
    const { inner, keyring } = cached();
    const part = (text: string): Buffer => Buffer.from(text);
    const cut = (providerId: string, info: string, ciphertext: string): EncryptedDataKey => ({
      providerId,
      providerInfo: part(info),
      ciphertext: part(ciphertext),
    });
    const lists = [
      [cut('ab', 'c', 'd')],
      [cut('a', 'bc', 'd')],
      [cut('a', 'b', 'cd')],
      [cut('ab', 'c', 'd'), cut('', '', '')],
      [],
    ];
    for (const list of lists) {
      await assert.rejects(keyring.unwrap(unwrapRequest(list)), { code: 'INVALID_CIPHERTEXT' });
    }
    assert.equal(inner.unwraps, lists.length);
    assert.equal(keyring.counts.entries, 0);
  });

  test('what a caller changes in its own context or message later changes nothing in the cache', async () => {
    const { inner, keyring } = cached();
    const gate = Promise.withResolvers<void>();
    inner.gate = gate.promise;
    const context: Record<string, string> = { a: 'b' };
    const asking = wrapped(keyring, { context });
    context['a'] = 'evil';
    gate.resolve();
    const { hex, entries } = await asking;
    assert.equal((await wrapped(keyring, { context: { a: 'b' } })).hex, hex);
    const message = { ...entries[0]!, ciphertext: Buffer.from(entries[0]!.ciphertext) };
    const opening = opened(keyring, [message], { context: { a: 'b' } });
    message.ciphertext.fill(0);
    assert.equal(await opening, hex);
  });

  for (const [what, long] of [
    ['a short context', ''],
    ['a long one', 'x'.repeat(5000)],
  ] as const)
    test(`${what} that differs in one character has another data key, be it a lone surrogate`, async () => {
      const { inner, keyring } = cached();
      const contexts = ['\ud800', '\ud801', '\ufffd', 'a', ''].map((a) => ({ a: long + a, b: long }));
      const keys = new Set<string>();
      for (const context of [...contexts, ...contexts]) keys.add((await wrapped(keyring, { context })).hex);
      assert.equal(keys.size, contexts.length);
      assert.equal(inner.wraps, contexts.length);
    });
});

suite('limits', () => {
  test('no data key protects more messages or bytes than it may, whatever comes in which order', async () => {
    const message = fc.record({
      bytes: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(null)),
      context: fc.constantFrom({}, { a: 'b' }),
      waitMs: fc.constantFrom(0, 0, 0, TTL_MS / 3),
      together: fc.integer({ min: 1, max: 12 }),
    });
    const limits = fc.record({
      messagesMax: fc.integer({ min: 1, max: 8 }),
      bytesMax: fc.integer({ min: 1, max: 100 }),
      entriesMax: fc.integer({ min: 1, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(limits, fc.array(message, { maxLength: 30 }), async (limit, messages) => {
        const { inner, keyring, clock } = cached(limit);
        const used = new Map<string, { messages: number; bytes: number; madeAtMs: number }>();
        for (const { bytes, context, waitMs, together } of messages) {
          clock.advance(waitMs);
          const request = { plaintextBytes: bytes, context };
          const answers = await Promise.all(Array.from({ length: together }, () => wrapped(keyring, request)));
          for (const { hex } of answers) {
            const use = used.get(hex) ?? { messages: 0, bytes: 0, madeAtMs: clock.now() };
            used.set(hex, { ...use, messages: use.messages + 1, bytes: use.bytes + (bytes ?? 0) });
            assert.ok(clock.now() < use.madeAtMs + TTL_MS);
            // Of unknown length, or longer than any key may protect: a data key for that message alone.
            if (bytes === null || bytes > limit.bytesMax) assert.equal(used.get(hex)!.messages, 1);
          }
          assert.ok(keyring.counts.entries <= limit.entriesMax);
        }
        for (const { messages: count, bytes } of used.values()) {
          assert.ok(count <= limit.messagesMax);
          assert.ok(bytes <= limit.bytesMax || count === 1);
        }
        keyring.clear();
        assert.equal(used.size, inner.wraps);
      }),
      { numRuns: 60 },
    );
  });

  test('the one that was used longest ago goes first', async () => {
    const { inner, keyring } = cached({ entriesMax: 2 });
    const of = (name: string): Promise<unknown> => wrapped(keyring, { context: { name } });
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await of(name);
    assert.equal(inner.wraps, 4);
    assert.deepEqual(keyring.counts, { hits: 2, misses: 4, evictions: 2, entries: 2 });
  });

  test('a data key of another keyring is not remembered', async () => {
    const { inner, keyring } = cached();
    const { dataKey } = await inner.wrap(wrapRequest());
    for (const _ of [1, 2]) await keyring.wrap(wrapRequest({ dataKey }));
    assert.equal(inner.wraps, 3);
    assert.equal(keyring.counts.entries, 0);
  });

  test('what lacks a home is remembered for ten seconds, and says each time what it lacks', async () => {
    const { inner, keyring, clock } = cached();
    inner.missing = [{ home: 'vault', error: new ClavigerError('PROVIDER_TIMEOUT', 'late') }];
    assert.deepEqual((await wrapped(keyring)).missing, ['vault']);
    inner.missing = [];
    clock.advance(9_999);
    assert.deepEqual((await wrapped(keyring)).missing, ['vault']);
    clock.advance(1);
    assert.deepEqual((await wrapped(keyring)).missing, []);
    clock.advance(TTL_MS - 1);
    await wrapped(keyring);
    assert.equal(inner.wraps, 2);
  });

  test('a limit that is none, or more than there may be, is refused when it is made', () => {
    const inner = new Counted();
    const invalid = { code: 'INVALID_ARGUMENT' };
    for (const wrong of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 3_600_001]) {
      assert.throws(() => cachingKeyring(inner, { ttlMs: wrong }), invalid);
    }
    assert.throws(() => cachingKeyring(inner, {} as never), invalid);
    assert.throws(() => cachingKeyring(inner, { ttlMs: 1, messagesMax: 2 ** 20 + 1 }), invalid);
    assert.throws(() => cachingKeyring(inner, { ttlMs: 1, bytesMax: 2 ** 40 + 1 }), invalid);
    assert.throws(() => cachingKeyring(inner, { ttlMs: 1, entriesMax: 0 }), invalid);
  });
});

suite('when it fails', () => {
  test('a call that fails is the failure of all who wait, and is not remembered', async () => {
    const { inner, keyring } = cached();
    inner.error = new ClavigerError('KEY_DISABLED', 'no');
    const asking = await Promise.allSettled(Array.from({ length: 100 }, () => wrapped(keyring)));
    assert.ok(asking.every((one) => one.status === 'rejected' && one.reason === inner.error));
    assert.equal(inner.wraps, 1);
    inner.error = null;
    await wrapped(keyring);
    assert.equal(inner.wraps, 2);
  });

  test('who gives up is told so at once, the others get theirs, and the call ends with the last', async () => {
    const { inner, keyring } = cached();
    const gate = Promise.withResolvers<void>();
    inner.gate = gate.promise;
    const [first, second] = [new AbortController(), new AbortController()];
    const [one, two] = [wrapped(keyring, { signal: first.signal }), wrapped(keyring, { signal: second.signal })];
    const three = wrapped(keyring);
    first.abort(new ClavigerError('CANCELED', 'gone'));
    await assert.rejects(one, { code: 'CANCELED', message: 'gone' });
    assert.equal(inner.signals[0]!.aborted, false);
    gate.resolve();
    assert.equal((await two).hex, (await three).hex);
    second.abort();

    const never = Promise.withResolvers<void>();
    inner.gate = never.promise;
    const last = new AbortController();
    const left = wrapped(keyring, { context: {}, signal: last.signal });
    last.abort();
    await assert.rejects(left, { code: 'CANCELED' });
    assert.equal(inner.signals[1]!.aborted, true);
    // It answers although nobody waits: that is wiped, and the next caller asks anew.
    never.resolve();
    inner.gate = Promise.resolve();
    await wrapped(keyring, { context: {} });
    assert.equal(inner.wraps, 3);
    keyring.clear();
    assert.ok(inner.isWiped);
  });

  test('who has given up already asks for nothing', async () => {
    const { inner, keyring } = cached();
    await assert.rejects(wrapped(keyring, { signal: AbortSignal.abort() }), { code: 'CANCELED' });
    assert.equal(inner.wraps, 0);
  });
});

suite('when keys are gone', () => {
  test('what is handed out is a copy: evicting leaves it be, and disposing of it leaves the cache be', async () => {
    const { inner, keyring } = cached();
    const held: SecretBytes[] = [];
    for (const _ of [1, 2]) held.push((await keyring.wrap(wrapRequest())).dataKey);
    held[0]![Symbol.dispose]();
    const { hex } = await wrapped(keyring);
    keyring.clear();
    assert.ok(inner.isWiped);
    assert.equal(held[1]!.reveal().toString('hex'), hex);
    assert.notEqual((await wrapped(keyring)).hex, hex);
  });

  test('what nobody asks for again is wiped when its time is over', async () => {
    using time = new VirtualTime();
    const inner = new Counted();
    const keyring = cachingKeyring(inner, { ttlMs: TTL_MS });
    await time.until(wrapped(keyring));
    await time.pass(TTL_MS / 2);
    await time.until(wrapped(keyring, { context: {} }));
    assert.equal(time.pending, 0, 'its timer keeps no process alive');
    await time.pass(TTL_MS / 2 + 2);
    assert.deepEqual(
      inner.given.map((key) => key.every((byte) => byte === 0)),
      [true, false],
    );
    await time.pass(TTL_MS);
    assert.ok(inner.isWiped);
    assert.equal(keyring.counts.entries, 0);
  });

  test('a clock that is set back ends a life, and does not lengthen it', async () => {
    const { inner, keyring, clock } = cached();
    await wrapped(keyring);
    clock.advance(-1);
    await wrapped(keyring);
    assert.equal(inner.wraps, 2);
  });

  test('what is on its way while the cache is cleared serves who waits, and is not kept', async () => {
    const { inner, keyring } = cached();
    const gate = Promise.withResolvers<void>();
    inner.gate = gate.promise;
    const asking = wrapped(keyring);
    keyring.clear();
    gate.resolve();
    assert.match((await asking).hex, /^[0-9a-f]{64}$/);
    assert.ok(inner.isWiped);
    assert.equal(keyring.counts.entries, 0);
  });

  test('a call that takes longer than its life serves who waits, and is not kept', async () => {
    const { inner, keyring, clock } = cached();
    const gate = Promise.withResolvers<void>();
    inner.gate = gate.promise;
    const asking = Promise.all([wrapped(keyring), wrapped(keyring)]);
    clock.advance(TTL_MS);
    gate.resolve();
    await asking;
    assert.deepEqual([inner.wraps, keyring.counts.entries, inner.isWiped], [1, 0, true]);
  });

  test('once disposed of it is empty, and gives nothing', async () => {
    const { inner, keyring } = cached();
    await wrapped(keyring);
    keyring[Symbol.dispose]();
    assert.ok(inner.isWiped);
    await assert.rejects(keyring.wrap(wrapRequest()), { code: 'CANCELED' });
  });

  test('every hit, miss and eviction is an event', async () => {
    const events: string[] = [];
    const { keyring, clock } = cached({
      messagesMax: 2,
      entriesMax: 1,
      events: {
        hit: () => events.push('hit'),
        miss: () => events.push('miss'),
        evicted: (reason) => events.push(reason),
      },
    });
    for (const _ of [1, 2, 3]) await wrapped(keyring);
    await wrapped(keyring, { context: {} });
    clock.advance(TTL_MS);
    await wrapped(keyring, { context: {} });
    keyring.clear();
    assert.equal(events.join(', '), 'miss, hit, used-up, miss, miss, crowded-out, expired, miss, cleared');
  });
});
