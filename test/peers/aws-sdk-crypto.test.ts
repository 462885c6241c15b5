/** Encryption, data keys, random bytes and MACs by AWS's JavaScript SDK, against OpenSSL and Python where they can. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { DataKeyPairSpec, EncryptionAlgorithmSpec, KMS, KeySpec, MacAlgorithmSpec } from '@aws-sdk/client-kms';
import { askVerifier, requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { base64, bytesOf, fieldsOf, kmsClient, newKey, refuses } from './aws-support.ts';

const RSA_SPECS = ['RSA_2048', 'RSA_3072', 'RSA_4096'] as const;
const OAEP = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const;
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

let server: TestServer;
let kms: KMS;
/** A symmetric key, and one of each RSA size. */
let KeyId: string;
let Arn: string;
const rsa = new Map<KeySpec, string>();

before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 10000 }\n' });
  kms = kmsClient(server);
  ({ KeyId, Arn } = await newKey(kms));
  for (const spec of RSA_SPECS) {
    rsa.set(spec, (await newKey(kms, { KeySpec: spec, KeyUsage: 'ENCRYPT_DECRYPT' })).KeyId);
  }
});
after(async () => {
  kms.destroy();
  await server.stop();
});

suite('Encrypt and Decrypt with a symmetric key', () => {
  test('what is encrypted is opened again, with and without naming the key', async () => {
    const { CiphertextBlob, ...encrypted } = fieldsOf(await kms.encrypt({ KeyId, Plaintext: bytesOf('hello') }));
    assert.deepEqual(encrypted, { KeyId: Arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
    const opened = { KeyId: Arn, Plaintext: bytesOf('hello'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
    assert.deepEqual(fieldsOf(await kms.decrypt({ CiphertextBlob })), opened);
    const named = { CiphertextBlob, KeyId, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' } as const;
    assert.deepEqual(fieldsOf(await kms.decrypt(named)), opened);
  });

  test('two ciphertexts of one text differ', async () => {
    const [one, two] = [
      await kms.encrypt({ KeyId, Plaintext: bytesOf('x') }),
      await kms.encrypt({ KeyId, Plaintext: bytesOf('x') }),
    ];
    assert.notDeepEqual(one.CiphertextBlob, two.CiphertextBlob);
  });

  test('4,096 bytes are taken, one more and none are not', async () => {
    const Plaintext = crypto.getRandomValues(new Uint8Array(4096));
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, Plaintext);
    await refuses(kms.encrypt({ KeyId, Plaintext: new Uint8Array(4097) }), 'ValidationException', /`Plaintext`.*4096/);
    await refuses(kms.encrypt({ KeyId, Plaintext: new Uint8Array(0) }), 'ValidationException', /`Plaintext`/);
  });

  test('the encryption context has to be the same, in whatever order', async () => {
    const EncryptionContext = { shop: '1', Ort: 'Köln', empty: '' };
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionContext });
    const reordered = { empty: '', Ort: 'Köln', shop: '1' };
    assert.deepEqual((await kms.decrypt({ CiphertextBlob, EncryptionContext: reordered })).Plaintext, bytesOf('x'));
    for (const wrong of [
      undefined,
      {},
      { shop: '1' },
      { ...EncryptionContext, shop: '2' },
      { ...EncryptionContext, more: '' },
    ]) {
      const call = kms.decrypt({ CiphertextBlob, ...(wrong === undefined ? {} : { EncryptionContext: wrong }) });
      await refuses(call, 'InvalidCiphertextException');
    }
    await refuses(
      kms.decrypt({ CiphertextBlob, EncryptionContext: { Shop: '1', Ort: 'Köln', empty: '' } }),
      'InvalidCiphertextException',
    );
  });

  test('a ciphertext with any bit changed, cut or longer is invalid, and so is noise', async () => {
    const { CiphertextBlob: blob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x') });
    const flipped = (at: number): Uint8Array => blob!.with(at, blob![at]! ^ 1);
    const wrong = [
      ...Array.from(blob!.keys(), flipped),
      blob!.slice(0, -1),
      blob!.slice(0, 20),
      new Uint8Array([...blob!, 0]),
      bytesOf('noise'),
    ];
    for (const CiphertextBlob of wrong) await refuses(kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException');
  });

  test('a ciphertext of another key is told as such', async () => {
    const other = await newKey(kms);
    const { CiphertextBlob } = await kms.encrypt({ KeyId: other.KeyId, Plaintext: bytesOf('x') });
    await refuses(kms.decrypt({ KeyId, CiphertextBlob }), 'IncorrectKeyException', /under another key/);
    const call = kms.reEncrypt({ SourceKeyId: KeyId, CiphertextBlob, DestinationKeyId: KeyId });
    await refuses(call, 'IncorrectKeyException');
  });

  test('keys for something else do not encrypt', async () => {
    for (const [KeySpec, KeyUsage] of [
      ['RSA_2048', 'SIGN_VERIFY'],
      ['HMAC_256', 'GENERATE_VERIFY_MAC'],
    ] as const) {
      const other = await newKey(kms, { KeySpec, KeyUsage });
      const call = kms.encrypt({ KeyId: other.KeyId, Plaintext: bytesOf('x') });
      await refuses(call, 'InvalidKeyUsageException', /not for `encrypt-decrypt`/);
      await refuses(kms.generateDataKey({ KeyId: other.KeyId, KeySpec: 'AES_256' }), 'InvalidKeyUsageException');
    }
    for (const EncryptionAlgorithm of OAEP) {
      const call = kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionAlgorithm });
      await refuses(call, 'InvalidKeyUsageException', /has no algorithm/);
    }
  });
});

suite('Encrypt and Decrypt with an RSA key', () => {
  /** Longest plaintext: AWS, "Encrypt", the table under `Plaintext`. */
  const LONGEST: Readonly<Record<string, number>> = {
    'RSA_2048 RSAES_OAEP_SHA_1': 214,
    'RSA_2048 RSAES_OAEP_SHA_256': 190,
    'RSA_3072 RSAES_OAEP_SHA_1': 342,
    'RSA_3072 RSAES_OAEP_SHA_256': 318,
    'RSA_4096 RSAES_OAEP_SHA_1': 470,
    'RSA_4096 RSAES_OAEP_SHA_256': 446,
  };

  for (const spec of RSA_SPECS) {
    for (const EncryptionAlgorithm of OAEP) {
      const longest = LONGEST[`${spec} ${EncryptionAlgorithm}`]!;
      test(`${spec} takes ${longest} bytes under ${EncryptionAlgorithm}, and no more`, async () => {
        const named = { KeyId: rsa.get(spec)!, EncryptionAlgorithm };
        const Plaintext = crypto.getRandomValues(new Uint8Array(longest));
        const { CiphertextBlob } = await kms.encrypt({ ...named, Plaintext });
        assert.equal(CiphertextBlob!.length, Number(spec.slice(4)) / 8);
        assert.deepEqual((await kms.decrypt({ ...named, CiphertextBlob })).Plaintext, Plaintext);
        const call = kms.encrypt({ ...named, Plaintext: new Uint8Array(longest + 1) });
        await refuses(call, 'ValidationException', new RegExp(`at most ${longest} bytes`));
      });

      test(`OpenSSL encrypts for ${spec} with ${EncryptionAlgorithm}, and we decrypt`, async (t) => {
        const openssl = await requirePeer(t, 'openssl');
        if (openssl === null) return;
        const folder = await mkdtemp(join(tmpdir(), 'claviger-oaep-'));
        try {
          const named = { KeyId: rsa.get(spec)!, EncryptionAlgorithm };
          const { PublicKey } = await kms.getPublicKey({ KeyId: named.KeyId });
          await writeFile(join(folder, 'key.der'), PublicKey!);
          await writeFile(join(folder, 'text'), 'from OpenSSL');
          const hash = EncryptionAlgorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256';
          const key = ['-pubin', '-keyform', 'DER', '-inkey', 'key.der', '-in', 'text', '-out', 'blob'];
          const oaep = ['rsa_padding_mode:oaep', `rsa_oaep_md:${hash}`, `rsa_mgf1_md:${hash}`];
          const options = oaep.flatMap((option) => ['-pkeyopt', option]);
          await mustRun(openssl.program, ['pkeyutl', '-encrypt', ...key, ...options], { cwd: folder });
          const CiphertextBlob = await readFile(join(folder, 'blob'));
          const opened = fieldsOf(await kms.decrypt({ ...named, CiphertextBlob }));
          assert.equal(opened.EncryptionAlgorithm, EncryptionAlgorithm);
          assert.deepEqual(opened.Plaintext, bytesOf('from OpenSSL'));
        } finally {
          await rm(folder, { recursive: true });
        }
      });
    }
  }

  test('the algorithm has to be named, for there is no default for RSA', async () => {
    const named = { KeyId: rsa.get('RSA_2048')! };
    await refuses(kms.encrypt({ ...named, Plaintext: bytesOf('x') }), 'InvalidKeyUsageException', /SYMMETRIC_DEFAULT/);
    await refuses(kms.decrypt({ ...named, CiphertextBlob: new Uint8Array(256) }), 'InvalidKeyUsageException');
  });

  test('a wrong algorithm, key or length gives one and the same refusal', async () => {
    const [KeyId2048, KeyId3072] = [rsa.get('RSA_2048')!, rsa.get('RSA_3072')!];
    const sha256 = 'RSAES_OAEP_SHA_256';
    const { CiphertextBlob: blob } = await kms.encrypt({
      KeyId: KeyId2048,
      Plaintext: bytesOf('x'),
      EncryptionAlgorithm: sha256,
    });
    const calls = [
      { KeyId: KeyId2048, CiphertextBlob: blob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' },
      { KeyId: KeyId3072, CiphertextBlob: blob, EncryptionAlgorithm: sha256 },
      { KeyId: KeyId2048, CiphertextBlob: blob!.slice(1), EncryptionAlgorithm: sha256 },
      { KeyId: KeyId2048, CiphertextBlob: blob!.with(200, blob![200]! ^ 1), EncryptionAlgorithm: sha256 },
      { KeyId: KeyId2048, CiphertextBlob: new Uint8Array(256).fill(255), EncryptionAlgorithm: sha256 },
    ] as const;
    const told = await Promise.all(calls.map((call) => kms.decrypt(call).catch((error: Error) => error)));
    for (const error of told as Error[]) {
      assert.equal(error.name, 'InvalidCiphertextException');
      assert.equal(error.message, (told[0] as Error).message);
    }
  });

  test('it takes no encryption context, which nothing would bind', async () => {
    const call = kms.encrypt({
      KeyId: rsa.get('RSA_2048')!,
      Plaintext: bytesOf('x'),
      EncryptionAlgorithm: 'RSAES_OAEP_SHA_256',
      EncryptionContext: { shop: '1' },
    });
    await refuses(call, 'ValidationException', /only symmetric keys/);
  });

  test('a ciphertext that names no key needs the key named', () =>
    refuses(kms.decrypt({ CiphertextBlob: new Uint8Array(256) }), 'InvalidCiphertextException'));
});

suite('ReEncrypt', () => {
  const algorithms: readonly (readonly [KeySpec, EncryptionAlgorithmSpec])[] = [
    ['SYMMETRIC_DEFAULT', 'SYMMETRIC_DEFAULT'],
    ['RSA_2048', 'RSAES_OAEP_SHA_1'],
    ['RSA_3072', 'RSAES_OAEP_SHA_256'],
  ];
  for (const [fromSpec, from] of algorithms) {
    for (const [toSpec, to] of algorithms) {
      test(`from ${from} to ${to}`, async () => {
        const SourceKeyId = rsa.get(fromSpec) ?? KeyId;
        const target = toSpec === 'SYMMETRIC_DEFAULT' ? await newKey(kms) : { KeyId: rsa.get(toSpec)! };
        const Plaintext = bytesOf('moved');
        const source = await kms.encrypt({ KeyId: SourceKeyId, Plaintext, EncryptionAlgorithm: from });
        const { CiphertextBlob, ...moved } = fieldsOf(
          await kms.reEncrypt({
            CiphertextBlob: source.CiphertextBlob,
            SourceKeyId,
            SourceEncryptionAlgorithm: from,
            DestinationKeyId: target.KeyId,
            DestinationEncryptionAlgorithm: to,
          }),
        );
        const arnOf = (id: string): string => `arn:aws:kms:${server.region}:${server.accountId}:key/${id}`;
        assert.deepEqual(moved, {
          KeyId: arnOf(target.KeyId),
          SourceKeyId: arnOf(SourceKeyId),
          SourceEncryptionAlgorithm: from,
          DestinationEncryptionAlgorithm: to,
        });
        const opened = await kms.decrypt({ KeyId: target.KeyId, CiphertextBlob, EncryptionAlgorithm: to });
        assert.deepEqual(opened.Plaintext, Plaintext);
      });
    }
  }

  test('it changes the context, and needs the old one', async () => {
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionContext: { a: '1' } });
    const moved = await kms.reEncrypt({
      CiphertextBlob,
      SourceEncryptionContext: { a: '1' },
      DestinationKeyId: KeyId,
      DestinationEncryptionContext: { b: '2' },
    });
    const opened = await kms.decrypt({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { b: '2' } });
    assert.deepEqual(opened.Plaintext, bytesOf('x'));
    await refuses(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId }), 'InvalidCiphertextException');
  });

  test('a destination that is unknown, disabled or for something else is refused', async () => {
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x') });
    await refuses(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: UNKNOWN_ID }), 'NotFoundException');
    const off = await newKey(kms);
    await kms.disableKey({ KeyId: off.KeyId });
    await refuses(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: off.KeyId }), 'DisabledException');
    const mac = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    await refuses(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: mac.KeyId }), 'InvalidKeyUsageException');
  });
});

suite('data keys', () => {
  const EncryptionContext = { file: 'orders.db' };

  for (const [wish, bytes] of [
    [{ KeySpec: 'AES_256' }, 32],
    [{ KeySpec: 'AES_128' }, 16],
    [{ NumberOfBytes: 1 }, 1],
    [{ NumberOfBytes: 1024 }, 1024],
  ] as const) {
    test(`a data key of ${JSON.stringify(wish)} has ${bytes} bytes, and Decrypt gives it back`, async () => {
      const made = fieldsOf(await kms.generateDataKey({ KeyId, EncryptionContext, ...wish }));
      assert.deepEqual(Object.keys(made).sort(), ['CiphertextBlob', 'KeyId', 'Plaintext']);
      assert.equal(made.KeyId, Arn);
      assert.equal(made.Plaintext!.length, bytes);
      const { CiphertextBlob } = made;
      assert.deepEqual((await kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext, made.Plaintext);
      await refuses(kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException');
    });

    test(`a data key of ${JSON.stringify(wish)} can be had without its plaintext`, async () => {
      const made = fieldsOf(await kms.generateDataKeyWithoutPlaintext({ KeyId, EncryptionContext, ...wish }));
      assert.deepEqual(Object.keys(made).sort(), ['CiphertextBlob', 'KeyId']);
      const opened = await kms.decrypt({ CiphertextBlob: made.CiphertextBlob, EncryptionContext });
      assert.equal(opened.Plaintext!.length, bytes);
    });
  }

  test('neither or both ways to say its length, and wrong lengths, are refused', async () => {
    await refuses(kms.generateDataKey({ KeyId }), 'ValidationException', /either `KeySpec` or `NumberOfBytes`/);
    const both = { KeyId, KeySpec: 'AES_256', NumberOfBytes: 32 } as const;
    await refuses(kms.generateDataKey(both), 'ValidationException', /either/);
    await refuses(kms.generateDataKeyWithoutPlaintext(both), 'ValidationException', /either/);
    for (const NumberOfBytes of [0, 1025, 1.5]) {
      await refuses(kms.generateDataKey({ KeyId, NumberOfBytes }), 'ValidationException', /`NumberOfBytes`/);
    }
    await refuses(kms.generateDataKey({ KeyId, KeySpec: 'AES_512' as never }), 'ValidationException', /`KeySpec`/);
  });

  test('only symmetric keys make data keys', async () => {
    const named = { KeyId: rsa.get('RSA_2048')! };
    await refuses(kms.generateDataKey({ ...named, KeySpec: 'AES_256' }), 'InvalidKeyUsageException', /symmetric keys/);
    await refuses(kms.generateDataKeyPair({ ...named, KeyPairSpec: 'ECC_NIST_P256' }), 'InvalidKeyUsageException');
  });

  const PAIRS: readonly (readonly [DataKeyPairSpec, string])[] = [
    ['RSA_2048', 'RSASSA_PSS_SHA_256'],
    ['RSA_3072', 'RSASSA_PKCS1_V1_5_SHA_384'],
    ['RSA_4096', 'RSASSA_PSS_SHA_512'],
    ['ECC_NIST_P256', 'ECDSA_SHA_256'],
    ['ECC_NIST_P384', 'ECDSA_SHA_384'],
    ['ECC_NIST_P521', 'ECDSA_SHA_512'],
    ['ECC_SECG_P256K1', 'ECDSA_SHA_256'],
    ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512'],
    ['ML_KEM_768', 'ML_KEM'],
    ['ML_KEM_1024', 'ML_KEM'],
  ];

  test('Python takes the key pairs of every spec, and their halves belong together', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const pairs = [];
    for (const [KeyPairSpec, alg] of PAIRS) {
      const made = fieldsOf(await kms.generateDataKeyPair({ KeyId, KeyPairSpec, EncryptionContext }));
      assert.equal(made.KeyPairSpec, KeyPairSpec);
      assert.equal(made.KeyId, Arn);
      const CiphertextBlob = made.PrivateKeyCiphertextBlob;
      assert.deepEqual((await kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext, made.PrivateKeyPlaintext);
      const privateKeyPkcs8Base64 = base64(made.PrivateKeyPlaintext!);
      const publicKeySpkiBase64 = base64(made.PublicKey!);
      pairs.push({ KeyPairSpec, alg, privateKeyPkcs8Base64, publicKeySpkiBase64 });
    }
    const messageBase64 = base64(bytesOf('signed elsewhere'));
    const first = await askVerifier(
      python.verifier,
      pairs.map(({ alg, privateKeyPkcs8Base64, publicKeySpkiBase64 }) =>
        alg === 'ML_KEM'
          ? { op: 'encapsulate', alg, publicKeySpkiBase64 }
          : { op: 'sign', alg, privateKeyPkcs8Base64, messageBase64 },
      ),
    );
    for (const { error } of first) assert.equal(error, undefined);
    const second = await askVerifier(
      python.verifier,
      pairs.map(({ alg, privateKeyPkcs8Base64, publicKeySpkiBase64 }, index) =>
        alg === 'ML_KEM'
          ? { op: 'decapsulate', alg, privateKeyPkcs8Base64, ciphertextBase64: first[index]!['ciphertextBase64']! }
          : { alg, publicKeySpkiBase64, messageBase64, signatureBase64: first[index]!['signatureBase64']! },
      ),
    );
    for (const [index, { KeyPairSpec, alg }] of pairs.entries()) {
      const wanted = alg === 'ML_KEM' ? { secretBase64: first[index]!['secretBase64'] } : { valid: true };
      assert.deepEqual(second[index], wanted, KeyPairSpec);
    }
  });

  test('a key pair can be had without its private key', async () => {
    const KeyPairSpec = 'ECC_NIST_P256';
    const made = fieldsOf(await kms.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec }));
    assert.deepEqual(Object.keys(made).sort(), ['KeyId', 'KeyPairSpec', 'PrivateKeyCiphertextBlob', 'PublicKey']);
    const opened = await kms.decrypt({ CiphertextBlob: made.PrivateKeyCiphertextBlob });
    const key = { key: Buffer.from(opened.Plaintext!), format: 'der', type: 'pkcs8' } as const;
    const { createPrivateKey, createPublicKey } = await import('node:crypto');
    const own = createPublicKey(createPrivateKey(key)).export({ format: 'der', type: 'spki' });
    assert.deepEqual(Buffer.from(made.PublicKey!), own);
  });

  test('what is no spec of a key pair is refused', async () => {
    for (const KeyPairSpec of ['SYMMETRIC_DEFAULT', 'HMAC_256', 'SM2', 'RSA_1024'] as never[]) {
      await refuses(kms.generateDataKeyPair({ KeyId, KeyPairSpec }), 'ValidationException', /`KeyPairSpec`/);
    }
  });
});

suite('GenerateRandom', () => {
  for (const NumberOfBytes of [1, 32, 1024]) {
    test(`${NumberOfBytes} bytes`, async () => {
      const { Plaintext } = await kms.generateRandom({ NumberOfBytes });
      assert.equal(Plaintext!.length, NumberOfBytes);
    });
  }

  test('it does not repeat itself', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => kms.generateRandom({ NumberOfBytes: 16 })));
    assert.equal(new Set(made.map(({ Plaintext }) => base64(Plaintext!))).size, 50);
  });

  test('no number, or a wrong one, is refused', async () => {
    await refuses(kms.generateRandom({}), 'ValidationException', /`NumberOfBytes`/);
    for (const NumberOfBytes of [0, 1025]) {
      await refuses(kms.generateRandom({ NumberOfBytes }), 'ValidationException', /`NumberOfBytes`/);
    }
  });
});

suite('GenerateMac and VerifyMac', () => {
  for (const bits of ['224', '256', '384', '512'] as const) {
    const MacAlgorithm: MacAlgorithmSpec = `HMAC_SHA_${bits}`;
    test(`a ${MacAlgorithm} verifies, and nothing else does`, async () => {
      const made = await newKey(kms, { KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
      const input = { KeyId: made.KeyId, Message: bytesOf('order 17'), MacAlgorithm };
      const { Mac, ...answer } = fieldsOf(await kms.generateMac(input));
      assert.deepEqual(answer, { KeyId: made.Arn, MacAlgorithm });
      assert.equal(Mac!.length, Number(bits) / 8);
      const verified = fieldsOf(await kms.verifyMac({ ...input, Mac }));
      assert.deepEqual(verified, { KeyId: made.Arn, MacValid: true, MacAlgorithm });
      for (const wrong of [Mac!.with(0, Mac![0]! ^ 1), Mac!.slice(1), new Uint8Array([...Mac!, 0])]) {
        await refuses(kms.verifyMac({ ...input, Mac: wrong }), 'KMSInvalidMacException');
      }
      const other = kms.verifyMac({ ...input, Message: bytesOf('order 18'), Mac });
      await refuses(other, 'KMSInvalidMacException', /not one of this key and message/);
    });
  }

  test('an algorithm of another length, a key for something else and a long message are refused', async () => {
    const { KeyId: macKey } = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const Message = bytesOf('x');
    const sha512 = kms.generateMac({ KeyId: macKey, Message, MacAlgorithm: 'HMAC_SHA_512' });
    await refuses(sha512, 'InvalidKeyUsageException', /has no algorithm `HMAC_SHA_512`/);
    await refuses(kms.generateMac({ KeyId, Message, MacAlgorithm: 'HMAC_SHA_256' }), 'InvalidKeyUsageException');
    const unknown = kms.generateMac({ KeyId: macKey, Message, MacAlgorithm: 'HMAC_MD5' as never });
    await refuses(unknown, 'ValidationException', /`MacAlgorithm`/);
    const long = kms.generateMac({ KeyId: macKey, Message: new Uint8Array(4097), MacAlgorithm: 'HMAC_SHA_256' });
    await refuses(long, 'ValidationException', /`Message`/);
  });

  test('a disabled key neither makes nor verifies MACs', async () => {
    const { KeyId: macKey } = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const input = { KeyId: macKey, Message: bytesOf('x'), MacAlgorithm: 'HMAC_SHA_256' } as const;
    const { Mac } = await kms.generateMac(input);
    await kms.disableKey({ KeyId: macKey });
    await refuses(kms.generateMac(input), 'DisabledException');
    await refuses(kms.verifyMac({ ...input, Mac }), 'DisabledException');
  });
});
