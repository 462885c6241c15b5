/**
 * Messages as streams: what waits for whom, and what is left when one end gives up.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { suite, test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { gcm } from '../../../../src/crypto/gcm.ts';
import { Envelope, SecretBytes, type Keyring } from '../../../../src/envelope/index.ts';
import { ClavigerError } from '../../../../src/errors.ts';
import { crafted, testKeyring } from '../../../support/messages.ts';

const envelope = new Envelope({ keyring: testKeyring() });
const MIB = 2 ** 20;
const canceled = { code: 'CANCELED' };

/** A keyring whose answer waits until it is let go, or its caller gives up. */
function waitingKeyring(): { keyring: Keyring; asked: Promise<void>; go: () => void; signal: () => AbortSignal } {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let seen!: AbortSignal;
  const wait = async (signal: AbortSignal): Promise<void> => {
    seen = signal;
    asked.resolve();
    await gone.promise;
  };
  return {
    keyring: {
      wrap: async (request) => {
        await wait(request.signal);
        return testKeyring().wrap(request);
      },
      unwrap: async (request) => {
        await wait(request.signal);
        return testKeyring().unwrap(request);
      },
    },
    asked: asked.promise,
    go: gone.resolve,
    signal: () => seen,
  };
}

/** Lets everything happen that can happen by itself. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await setImmediate();
}

/** Data keys and message keys that are in use, found where each is made: every secret is disposed of by its owner. */
function countingSecrets(t: TestContext): { open(): number } {
  const live = new Set<Disposable>();
  const made = Object.getOwnPropertyDescriptors(SecretBytes.prototype);
  SecretBytes.prototype.reveal = function (this: SecretBytes) {
    const bytes = made.reveal.value!.call(this);
    live.add(this);
    return bytes;
  };
  SecretBytes.prototype[Symbol.dispose] = function (this: SecretBytes) {
    made[Symbol.dispose].value!.call(this);
    live.delete(this);
  };
  t.after(() => void Object.defineProperties(SecretBytes.prototype, made));
  // What has a key made ready in OpenSSL.
  for (const direction of ['encryption', 'decryption'] as const) {
    const make: (...given: Parameters<typeof gcm.encryption>) => Disposable = gcm[direction];
    t.mock.method(gcm, direction, (...given: Parameters<typeof gcm.encryption>) => {
      const ready = make(...given);
      const dispose = ready[Symbol.dispose].bind(ready);
      live.add(ready);
      ready[Symbol.dispose] = () => {
        dispose();
        live.delete(ready);
      };
      return ready;
    });
  }
  return { open: () => live.size };
}

suite('a stream of Node', () => {
  test('takes no more than its reader wants, also of a chunk with many frames', async () => {
    const stream = envelope.encryptTransform({ frameBytes: 65_536 });
    let isTaken = false;
    stream.write(Buffer.alloc(16 * MIB), () => (isTaken = true));
    await settled();
    assert.ok(stream.readableLength < 400_000, `${stream.readableLength} bytes wait`);
    assert.equal(isTaken, false);
    stream.resume();
    stream.end();
    await once(stream, 'end');
    assert.equal(isTaken, true);
  });

  test('that decrypts takes no more than its reader wants', async () => {
    const { message } = await envelope.encrypt(Buffer.alloc(16 * MIB));
    const stream = envelope.decryptTransform();
    stream.write(message);
    await settled();
    assert.ok(stream.readableLength < 400_000, `${stream.readableLength} bytes wait`);
    assert.ok(!stream.writableNeedDrain || stream.writableLength > 0);
    let bytes = 0;
    stream.on('data', (piece: Buffer) => (bytes += piece.length)).end();
    await once(stream, 'end');
    assert.equal(bytes, 16 * MIB);
  });

  test('has its keys zeroed at the end, at an error and when it is destroyed', async (t) => {
    const secrets = countingSecrets(t);
    const { message } = await envelope.encrypt(Buffer.alloc(3 * MIB));
    assert.equal(secrets.open(), 0);
    await pipeline(
      Readable.from([Buffer.alloc(MIB)]),
      envelope.encryptTransform(),
      new Writable({ write: (_, __, done) => done() }),
    );
    assert.equal(secrets.open(), 0);

    const changed = Buffer.from(message);
    changed[message.length - 1]! ^= 1;
    const failing = envelope.decryptTransform();
    const failed = once(failing, 'error');
    failing.resume().write(changed);
    const [error] = (await failed) as [ClavigerError];
    assert.equal(error.code, 'INVALID_CIPHERTEXT');
    await settled();
    assert.equal(secrets.open(), 0);
    assert.equal(failing.destroyed, true);

    for (const stream of [envelope.encryptTransform(), envelope.decryptTransform()]) {
      stream.write(message);
      await settled();
      assert.equal(secrets.open(), 1);
      stream.destroy();
      await settled();
      assert.equal(secrets.open(), 0);
    }
  });

  test('that is destroyed while the keyring is asked tells it so, and nothing of its answer stays', async (t) => {
    const secrets = countingSecrets(t);
    const waiting = waitingKeyring();
    const stream = new Envelope({ keyring: waiting.keyring }).encryptTransform();
    stream.write(Buffer.alloc(10));
    await waiting.asked;
    const reason = new Error('enough');
    stream.on('error', () => undefined).destroy(reason);
    assert.equal(waiting.signal().aborted, true);
    await assert.rejects(stream.header, { ...canceled, cause: reason });
    waiting.go();
    await settled();
    assert.equal(secrets.open(), 0);
  });

  test('ends with CANCELED when its signal is aborted, or with the error of ours that the signal has', async () => {
    const late = new ClavigerError('PROVIDER_TIMEOUT', 'late');
    for (const [reason, expected] of [
      [undefined, canceled],
      [late, late],
    ] as const) {
      const controller = new AbortController();
      const stream = envelope.encryptTransform({ signal: controller.signal });
      stream.write(Buffer.alloc(10));
      const failed = once(stream, 'error');
      controller.abort(reason);
      const [error] = (await failed) as [ClavigerError];
      assert.equal(error.code, expected.code);
    }
    const already = envelope.encryptTransform({ signal: AbortSignal.abort() });
    await assert.rejects(
      pipeline(Readable.from([Buffer.alloc(1)]), already, new Writable({ write: (_, __, done) => done() })),
      canceled,
    );
  });

  test('passes on what its source ends with, and what the keyring refuses with', async () => {
    const broken = Readable.from(
      (function* () {
        yield Buffer.alloc(10);
        throw new Error('the disk is gone');
      })(),
    );
    await assert.rejects(pipeline(broken, envelope.encryptTransform().resume()), /the disk is gone/);

    const refusing: Keyring = {
      wrap: () => Promise.reject(new ClavigerError('PERMISSION_DENIED', 'no')),
      unwrap: () => Promise.reject(new ClavigerError('KEY_DISABLED', 'no')),
    };
    const refused = new Envelope({ keyring: refusing });
    const { message } = await envelope.encrypt(Buffer.alloc(10));
    const encrypting = refused.encryptTransform().resume();
    await assert.rejects(pipeline(Readable.from([Buffer.alloc(10)]), encrypting), { code: 'PERMISSION_DENIED' });
    await assert.rejects(encrypting.header, { code: 'PERMISSION_DENIED' });
    await assert.rejects(pipeline(Readable.from([message]), refused.decryptTransform().resume()), {
      code: 'KEY_DISABLED',
    });
  });

  test('of a signed message gives text before its signature is seen, and fails at the end', async () => {
    const plaintext = randomBytes(100);
    const { message } = crafted({ suiteId: 0x0578, frameBytes: 50, plaintext });
    const stream = envelope.decryptTransform();
    stream.write(message.subarray(0, -1));
    await settled();
    assert.deepEqual(Buffer.concat([stream.read(), stream.read()]), plaintext);
    const failed = once(stream.resume(), 'error');
    stream.end(Buffer.of(message.at(-1)! ^ 1));
    const [error] = (await failed) as [ClavigerError];
    assert.equal(error.code, 'INVALID_CIPHERTEXT');
  });
});

suite('a pair of web streams', () => {
  test('takes no more than its reader wants, also of a chunk with many frames', async () => {
    const { message } = await envelope.encrypt(Buffer.alloc(16 * MIB));
    for (const stream of [envelope.encryptStream(), envelope.decryptStream()]) {
      const writer = stream.writable.getWriter();
      let isTaken = false;
      void writer.write(message).then(() => (isTaken = true));
      await settled();
      assert.equal(isTaken, false);
      const reader = stream.readable.getReader();
      await reader.read();
      await settled();
      assert.equal(isTaken, false);
      void writer.close();
      let pieces = 0;
      while (!(await reader.read()).done) pieces++;
      assert.ok(pieces > 200);
      assert.equal(isTaken, true);
    }
  });

  test('has its keys zeroed at the end, at an error, when its reader cancels and when its writer aborts', async (t) => {
    const secrets = countingSecrets(t);
    const { message } = await envelope.encrypt(Buffer.alloc(3 * MIB));
    for await (const _ of ReadableStream.from([message]).pipeThrough(envelope.decryptStream())) continue;
    assert.equal(secrets.open(), 0);

    const changed = Buffer.from(message);
    changed[message.length - 1]! ^= 1;
    await assert.rejects(
      async () => {
        for await (const _ of ReadableStream.from([changed]).pipeThrough(envelope.decryptStream())) continue;
      },
      { code: 'INVALID_CIPHERTEXT' },
    );
    assert.equal(secrets.open(), 0);

    for (const make of [() => envelope.encryptStream(), () => envelope.decryptStream()]) {
      const read = make();
      const writing = read.writable.getWriter();
      const written = writing.write(message).catch((error: unknown) => error);
      const reader = read.readable.getReader();
      await reader.read();
      assert.equal(secrets.open(), 1);
      await reader.cancel(new Error('enough'));
      await settled();
      assert.equal(secrets.open(), 0);
      assert.equal(((await written) as ClavigerError).code, 'CANCELED');
      await assert.rejects(writing.closed, canceled);

      const aborted = make();
      const writer = aborted.writable.getWriter();
      const pending = writer.write(message).catch((error: unknown) => error);
      await settled();
      assert.equal(secrets.open(), 1);
      await writer.abort(new Error('enough'));
      assert.equal(((await pending) as ClavigerError).code, 'CANCELED');
      await assert.rejects(aborted.readable.getReader().read(), /enough/);
      await settled();
      assert.equal(secrets.open(), 0);
    }
  });

  test('ends with CANCELED on both ends when its signal is aborted', async () => {
    const controller = new AbortController();
    const stream = envelope.encryptStream({ signal: controller.signal });
    const writer = stream.writable.getWriter();
    await writer.ready;
    controller.abort();
    await assert.rejects(writer.closed, canceled);
    await assert.rejects(stream.readable.getReader().read(), canceled);
    await assert.rejects(stream.header, canceled);
  });

  test('tells the keyring when its reader cancels', async () => {
    const waiting = waitingKeyring();
    const stream = new Envelope({ keyring: waiting.keyring }).encryptStream();
    const written = stream.writable.getWriter().write(Buffer.alloc(10));
    await waiting.asked;
    await stream.readable.cancel();
    assert.equal(waiting.signal().aborted, true);
    waiting.go();
    await assert.rejects(written, canceled);
  });

  test('refuses what is not bytes', async () => {
    const stream = envelope.encryptStream();
    const writer = stream.writable.getWriter();
    await assert.rejects(writer.write('text' as never), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(stream.readable.getReader().read(), { code: 'INVALID_ARGUMENT' });
  });
});

suite('a stream that encrypts', () => {
  test('refuses more than it was said would come', async () => {
    const stream = envelope.encryptTransform({ plaintextBytes: 10 }).resume();
    const failed = once(stream, 'error');
    stream.write(Buffer.alloc(10));
    stream.write(Buffer.alloc(1));
    const [error] = (await failed) as [ClavigerError];
    assert.equal(error.code, 'LIMIT_EXCEEDED');
  });

  test('keeps nothing of small chunks, which their writer may use again', async () => {
    const chunk = Buffer.alloc(100);
    const stream = envelope.encryptTransform();
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    for (let fill = 1; fill <= 20; fill++) {
      await new Promise<void>((taken) => stream.write(chunk.fill(fill), () => taken()));
    }
    stream.end();
    await once(stream, 'end');
    const { plaintext } = await envelope.decrypt(Buffer.concat(pieces));
    assert.deepEqual(plaintext, Buffer.concat(Array.from({ length: 20 }, (_, at) => Buffer.alloc(100, at + 1))));
  });

  test('that nothing is written to makes a message of nothing', async () => {
    const stream = envelope.encryptTransform();
    stream.end();
    const pieces = (await stream.toArray()) as Buffer[];
    assert.deepEqual((await envelope.decrypt(Buffer.concat(pieces))).plaintext, Buffer.alloc(0));
  });
});

test('a stream that decrypts keeps nothing of its chunks, which their writer may use again', async () => {
  const plaintext = randomBytes(300_000);
  const { message } = await envelope.encrypt(plaintext, { frameBytes: 100_000 });
  for (const chunkBytes of [1000, 10_000, 70_000]) {
    const stream = envelope.decryptTransform();
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    const chunk = Buffer.alloc(chunkBytes);
    for (let at = 0; at < message.length; at += chunkBytes) {
      const length = message.copy(chunk, 0, at);
      await new Promise<void>((taken) => stream.write(chunk.subarray(0, length), () => taken()));
      chunk.fill(0);
    }
    stream.end();
    await once(stream, 'end');
    assert.deepEqual(Buffer.concat(pieces), plaintext);
  }
});

test('a stream that nobody looks at after it failed makes no noise', async () => {
  const noise: unknown[] = [];
  const listen = (reason: unknown): number => noise.push(reason);
  process.on('unhandledRejection', listen);
  envelope
    .decryptTransform()
    .on('error', () => undefined)
    .end(Buffer.from('no message'));
  const { readable, writable } = envelope.decryptStream();
  await ReadableStream.from([Buffer.from('no message')])
    .pipeTo(writable)
    .catch(() => undefined);
  await readable.cancel().catch(() => undefined);
  envelope.encryptTransform().destroy();
  await settled();
  process.off('unhandledRejection', listen);
  assert.deepEqual(noise, []);
});
