import assert from 'node:assert/strict';
import { createCipheriv, randomBytes, verify } from 'node:crypto';
import { suite, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { GCM_CIPHERS, type GcmCipher, type GcmEncryption } from '../../../src/crypto/gcm-engine.ts';
import { nativeGcm } from '../../../src/crypto/gcm-native.ts';
import { portableGcm } from '../../../src/crypto/gcm-portable.ts';
import { gcm } from '../../../src/crypto/gcm.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { runWithoutFfi } from '../../support/without-ffi.ts';

const CIPHERS = Object.keys(GCM_CIPHERS) as readonly GcmCipher[];
const AES_256 = 'aes-256-gcm';
const INTERNAL = { code: 'INTERNAL' };

/** As node:crypto has it. */
function expected(cipher: GcmCipher, key: Buffer, iv: Buffer, aad: Buffer, text: Buffer): Buffer {
  const made = createCipheriv(cipher, key, iv, { authTagLength: 16 });
  made.setAAD(aad);
  return Buffer.concat([made.update(text), made.final(), made.getAuthTag()]);
}

function pieces(bytes: Buffer, ...cuts: readonly number[]): readonly Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

function sealed(encryption: GcmEncryption, iv: Buffer, aad: readonly Buffer[], text: readonly Buffer[]): Buffer {
  encryption.begin(iv);
  for (const piece of aad) encryption.aad(piece);
  const output = text.map((piece) => encryption.update(piece));
  return Buffer.concat([...output, encryption.tag()]);
}

test('this Node does it through node:ffi', () => {
  assert.ok(nativeGcm);
  assert.equal(gcm, nativeGcm);
});

for (const [way, engine] of Object.entries({ 'through node:ffi': nativeGcm!, 'by node:crypto': portableGcm })) {
  suite(way, () => {
    test('texts under one key are what node:crypto has, however they are cut, and open again', () => {
      const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
        fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
      const cut = fc.tuple(fc.nat(), fc.nat());
      const text = fc.record({ aad: bytes(200), aadCuts: cut, text: bytes(3000), textCuts: cut });
      fc.assert(
        fc.property(fc.constantFrom(...CIPHERS), fc.array(text, { maxLength: 5 }), (cipher, texts) => {
          const key = randomBytes(GCM_CIPHERS[cipher]);
          using encryption = engine.encryption(cipher, new SecretBytes(Buffer.from(key)));
          using decryption = engine.decryption(cipher, new SecretBytes(Buffer.from(key)));
          for (const each of texts) {
            const iv = randomBytes(12);
            const aad = pieces(each.aad, ...each.aadCuts);
            const all = sealed(encryption, iv, aad, pieces(each.text, ...each.textCuts));
            assert.deepEqual(all, expected(cipher, key, iv, each.aad, each.text));
            decryption.begin(iv);
            for (const piece of aad) decryption.aad(piece);
            const opened = pieces(all.subarray(0, -16), ...each.textCuts).map((piece) => decryption.update(piece));
            assert.ok(decryption.isGenuine(all.subarray(-16)));
            assert.deepEqual(Buffer.concat(opened), each.text);
          }
        }),
        { numRuns: 200 },
      );
    });

    test('a tag, text, IV or additional data that was changed in one bit is not genuine, and the next text is', () => {
      const key = randomBytes(32);
      const parts = { iv: randomBytes(12), aad: randomBytes(30), text: randomBytes(50), tag: Buffer.alloc(0) };
      const all = expected(AES_256, key, parts.iv, parts.aad, parts.text);
      Object.assign(parts, { text: all.subarray(0, -16), tag: all.subarray(-16) });
      using decryption = engine.decryption(AES_256, new SecretBytes(Buffer.from(key)));
      const isGenuine = ({ iv, aad, text, tag }: typeof parts): boolean => {
        decryption.begin(iv);
        decryption.aad(aad);
        decryption.update(text);
        return decryption.isGenuine(tag);
      };
      for (const name of ['iv', 'aad', 'text', 'tag'] as const)
        for (let bit = 0; bit < 8 * parts[name].length; bit += 5) {
          const changed = Buffer.from(parts[name]);
          changed[bit >> 3]! ^= 1 << (bit & 7);
          assert.ok(!isGenuine({ ...parts, [name]: changed }), `${name}, bit ${bit}`);
          assert.ok(isGenuine(parts));
        }
    });

    test('many at a time do not mix, and what one gave is changed by none', () => {
      const all = Array.from({ length: 200 }, (_, number) => {
        const key = randomBytes(32);
        const encryption = engine.encryption(AES_256, new SecretBytes(Buffer.from(key)));
        return { key, encryption, iv: Buffer.alloc(12, number), text: randomBytes(300), output: [] as Buffer[] };
      });
      for (const { encryption, iv } of all) encryption.begin(iv);
      for (const { encryption, text, output } of all) output.push(encryption.update(text.subarray(0, 100)));
      for (const { encryption, text, output } of all.toReversed()) output.push(encryption.update(text.subarray(100)));
      for (const { encryption, output } of all) output.push(encryption.tag());
      for (const { encryption } of all) encryption[Symbol.dispose]();
      for (const { key, iv, text, output } of all)
        assert.deepEqual(Buffer.concat(output), expected(AES_256, key, iv, Buffer.alloc(0), text));
    });

    test('after it was disposed of, twice even, it does nothing any more; its key is gone', () => {
      const key = new SecretBytes(Buffer.alloc(32, 1));
      const encryption = engine.encryption(AES_256, key);
      encryption.begin(Buffer.alloc(12));
      encryption[Symbol.dispose]();
      encryption[Symbol.dispose]();
      assert.throws(() => key.reveal(), INTERNAL);
      for (const call of [
        () => encryption.begin(Buffer.alloc(12)),
        () => encryption.aad(Buffer.alloc(1)),
        () => encryption.update(Buffer.alloc(1)),
        () => encryption.tag(),
      ])
        assert.throws(call, INTERNAL);
      // Its context serves the next one, which is not disturbed by it.
      using next = engine.encryption(AES_256, new SecretBytes(Buffer.alloc(32, 2)));
      next.begin(Buffer.alloc(12));
      assert.throws(() => encryption.update(Buffer.alloc(1)), INTERNAL);
      const output = [next.update(Buffer.from('text')), next.tag()];
      const other = expected(AES_256, Buffer.alloc(32, 2), Buffer.alloc(12), Buffer.alloc(0), Buffer.from('text'));
      assert.deepEqual(Buffer.concat(output), other);
    });
  });
}

test('what is too short or too long is refused before OpenSSL would read beyond it', () => {
  for (const bytes of [0, 16, 31, 33])
    assert.throws(() => nativeGcm!.encryption(AES_256, new SecretBytes(Buffer.alloc(bytes))), INTERNAL);
  using decryption = nativeGcm!.decryption(AES_256, new SecretBytes(Buffer.alloc(32)));
  for (const bytes of [0, 11, 13, 16]) assert.throws(() => decryption.begin(Buffer.alloc(bytes)), INTERNAL);
  decryption.begin(Buffer.alloc(12));
  for (const bytes of [0, 4, 15, 17]) assert.throws(() => decryption.isGenuine(Buffer.alloc(bytes)), INTERNAL);
});

test('a tag that is refused leaves no error behind that node:crypto would find', () => {
  using decryption = nativeGcm!.decryption(AES_256, new SecretBytes(Buffer.alloc(32)));
  decryption.begin(Buffer.alloc(12));
  assert.ok(!decryption.isGenuine(Buffer.alloc(16)));
  const bad = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----';
  assert.throws(() => verify('sha256', Buffer.alloc(1), bad, Buffer.alloc(1)), /asn1|ASN1|DECODER|unsupported/i);
});

test('another thread has contexts of its own', async () => {
  const module = (path: string): string => new URL(path, import.meta.url).href;
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     Promise.all(workerData.map((path) => import(path))).then(([{ nativeGcm }, { SecretBytes }]) => {
       for (let count = 0; count < 5000; count++) {
         using gcm = nativeGcm.encryption('aes-256-gcm', new SecretBytes(Buffer.alloc(32, 3)));
         gcm.begin(Buffer.alloc(12));
         gcm.update(Buffer.alloc(64));
         const tag = gcm.tag();
         if (count === 4999) parentPort.postMessage(tag);
       }
     });`,
    {
      eval: true,
      workerData: [module('../../../src/crypto/gcm-native.ts'), module('../../../src/crypto/secret-bytes.ts')],
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  worker.once('message', resolve);
  worker.once('error', reject);
  const tag = expected(AES_256, Buffer.alloc(32, 3), Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(64)).subarray(-16);
  for (let count = 0; count < 5000; count++) {
    using here = nativeGcm!.encryption(AES_256, new SecretBytes(Buffer.alloc(32, 3)));
    assert.deepEqual(sealed(here, Buffer.alloc(12), [], [Buffer.alloc(64)]).subarray(-16), tag);
  }
  assert.deepEqual(Buffer.from(await promise), tag);
});

test('without node:ffi the portable way takes its place, and says nothing', async () => {
  const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { nativeGcm } = await import(${here('../../../src/crypto/gcm-native.ts')});
    const { gcm } = await import(${here('../../../src/crypto/gcm.ts')});
    const { SecretBytes } = await import(${here('../../../src/crypto/secret-bytes.ts')});
    const encryption = gcm.encryption('aes-256-gcm', new SecretBytes(Buffer.alloc(32)));
    encryption.begin(Buffer.alloc(12));
    console.log(nativeGcm, encryption.tag().toString('hex'));`;
  const { stdout, stderr } = await runWithoutFfi(program);
  const tag = expected(AES_256, Buffer.alloc(32), Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(0)).toString('hex');
  assert.deepEqual([stdout.trim(), stderr], [`null ${tag}`, '']);
});
