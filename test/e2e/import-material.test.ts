/** Import of key material: wrapped, once for each token, checked, and the same material only from then on. */
import assert from 'node:assert/strict';
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  constants,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  createPrivateKey,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { IMPORT_ALGORITHMS, type ImportAlgorithmName } from '../../src/model/algorithm.ts';
import { SPECS, specRow, USAGES, type Spec, type Usage } from '../../src/model/spec.ts';
import type { ClavigerApi } from '../../src/operations/index.ts';
import { importInto, wrapFor } from '../support/import.ts';
import { IMPORTABLE, newMaterial, type OwnMaterial } from '../support/material.ts';
import { openTestService, principalOf, type TestService } from '../support/service.ts';
import { assertNowhere, query } from '../support/store-files.ts';

const MESSAGE = Buffer.from('hello');

let service: TestService;
let api: ClavigerApi;
before(async () => {
  service = await openTestService();
  ({ api } = service);
});
after(() => service.remove());

describe('what was imported is what is used', () => {
  for (const spec of IMPORTABLE) {
    for (const usage of USAGES.filter((usage) => specRow(spec).usages[usage] !== undefined)) {
      test(`${spec} for ${usage}: the owner's own copy and ours do the same`, async () => {
        const own = newMaterial(spec);
        const id = await newKey(spec, usage);
        const info = await importInto(api, id, own.material);
        assert.deepEqual(
          [info.materialPresent, info.primaryVersion, info.origin, info.versions[0]!.cause, info.versions[0]!.state],
          [true, 1, 'external', 'imported', 'Active'],
        );
        await sameWork(id, spec, usage, own);
        assertNowhere(service.folder, own.secrets);
      });
    }
  }
});

describe('every way to wrap', () => {
  for (const algorithm of Object.keys(IMPORT_ALGORITHMS) as ImportAlgorithmName[]) {
    for (const wrappingKeyBits of [2048, 3072, 4096] as const) {
      test(`${algorithm} under RSA-${wrappingKeyBits}, by our own code and by node:crypto alone`, async () => {
        const material = randomBytes(32);
        const id = await newKey('AES-256-GCM');
        await importInto(api, id, material, { algorithm, wrappingKeyBits });
        const { importToken, publicKey } = await api.getParametersForImport({ key: id, algorithm, wrappingKeyBits });
        const wrapping = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
        assert.equal(wrapping.asymmetricKeyDetails!.modulusLength, wrappingKeyBits);
        const encryptedKeyMaterial = wrappedByHand(algorithm, wrapping, material);
        await api.importKeyMaterial({ key: id, importToken, encryptedKeyMaterial });
      });
    }
  }

  for (const spec of ['RSA-2048', 'RSA-4096', 'P-521', 'ML-DSA-87', 'ML-KEM-1024'] as const) {
    test(`${spec} goes through AES key wrap, which has no limit of length`, async () => {
      const id = await newKey(spec);
      await importInto(api, id, newMaterial(spec).material, { algorithm: 'RSA_AES_KEY_WRAP_SHA_1' });
    });
  }
});

describe('the token', () => {
  const material = randomBytes(32);

  test('is good for one import', async () => {
    const id = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, id, material);
    await api.importKeyMaterial({ key: id, ...wrapped });
    await assert.rejects(api.importKeyMaterial({ key: id, ...wrapped }), {
      code: 'INVALID_ARGUMENT',
      reason: 'InvalidImportToken',
      message: /ask for new parameters/,
    });
  });

  test('is good for one import by many at once', async () => {
    const id = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, id, material);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => api.importKeyMaterial({ key: id, ...wrapped })),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results) {
      if (result.status === 'rejected')
        assert.equal((result.reason as { reason: string }).reason, 'InvalidImportToken');
    }
  });

  test('expires after 24 hours, and says when it did', async () => {
    const id = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, id, material);
    service.clock.advance(24 * 60 * 60 * 1000);
    await assert.rejects(api.importKeyMaterial({ key: id, ...wrapped }), {
      code: 'INVALID_ARGUMENT',
      reason: 'ExpiredImportToken',
      message: /expired at 20.*Z; ask for new parameters/,
    });
    const again = await wrapFor(api, id, material);
    service.clock.advance(24 * 60 * 60 * 1000 - 1);
    await api.importKeyMaterial({ key: id, ...again });
  });

  test('of parameters that were asked for anew replaces the one before', async () => {
    const id = await newKey('AES-256-GCM');
    const first = await wrapFor(api, id, material);
    const second = await wrapFor(api, id, material);
    await assert.rejects(api.importKeyMaterial({ key: id, ...first }), { reason: 'InvalidImportToken' });
    await api.importKeyMaterial({ key: id, ...second });
  });

  test('of another key is refused, as are random bytes, none, and one that was cut', async () => {
    const [id, other] = [await newKey('AES-256-GCM'), await newKey('AES-256-GCM')];
    const mine = await wrapFor(api, id, material);
    const theirs = await wrapFor(api, other, material);
    for (const importToken of [theirs.importToken, randomBytes(16), Buffer.alloc(0), mine.importToken.subarray(1)]) {
      await assert.rejects(api.importKeyMaterial({ key: id, ...mine, importToken }), { reason: 'InvalidImportToken' });
    }
    await api.importKeyMaterial({ key: id, ...mine });
  });

  test('stays good where what came with it was wrong', async () => {
    const id = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, id, material);
    await assert.rejects(
      api.importKeyMaterial({ key: id, ...wrapped, encryptedKeyMaterial: wrapped.encryptedKeyMaterial.subarray(1) }),
      { code: 'INVALID_CIPHERTEXT' },
    );
    await api.importKeyMaterial({ key: id, ...wrapped });
  });

  test('is never given, nor material taken, for a key that was made here', async () => {
    const { id } = await api.createKey({ spec: 'AES-256-GCM' });
    const parameters = { algorithm: 'RSAES_OAEP_SHA_256', wrappingKeyBits: 2048 } as const;
    await assert.rejects(api.getParametersForImport({ key: id, ...parameters }), { code: 'UNSUPPORTED' });
    await assert.rejects(
      api.importKeyMaterial({ key: id, importToken: randomBytes(16), encryptedKeyMaterial: randomBytes(256) }),
      { code: 'UNSUPPORTED' },
    );
    await assert.rejects(api.deleteImportedKeyMaterial({ key: id }), { code: 'UNSUPPORTED' });
  });
});

describe('what is refused', () => {
  test('wrapped material with any byte changed, cut or extended, in one way', async () => {
    const id = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, id, randomBytes(32));
    const good = wrapped.encryptedKeyMaterial;
    const bad = [
      ...[0, 1, 100, 255, 256, 270, good.length - 1].map((at) => good.with(at, good[at]! ^ 1)),
      ...[0, 1, 255, 256, 257, 271, good.length - 1].map((length) => good.subarray(0, length)),
      Buffer.concat([good, Buffer.alloc(8)]),
      randomBytes(good.length),
    ];
    const messages = new Set<string>();
    for (const encryptedKeyMaterial of bad) {
      const error = await api.importKeyMaterial({ key: id, ...wrapped, encryptedKeyMaterial }).then(
        () => assert.fail('taken'),
        (thrown: unknown) => thrown as Error & { code: string },
      );
      assert.equal(error.code, 'INVALID_CIPHERTEXT');
      messages.add(error.message);
    }
    assert.equal(messages.size, 1);
    await api.importKeyMaterial({ key: id, ...wrapped });
  });

  test('material in the clear', async () => {
    const id = await newKey('AES-256-GCM');
    const material = randomBytes(32);
    const { importToken } = await wrapFor(api, id, material);
    for (const encryptedKeyMaterial of [material, Buffer.concat([material, Buffer.alloc(224)])]) {
      await assert.rejects(api.importKeyMaterial({ key: id, importToken, encryptedKeyMaterial }), {
        code: 'INVALID_CIPHERTEXT',
      });
    }
  });

  for (const length of [0, 16, 24, 31, 33, 64]) {
    test(`${length} bytes for AES-256`, async () => {
      const id = await newKey('AES-256-GCM');
      await assert.rejects(importInto(api, id, randomBytes(length), { algorithm: 'RSAES_OAEP_SHA_256' }), {
        code: 'INVALID_ARGUMENT',
        reason: 'IncorrectKeyMaterial',
      });
    });
  }

  test('a key of another kind, curve or size', async () => {
    for (const [spec, other] of [
      ['P-256', 'P-384'],
      ['P-256', 'secp256k1'],
      ['P-256', 'Ed25519'],
      ['RSA-2048', 'RSA-3072'],
      ['RSA-2048', 'P-256'],
      ['Ed25519', 'X25519'],
      ['ML-DSA-44', 'ML-DSA-65'],
      ['ML-KEM-512', 'ML-DSA-44'],
      ['HMAC-SHA-256', 'HMAC-SHA-384'],
    ] as const) {
      const id = await newKey(spec);
      await assert.rejects(
        importInto(api, id, newMaterial(other).material),
        { code: 'INVALID_ARGUMENT', reason: 'IncorrectKeyMaterial' },
        `${other} as ${spec}`,
      );
      assert.equal((await api.describeKey({ key: id })).materialPresent, false);
    }
  });

  test('a private key whose public part is another, and one with something after it', async () => {
    const { material } = newMaterial('P-256');
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-64);
    const forged = Buffer.from(material);
    point.copy(forged, forged.length - 64);
    for (const bad of [forged, Buffer.concat([material, Buffer.of(0)])]) {
      const id = await newKey('P-256');
      await assert.rejects(importInto(api, id, bad), { code: 'INVALID_ARGUMENT', reason: 'IncorrectKeyMaterial' });
    }
  });

  test('material for a key that is going or gone', async () => {
    const going = await newKey('AES-256-GCM');
    const wrapped = await wrapFor(api, going, randomBytes(32));
    await api.scheduleKeyDeletion({ key: going, pendingWindowDays: 7 });
    await assert.rejects(api.importKeyMaterial({ key: going, ...wrapped }), { code: 'KEY_STATE' });
    await assert.rejects(wrapFor(api, going, randomBytes(32)), { code: 'KEY_STATE' });
    service.clock.advanceDays(7);
    await service.runJobs();
    await assert.rejects(api.importKeyMaterial({ key: going, ...wrapped }), { code: 'KEY_STATE' });
  });

  test('rotation of an imported key, which would part it from its owner’s copy', async () => {
    const id = await newKey('AES-256-GCM');
    await importInto(api, id, randomBytes(32));
    await assert.rejects(api.rotateKey({ key: id }), { code: 'UNSUPPORTED' });
  });
});

describe('taken out and put in again', () => {
  for (const spec of ['AES-256-GCM', 'HMAC-SHA-512', 'P-256', 'RSA-2048', 'ML-KEM-768', 'Ed25519'] as const) {
    test(`${spec}: gone it is not used, other material is refused, the same makes it whole`, async () => {
      const own = newMaterial(spec);
      const usage = Object.keys(SPECS[spec].usages)[0] as Usage;
      const id = await newKey(spec);
      await importInto(api, id, own.material);
      assert.equal(materials(id), 1);
      const gone = await api.deleteImportedKeyMaterial({ key: id });
      assert.deepEqual([gone.state, gone.materialPresent], ['Active', false]);
      assert.equal(materials(id), 0);
      await assert.rejects(sameWork(id, spec, usage, own), { code: 'KEY_STATE' });
      await api.deleteImportedKeyMaterial({ key: id });

      await assert.rejects(importInto(api, id, newMaterial(spec).material), {
        code: 'INVALID_ARGUMENT',
        reason: 'IncorrectKeyMaterial',
        message: /had other material before; it takes only the same again/,
      });
      const again = await importInto(api, id, own.material);
      assert.equal(again.versions.length, 1);
      await sameWork(id, spec, usage, own);
    });
  }

  test('the same key in another encoding is the same material', async () => {
    const { material } = newMaterial('P-256');
    const key = createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
    // SEC 1 inside PKCS#8 without the public point, as some tools write it.
    const short = withoutPublicPoint(material);
    assert.ok(
      createPublicKey(createPrivateKey({ key: short, format: 'der', type: 'pkcs8' })).equals(createPublicKey(key)),
    );
    const id = await newKey('P-256');
    await importInto(api, id, material);
    await importInto(api, id, short);
  });
});

describe('states', () => {
  test('material that comes to a key that is not yet active, or disabled, waits with it', async () => {
    const { id: waiting } = await api.createKey({ spec: 'AES-256-GCM', origin: 'external', state: 'PreActive' });
    const info = await importInto(api, waiting, randomBytes(32));
    assert.deepEqual([info.state, info.versions[0]!.state], ['PreActive', 'PreActive']);
    await assert.rejects(api.encrypt({ key: waiting, plaintext: MESSAGE }), { code: 'KEY_STATE' });
    assert.equal((await api.activateKey({ key: waiting })).versions[0]!.state, 'Active');
    await api.encrypt({ key: waiting, plaintext: MESSAGE });

    const disabled = await newKey('AES-256-GCM');
    await api.disableKey({ key: disabled });
    const still = await importInto(api, disabled, randomBytes(32));
    assert.deepEqual([still.state, still.versions[0]!.state], ['Suspended', 'Suspended']);
    await assert.rejects(api.encrypt({ key: disabled, plaintext: MESSAGE }), { code: 'KEY_DISABLED' });
    assert.equal((await api.enableKey({ key: disabled })).versions[0]!.state, 'Active');
    await api.encrypt({ key: disabled, plaintext: MESSAGE });
  });

  test('material that comes to a key that is compromised is compromised with it', async () => {
    const id = await newKey('AES-256-GCM');
    await api.compromiseKey({ key: id });
    const info = await importInto(api, id, randomBytes(32));
    assert.deepEqual([info.state, info.versions[0]!.state], ['Compromised', 'Compromised']);
  });
});

test('equal material of two keys, and of two tenants, looks different in the store', async () => {
  const material = randomBytes(32);
  const other = service.of(principalOf(await service.tenant('other'), ['key-administrator', 'crypto-user']));
  const first = await newKey('AES-256-GCM');
  const second = await newKey('AES-256-GCM');
  const { id: third } = await other.createKey({ spec: 'AES-256-GCM', origin: 'external' });
  await importInto(api, first, material);
  await importInto(api, second, material);
  await importInto(other, third, material);
  const sealed = [first, second, third].map(
    (id) =>
      query(service.folder, 'SELECT hex(sealed) AS sealed FROM materials WHERE key_id = ?', id)[0]!['sealed'] as string,
  );
  assert.equal(new Set(sealed).size, 3);
  const fingerprints = [second, third].map(
    (id) => query(service.folder, 'SELECT backings FROM versions WHERE key_id = ?', id)[0]!['backings'] as string,
  );
  const printOf = (backings: string): string => (JSON.parse(backings) as [{ fingerprint: string }])[0].fingerprint;
  assert.notEqual(printOf(fingerprints[0]!), printOf(fingerprints[1]!));
});

async function newKey(spec: Spec, usage?: Usage): Promise<string> {
  return (await api.createKey({ spec, usage, origin: 'external' })).id;
}

function materials(keyId: string): number {
  return query(service.folder, 'SELECT count(*) AS count FROM materials WHERE key_id = ?', keyId)[0]![
    'count'
  ] as number;
}

/** What the owner does with the original, and we with the import, fits together. */
async function sameWork(key: string, spec: Spec, usage: Usage, own: OwnMaterial): Promise<void> {
  const { family } = specRow(spec);
  switch (usage) {
    case 'encrypt-decrypt': {
      const { ciphertext } = await api.encrypt({ key, plaintext: MESSAGE });
      assert.deepEqual(Buffer.from((await api.decrypt({ key, ciphertext })).plaintext), MESSAGE);
      if (family === 'rsa') {
        const oaep = { key: privateKeyOf(own), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
        assert.deepEqual(privateDecrypt(oaep, ciphertext), MESSAGE);
      } else assert.deepEqual(openedByHand(own.material, Buffer.from(ciphertext)), MESSAGE);
      return;
    }
    case 'sign-verify': {
      const { signature, algorithm } = await api.sign({ key, message: MESSAGE });
      const hash = /ECDSA_SHA_(\d+)/.exec(algorithm)?.[1];
      const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
      const digest = family === 'rsa' ? 'sha256' : hash === undefined ? null : `sha${hash}`;
      const options = family === 'rsa' ? pss : {};
      assert.ok(nodeVerify(digest, MESSAGE, { key: own.publicKey!, ...options }, signature));
      const theirs = nodeSign(digest, MESSAGE, { key: privateKeyOf(own), ...options });
      assert.equal((await api.verify({ key, message: MESSAGE, signature: theirs })).valid, true);
      return;
    }
    case 'mac': {
      const { mac } = await api.generateMac({ key, message: MESSAGE });
      const hash = spec.replace('HMAC-SHA-', 'sha');
      assert.deepEqual(Buffer.from(mac), createHmac(hash, own.material).update(MESSAGE).digest());
      return;
    }
    case 'key-agreement': {
      const peer = newMaterial(spec);
      const publicKey = peer.publicKey!.export({ format: 'der', type: 'spki' });
      const { sharedSecret } = await api.deriveSharedSecret({ key, publicKey });
      const theirs = diffieHellman({ privateKey: privateKeyOf(peer), publicKey: own.publicKey! });
      assert.deepEqual(Buffer.from(sharedSecret), theirs);
      return;
    }
    case 'kem': {
      const ours = await api.encapsulate({ key });
      assert.deepEqual(decapsulate(privateKeyOf(own), ours.ciphertext), Buffer.from(ours.sharedSecret));
      const theirs = encapsulate(own.publicKey!);
      const { sharedSecret } = await api.decapsulate({ key, ciphertext: theirs.ciphertext });
      assert.deepEqual(Buffer.from(sharedSecret), Buffer.from(theirs.sharedKey));
    }
  }
}

function privateKeyOf({ material }: OwnMaterial) {
  return createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
}

/** Opens a ciphertext blob with the key alone, by spec/ciphertext.md and C2SP's XAES-256-GCM. */
function openedByHand(key: Buffer, blob: Buffer): Buffer {
  const header = blob.subarray(0, 39);
  const nonce = blob.subarray(39, 63);
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const field = (part: Buffer): Buffer => Buffer.concat([u32(part.length), part]);
  const aad = Buffer.concat([field(Buffer.from('claviger/ciphertext/v1')), field(header), field(u32(0))]);
  const aes = (block: Buffer): Buffer => {
    const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    return cipher.update(block);
  };
  const l = aes(Buffer.alloc(16));
  const k1 = Buffer.alloc(16);
  for (let at = 0; at < 16; at++) k1[at] = (l[at]! << 1) | ((l[at + 1] ?? 0) >> 7);
  if (l[0]! & 0x80) k1[15]! ^= 0x87;
  const half = (counter: number): Buffer => {
    const block = Buffer.concat([Buffer.of(0, counter, 0x58, 0), nonce.subarray(0, 12)]);
    return aes(Buffer.from(block.map((byte, at) => byte ^ k1[at]!)));
  };
  const derived = Buffer.concat([half(1), half(2)]);
  const gcm = createDecipheriv('aes-256-gcm', derived, nonce.subarray(12)).setAAD(aad).setAuthTag(blob.subarray(-16));
  return Buffer.concat([gcm.update(blob.subarray(63, -16)), gcm.final()]);
}

function wrappedByHand(
  algorithm: ImportAlgorithmName,
  key: ReturnType<typeof createPublicKey>,
  material: Buffer,
): Buffer {
  const oaep = {
    key,
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256',
  };
  if (algorithm.startsWith('RSAES')) return publicEncrypt(oaep, material);
  const aes = randomBytes(32);
  const kwp = createCipheriv('id-aes256-wrap-pad', aes, Buffer.from('a65959a6', 'hex'));
  return Buffer.concat([publicEncrypt(oaep, aes), kwp.update(material), kwp.final()]);
}

/** PKCS#8 of a P-256 key as node:crypto writes it, with the optional public point taken out of its SEC 1 part. */
function withoutPublicPoint(pkcs8: Buffer): Buffer {
  const scalarAt = pkcs8.indexOf(Buffer.from('0201010420', 'hex')) + 5;
  const sec1 = Buffer.concat([Buffer.from('30250201010420', 'hex'), pkcs8.subarray(scalarAt, scalarAt + 32)]);
  const algorithm = Buffer.from('301306072a8648ce3d020106082a8648ce3d030107', 'hex');
  const body = Buffer.concat([Buffer.from('020100', 'hex'), algorithm, Buffer.of(0x04, sec1.length), sec1]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}
