import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Envelope, readMessageHeader, SecretBytes, type Keyring } from '../../../../src/envelope/index.ts';
import { ALL_SUITES } from '../../../support/crafted-message.ts';
import { crafted, decrypted, encrypted, testKeyring, WAYS } from '../../../support/messages.ts';

const envelope = new Envelope({ keyring: testKeyring() });
const reader = new Envelope({ keyring: testKeyring(), commitmentPolicy: 'require-encrypt-allow-decrypt' });
const context = { shop: '1', cart: '42' };
const plaintext = randomBytes(1000);

/** The keyring of tests as an object, of which one part can be another. */
const forwarding: Keyring = {
  wrap: (request) => testKeyring().wrap(request),
  unwrap: (request) => testKeyring().unwrap(request),
};

/** A keyring that tells what it is asked. */
function told(asked: unknown[], keyring: Keyring = testKeyring()): Keyring {
  return {
    wrap: ({ signal: _, ...request }) => {
      asked.push(request);
      return keyring.wrap({ signal: _, ...request });
    },
    unwrap: ({ signal: _, ...request }) => {
      asked.push(request);
      return keyring.unwrap({ signal: _, ...request });
    },
  };
}

suite('a message', () => {
  test('of any text, context and frames, in chunks of any length, gives the text back every way', async () => {
    const text = fc.uint8Array({ maxLength: 300 });
    const pairs = fc.dictionary(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).filter((name) => name.isWellFormed()),
      fc.string({ unit: 'grapheme', maxLength: 10 }),
      { maxKeys: 5, noNullPrototype: true },
    );
    const lengths = fc.record({
      frameBytes: fc.integer({ min: 1, max: 310 }),
      inBytes: fc.integer({ min: 1, max: 400 }),
      outBytes: fc.integer({ min: 1, max: 400 }),
    });
    await fc.assert(
      fc.asyncProperty(
        text,
        pairs,
        lengths,
        fc.constantFrom(...WAYS),
        fc.constantFrom(...WAYS),
        async (text, context, lengths, to, from) => {
          const message = await encrypted(
            to,
            envelope,
            text,
            { context, frameBytes: lengths.frameBytes },
            lengths.inBytes,
          );
          const read = await decrypted(from, envelope, message, { context }, lengths.outBytes);
          assert.deepEqual(read, Buffer.from(text));
          assert.deepEqual({ ...readMessageHeader(message)!.header.context }, { ...context });
        },
      ),
      { numRuns: 150 },
    );
  });

  test('made by hand in any form gives the text back, in chunks of any length', async () => {
    const forms = fc.record({
      suiteId: fc.constantFrom(...ALL_SUITES),
      frameBytes: fc.option(fc.integer({ min: 1, max: 60 })),
      plaintext: fc.uint8Array({ maxLength: 200 }),
      emptyFinal: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        forms,
        fc.constantFrom(...WAYS),
        fc.integer({ min: 1, max: 200 }),
        async (form, way, chunkBytes) => {
          const { message } = crafted({ ...form, context });
          assert.deepEqual(await decrypted(way, reader, message, { context }, chunkBytes), Buffer.from(form.plaintext));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('has one frame where the text fits into it, and a full one at its end', async () => {
    const overhead = async (size: number, frameBytes: number): Promise<number> => {
      const { message, header } = await envelope.encrypt(Buffer.alloc(size), { frameBytes });
      return message.length - header.headerBytes - size;
    };
    const [regular, final] = [4 + 12 + 16, 8 + 12 + 4 + 16];
    for (const size of [0, 1, 99, 100]) assert.equal(await overhead(size, 100), final);
    for (const size of [101, 200]) assert.equal(await overhead(size, 100), regular + final);
    assert.equal(await overhead(201, 100), 2 * regular + final);
    for (const way of WAYS) {
      const [one, two] = [
        await encrypted(way, envelope, Buffer.alloc(100), { frameBytes: 100 }),
        await encrypted(way, envelope, Buffer.alloc(200), { frameBytes: 100 }),
      ];
      assert.equal(two.length - one.length, 100 + regular);
    }
  });

  test('has frames of 64 KiB, and of 256 KiB where a stream is known to be large', async () => {
    const { header } = await envelope.encrypt(plaintext);
    assert.equal(header.frameBytes, 65_536);
    for (const [plaintextBytes, frameBytes] of [
      [undefined, 65_536],
      [2 ** 24 - 1, 65_536],
      [2 ** 24, 262_144],
    ] as const) {
      const stream = envelope.encryptTransform(plaintextBytes === undefined ? {} : { plaintextBytes });
      stream.resume().end();
      assert.equal((await stream.header).frameBytes, frameBytes);
    }
  });

  test('never has the same id twice, and its data key is disposed of', async () => {
    const keys: SecretBytes[] = [];
    const keeping = new Envelope({
      keyring: {
        async wrap(request) {
          const wrapped = await testKeyring().wrap(request);
          keys.push(wrapped.dataKey);
          return wrapped;
        },
        async unwrap(request) {
          const unwrapped = await testKeyring().unwrap(request);
          keys.push(unwrapped.dataKey);
          return unwrapped;
        },
      },
    });
    const [one, two] = [await keeping.encrypt(plaintext), await keeping.encrypt(plaintext)];
    assert.notDeepEqual(one.header.messageId, two.header.messageId);
    await keeping.decrypt(one.message);
    await assert.rejects(keeping.decrypt(Buffer.concat([one.message, Buffer.of(0)])), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(keys.length, 4);
    for (const key of keys) assert.throws(() => key.reveal(), { code: 'INTERNAL' });
  });

  test('names the homes that hold no wrap of its key', async () => {
    const lacking = new Envelope({
      keyring: {
        ...forwarding,
        wrap: async (request) => ({
          ...(await testKeyring().wrap(request)),
          missing: [{ home: 'west', error: null as never }],
        }),
      },
    });
    assert.deepEqual((await lacking.encrypt(plaintext)).missingHomes, ['west']);
    const stream = lacking.encryptTransform();
    stream.resume().end(plaintext);
    assert.deepEqual(await stream.missingHomes, ['west']);
  });
});

suite('the encryption context', () => {
  test('that a reader expects has to be in the message, pair by pair', async () => {
    const { message } = await envelope.encrypt(plaintext, { context });
    for (const expected of [{}, { shop: '1' }, context]) {
      assert.deepEqual((await envelope.decrypt(message, { context: expected })).plaintext, plaintext);
    }
    for (const expected of [{ shop: '2' }, { ...context, more: '' }, { Shop: '1' }, { toString: 'x' }]) {
      await assert.rejects(envelope.decrypt(message, { context: expected }), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('stands in the header in the order of its UTF-8 bytes', async () => {
    const names = ['\u{1F511}', '\uFF5E', '\uE000', 'z', 'a', 'aa', 'é', '\u{10000}'];
    const { message } = await envelope.encrypt(plaintext, {
      context: Object.fromEntries(names.map((name) => [name, name])),
    });
    const sorted = names.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b)));
    assert.deepEqual(Object.keys(readMessageHeader(message)!.header.context), sorted);
    assert.notDeepEqual(sorted, names.toSorted());
  });

  test('of a caller has no reserved names, empty names or lone surrogates, and no more than its limits', async () => {
    const wrong = [
      { 'aws-crypto-public-key': 'x' },
      { 'aws-crypto-': 'x' },
      { '': 'x' },
      { a: '\uD800' },
      Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`n${at}`, ''])),
      { a: 'x'.repeat(8192) },
    ];
    const { message } = await envelope.encrypt(plaintext);
    for (const context of wrong) {
      await assert.rejects(envelope.encrypt(plaintext, { context }), { code: 'INVALID_ARGUMENT' });
      await assert.rejects(envelope.decrypt(message, { context }), { code: 'INVALID_ARGUMENT' });
    }
  });

  test('that is not ours to write is read all the same: longer, unsorted, and with the key of a signature', async () => {
    const pairs = Array.from({ length: 100 }, (_, at) => [`name ${99 - at}`, 'x'.repeat(300)] as const);
    const { message } = crafted({
      suiteId: 0x0478,
      frameBytes: 100,
      plaintext,
      context: Object.fromEntries(pairs),
      pairs,
    });
    const read = await envelope.decrypt(message);
    assert.deepEqual(Object.entries(read.header.context), pairs);
    const signed = await envelope.decrypt(crafted({ suiteId: 0x0578, frameBytes: 100, plaintext, context }).message);
    assert.deepEqual(Object.keys(signed.header.context).toSorted(), ['aws-crypto-public-key', 'cart', 'shop']);
  });
});

suite('required context', () => {
  const asked: unknown[] = [];
  const requiring = new Envelope({ keyring: told(asked), requiredContext: ['cart'] });

  test('is not stored, but the message opens only with it, every way', async () => {
    for (const way of WAYS) {
      const message = await encrypted(way, requiring, plaintext, { context });
      assert.ok(!message.includes('cart'));
      assert.deepEqual(readMessageHeader(message)!.header.context, { shop: '1' });
      assert.deepEqual(await decrypted(way, requiring, message, { context: { cart: '42' } }), plaintext);
      assert.deepEqual(await decrypted(way, envelope, message, { context }), plaintext);
      await assert.rejects(decrypted(way, requiring, message, { context: { cart: '43' } }), {
        code: 'INVALID_CIPHERTEXT',
      });
      await assert.rejects(decrypted(way, envelope, message), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('goes to the keyring with the rest', async () => {
    asked.length = 0;
    const { message } = await requiring.encrypt(plaintext, { context });
    await requiring.decrypt(message, { context: { cart: '42' } });
    assert.deepEqual(
      asked.map((request) => (request as { context: object }).context),
      [context, { shop: '1', cart: '42' }],
    );
  });

  test('is bound by the header itself, also where the keyring binds nothing', async () => {
    const dataKey = randomBytes(32);
    const unbound: Keyring = {
      wrap: async () => ({
        dataKey: new SecretBytes(Buffer.from(dataKey)),
        encryptedDataKeys: [{ providerId: 'x', providerInfo: Buffer.alloc(0), ciphertext: Buffer.alloc(0) }],
        missing: [],
      }),
      unwrap: async ({ encryptedDataKeys }) => ({
        dataKey: new SecretBytes(Buffer.from(dataKey)),
        opened: encryptedDataKeys[0]!,
      }),
    };
    const requires = new Envelope({ keyring: unbound, requiredContext: ['cart'] });
    const { message } = await requires.encrypt(plaintext, { context });
    assert.deepEqual((await requires.decrypt(message, { context: { cart: '42' } })).plaintext, plaintext);
    await assert.rejects(requires.decrypt(message, { context: { cart: '43' } }), { code: 'INVALID_CIPHERTEXT' });
    await assert.rejects(new Envelope({ keyring: unbound }).decrypt(message), { code: 'INVALID_CIPHERTEXT' });
  });

  test('as the specification has it, made by hand, is read', async () => {
    const required = { '\uFF5E': 'b', '\u{1F511}': 'c', cart: '42' };
    const { message } = crafted({ suiteId: 0x0478, frameBytes: 100, plaintext, context: { shop: '1' }, required });
    assert.deepEqual((await envelope.decrypt(message, { context: required })).plaintext, plaintext);
    await assert.rejects(envelope.decrypt(message, { context: { cart: '42' } }), { code: 'INVALID_CIPHERTEXT' });
  });

  test('that is missing is asked for by name', async () => {
    const lacks = {
      code: 'INVALID_ARGUMENT',
      message: 'the encryption context lacks `cart`, which is required: give it',
    };
    await assert.rejects(requiring.encrypt(plaintext, { context: { shop: '1' } }), lacks);
    const { message } = await requiring.encrypt(plaintext, { context });
    await assert.rejects(requiring.decrypt(message), lacks);
    await assert.rejects(requiring.decrypt(message, { context: { shop: '1' } }), lacks);
  });
});

suite('limits', () => {
  test('a frame has 1 byte to 16 MiB', async () => {
    for (const frameBytes of [0, -1, 1.5, NaN, Infinity, 2 ** 24 + 1]) {
      await assert.rejects(envelope.encrypt(plaintext, { frameBytes }), { code: 'INVALID_ARGUMENT' });
    }
    const { message } = await envelope.encrypt(plaintext, { frameBytes: 2 ** 24 });
    assert.deepEqual((await envelope.decrypt(message)).plaintext, plaintext);
  });

  test('of encrypted data keys are the ones that were set, to write and to read', async () => {
    const many = (count: number): Keyring => ({
      ...forwarding,
      async wrap(request) {
        const { encryptedDataKeys, ...wrapped } = await testKeyring().wrap(request);
        return { ...wrapped, encryptedDataKeys: Array.from({ length: count }, () => encryptedDataKeys[0]!) };
      },
    });
    const keys = (count: number, encryptedDataKeysMax: number): Envelope =>
      new Envelope({ keyring: many(count), encryptedDataKeysMax });
    const { message } = await keys(17, 17).encrypt(plaintext);
    assert.deepEqual((await keys(1, 17).decrypt(message)).plaintext, plaintext);
    await assert.rejects(envelope.decrypt(message), {
      code: 'LIMIT_EXCEEDED',
      message: 'the message has 17 encrypted data keys; at most 16 are read',
    });
    await assert.rejects(keys(17, 16).encrypt(plaintext), { code: 'LIMIT_EXCEEDED' });
    await assert.rejects(keys(2, 1).encrypt(plaintext), { code: 'LIMIT_EXCEEDED' });
    await assert.rejects(keys(0, 1).encrypt(plaintext), { code: 'LIMIT_EXCEEDED' });
    for (const encryptedDataKeysMax of [0, 65_536, 1.5, NaN]) {
      assert.throws(() => keys(1, encryptedDataKeysMax), { code: 'INVALID_ARGUMENT' });
    }
  });

  test('an encrypted data key that does not fit into its field is refused', async () => {
    const large: Keyring = {
      ...forwarding,
      wrap: async (request) => ({
        ...(await testKeyring().wrap(request)),
        encryptedDataKeys: [{ providerId: 'x', providerInfo: Buffer.alloc(65_536), ciphertext: Buffer.alloc(1) }],
      }),
    };
    await assert.rejects(new Envelope({ keyring: large }).encrypt(plaintext), { code: 'LIMIT_EXCEEDED' });
  });

  test('a data key of another length than the suite has is refused', async () => {
    const short: Keyring = {
      wrap: async (request) => ({ ...(await testKeyring().wrap(request)), dataKey: new SecretBytes(randomBytes(16)) }),
      unwrap: async (request) => ({
        ...(await testKeyring().unwrap(request)),
        dataKey: new SecretBytes(randomBytes(16)),
      }),
    };
    await assert.rejects(new Envelope({ keyring: short }).encrypt(plaintext), { code: 'INTERNAL' });
    const { message } = await envelope.encrypt(plaintext);
    await assert.rejects(new Envelope({ keyring: short }).decrypt(message), { code: 'INVALID_CIPHERTEXT' });
  });
});

suite('a caller who gives up', () => {
  test('before the call is refused, and nobody is asked for a key', async () => {
    const asked: unknown[] = [];
    const asking = new Envelope({ keyring: told(asked) });
    const { message } = await envelope.encrypt(plaintext);
    const signal = AbortSignal.abort();
    await assert.rejects(asking.encrypt(plaintext, { signal }), { code: 'CANCELED' });
    await assert.rejects(asking.decrypt(message, { signal }), { code: 'CANCELED' });
    assert.deepEqual(asked, []);
  });

  test('while much is encrypted gets the loop back within a turn, and no message', async () => {
    const much = Buffer.alloc(2 ** 25);
    const { message } = await envelope.encrypt(much);
    for (const work of [
      (signal: AbortSignal) => envelope.encrypt(much, { signal }),
      (signal: AbortSignal) => envelope.decrypt(message, { signal }),
    ]) {
      const controller = new AbortController();
      setImmediate(() => setImmediate(() => controller.abort()));
      await assert.rejects(work(controller.signal), { code: 'CANCELED' });
    }
  });
});
