/**
 * Messages that were cut, changed, or never right: each is refused every way, and no text leaves that was not written.
 */
import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { gcm } from '../../../../src/crypto/gcm.ts';
import { Envelope, readMessageHeader, type ErrorCode } from '../../../../src/envelope/index.ts';
import { ClavigerError, invalidCiphertext } from '../../../../src/errors.ts';
import { craft, encodedPairs, OLD_SUITES, suiteName, type Craft } from '../../../support/crafted-message.ts';
import { chunksOf, crafted, decrypted, testKeyring, WAYS, type Way } from '../../../support/messages.ts';

const envelope = new Envelope({ keyring: testKeyring(), commitmentPolicy: 'require-encrypt-allow-decrypt' });
const plaintext = Buffer.from('the quick brown fox');
const context = { purpose: 'test', stage: 'one' };

const FORMS: Readonly<Record<string, Craft>> = {
  framed: { suiteId: 0x0478, frameBytes: 8, plaintext, context },
  signed: { suiteId: 0x0578, frameBytes: 8, plaintext, context },
  'without frames': { suiteId: 0x0478, frameBytes: null, plaintext, context },
  'of format 1': { suiteId: 0x0178, frameBytes: 8, plaintext, context },
  'of format 1, signed, without frames': { suiteId: 0x0214, frameBytes: null, plaintext, context },
};

/** What a way gives of a message that is not right: the text that left, and the error. */
async function refusal(
  way: Way,
  message: Uint8Array,
  options: { chunkBytes?: number; envelope?: Envelope; context?: Record<string, string> } = {},
): Promise<{ readonly released: Buffer; readonly error: ClavigerError }> {
  const { chunkBytes = 7, context } = options;
  const opener = options.envelope ?? envelope;
  const given = context === undefined ? {} : { context };
  const released: Uint8Array[] = [];
  try {
    if (way === 'at once') {
      await opener.decrypt(message, given);
    } else if (way === 'web stream') {
      const pieces = ReadableStream.from(chunksOf(message, chunkBytes)).pipeThrough(opener.decryptStream(given));
      for await (const piece of pieces) released.push(piece);
    } else {
      const stream = opener.decryptTransform(given);
      stream.on('data', (piece: Buffer) => released.push(piece));
      const ended = new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
      for (const chunk of chunksOf(message, chunkBytes)) stream.write(chunk);
      stream.end();
      await ended;
    }
  } catch (error) {
    assert.ok(error instanceof ClavigerError, String(error));
    return { released: Buffer.concat(released), error };
  }
  return assert.fail(`it opened ${way}`);
}

async function refused(
  message: Uint8Array,
  codes: ErrorCode | readonly ErrorCode[] = 'INVALID_CIPHERTEXT',
  ways: readonly Way[] = WAYS,
): Promise<void> {
  for (const way of ways) {
    const { released, error } = await refusal(way, message, { chunkBytes: 50 });
    assert.ok([codes].flat().includes(error.code), `${way}: ${error.code}, ${error.message}`);
    if (error.code === 'INVALID_CIPHERTEXT') assert.equal(error.message, invalidCiphertext().message);
    assert.deepEqual(released, plaintext.subarray(0, released.length), way);
  }
}

for (const [form, what] of Object.entries(FORMS)) {
  suite(`a message ${form}`, () => {
    const { message } = crafted(what);

    test('opens every way, in chunks of any length, also a byte at a time', async () => {
      for (const way of WAYS) {
        for (const chunkBytes of [1, 2, 3, 16, 17, message.length - 1, message.length]) {
          assert.deepEqual(await decrypted(way, envelope, message, { context }, chunkBytes), plaintext);
        }
      }
    });

    test('that is cut anywhere does not open', async () => {
      for (let length = 0; length < message.length; length++)
        await refused(message.subarray(0, length), 'INVALID_CIPHERTEXT', ['at once', 'web stream']);
    });

    test('of which any byte is changed does not open', async () => {
      for (let at = 0; at < message.length; at++) {
        for (const [mask, ways] of [
          [0x01, ['at once', 'Node stream']],
          [0x80, ['at once']],
        ] as const) {
          const changed = Buffer.from(message);
          changed[at]! ^= mask;
          await refused(changed, ['INVALID_CIPHERTEXT', 'LIMIT_EXCEEDED'], ways);
        }
      }
    });

    test('behind which another byte stands does not open', async () => {
      for (const more of [Buffer.of(0), Buffer.of(0xff, 0xff, 0xff, 0xff), message]) {
        await refused(Buffer.concat([message, more]));
      }
    });
  });
}

suite('a framed message', () => {
  const base: Craft = { suiteId: 0x0478, frameBytes: 8, plaintext };
  const odd = (what: Craft['odd'] & object, more: Partial<Craft> = {}): Buffer =>
    crafted({ ...base, ...more, odd: what }).message;

  test('whose frames have other numbers is refused, though each tag verifies', async () => {
    await refused(odd({ frameNumber: (number) => number + 1 }));
    await refused(odd({ frameNumber: (number) => number - 1 }));
    await refused(odd({ frameNumber: () => 1 }));
    await refused(odd({ frameNumber: (number) => (number === 3 ? 4 : number) }));
  });

  test('whose frames were put in another order, left out or doubled is refused', async () => {
    const { message, headerBytes } = crafted(base);
    const frame = 4 + 12 + 8 + 16;
    const [head, first, second, last] = [
      message.subarray(0, headerBytes),
      message.subarray(headerBytes, headerBytes + frame),
      message.subarray(headerBytes + frame, headerBytes + 2 * frame),
      message.subarray(headerBytes + 2 * frame),
    ];
    for (const frames of [
      [second, first, last],
      [first, last],
      [second, last],
      [last],
      [first, first, second, last],
      [],
    ]) {
      await refused(Buffer.concat([head, ...frames]));
    }
  });

  test('whose final frame is longer than a frame is refused', async () => {
    await refused(odd({ headerFrameBytes: 7 }, { plaintext: plaintext.subarray(0, 8) }));
    await refused(odd({ finalBytes: () => 9 }));
    await refused(odd({ finalBytes: () => 0xffff_ffff }));
  });

  test('is read under the IVs that stand in it, also where they are not the numbers of the frames', async () => {
    const message = odd({ frameIv: (number) => Buffer.alloc(12, 0xa0 + number) });
    for (const way of WAYS) assert.deepEqual(await decrypted(way, envelope, message), plaintext);
  });

  test('of another message does not follow this header', async () => {
    const one = crafted(base);
    const other = crafted(base);
    await refused(Buffer.concat([one.message.subarray(0, one.headerBytes), other.message.subarray(other.headerBytes)]));
  });

  test('whose data key is not the one that the header commits to is refused before anything is decrypted', async () => {
    const message = odd({ commitment: Buffer.alloc(32, 1) });
    await refused(message);
  });
});

suite('a header', () => {
  const base: Craft = { suiteId: 0x0478, frameBytes: 8, plaintext };
  const header = (what: Craft['odd'] & object, more: Partial<Craft> = {}): Buffer =>
    crafted({ ...base, ...more, odd: what }).message;

  test('of another version, type, content type or suite is refused', async () => {
    for (const version of [0, 3, 0x41, 0xc1, 0xff]) await refused(header({ version }));
    await refused(header({ version: 1 }));
    await refused(header({ version: 2 }, { suiteId: 0x0178 }));
    for (const contentType of [0, 1, 3]) await refused(header({ contentType }));
    for (const suiteId of [0x0000, 0x0778, 0xffff]) {
      const { message } = crafted(base);
      message.writeUInt16BE(suiteId, 1);
      await refused(message);
    }
  });

  test('of format 1 with another type, reserved bytes or length of the IV is refused', async () => {
    for (const odd of [{ type: 0 }, { type: 0x81 }, { reserved: 1 }, { ivBytes: 16 }, { ivBytes: 0 }]) {
      await refused(header(odd, { suiteId: 0x0178 }));
    }
  });

  test('with frames of no bytes, or without frames but with their length, is refused', async () => {
    await refused(header({ headerFrameBytes: 0 }));
    await refused(header({ headerFrameBytes: 8 }, { frameBytes: null }));
  });

  test('with frames that are too long is refused, and says so', async () => {
    await refused(header({ headerFrameBytes: 2 ** 24 + 1 }), 'LIMIT_EXCEEDED');
    await refused(header({ headerFrameBytes: 0xffff_ffff }), 'LIMIT_EXCEEDED');
  });

  test('with no encrypted data key is refused, and one with too many says so', async () => {
    await refused(header({ dataKeyCount: 0 }));
    const { message } = craft(base, Buffer.alloc(32), () => []);
    assert.throws(() => readMessageHeader(message), { code: 'INVALID_CIPHERTEXT' });
    await refused(header({ dataKeyCount: 2 }));
    await refused(header({ dataKeyCount: 17 }), 'LIMIT_EXCEEDED');
    await refused(header({ dataKeyCount: 0xffff }), 'LIMIT_EXCEEDED');
  });

  test('whose context does not meet its length, has a name twice or is no UTF-8 is refused', async () => {
    const pair = encodedPairs([['a', 'b']]);
    const contexts = [
      Buffer.of(0),
      Buffer.of(0, 1),
      Buffer.concat([pair, Buffer.of(0)]),
      pair.subarray(0, -1),
      Buffer.from('0002000161000162', 'hex'),
      Buffer.from('00010005610001', 'hex'),
      encodedPairs([
        ['a', 'b'],
        ['a', 'b'],
      ]),
      Buffer.from('00010001ff000162', 'hex'),
      Buffer.from('00010001610003eda080', 'hex'),
    ];
    for (const bytes of contexts) {
      const { message } = crafted({ ...base, odd: { context: bytes } });
      await refused(message);
      assert.throws(() => readMessageHeader(message), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('whose context has no pairs but their number is read, and one with a name of Object too', async () => {
    const { header: empty } = readMessageHeader(crafted({ ...base, odd: { context: Buffer.alloc(2) } }).message)!;
    assert.deepEqual(empty.context, {});
    const pairs = [
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ] as const;
    const { header } = readMessageHeader(crafted({ ...base, odd: { context: encodedPairs(pairs) } }).message)!;
    assert.deepEqual(Object.entries(header.context), pairs);
  });

  test('that would be longer than a MiB is refused when that is known', async () => {
    const lots = new Envelope({ keyring: testKeyring(), encryptedDataKeysMax: 65_535 });
    const start = Buffer.concat([
      Buffer.from('020478', 'hex'),
      Buffer.alloc(32),
      Buffer.alloc(2),
      Buffer.from('ffff', 'hex'),
    ]);
    const field = Buffer.concat([Buffer.from('ffff', 'hex'), Buffer.alloc(65_535)]);
    const message = Buffer.concat([start, ...Array.from({ length: 20 }, () => field)]);
    for (const way of WAYS) {
      const { error } = await refusal(way, message, { envelope: lots, chunkBytes: 65_536 });
      assert.equal(error.code, 'LIMIT_EXCEEDED');
      assert.match(error.message, /header/);
    }
  });

  test('is read without a key, and asks for more bytes until it is whole', () => {
    const { message, headerBytes } = crafted({ ...base, context });
    for (let length = 0; length < headerBytes; length++) {
      assert.equal(readMessageHeader(message.subarray(0, length)), null);
    }
    const read = readMessageHeader(message.subarray(0, headerBytes))!;
    assert.equal(read.headerBytes, headerBytes);
    assert.deepEqual(read.header.context, context);
    assert.equal(read.header.suite.id, 0x0478);
    assert.equal(read.header.contentType, 'framed');
    assert.equal(read.header.frameBytes, 8);
    assert.equal(read.header.encryptedDataKeys.length, 1);
    assert.deepEqual(readMessageHeader(message), read);
  });
});

suite('a signed message', () => {
  const signed: Craft = { suiteId: 0x0578, frameBytes: 8, plaintext, context };

  test('without a public key, with one of another form or of another curve, is refused', async () => {
    const keys = ['', 'AAAA', 'not base64', `A${'B'.repeat(43)}`, Buffer.alloc(49, 2).toString('base64')];
    for (const publicKey of keys) await refused(crafted({ ...signed, odd: { publicKey } }).message);
    await refused(crafted({ ...signed, odd: { context: encodedPairs([['purpose', 'test']]) } }).message);
  });

  test('with another signature is refused at its end, when a stream has given out its text', async () => {
    const { message } = crafted({ ...signed, odd: { footer: Buffer.from('3006020101020101', 'hex') } });
    await refused(message);
    const { released } = await refusal('Node stream', message);
    assert.deepEqual(released, plaintext);
    assert.deepEqual((await refusal('at once', message)).released, Buffer.alloc(0));
  });

  test('with a footer that is empty, too long or no DER is refused', async () => {
    for (const footer of [Buffer.alloc(0), Buffer.alloc(105, 0x30), Buffer.alloc(65_535), Buffer.alloc(104)]) {
      await refused(crafted({ ...signed, odd: { footer } }).message);
    }
  });

  test('is not taken for one without a signature, nor the reverse', async () => {
    const { message } = crafted({
      ...signed,
      suiteId: 0x0478,
      context: { 'aws-crypto-public-key': 'A'.repeat(64) },
    });
    await refused(message);
  });
});

suite('what was decrypted and does not verify', () => {
  /** Every buffer that AES-GCM gives of a body while a test runs. */
  function decryptedPieces(t: TestContext): readonly Buffer[] {
    const pieces: Buffer[] = [];
    const { decryption } = gcm;
    t.mock.method(gcm, 'decryption', (...given: Parameters<typeof decryption>) => {
      const made = decryption(...given);
      const update = made.update.bind(made);
      made.update = (bytes) => {
        const piece = update(bytes);
        pieces.push(piece);
        return piece;
      };
      return made;
    });
    return pieces;
  }

  test('is zeroed, every way', async (t) => {
    const { message } = crafted({ suiteId: 0x0478, frameBytes: 200_000, plaintext: Buffer.alloc(150_000, 1) });
    message[message.length - 1]! ^= 1;
    for (const way of WAYS) {
      const pieces = decryptedPieces(t);
      await refusal(way, message, { chunkBytes: 50_000 });
      const bytes = Buffer.concat(pieces);
      assert.equal(bytes.length, 150_000);
      assert.ok(bytes.every((byte) => byte === 0));
      t.mock.restoreAll();
    }
  });

  test('is zeroed where a whole message was cut, and what was verified before it as well', async (t) => {
    const { message } = crafted({ suiteId: 0x0478, frameBytes: 100_000, plaintext: Buffer.alloc(250_000, 1) });
    const pieces = decryptedPieces(t);
    await refusal('at once', message.subarray(0, -20));
    const bytes = Buffer.concat(pieces);
    assert.ok(bytes.length > 200_000);
    assert.ok(bytes.every((byte) => byte === 0));
  });
});

suite('a message without frames', () => {
  test('that says it is longer than what may be held is refused before it is', async () => {
    const { message, headerBytes } = crafted({ suiteId: 0x0478, frameBytes: null, plaintext });
    for (const length of [2n ** 26n + 1n, 2n ** 36n, 2n ** 63n, 2n ** 64n - 1n]) {
      message.writeBigUInt64BE(length, headerBytes + 12);
      await refused(message, 'LIMIT_EXCEEDED');
    }
  });

  test('gives out nothing before its tag is verified', async () => {
    const { message } = crafted({ suiteId: 0x0478, frameBytes: null, plaintext: Buffer.alloc(200_000, 1) });
    message[message.length - 1]! ^= 1;
    for (const way of WAYS) {
      const { released } = await refusal(way, message, { chunkBytes: 50_000 });
      assert.equal(released.length, 0);
    }
  });
});

suite('a commitment policy', () => {
  const strict = new Envelope({ keyring: testKeyring() });

  for (const suiteId of OLD_SUITES) {
    test(`that requires commitment refuses ${suiteName(suiteId)} in words, before any key is asked for`, async () => {
      const keyless = new Envelope({
        keyring: { wrap: () => assert.fail('asked'), unwrap: () => assert.fail('asked') },
      });
      const { message } = crafted({ suiteId, frameBytes: 8, plaintext });
      for (const way of WAYS) {
        const { error } = await refusal(way, message, { envelope: keyless });
        assert.equal(error.code, 'UNSUPPORTED');
        assert.match(error.message, /does not commit to its data key.*`require-encrypt-allow-decrypt`/);
      }
    });
  }

  test('that requires commitment reads both suites that commit', async () => {
    for (const suiteId of [0x0478, 0x0578]) {
      const { message } = crafted({ suiteId, frameBytes: 8, plaintext });
      assert.deepEqual((await strict.decrypt(message)).plaintext, plaintext);
    }
  });

  test('that forbids commitment refuses to encrypt in words, and decrypts everything', async () => {
    const forbids = new Envelope({ keyring: testKeyring(), commitmentPolicy: 'forbid-encrypt-allow-decrypt' });
    const refusedInWords = {
      code: 'UNSUPPORTED',
      message:
        'cannot encrypt under the commitment policy `forbid-encrypt-allow-decrypt`: only suites that commit to their data key are written',
    };
    await assert.rejects(forbids.encrypt(plaintext), refusedInWords);
    const stream = forbids.encryptTransform().resume();
    const failed = new Promise((_, reject) => stream.on('error', reject));
    stream.end(plaintext);
    await assert.rejects(failed, refusedInWords);
    for (const suiteId of [0x0014, 0x0378, 0x0478]) {
      assert.deepEqual(
        (await forbids.decrypt(crafted({ suiteId, frameBytes: 8, plaintext }).message)).plaintext,
        plaintext,
      );
    }
  });

  test('of another name is refused', () => {
    for (const name of ['', 'none', 'constructor', 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT']) {
      assert.throws(
        () => new Envelope({ keyring: testKeyring(), commitmentPolicy: name as 'forbid-encrypt-allow-decrypt' }),
        {
          code: 'INVALID_ARGUMENT',
          message: /there is no commitment policy/,
        },
      );
    }
  });
});
