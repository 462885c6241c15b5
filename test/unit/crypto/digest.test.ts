import assert from 'node:assert/strict';
import { createHash, hash, verify as nodeVerify } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { nativeDigests } from '../../../src/crypto/digest-native.ts';
import { portableDigests } from '../../../src/crypto/digest-portable.ts';
import { sign } from '../../../src/crypto/sign.ts';
import { verify } from '../../../src/crypto/verify.ts';
import { SPECS, type Spec } from '../../../src/model/spec.ts';
import { runWithoutFfi } from '../../support/without-ffi.ts';
import { flipped, keyOf, newKey } from './keys.ts';

const WAYS = [
  ['native', nativeDigests!],
  ['portable', portableDigests],
] as const;

const DIGEST_BYTES: Partial<Record<Spec, number>> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 64,
  secp256k1: 32,
  Ed25519: 64,
  'ML-DSA-44': 64,
  'ML-DSA-65': 64,
  'ML-DSA-87': 64,
};

test('this Node signs digests natively', () => {
  assert.notEqual(nativeDigests, null);
});

for (const [spec, digestBytes] of Object.entries(DIGEST_BYTES) as [Spec, number][]) {
  test(`${spec}: what the native way signs the portable way verifies, and the reverse`, async () => {
    const { handle, publicKey } = await keyOf(spec);
    const digests = [
      hash('sha512', 'claviger', 'buffer').subarray(0, digestBytes),
      Buffer.alloc(digestBytes),
      Buffer.alloc(digestBytes, 0xff),
    ];
    for (const digest of digests) {
      for (const [signer, { sign }] of WAYS) {
        const signature = sign(spec, handle.key, digest);
        for (const [verifier, { verify }] of WAYS) {
          const pair = `${signer} → ${verifier}`;
          assert.equal(verify(spec, publicKey, digest, signature), true, pair);
          assert.equal(verify(spec, publicKey, flipped(digest, 0), signature), false, pair);
          assert.equal(verify(spec, publicKey, digest, flipped(signature, signature.length * 8 - 7)), false, pair);
          assert.equal(verify(spec, publicKey, digest, signature.subarray(0, -1)), false, pair);
          assert.equal(verify(spec, publicKey, digest, Buffer.concat([signature, Buffer.of(0)])), false, pair);
          assert.equal(verify(spec, publicKey, digest, new Uint8Array(0)), false, pair);
        }
      }
    }
  });
}

test('Ed25519ph is deterministic: both ways give the same bytes', async () => {
  const { handle } = await keyOf('Ed25519');
  const digest = hash('sha512', 'claviger', 'buffer');
  assert.deepEqual(
    nativeDigests!.sign('Ed25519', handle.key, digest),
    portableDigests.sign('Ed25519', handle.key, digest),
  );
});

test('an ECDSA digest longer than the curve is cut to its bits, one shorter is taken as it is', async () => {
  for (const [spec, name] of [
    ['P-256', 'sha512'],
    ['secp256k1', 'sha384'],
    ['P-521', 'sha256'],
    ['P-384', 'sha1'],
  ] as const) {
    const { handle, publicKey } = await keyOf(spec);
    const digest = hash(name, 'claviger', 'buffer');
    for (const [, { sign, verify }] of WAYS) {
      const signature = sign(spec, handle.key, digest);
      assert.equal(nodeVerify(name, Buffer.from('claviger'), publicKey, signature), true, `${spec} ${name}`);
      for (const other of WAYS) assert.equal(other[1].verify(spec, publicKey, digest, signature), true);
      assert.equal(verify(spec, publicKey, digest, signature), true);
    }
  }
});

test('nonces are not repeated: two signatures over one digest share no r', async () => {
  const { handle } = await keyOf('P-256');
  for (const [way, { sign }] of WAYS) {
    const rs = Array.from({ length: 20 }, () => sign('P-256', handle.key, Buffer.alloc(32, 1)).toString('hex', 4, 32));
    assert.equal(new Set(rs).size, 20, way);
  }
});

/** FIPS 204, algorithm 7, line 6, with the message of algorithm 2: an empty context. */
function muOf(rawPublicKey: Uint8Array, message: Uint8Array): Buffer {
  const shake = (...parts: Uint8Array[]): Buffer =>
    createHash('shake256', { outputLength: 64 }).update(Buffer.concat(parts)).digest();
  return shake(shake(rawPublicKey), Buffer.of(0, 0), message);
}

for (const spec of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
  test(`${spec}: a signature over mu is one over its message`, async () => {
    const { handle, spki, publicKey } = await keyOf(spec);
    const message = Buffer.from('message');
    const mu = { digest: muOf(publicKey.export({ format: 'raw-public' }), message) };
    assert.equal(nodeVerify(null, message, publicKey, await sign(handle, 'ML_DSA_SHAKE_256', mu)), true);
    const overMessage = await sign(handle, 'ML_DSA_SHAKE_256', { message });
    assert.equal(await verify(spec, spki, 'ML_DSA_SHAKE_256', mu, overMessage), true);
  });
}

test('a refused digest signature leaves no error behind for the next caller of OpenSSL', async () => {
  const { handle, publicKey, spki } = await keyOf('P-256');
  assert.equal(nativeDigests!.verify('P-256', publicKey, Buffer.alloc(32), Buffer.from('30', 'hex')), false);
  const message = Buffer.from('message');
  assert.equal(
    await verify('P-256', spki, 'ECDSA_SHA_256', { message }, await sign(handle, 'ECDSA_SHA_256', { message })),
    true,
  );
});

test('contexts of many keys come and go', async () => {
  for (let count = 0; count < 200; count += 1) {
    const { handle, publicKey } = await newKey('P-256');
    const digest = Buffer.alloc(32, count);
    assert.equal(
      nativeDigests!.verify('P-256', publicKey, digest, nativeDigests!.sign('P-256', handle.key, digest)),
      true,
    );
  }
});

test('another thread signs with a key that was sent to it, without a warning', async () => {
  const { handle, publicKey } = await keyOf('P-256');
  const module = new URL('../../../src/crypto/digest-native.ts', import.meta.url).href;
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     let warnings = 0;
     process.on('warning', () => (warnings += 1));
     import(workerData.module).then(({ nativeDigests }) =>
       setImmediate(() => {
         const signature = nativeDigests.sign('P-256', workerData.key, new Uint8Array(32));
         parentPort.postMessage({ signature, warnings });
       }));`,
    { eval: true, workerData: { module, key: handle.key } },
  );
  const { promise, resolve, reject } = Promise.withResolvers<{ signature: Uint8Array; warnings: number }>();
  worker.once('message', resolve);
  worker.once('error', reject);
  const { signature, warnings } = await promise;
  assert.equal(warnings, 0);
  assert.equal(portableDigests.verify('P-256', publicKey, new Uint8Array(32), signature), true);
});

test('without node:ffi the portable way signs and verifies', async () => {
  const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const program = `
    const { nativeDigests } = await import(${here('../../../src/crypto/digest-native.ts')});
    const { sign } = await import(${here('../../../src/crypto/sign.ts')});
    const { verify } = await import(${here('../../../src/crypto/verify.ts')});
    const { keyOf } = await import(${here('./keys.ts')});
    const answers = [nativeDigests];
    for (const [spec, algorithm, length] of [['P-256', 'ECDSA_SHA_256', 32], ['Ed25519', 'ED25519_PH_SHA_512', 64]]) {
      const { handle, spki } = await keyOf(spec);
      const input = { digest: Buffer.alloc(length, 1) };
      answers.push(await verify(spec, spki, algorithm, input, await sign(handle, algorithm, input)));
    }
    console.log(JSON.stringify(answers));`;
  const { stdout, stderr } = await runWithoutFfi(program);
  assert.equal(stdout.trim(), '[null,true,true]');
  assert.equal(stderr, '');
});

test('only the families that have no other way come here', () => {
  for (const spec of Object.keys(DIGEST_BYTES) as Spec[]) assert.match(SPECS[spec].family, /^(ec|ed25519|ml-dsa)$/);
});
