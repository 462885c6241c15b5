/**
 * Signatures and agreed secrets by AWS's JavaScript SDK: made by us and checked by Python's `cryptography` and by Go, or
 * agreed with them.
 */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { KMS, KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { ml_kem512 } from '@noble/post-quantum/ml-kem.js';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { muOf, rawPublicKey } from '../support/mu.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { base64, bytesOf, fieldsOf, kmsClient, newKey, refuses } from './aws-support.ts';

const RSA_ALGORITHMS = [
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
] as const;

/** Each signing spec: its algorithms, each with the types of message it takes. */
const SIGNING: readonly (readonly [KeySpec, readonly (readonly [SigningAlgorithmSpec, readonly MessageType[]])[]])[] = [
  ...(['RSA_2048', 'RSA_3072', 'RSA_4096'] as const).map(
    (spec) => [spec, RSA_ALGORITHMS.map((algorithm) => [algorithm, ['RAW', 'DIGEST']] as const)] as const,
  ),
  ['ECC_NIST_P256', [['ECDSA_SHA_256', ['RAW', 'DIGEST']]]],
  ['ECC_NIST_P384', [['ECDSA_SHA_384', ['RAW', 'DIGEST']]]],
  ['ECC_NIST_P521', [['ECDSA_SHA_512', ['RAW', 'DIGEST']]]],
  ['ECC_SECG_P256K1', [['ECDSA_SHA_256', ['RAW', 'DIGEST']]]],
  [
    'ECC_NIST_EDWARDS25519',
    [
      ['ED25519_SHA_512', ['RAW']],
      ['ED25519_PH_SHA_512', ['DIGEST']],
    ],
  ],
  ['ML_DSA_44', [['ML_DSA_SHAKE_256', ['RAW', 'EXTERNAL_MU']]]],
  ['ML_DSA_65', [['ML_DSA_SHAKE_256', ['RAW', 'EXTERNAL_MU']]]],
  ['ML_DSA_87', [['ML_DSA_SHAKE_256', ['RAW', 'EXTERNAL_MU']]]],
];

const MESSAGE = bytesOf('the order of 12 March');

let server: TestServer;
let kms: KMS;
/** One key of each signing spec. */
const keys = new Map<KeySpec, { readonly KeyId: string; readonly Arn: string; readonly PublicKey: Uint8Array }>();

before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 10000 }\n' });
  kms = kmsClient(server);
  for (const [spec] of SIGNING) keys.set(spec, await publicKeyOf(spec, 'SIGN_VERIFY'));
});
after(async () => {
  kms.destroy();
  await server.stop();
});

async function publicKeyOf(KeySpec: KeySpec, KeyUsage: KeyUsageType) {
  const { KeyId, Arn } = await newKey(kms, { KeySpec, KeyUsage });
  const { PublicKey } = await kms.getPublicKey({ KeyId });
  return { KeyId, Arn, PublicKey: PublicKey! };
}

/** What is sent as the message of a type. */
function messageOf(type: MessageType, algorithm: SigningAlgorithmSpec, spki: Uint8Array): Uint8Array {
  if (type === 'RAW') return MESSAGE;
  if (type === 'EXTERNAL_MU') return muOf(spki, MESSAGE);
  return createHash(`sha${algorithm.slice(-3)}`)
    .update(MESSAGE)
    .digest();
}

/** One signature of every spec, algorithm and type of message, as questions to a verifier. */
async function signatures(): Promise<readonly (VerifierRequest & { readonly title: string })[]> {
  const made = [];
  for (const [spec, algorithms] of SIGNING) {
    const { KeyId, PublicKey } = keys.get(spec)!;
    for (const [SigningAlgorithm, types] of algorithms) {
      for (const MessageType of types) {
        const Message = messageOf(MessageType, SigningAlgorithm, PublicKey);
        const { Signature } = await kms.sign({ KeyId, Message, MessageType, SigningAlgorithm });
        // AWS: "the input is hashed twice: once by you and once by KMS".
        const signed = SigningAlgorithm === 'ED25519_PH_SHA_512' ? Message : MESSAGE;
        made.push({
          title: `${spec} ${SigningAlgorithm} ${MessageType}`,
          alg: SigningAlgorithm,
          publicKeySpkiBase64: base64(PublicKey),
          messageBase64: base64(signed),
          signatureBase64: base64(Signature!),
        });
      }
    }
  }
  return made;
}

/** Asks about every signature, and about the same with another message, which must be wrong. */
async function checkAll(verifier: readonly string[], questions: Awaited<ReturnType<typeof signatures>>): Promise<void> {
  const other = base64(bytesOf('the order of 13 March'));
  const asked = questions.flatMap((question) => [question, { ...question, messageBase64: other }]);
  const answers = await askVerifier(verifier, asked);
  for (const [index, { title }] of asked.entries()) {
    assert.deepEqual(answers[index], { valid: index % 2 === 0 }, title);
  }
}

suite('Sign', () => {
  test("Python's cryptography verifies every signature", async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const questions = (await signatures()).filter(({ alg }) => alg !== 'ED25519_PH_SHA_512');
    assert.equal(questions.length, 3 * 6 * 2 + 4 * 2 + 1 + 3 * 2);
    await checkAll(python.verifier, questions);
  });

  test('Go verifies every signature that it knows, Ed25519ph with its second hash among them', async (t) => {
    const goverify = await requirePeer(t, 'goverify');
    if (goverify === null) return;
    const unknown = /^(ML_DSA|ECC_SECG)/;
    const questions = (await signatures()).filter(({ title }) => !unknown.test(title));
    assert.equal(questions.length, 3 * 6 * 2 + 3 * 2 + 2);
    await checkAll(goverify.verifier, questions);
  });
});

suite('Sign and Verify', () => {
  for (const [spec, algorithms] of SIGNING) {
    for (const [SigningAlgorithm, types] of algorithms) {
      for (const MessageType of types) {
        test(`${spec} verifies its own ${SigningAlgorithm} of a ${MessageType} message, and no other`, async () => {
          const { KeyId, Arn, PublicKey } = keys.get(spec)!;
          const Message = messageOf(MessageType, SigningAlgorithm, PublicKey);
          const input = { KeyId, Message, MessageType, SigningAlgorithm };
          const { Signature, ...answer } = fieldsOf(await kms.sign(input));
          assert.deepEqual(answer, { KeyId: Arn, SigningAlgorithm });
          const verified = fieldsOf(await kms.verify({ ...input, Signature }));
          assert.deepEqual(verified, { KeyId: Arn, SignatureValid: true, SigningAlgorithm });
          const changed = Message.with(0, Message[0]! ^ 1);
          await refuses(kms.verify({ ...input, Message: changed, Signature }), 'KMSInvalidSignatureException');
          for (const wrong of [
            Signature!.with(9, Signature![9]! ^ 1),
            Signature!.slice(1),
            Signature!.slice(0, -1),
            new Uint8Array([...Signature!, 0]),
            new Uint8Array(Signature!.length),
            bytesOf('x'),
          ]) {
            await refuses(
              kms.verify({ ...input, Signature: wrong }),
              'KMSInvalidSignatureException',
              /not one of this/,
            );
          }
        });
      }
    }
  }

  test('a message and its digest are the same message', async () => {
    for (const [spec, SigningAlgorithm] of [
      ['ECC_NIST_P256', 'ECDSA_SHA_256'],
      ['RSA_2048', 'RSASSA_PSS_SHA_384'],
      ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_512'],
    ] as const) {
      const { KeyId, PublicKey } = keys.get(spec)!;
      const raw = { KeyId, Message: MESSAGE, SigningAlgorithm };
      const digest = {
        ...raw,
        Message: messageOf('DIGEST', SigningAlgorithm, PublicKey),
        MessageType: 'DIGEST',
      } as const;
      const [ofRaw, ofDigest] = [await kms.sign(raw), await kms.sign(digest)];
      assert.equal((await kms.verify({ ...digest, Signature: ofRaw.Signature })).SignatureValid, true);
      assert.equal((await kms.verify({ ...raw, Signature: ofDigest.Signature })).SignatureValid, true);
    }
  });

  test('an ML-DSA message and its mu are the same message', async () => {
    const { KeyId, PublicKey } = keys.get('ML_DSA_65')!;
    const raw = { KeyId, Message: MESSAGE, SigningAlgorithm: 'ML_DSA_SHAKE_256' } as const;
    const mu = { ...raw, Message: muOf(PublicKey, MESSAGE), MessageType: 'EXTERNAL_MU' } as const;
    const { Signature } = await kms.sign(mu);
    assert.equal((await kms.verify({ ...raw, Signature })).SignatureValid, true);
  });

  test('a signature of another key is wrong', async () => {
    const other = await newKey(kms, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const input = { Message: MESSAGE, SigningAlgorithm: 'ECDSA_SHA_256' } as const;
    const { Signature } = await kms.sign({ ...input, KeyId: other.KeyId });
    const { KeyId } = keys.get('ECC_NIST_P256')!;
    await refuses(kms.verify({ ...input, KeyId, Signature }), 'KMSInvalidSignatureException');
  });

  test('4,096 bytes can be signed as they are, and no more', async () => {
    const named = { KeyId: keys.get('ECC_NIST_P256')!.KeyId, SigningAlgorithm: 'ECDSA_SHA_256' } as const;
    const Message = new Uint8Array(4096);
    const { Signature } = await kms.sign({ ...named, Message });
    assert.equal((await kms.verify({ ...named, Message, Signature })).SignatureValid, true);
    await refuses(kms.sign({ ...named, Message: new Uint8Array(4097) }), 'ValidationException', /`Message`.*4096/);
    await refuses(kms.sign({ ...named, Message: new Uint8Array(0) }), 'ValidationException', /`Message`/);
    const long = kms.verify({ ...named, Message: new Uint8Array(4097), Signature });
    await refuses(long, 'ValidationException', /`Message`/);
  });

  test('a digest of another length is refused', async () => {
    for (const [spec, SigningAlgorithm, MessageType, length] of [
      ['ECC_NIST_P256', 'ECDSA_SHA_256', 'DIGEST', 31],
      ['ECC_NIST_P256', 'ECDSA_SHA_256', 'DIGEST', 64],
      ['RSA_2048', 'RSASSA_PSS_SHA_384', 'DIGEST', 32],
      ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_512', 'DIGEST', 48],
      ['ECC_NIST_EDWARDS25519', 'ED25519_PH_SHA_512', 'DIGEST', 32],
      ['ML_DSA_44', 'ML_DSA_SHAKE_256', 'EXTERNAL_MU', 32],
    ] as const) {
      const input = { KeyId: keys.get(spec)!.KeyId, Message: new Uint8Array(length), MessageType, SigningAlgorithm };
      await refuses(kms.sign(input), 'ValidationException', new RegExp(`${length} bytes`));
      await refuses(kms.verify({ ...input, Signature: bytesOf('x') }), 'ValidationException');
    }
  });

  test('a type of message that the algorithm does not take is refused, and told which it takes', async () => {
    for (const [spec, SigningAlgorithm, MessageType, told] of [
      ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', 'DIGEST', /takes `MessageType` RAW, not DIGEST/],
      ['ECC_NIST_EDWARDS25519', 'ED25519_PH_SHA_512', 'RAW', /takes `MessageType` DIGEST, not RAW/],
      ['ECC_NIST_P256', 'ECDSA_SHA_256', 'EXTERNAL_MU', /RAW or DIGEST, not EXTERNAL_MU/],
      ['RSA_2048', 'RSASSA_PSS_SHA_512', 'EXTERNAL_MU', /RAW or DIGEST/],
      ['ML_DSA_44', 'ML_DSA_SHAKE_256', 'DIGEST', /RAW or EXTERNAL_MU, not DIGEST/],
    ] as const) {
      const input = { KeyId: keys.get(spec)!.KeyId, Message: new Uint8Array(64), MessageType, SigningAlgorithm };
      await refuses(kms.sign(input), 'ValidationException', told);
      await refuses(kms.verify({ ...input, Signature: bytesOf('x') }), 'ValidationException', told);
    }
  });

  test('an algorithm of another key, an unknown one and a key for something else are refused', async () => {
    const Message = MESSAGE;
    const p256 = keys.get('ECC_NIST_P256')!.KeyId;
    for (const SigningAlgorithm of ['ECDSA_SHA_384', 'RSASSA_PSS_SHA_256', 'ML_DSA_SHAKE_256'] as const) {
      const input = { KeyId: p256, Message, SigningAlgorithm };
      await refuses(kms.sign(input), 'InvalidKeyUsageException', /it has ECDSA_SHA_256/);
      await refuses(kms.verify({ ...input, Signature: bytesOf('x') }), 'InvalidKeyUsageException');
    }
    for (const SigningAlgorithm of ['SM2DSA', 'ECDSA_SHA_1', 'ecdsa_sha_256'] as never[]) {
      await refuses(kms.sign({ KeyId: p256, Message, SigningAlgorithm }), 'ValidationException', /`SigningAlgorithm`/);
    }
    const MessageType = 'HASH' as never;
    const wrongType = kms.sign({ KeyId: p256, Message, MessageType, SigningAlgorithm: 'ECDSA_SHA_256' });
    await refuses(wrongType, 'ValidationException', /`MessageType`/);
    const { KeyId } = await newKey(kms, { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' });
    const encrypting = kms.sign({ KeyId, Message, SigningAlgorithm: 'RSASSA_PSS_SHA_256' });
    await refuses(encrypting, 'InvalidKeyUsageException', /not for `sign-verify`/);
  });
});

suite('GetPublicKey', () => {
  test('it tells what the key is for', async () => {
    const { KeyId, Arn, PublicKey } = keys.get('ECC_NIST_P384')!;
    assert.deepEqual(fieldsOf(await kms.getPublicKey({ KeyId })), {
      KeyId: Arn,
      PublicKey,
      CustomerMasterKeySpec: 'ECC_NIST_P384',
      KeySpec: 'ECC_NIST_P384',
      KeyUsage: 'SIGN_VERIFY',
      SigningAlgorithms: ['ECDSA_SHA_384'],
    });
  });

  test('a key without a public part has none to give', async () => {
    for (const input of [{}, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' } as const]) {
      const { KeyId } = await newKey(kms, input);
      await refuses(kms.getPublicKey({ KeyId }), 'InvalidKeyUsageException', /has no public key/);
    }
  });
});

suite('DeriveSharedSecret', () => {
  const CURVES = [
    ['ECC_NIST_P256', 'prime256v1'],
    ['ECC_NIST_P384', 'secp384r1'],
    ['ECC_NIST_P521', 'secp521r1'],
    // Not a spec of AWS.
    ['X25519' as KeySpec, null],
  ] as const;

  test('Python derives the same secret from the other side', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const ours: string[] = [];
    const questions: VerifierRequest[] = [];
    for (const [spec, namedCurve] of CURVES) {
      const { KeyId, Arn, PublicKey } = await publicKeyOf(spec, 'KEY_AGREEMENT');
      const theirs = namedCurve === null ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve });
      const { SharedSecret, ...answer } = fieldsOf(
        await kms.deriveSharedSecret({
          KeyId,
          KeyAgreementAlgorithm: 'ECDH',
          PublicKey: theirs.publicKey.export({ format: 'der', type: 'spki' }),
        }),
      );
      assert.deepEqual(answer, { KeyId: Arn, KeyAgreementAlgorithm: 'ECDH' });
      ours.push(base64(SharedSecret!));
      questions.push({
        op: 'derive',
        alg: 'ECDH',
        privateKeyPkcs8Base64: base64(theirs.privateKey.export({ format: 'der', type: 'pkcs8' })),
        publicKeySpkiBase64: base64(PublicKey),
      });
    }
    const answers = await askVerifier(python.verifier, questions);
    assert.deepEqual(
      answers,
      ours.map((secretBase64) => ({ secretBase64 })),
    );
  });

  test('a public key of another curve, none at all, and a key for something else are refused', async () => {
    const { KeyId } = await publicKeyOf('ECC_NIST_P256', 'KEY_AGREEMENT');
    const KeyAgreementAlgorithm = 'ECDH';
    const { PublicKey } = keys.get('ECC_NIST_P384')!;
    for (const wrong of [
      PublicKey,
      keys.get('ECC_NIST_EDWARDS25519')!.PublicKey,
      bytesOf('no key'),
      new Uint8Array(91),
    ]) {
      const call = kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm, PublicKey: wrong });
      await refuses(call, 'ValidationException', /public key/);
    }
    const signing = keys.get('ECC_NIST_P256')!;
    const call = kms.deriveSharedSecret({ ...signing, KeyAgreementAlgorithm });
    await refuses(call, 'InvalidKeyUsageException', /not for `key-agreement`/);
    const unknown = kms.deriveSharedSecret({
      KeyId,
      KeyAgreementAlgorithm: 'DH' as never,
      PublicKey: signing.PublicKey,
    });
    await refuses(unknown, 'ValidationException', /`KeyAgreementAlgorithm`/);
    const sign = kms.sign({ KeyId, Message: MESSAGE, SigningAlgorithm: 'ECDSA_SHA_256' });
    await refuses(sign, 'InvalidKeyUsageException', /not for `sign-verify`/);
  });
});

suite('Encapsulate and Decapsulate', () => {
  const EncapsulationAlgorithm = 'ML_KEM';
  /** FIPS 203, table 3. */
  const LEVELS = [
    ['ML_KEM_512', 768],
    ['ML_KEM_768', 1088],
    ['ML_KEM_1024', 1568],
  ] as const;

  for (const [spec, ciphertextBytes] of LEVELS) {
    test(`${spec} opens what it encapsulated`, async () => {
      const { KeyId, Arn } = await publicKeyOf(spec, 'ENCAPSULATE_DECAPSULATE');
      const { SharedSecret, SharedSecretCiphertextBlob, ...made } = fieldsOf(
        await kms.encapsulate({ KeyId, EncapsulationAlgorithm }),
      );
      assert.deepEqual(made, { KeyId: Arn, EncapsulationAlgorithm });
      assert.deepEqual([SharedSecret!.length, SharedSecretCiphertextBlob!.length], [32, ciphertextBytes]);
      const input = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob } as const;
      const opened = fieldsOf(await kms.decapsulate(input));
      assert.deepEqual(opened, { KeyId: Arn, SharedSecret, EncapsulationAlgorithm });
      // FIPS 203, section 6.3: implicit rejection.
      const changed = SharedSecretCiphertextBlob!.with(0, SharedSecretCiphertextBlob![0]! ^ 1);
      const other = await kms.decapsulate({ ...input, SharedSecretCiphertextBlob: changed });
      assert.notDeepEqual(other.SharedSecret, SharedSecret);
      const short = kms.decapsulate({ ...input, SharedSecretCiphertextBlob: changed.slice(1) });
      await refuses(short, 'InvalidCiphertextException');
    });
  }

  test('Python encapsulates, and we open it', async (t) => {
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    for (const spec of ['ML_KEM_768', 'ML_KEM_1024'] as const) {
      const { KeyId, PublicKey } = await publicKeyOf(spec, 'ENCAPSULATE_DECAPSULATE');
      const question = { op: 'encapsulate', alg: 'ML_KEM', publicKeySpkiBase64: base64(PublicKey) } as const;
      const [answer] = await askVerifier(python.verifier, [question]);
      const SharedSecretCiphertextBlob = Buffer.from(answer!['ciphertextBase64']!, 'base64');
      const opened = await kms.decapsulate({ KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob });
      assert.equal(base64(opened.SharedSecret!), answer!['secretBase64']);
    }
  });

  test('noble encapsulates for ML-KEM-512, which Python does not have, and we open it', async () => {
    const { KeyId, PublicKey } = await publicKeyOf('ML_KEM_512', 'ENCAPSULATE_DECAPSULATE');
    const { cipherText, sharedSecret } = ml_kem512.encapsulate(rawPublicKey(PublicKey));
    const input = { KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob: cipherText } as const;
    assert.deepEqual((await kms.decapsulate(input)).SharedSecret, sharedSecret);
  });

  test('a key for something else is refused', async () => {
    const { KeyId } = keys.get('ML_DSA_44')!;
    await refuses(kms.encapsulate({ KeyId, EncapsulationAlgorithm }), 'InvalidKeyUsageException', /not for `kem`/);
    const SharedSecretCiphertextBlob = new Uint8Array(768);
    const call = kms.decapsulate({ KeyId, EncapsulationAlgorithm, SharedSecretCiphertextBlob });
    await refuses(call, 'InvalidKeyUsageException');
    const { KeyId: kem } = await publicKeyOf('ML_KEM_512', 'ENCAPSULATE_DECAPSULATE');
    const unknown = kms.encapsulate({ KeyId: kem, EncapsulationAlgorithm: 'RSA_KEM' as never });
    await refuses(unknown, 'ValidationException', /`EncapsulationAlgorithm`/);
  });
});
