/** Import of key material by AWS's JavaScript SDK: made and wrapped by Python or OpenSSL, then used with both. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import type {
  AlgorithmSpec,
  CreateKeyCommandInput,
  ImportKeyMaterialCommandInput,
  KMS,
  KeySpec,
  KeyUsageType,
  WrappingKeySpec,
} from '@aws-sdk/client-kms';
import { wrapForImport } from '../../src/crypto/key-wrap.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import type { ImportAlgorithmName } from '../../src/model/algorithm.ts';
import { askVerifier, requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { base64, bytesOf, fieldsOf, kmsClient, newKey, pairOf, refuses } from './aws-support.ts';

const ALGORITHMS = [
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
] as const satisfies AlgorithmSpec[];
const WRAPPING_SPECS = ['RSA_2048', 'RSA_3072', 'RSA_4096'] as const;
const DOES_NOT_EXPIRE = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

let server: TestServer;
let kms: KMS;
let folder: string;

before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 10000 }\n' });
  kms = kmsClient(server);
  folder = await mkdtemp(join(tmpdir(), 'claviger-import-'));
});
after(async () => {
  kms.destroy();
  await server.stop();
  await rm(folder, { recursive: true });
});

type Wrap = (alg: AlgorithmSpec, wrappingKey: Uint8Array, material: Uint8Array) => Promise<Uint8Array>;

/** Wraps with Python's cryptography; null where the test has been skipped. */
async function pythonWrap(t: TestContext): Promise<Wrap | null> {
  const python = await requirePeer(t, 'python');
  if (python === null) return null;
  return async (alg, wrappingKey, material) => {
    const op = alg.startsWith('RSAES') ? 'encrypt' : 'wrap';
    const question = { op, alg, publicKeySpkiBase64: base64(wrappingKey), plaintextBase64: base64(material) };
    const [answer] = await askVerifier(python.verifier, [question]);
    return Buffer.from(answer!['ciphertextBase64'] ?? assert.fail(answer!.error), 'base64');
  };
}

/** Wraps with the commands that AWS's developer guide gives; null where the test has been skipped. */
async function opensslWrap(t: TestContext): Promise<Wrap | null> {
  const openssl = await requirePeer(t, 'openssl');
  if (openssl === null) return null;
  const run = (args: readonly string[]) => mustRun(openssl.program, args, { cwd: folder });
  return async (alg, wrappingKey, material) => {
    const hash = alg.endsWith('SHA_1') ? 'sha1' : 'sha256';
    const oaep = ['rsa_padding_mode:oaep', `rsa_oaep_md:${hash}`, `rsa_mgf1_md:${hash}`];
    const options = oaep.flatMap((option) => ['-pkeyopt', option]);
    const rsa = ['pkeyutl', '-encrypt', '-pubin', '-keyform', 'DER', '-inkey', 'wrapping.der', ...options];
    await writeFile(join(folder, 'wrapping.der'), wrappingKey);
    await writeFile(join(folder, 'material'), material);
    if (alg.startsWith('RSAES')) {
      await run([...rsa, '-in', 'material', '-out', 'wrapped']);
      return readFile(join(folder, 'wrapped'));
    }
    await run(['rand', '-out', 'aes', '32']);
    const key = (await readFile(join(folder, 'aes'))).toString('hex');
    const wrap = ['enc', '-id-aes256-wrap-pad', '-iv', 'A65959A6', '-K', key];
    await run([...wrap, '-in', 'material', '-out', 'padded']);
    await run([...rsa, '-in', 'aes', '-out', 'wrapped']);
    return Buffer.concat([await readFile(join(folder, 'wrapped')), await readFile(join(folder, 'padded'))]);
  };
}

/** Ours, for what is refused anyway: it starts no program. */
const ownWrap: Wrap = async (alg, wrappingKey, material) =>
  wrapForImport(alg as ImportAlgorithmName, wrappingKey, material, systemRandom);

/** A key that waits for its material. */
function pendingKey(input: CreateKeyCommandInput = {}) {
  return newKey(kms, { ...input, Origin: 'EXTERNAL' });
}

/** Parameters, wrapping and import, as a caller does them. */
async function importInto(
  KeyId: string,
  wrap: Wrap,
  material: Uint8Array,
  WrappingAlgorithm: AlgorithmSpec = 'RSA_AES_KEY_WRAP_SHA_256',
  more: Partial<ImportKeyMaterialCommandInput> = DOES_NOT_EXPIRE,
  WrappingKeySpec: WrappingKeySpec = 'RSA_2048',
) {
  const { ImportToken, PublicKey } = await kms.getParametersForImport({ KeyId, WrappingAlgorithm, WrappingKeySpec });
  const EncryptedKeyMaterial = await wrap(WrappingAlgorithm, PublicKey!, material);
  return kms.importKeyMaterial({ KeyId, ImportToken, EncryptedKeyMaterial, ...more });
}

suite('GetParametersForImport', () => {
  for (const WrappingKeySpec of WRAPPING_SPECS) {
    test(`it gives a wrapping key of spec ${WrappingKeySpec} and a token for a day`, async () => {
      const { KeyId, Arn } = await pendingKey();
      const { ImportToken, PublicKey, ParametersValidTo, ...answer } = fieldsOf(
        await kms.getParametersForImport({ KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec }),
      );
      assert.deepEqual(answer, { KeyId: Arn });
      assert.ok(ImportToken!.length > 0);
      assert.ok(PublicKey!.length > Number(WrappingKeySpec.slice(4)) / 8);
      assert.ok(Math.abs(ParametersValidTo!.getTime() - Date.now() - DAY_MS) < 60_000);
    });
  }

  test('a key that has its own material takes none', async () => {
    const { KeyId } = await newKey(kms);
    const parameters = { KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' } as const;
    await refuses(kms.getParametersForImport(parameters), 'UnsupportedOperationException', /own material/);
    const material = { KeyId, ImportToken: bytesOf('x'), EncryptedKeyMaterial: bytesOf('x'), ...DOES_NOT_EXPIRE };
    await refuses(kms.importKeyMaterial(material), 'UnsupportedOperationException');
    await refuses(kms.deleteImportedKeyMaterial({ KeyId }), 'UnsupportedOperationException');
  });

  test('wrapping algorithms and keys that are not safe or not known are refused', async () => {
    const { KeyId } = await pendingKey();
    for (const WrappingAlgorithm of ['RSAES_PKCS1_V1_5', 'SM2PKE'] as const) {
      const call = kms.getParametersForImport({ KeyId, WrappingAlgorithm, WrappingKeySpec: 'RSA_2048' });
      await refuses(call, 'ValidationException', /`WrappingAlgorithm`/);
    }
    const WrappingAlgorithm = 'RSAES_OAEP_SHA_256';
    const call = kms.getParametersForImport({ KeyId, WrappingAlgorithm, WrappingKeySpec: 'SM2' });
    await refuses(call, 'ValidationException', /`WrappingKeySpec`/);
  });
});

suite('a key that waits for its material', () => {
  test('is pending import, and refuses use by that name', async () => {
    const { KeyId, KeyState, Enabled, Origin, ExpirationModel } = await pendingKey();
    assert.deepEqual([KeyState, Enabled, Origin, ExpirationModel], ['PendingImport', false, 'EXTERNAL', undefined]);
    await refuses(kms.encrypt({ KeyId, Plaintext: bytesOf('x') }), 'KMSInvalidStateException', /import it first/);
    await refuses(kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }), 'KMSInvalidStateException');
    const signing = await pendingKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    await refuses(kms.getPublicKey({ KeyId: signing.KeyId }), 'KMSInvalidStateException');
    await refuses(kms.rotateKeyOnDemand({ KeyId }), 'KMSInvalidStateException');
    await refuses(kms.enableKeyRotation({ KeyId }), 'UnsupportedOperationException');
  });
});

suite('a symmetric key', () => {
  for (const alg of ALGORITHMS) {
    for (const [by, wrapper] of [
      ['Python', pythonWrap],
      ['OpenSSL', opensslWrap],
    ] as const) {
      test(`is imported, wrapped by ${by} with ${alg}`, async (t) => {
        const wrap = await wrapper(t);
        if (wrap === null) return;
        const { KeyId, Arn } = await pendingKey();
        assert.equal((await importInto(KeyId, wrap, randomBytes(32), alg)).KeyId, Arn);
        const described = (await kms.describeKey({ KeyId })).KeyMetadata!;
        assert.deepEqual(
          [described.KeyState, described.ExpirationModel, described.ValidTo],
          ['Enabled', 'KEY_MATERIAL_DOES_NOT_EXPIRE', undefined],
        );
        const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x') });
        assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, bytesOf('x'));
      });
    }
  }

  for (const WrappingKeySpec of ['RSA_3072', 'RSA_4096'] as const) {
    test(`is imported under a wrapping key of spec ${WrappingKeySpec}`, async (t) => {
      const wrap = await pythonWrap(t);
      if (wrap === null) return;
      const { KeyId } = await pendingKey();
      await importInto(KeyId, wrap, randomBytes(32), 'RSAES_OAEP_SHA_256', DOES_NOT_EXPIRE, WrappingKeySpec);
      assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.KeyState, 'Enabled');
    });
  }

  test('loses its material by deletion, takes only the same again, and then opens what it encrypted', async (t) => {
    const wrap = await pythonWrap(t);
    if (wrap === null) return;
    const { KeyId, Arn } = await pendingKey();
    const material = randomBytes(32);
    await importInto(KeyId, wrap, material, undefined, { ...DOES_NOT_EXPIRE, ImportType: 'NEW_KEY_MATERIAL' });
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('kept') });

    for (let times = 0; times < 2; times++) {
      assert.deepEqual(fieldsOf(await kms.deleteImportedKeyMaterial({ KeyId })), { KeyId: Arn });
      assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.KeyState, 'PendingImport');
    }
    await refuses(kms.decrypt({ CiphertextBlob }), 'KMSInvalidStateException');
    const other = importInto(KeyId, wrap, randomBytes(32));
    await refuses(other, 'IncorrectKeyMaterialException', /only the same again/);
    await importInto(KeyId, wrap, material, undefined, { ...DOES_NOT_EXPIRE, ImportType: 'EXISTING_KEY_MATERIAL' });
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, bytesOf('kept'));
  });

  test('can expire, on a date within a year', async (t) => {
    const wrap = await pythonWrap(t);
    if (wrap === null) return;
    const { KeyId } = await pendingKey();
    const ValidTo = new Date(Math.ceil(Date.now() / 1000) * 1000 + DAY_MS);
    await importInto(KeyId, wrap, randomBytes(32), undefined, { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo });
    const described = (await kms.describeKey({ KeyId })).KeyMetadata!;
    assert.deepEqual([described.ExpirationModel, described.ValidTo], ['KEY_MATERIAL_EXPIRES', ValidTo]);

    const pending = await pendingKey();
    const refused: readonly (readonly [Partial<ImportKeyMaterialCommandInput>, RegExp])[] = [
      [{}, /`ValidTo` goes with/],
      [{ ExpirationModel: 'KEY_MATERIAL_EXPIRES' }, /`ValidTo` goes with/],
      [{ ...DOES_NOT_EXPIRE, ValidTo }, /`ValidTo` goes with/],
      [{ ValidTo: new Date(Date.now() - 1000) }, /within 365 days/],
      [{ ValidTo: new Date(Date.now() + 366 * DAY_MS) }, /within 365 days/],
    ];
    for (const [more, told] of refused) {
      const call = importInto(pending.KeyId, ownWrap, randomBytes(32), undefined, more);
      await refuses(call, 'ValidationException', told);
    }
  });

  test('its material has to have 32 bytes', async () => {
    for (const bytes of [16, 31, 33, 64]) {
      const { KeyId } = await pendingKey();
      const told = new RegExp(`${bytes} bytes, not 32`);
      await refuses(importInto(KeyId, ownWrap, randomBytes(bytes)), 'IncorrectKeyMaterialException', told);
    }
  });
});

suite('import tokens', () => {
  const parameters = { WrappingAlgorithm: 'RSAES_OAEP_SHA_256', WrappingKeySpec: 'RSA_2048' } as const;

  test('only the last token of this key is taken', async () => {
    const [one, two] = [await pendingKey(), await pendingKey()];
    const first = await kms.getParametersForImport({ KeyId: one.KeyId, ...parameters });
    const EncryptedKeyMaterial = await ownWrap('RSAES_OAEP_SHA_256', first.PublicKey!, randomBytes(32));
    const input = { EncryptedKeyMaterial, ImportToken: first.ImportToken, ...DOES_NOT_EXPIRE };
    await refuses(
      kms.importKeyMaterial({ KeyId: two.KeyId, ...input }),
      'InvalidImportTokenException',
      /ask for new parameters/,
    );
    await refuses(
      kms.importKeyMaterial({ KeyId: one.KeyId, ...input, ImportToken: bytesOf('noise') }),
      'InvalidImportTokenException',
    );
    const second = await kms.getParametersForImport({ KeyId: one.KeyId, ...parameters });
    await refuses(kms.importKeyMaterial({ KeyId: one.KeyId, ...input }), 'InvalidImportTokenException');
    // Wrapped under the first wrapping key, sent with the second token.
    const crossed = { KeyId: one.KeyId, ...input, ImportToken: second.ImportToken };
    await refuses(kms.importKeyMaterial(crossed), 'InvalidCiphertextException');
  });

  test('a token is taken for a day', async (t) => {
    const { KeyId } = await pendingKey();
    const { ImportToken, PublicKey } = await kms.getParametersForImport({ KeyId, ...parameters });
    const EncryptedKeyMaterial = await ownWrap('RSAES_OAEP_SHA_256', PublicKey!, randomBytes(32));
    const input = { KeyId, ImportToken, EncryptedKeyMaterial, ...DOES_NOT_EXPIRE };
    // Client and server are of this process, so both see the next day. The header `Date` is still of today: the SDK would
    // correct its clock by that and try again.
    const once = kmsClient(server, pairOf(server), { maxAttempts: 1 });
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + DAY_MS });
    await refuses(
      once.importKeyMaterial(input),
      'ExpiredImportTokenException',
      /expired at .*; ask for new parameters/,
    );
    t.mock.timers.reset();
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.KeyState, 'PendingImport');
    once.destroy();
  });

  test('noise, and material wrapped in another way, are invalid ciphertexts', async () => {
    const { KeyId } = await pendingKey();
    const { ImportToken, PublicKey } = await kms.getParametersForImport({ KeyId, ...parameters });
    for (const EncryptedKeyMaterial of [
      await ownWrap('RSAES_OAEP_SHA_1', PublicKey!, randomBytes(32)),
      await ownWrap('RSA_AES_KEY_WRAP_SHA_256', PublicKey!, randomBytes(32)),
      randomBytes(256),
      bytesOf('x'),
    ]) {
      const call = kms.importKeyMaterial({ KeyId, ImportToken, EncryptedKeyMaterial, ...DOES_NOT_EXPIRE });
      await refuses(call, 'InvalidCiphertextException');
    }
  });
});

suite('HMAC keys', () => {
  test('of every length are imported, and Python makes the same MACs', async (t) => {
    const [wrap, python] = [await pythonWrap(t), await requirePeer(t, 'python')];
    if (wrap === null || python === null) return;
    for (const bits of ['224', '256', '384', '512'] as const) {
      const material = randomBytes(Number(bits) / 8);
      const { KeyId } = await pendingKey({ KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
      await importInto(KeyId, wrap, material, 'RSAES_OAEP_SHA_256');
      const MacAlgorithm = `HMAC_SHA_${bits}` as const;
      const Message = bytesOf('order 17');
      const question = { op: 'mac', alg: MacAlgorithm, keyBase64: base64(material), messageBase64: base64(Message) };
      const [answer] = await askVerifier(python.verifier, [question]);
      const { Mac } = await kms.generateMac({ KeyId, Message, MacAlgorithm });
      assert.equal(base64(Mac!), answer!['macBase64']);
    }
  });
});

suite('private keys', () => {
  const PAIRS = [
    ['RSA_2048', 'RSASSA_PSS_SHA_256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['RSA_3072', 'RSASSA_PKCS1_V1_5_SHA_384', () => generateKeyPairSync('rsa', { modulusLength: 3072 })],
    ['RSA_4096', 'RSASSA_PSS_SHA_512', () => generateKeyPairSync('rsa', { modulusLength: 4096 })],
    ['ECC_NIST_P256', 'ECDSA_SHA_256', () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })],
    ['ECC_NIST_P384', 'ECDSA_SHA_384', () => generateKeyPairSync('ec', { namedCurve: 'secp384r1' })],
    ['ECC_NIST_P521', 'ECDSA_SHA_512', () => generateKeyPairSync('ec', { namedCurve: 'secp521r1' })],
    ['ECC_SECG_P256K1', 'ECDSA_SHA_256', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
    ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', () => generateKeyPairSync('ed25519')],
  ] as const;

  for (const [KeySpec, SigningAlgorithm, generate] of PAIRS) {
    test(`of spec ${KeySpec} are imported, sign for Python, and verify what Python signed`, async (t) => {
      const [wrap, python] = [await pythonWrap(t), await requirePeer(t, 'python')];
      if (wrap === null || python === null) return;
      const pair = generate();
      const pkcs8 = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
      const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
      const { KeyId } = await pendingKey({ KeySpec, KeyUsage: 'SIGN_VERIFY' });
      await importInto(KeyId, wrap, pkcs8);
      assert.deepEqual(Buffer.from((await kms.getPublicKey({ KeyId })).PublicKey!), spki);

      const Message = bytesOf('signed on both sides');
      const { Signature } = await kms.sign({ KeyId, Message, SigningAlgorithm });
      const messageBase64 = base64(Message);
      const [ours, theirs] = await askVerifier(python.verifier, [
        {
          alg: SigningAlgorithm,
          publicKeySpkiBase64: base64(spki),
          messageBase64,
          signatureBase64: base64(Signature!),
        },
        { op: 'sign', alg: SigningAlgorithm, privateKeyPkcs8Base64: base64(pkcs8), messageBase64 },
      ]);
      assert.deepEqual(ours, { valid: true });
      const signed = Buffer.from(theirs!['signatureBase64']!, 'base64');
      const verified = await kms.verify({ KeyId, Message, SigningAlgorithm, Signature: signed });
      assert.equal(verified.SignatureValid, true);
    });
  }

  test('an RSA key wrapped by OpenSSL opens what OpenSSL encrypted before', async (t) => {
    const [wrap, openssl] = [await opensslWrap(t), await requirePeer(t, 'openssl')];
    if (wrap === null || openssl === null) return;
    const run = (...args: string[]) => mustRun(openssl.program, args, { cwd: folder });
    await run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-outform', 'DER', '-out', 'own.der');
    await run('pkcs8', '-topk8', '-nocrypt', '-inform', 'DER', '-in', 'own.der', '-outform', 'DER', '-out', 'own.p8');
    await writeFile(join(folder, 'text'), 'before the import');
    const oaep = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256'].flatMap((option) => ['-pkeyopt', option]);
    await run('pkeyutl', '-encrypt', '-keyform', 'DER', '-inkey', 'own.der', '-in', 'text', '-out', 'blob', ...oaep);
    for (const algorithm of ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const) {
      const { KeyId } = await pendingKey({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' });
      await importInto(KeyId, wrap, await readFile(join(folder, 'own.p8')), algorithm);
      const CiphertextBlob = await readFile(join(folder, 'blob'));
      const opened = await kms.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' });
      assert.deepEqual(opened.Plaintext, bytesOf('before the import'));
    }
  });

  test('a P-256 key made and wrapped by OpenSSL with plain OAEP is imported', async (t) => {
    const [wrap, openssl] = [await opensslWrap(t), await requirePeer(t, 'openssl')];
    if (wrap === null || openssl === null) return;
    const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    await mustRun(openssl.program, ['genpkey', ...curve, '-outform', 'DER', '-out', 'ec.der'], { cwd: folder });
    await mustRun(
      openssl.program,
      ['pkcs8', '-topk8', '-nocrypt', '-inform', 'DER', '-in', 'ec.der', '-outform', 'DER', '-out', 'ec.p8'],
      { cwd: folder },
    );
    const { KeyId } = await pendingKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    await importInto(KeyId, wrap, await readFile(join(folder, 'ec.p8')), 'RSAES_OAEP_SHA_256');
    const { Signature } = await kms.sign({ KeyId, Message: bytesOf('x'), SigningAlgorithm: 'ECDSA_SHA_256' });
    assert.ok(Signature!.length > 60);
  });

  test('a key agreement key is imported, and agrees as it did outside', async (t) => {
    const [wrap, python] = [await pythonWrap(t), await requirePeer(t, 'python')];
    if (wrap === null || python === null) return;
    const [own, other] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'secp384r1' }));
    const pkcs8 = own!.privateKey.export({ format: 'der', type: 'pkcs8' });
    const PublicKey = other!.publicKey.export({ format: 'der', type: 'spki' });
    const { KeyId } = await pendingKey({ KeySpec: 'ECC_NIST_P384', KeyUsage: 'KEY_AGREEMENT' });
    await importInto(KeyId, wrap, pkcs8);
    const { SharedSecret } = await kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey });
    const [answer] = await askVerifier(python.verifier, [
      {
        op: 'derive',
        alg: 'ECDH',
        privateKeyPkcs8Base64: base64(pkcs8),
        publicKeySpkiBase64: base64(PublicKey),
      },
    ]);
    assert.equal(base64(SharedSecret!), answer!['secretBase64']);
  });

  test('material of another kind, curve or size is refused', async () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const pkcs8 = p384.privateKey.export({ format: 'der', type: 'pkcs8' });
    const sec1 = p384.privateKey.export({ format: 'der', type: 'sec1' });
    const wrong: readonly (readonly [KeySpec, KeyUsageType, Uint8Array, RegExp])[] = [
      ['ECC_NIST_P256', 'SIGN_VERIFY', pkcs8, /another kind, curve or size/],
      ['RSA_2048', 'SIGN_VERIFY', pkcs8, /another kind, curve or size/],
      ['ECC_NIST_P384', 'SIGN_VERIFY', sec1, /PKCS#8/],
      ['ECC_NIST_P384', 'SIGN_VERIFY', new Uint8Array([...pkcs8, 0]), /PKCS#8/],
      ['HMAC_256', 'GENERATE_VERIFY_MAC', pkcs8, /bytes, not 32/],
      ['ECC_NIST_P256', 'SIGN_VERIFY', randomBytes(32), /PKCS#8/],
    ];
    for (const [KeySpec, KeyUsage, material, told] of wrong) {
      const { KeyId } = await pendingKey({ KeySpec, KeyUsage });
      await refuses(importInto(KeyId, ownWrap, material), 'IncorrectKeyMaterialException', told);
      assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.KeyState, 'PendingImport');
    }
  });
});
