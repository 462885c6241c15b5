import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ecdsaToDer, isOneSequence, readHeader } from '../../../src/bytes/der.ts';

/** DER of a value, written the plain way. */
function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const bytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...bytes), content]);
}

test('one sequence that fills its bytes is one sequence', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (content) => {
      const encoded = der(0x30, content);
      assert.equal(isOneSequence(encoded), true);
      assert.equal(isOneSequence(Buffer.concat([encoded, Buffer.of(0)])), false);
      assert.equal(isOneSequence(encoded.subarray(0, -1)), false);
      assert.equal(isOneSequence(der(0x31, content)), false);
    }),
  );
});

test('a header says where the content begins and how long it is', () => {
  assert.deepEqual(readHeader(der(0x04, Buffer.alloc(300))), { tag: 0x04, contentAt: 4, length: 300 });
});

test('lengths that are indefinite, too long, cut off or not the shortest are refused', () => {
  for (const hex of [
    '',
    '30',
    '3080',
    '30800000',
    '308100',
    '30817f',
    '30820080',
    '3083000100',
    '3084000000ff',
    '3082',
    '308201',
  ]) {
    assert.equal(readHeader(Buffer.from(hex, 'hex')), null, hex);
  }
});

test('any bytes are read without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const header = readHeader(bytes);
      assert.equal(
        isOneSequence(bytes),
        header !== null && header.tag === 0x30 && header.contentAt + header.length === bytes.length,
      );
    }),
    { numRuns: 1000 },
  );
});

test('an ECDSA signature r ‖ s is the same signature in DER, on every curve', () => {
  for (const namedCurve of ['prime256v1', 'secp256k1', 'secp384r1', 'secp521r1']) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    // Enough of them that r or s begins with a zero byte or a high bit now and then.
    for (let round = 0; round < 40; round += 1) {
      const message = Buffer.of(round);
      const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      assert.equal(verify('sha256', message, publicKey, ecdsaToDer(raw)), true);
      assert.equal(isOneSequence(ecdsaToDer(raw)), true);
    }
  }
});

test('r and s have no zeros before them in DER, and stay positive', () => {
  assert.equal(ecdsaToDer(Buffer.from('00010080', 'hex')).toString('hex'), '300702010102020080');
  assert.equal(ecdsaToDer(Buffer.from('00000000', 'hex')).toString('hex'), '3006020100020100');
});
