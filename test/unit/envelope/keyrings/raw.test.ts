/** Raw keys, held against the raw keyrings of the AWS Encryption SDK for JavaScript, both ways. */
import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import {
  AlgorithmSuiteIdentifier,
  EncryptedDataKey as TheirEntry,
  NodeAlgorithmSuite,
  NodeDecryptionMaterial,
  NodeEncryptionMaterial,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
  RawRsaKeyringNode,
  unwrapDataKey,
  type KeyringNode,
} from '@aws-crypto/client-node';
import fc from 'fast-check';
import type { EncryptedDataKey, Keyring } from '../../../../src/envelope/keyring.ts';
import {
  multiKeyring,
  rawAesKeyring,
  rawRsaKeyring,
  type RsaPadding,
} from '../../../../src/envelope/keyrings/index.ts';
import type { EncryptionContext } from '../../../../src/model/encryption-context.ts';
import { changed, CONTEXT, opened, textOf, unwrapRequest, wrapped, wrapRequest } from '../../../support/keyrings.ts';

const SUITE = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
const NAMES = { namespace: 'Schlüssel of the shop', name: 'orders/7' };
const KEY = randomBytes(32);
const AES = rawAesKeyring({ ...NAMES, key: KEY });
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const OTHER_RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = {
  publicKey: RSA.publicKey.export({ format: 'pem', type: 'spki' }),
  privateKey: RSA.privateKey.export({ format: 'pem', type: 'pkcs8' }),
};

/** What their keyring opens our entries to. */
async function theirsOpens(
  theirs: KeyringNode,
  entries: readonly EncryptedDataKey[],
  context: EncryptionContext = CONTEXT,
): Promise<string> {
  const given = entries.map(
    ({ providerId, providerInfo, ciphertext }) =>
      new TheirEntry({
        providerId,
        providerInfo: Buffer.from(providerInfo).toString(),
        rawInfo: Uint8Array.from(providerInfo),
        encryptedDataKey: Uint8Array.from(ciphertext),
      }),
  );
  const material = new NodeDecryptionMaterial(new NodeAlgorithmSuite(SUITE), context);
  const found = await theirs.onDecrypt(material, given);
  return Buffer.from(unwrapDataKey(found.getUnencryptedDataKey())).toString('hex');
}

/** A data key of their keyring's, as entries of a message. */
async function theirsWraps(
  theirs: KeyringNode,
  context: EncryptionContext = CONTEXT,
): Promise<{ readonly hex: string; readonly entries: readonly EncryptedDataKey[] }> {
  const material = await theirs.onEncrypt(new NodeEncryptionMaterial(new NodeAlgorithmSuite(SUITE), context));
  const entries = material.encryptedDataKeys.map(({ providerId, providerInfo, rawInfo, encryptedDataKey }) => ({
    providerId,
    providerInfo: rawInfo ?? Buffer.from(providerInfo),
    ciphertext: encryptedDataKey,
  }));
  return { hex: Buffer.from(unwrapDataKey(material.getUnencryptedDataKey())).toString('hex'), entries };
}

function theirAes(key: Buffer): KeyringNode {
  const suites = {
    16: RawAesWrappingSuiteIdentifier.AES128_GCM_IV12_TAG16_NO_PADDING,
    24: RawAesWrappingSuiteIdentifier.AES192_GCM_IV12_TAG16_NO_PADDING,
    32: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  };
  return new RawAesKeyringNode({
    keyName: NAMES.name,
    keyNamespace: NAMES.namespace,
    unencryptedMasterKey: Uint8Array.from(key),
    wrappingSuite: suites[key.length as 16 | 24 | 32],
    utf8Sorting: true,
  });
}

suite('raw AES', () => {
  for (const bytes of [16, 24, 32] as const) {
    test(`what a key of ${bytes} bytes wraps, the official keyring opens, and the reverse`, async () => {
      const key = randomBytes(bytes);
      const ours = rawAesKeyring({ ...NAMES, key });
      for (const context of [CONTEXT, {}, { '\u{10000}': 'x', '\uffff': 'y', Z: 'z', a: 'a' }]) {
        const { hex, entries } = await wrapped(ours, { context });
        assert.equal(await theirsOpens(theirAes(key), entries, context), hex);
        const given = await theirsWraps(theirAes(key), context);
        assert.equal(await opened(ours, given.entries, { context }), given.hex);
      }
    });
  }

  test('the provider information is name, bits of the tag, length of the IV, IV', async () => {
    const { entries } = await wrapped(AES);
    const info = Buffer.from(entries[0]!.providerInfo);
    const name = Buffer.from(NAMES.name);
    assert.equal(entries[0]!.providerId, NAMES.namespace);
    assert.deepEqual(info.subarray(0, name.length), name);
    assert.equal(info.subarray(name.length, name.length + 8).toString('hex'), '000000800000000c');
    assert.equal(info.length, name.length + 8 + 12);
  });

  test('whatever the data key and the context, it comes back; under another context it does not', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(text, text, { maxKeys: 8 }),
        fc.constantFrom(16, 24, 32),
        async (context, bytes) => {
          const { hex, entries } = await wrapped(AES, { context, bytes });
          assert.equal(hex.length, 2 * bytes);
          assert.equal(await opened(AES, entries, { context, bytes }), hex);
          await refused(AES, entries, { context: { ...context, more: 'x' }, bytes });
        },
      ),
    );
  });

  test('another key, a changed wrap, another length and another name are refused alike', async () => {
    const { entries } = await wrapped(AES);
    const entry = entries[0]!;
    await refused(rawAesKeyring({ ...NAMES, key: randomBytes(32) }), entries);
    await refused(rawAesKeyring({ ...NAMES, name: 'orders/8', key: KEY }), entries);
    await refused(rawAesKeyring({ ...NAMES, name: 'orders/', key: KEY }), entries);
    await refused(rawAesKeyring({ ...NAMES, namespace: 'other', key: KEY }), entries);
    await refused(AES, [changed(entry)]);
    await refused(AES, entries, { bytes: 16 });
    await refused(AES, []);
    for (let length = 0; length < entry.ciphertext.length; length += 1) {
      await refused(AES, [{ ...entry, ciphertext: entry.ciphertext.subarray(0, length) }]);
    }
    for (let length = 0; length < entry.providerInfo.length; length += 1) {
      await refused(AES, [{ ...entry, providerInfo: entry.providerInfo.subarray(0, length) }]);
    }
  });

  test('of several entries that name it, the one that opens is taken; after four it stops', async () => {
    const { hex, entries } = await wrapped(AES);
    const bad = changed(entries[0]!);
    assert.equal(await opened(AES, [bad, bad, bad, entries[0]!]), hex);
    await refused(AES, [bad, bad, bad, bad, entries[0]!]);
  });

  test('a key of another length, and names that are of other keys, are refused when the keyring is made', () => {
    const made =
      (more: object): (() => unknown) =>
      () =>
        rawAesKeyring({ ...NAMES, key: KEY, ...more });
    const invalid = { code: 'INVALID_ARGUMENT' };
    assert.throws(made({ key: randomBytes(31) }), invalid);
    assert.throws(made({ namespace: 'aws-kms' }), invalid);
    assert.throws(made({ namespace: 'aws-kms-mine' }), invalid);
    assert.throws(made({ namespace: 'claviger:pem' }), invalid);
    assert.throws(made({ namespace: '' }), invalid);
    assert.throws(made({ name: '' }), invalid);
    assert.throws(made({ name: 'x'.repeat(1025) }), invalid);
  });

  test('the data key is wiped where it cannot be wrapped', async () => {
    const seen: Buffer[] = [];
    const random = {
      bytes: (length: number): Buffer => {
        if (length === 12) throw new Error('no more randomness');
        const bytes = randomBytes(length);
        seen.push(bytes);
        return bytes;
      },
    };
    await assert.rejects(rawAesKeyring({ ...NAMES, key: KEY, random }).wrap(wrapRequest()), /no more randomness/);
    assert.deepEqual(seen, [Buffer.alloc(32)]);
  });
});

suite('raw RSA', () => {
  const paddings: readonly (readonly [RsaPadding, number, string | undefined])[] = [
    ['oaep-sha1', constants.RSA_PKCS1_OAEP_PADDING, 'sha1'],
    ['oaep-sha256', constants.RSA_PKCS1_OAEP_PADDING, 'sha256'],
    ['oaep-sha384', constants.RSA_PKCS1_OAEP_PADDING, 'sha384'],
    ['oaep-sha512', constants.RSA_PKCS1_OAEP_PADDING, 'sha512'],
    ['pkcs1', constants.RSA_PKCS1_PADDING, undefined],
  ];
  for (const [padding, number, oaepHash] of paddings) {
    test(`what \`${padding}\` wraps, the official keyring opens, and the reverse`, async () => {
      const ours = rawRsaKeyring({ ...NAMES, ...PEM, padding });
      const theirs = new RawRsaKeyringNode({
        keyName: NAMES.name,
        keyNamespace: NAMES.namespace,
        rsaKey: PEM,
        padding: number,
        ...(oaepHash === undefined ? {} : { oaepHash: oaepHash as 'sha1' }),
      });
      const { hex, entries } = await wrapped(ours);
      assert.equal(textOf(entries[0]!), NAMES.name);
      assert.equal(await theirsOpens(theirs, entries), hex);
      const given = await theirsWraps(theirs);
      assert.equal(await opened(ours, given.entries), given.hex);
    });
  }

  test('with the public key alone it wraps, and says why it does not open', async () => {
    const ours = rawRsaKeyring({ ...NAMES, publicKey: RSA.publicKey });
    const { hex, entries } = await wrapped(ours);
    await assert.rejects(ours.unwrap(unwrapRequest(entries)), { code: 'UNSUPPORTED' });
    assert.equal(await opened(rawRsaKeyring({ ...NAMES, privateKey: RSA.privateKey }), entries), hex);
  });

  test('another key, padding or name, and a changed wrap, are refused alike', async () => {
    const ours = rawRsaKeyring({ ...NAMES, ...PEM });
    let { entries } = await wrapped(ours);
    // Without its leading zero, a wrap is the same number: one in 256 has one.
    while (entries[0]!.ciphertext[0] !== 0) ({ entries } = await wrapped(ours));
    await refused(rawRsaKeyring({ ...NAMES, privateKey: OTHER_RSA.privateKey }), entries);
    await refused(rawRsaKeyring({ ...NAMES, ...PEM, padding: 'oaep-sha1' }), entries);
    await refused(rawRsaKeyring({ ...NAMES, ...PEM, name: 'orders/8' }), entries);
    await refused(ours, [changed(entries[0]!)]);
    await refused(ours, [{ ...entries[0]!, ciphertext: entries[0]!.ciphertext.subarray(1) }]);
  });

  test('a wrong PKCS #1 v1.5 padding is told neither by an error of its own nor by its length alone', async () => {
    const ours = rawRsaKeyring({ ...NAMES, ...PEM, padding: 'pkcs1' });
    const { hex, entries } = await wrapped(ours);
    const outcome = await opened(ours, [changed(entries[0]!)]).catch((error: Error & { code: string }) => error.code);
    assert.notEqual(outcome, hex);
    assert.match(outcome, /^(INVALID_CIPHERTEXT|[0-9a-f]{64})$/);
  });

  test('keys that do not belong together, are short, or are none, are refused when the keyring is made', () => {
    const made =
      (more: object): (() => unknown) =>
      () =>
        rawRsaKeyring({ ...NAMES, ...more });
    const invalid = { code: 'INVALID_ARGUMENT' };
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    assert.throws(made({}), invalid);
    assert.throws(made({ publicKey: OTHER_RSA.publicKey, privateKey: RSA.privateKey }), invalid);
    assert.throws(made({ publicKey: short.publicKey }), invalid);
    assert.throws(made({ privateKey: elliptic.privateKey }), invalid);
    assert.throws(made({ publicKey: RSA.privateKey }), invalid);
    assert.throws(made({ ...PEM, padding: 'oaep-md5' }), invalid);
    assert.throws(made({ ...PEM, padding: 'constructor' }), invalid);
    assert.throws(
      made({ privateKey: '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----' }),
      (error: Error) => {
        assert.doesNotMatch(`${error.stack}${String(error.cause)}`, /c2VjcmV0/);
        return true;
      },
    );
  });
});

suite('several keyrings', () => {
  const rsa = rawRsaKeyring({ ...NAMES, name: 'recovery', ...PEM });

  test('the generator makes the data key, every child wraps it, and each opens it', async () => {
    const multi = multiKeyring({ generator: AES, children: [rsa] });
    const { hex, entries } = await wrapped(multi);
    assert.equal(entries.length, 2);
    for (const keyring of [multi, AES, rsa]) assert.equal(await opened(keyring, entries), hex);
    assert.equal(await opened(multi, [changed(entries[0]!), entries[1]!]), hex);
    await refused(multi, entries.map(changed));
  });

  test('where a child does not wrap, nothing is encrypted, and no copy of the data key is left', async () => {
    const copies: Buffer[] = [];
    const watching: Keyring = {
      wrap: async (request) => {
        const made = await AES.wrap(request);
        copies.push(made.dataKey.reveal());
        return made;
      },
      unwrap: (request) => AES.unwrap(request),
    };
    const failing = multiKeyring({ children: [AES] });
    const multi = multiKeyring({ generator: watching, children: [watching, failing] });
    await assert.rejects(multi.wrap(wrapRequest()), { code: 'UNSUPPORTED' });
    assert.deepEqual(copies, [Buffer.alloc(32), Buffer.alloc(32)]);
  });

  test('without a generator it opens, and does not encrypt', async () => {
    const { hex, entries } = await wrapped(rsa);
    const opener = multiKeyring({ children: [AES, rsa] });
    assert.equal(await opened(opener, entries), hex);
    await assert.rejects(opener.wrap(wrapRequest()), { code: 'UNSUPPORTED' });
    assert.throws(() => multiKeyring({}), { code: 'INVALID_ARGUMENT' });
  });
});

async function refused(
  keyring: Keyring,
  entries: readonly EncryptedDataKey[],
  more: Parameters<typeof unwrapRequest>[1] = {},
): Promise<void> {
  await assert.rejects(keyring.unwrap(unwrapRequest(entries, more)), { code: 'INVALID_CIPHERTEXT' });
}
