/**
 * The two independent verifiers against node:crypto: that they say yes to what is right, no to what is not, and neither to
 * what they cannot read.
 */
import assert from 'node:assert/strict';
import {
  type KeyObject,
  constants,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  privateDecrypt,
  publicEncrypt,
  sign,
} from 'node:crypto';
import { type TestContext, suite, test } from 'node:test';
import { type VerifierRequest, askVerifier, requirePeer } from '../../../tools/peers/require.ts';

const MESSAGE = Buffer.from('what is signed');

interface Signed {
  readonly alg: string;
  readonly publicKey: KeyObject;
  readonly signature: Buffer;
}

const spkiOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64');
const pkcs8Of = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'der' }).toString('base64');
const base64 = (bytes: string | Uint8Array | ArrayBuffer): string =>
  Buffer.from(bytes as Uint8Array).toString('base64');

function signatures(): readonly Signed[] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsaAlgorithms = ['256', '384', '512'].flatMap((bits) => {
    const pss = {
      key: rsa.privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    };
    return [
      { alg: `RSASSA_PSS_SHA_${bits}`, publicKey: rsa.publicKey, signature: sign(`sha${bits}`, MESSAGE, pss) },
      {
        alg: `RSASSA_PKCS1_V1_5_SHA_${bits}`,
        publicKey: rsa.publicKey,
        signature: sign(`sha${bits}`, MESSAGE, rsa.privateKey),
      },
    ];
  });
  const curves = { 'P-256': '256', 'P-384': '384', 'P-521': '512' };
  const ecAlgorithms = Object.entries(curves).map(([namedCurve, bits]) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    return { alg: `ECDSA_SHA_${bits}`, publicKey, signature: sign(`sha${bits}`, MESSAGE, privateKey) };
  });
  const edwards = generateKeyPairSync('ed25519');
  const ed25519 = {
    alg: 'ED25519_SHA_512',
    publicKey: edwards.publicKey,
    signature: sign(null, MESSAGE, edwards.privateKey),
  };
  return [...rsaAlgorithms, ...ecAlgorithms, ed25519];
}

/** What only Python knows. */
function otherSignatures(): readonly Signed[] {
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const lattice = generateKeyPairSync('ml-dsa-65');
  return [
    { alg: 'ECDSA_SHA_256', publicKey: koblitz.publicKey, signature: sign('sha256', MESSAGE, koblitz.privateKey) },
    { alg: 'ML_DSA_SHAKE_256', publicKey: lattice.publicKey, signature: sign(null, MESSAGE, lattice.privateKey) },
  ];
}

function questionOf({ alg, publicKey, signature }: Signed, message: Uint8Array = MESSAGE): VerifierRequest {
  return {
    alg,
    publicKeySpkiBase64: spkiOf(publicKey),
    messageBase64: base64(message),
    signatureBase64: base64(signature),
  };
}

async function agrees(verifier: readonly string[], signed: readonly Signed[]): Promise<void> {
  const right = await askVerifier(
    verifier,
    signed.map((one) => questionOf(one)),
  );
  assert.deepEqual(
    right,
    signed.map(() => ({ valid: true })),
  );
  const wrong = await askVerifier(
    verifier,
    signed.map((one) => questionOf(one, Buffer.from('what was not'))),
  );
  assert.deepEqual(
    wrong,
    signed.map(() => ({ valid: false })),
  );
}

async function pythonVerifier(t: TestContext): Promise<readonly string[] | null> {
  return (await requirePeer(t, 'python'))?.verifier ?? null;
}

suite('goverify', () => {
  test('verifies RSA, ECDSA and Ed25519', async (t) => {
    const peer = await requirePeer(t, 'goverify');
    if (peer === null) return;
    await agrees(peer.verifier, signatures());
  });

  test('does not call false what it cannot judge', async (t) => {
    const peer = await requirePeer(t, 'goverify');
    if (peer === null) return;
    const unreadable = { alg: 'ECDSA_SHA_256', publicKeySpkiBase64: 'AAAA', messageBase64: '', signatureBase64: '' };
    for (const answer of await askVerifier(peer.verifier, [
      unreadable,
      ...otherSignatures().map((one) => questionOf(one)),
    ])) {
      assert.equal(answer.valid, undefined);
      assert.ok(answer.error);
    }
  });
});

suite('verify.py', () => {
  test('verifies RSA, ECDSA, Ed25519 and ML-DSA', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    await agrees(verifier, [...signatures(), ...otherSignatures()]);
  });

  test('does not call false what it cannot judge', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    const unreadable = { alg: 'ECDSA_SHA_256', publicKeySpkiBase64: 'AAAA', messageBase64: '', signatureBase64: '' };
    const [answer] = await askVerifier(verifier, [unreadable]);
    assert.equal(answer?.valid, undefined);
    assert.match(answer?.error ?? '', /ValueError/u);
  });

  test('agrees on OAEP in both directions', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const oaepHash = 'sha256';
    const alg = 'RSAES_OAEP_SHA_256';
    const [sealed, opened] = await askVerifier(verifier, [
      { op: 'encrypt', alg, publicKeySpkiBase64: spkiOf(publicKey), plaintextBase64: base64('secret') },
      {
        op: 'decrypt',
        alg,
        privateKeyPkcs8Base64: pkcs8Of(privateKey),
        ciphertextBase64: base64(publicEncrypt({ key: publicKey, oaepHash }, Buffer.from('secret'))),
      },
    ]);
    const ciphertext = Buffer.from(sealed?.['ciphertextBase64'] ?? '', 'base64');
    assert.equal(privateDecrypt({ key: privateKey, oaepHash }, ciphertext).toString(), 'secret');
    assert.deepEqual(opened, { plaintextBase64: base64('secret') });
  });

  test('agrees on HMAC, HKDF and ECDH', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    const ours = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const theirs = generateKeyPairSync('x25519');
    const key = { keyBase64: base64('key') };
    const agree = (pair: { privateKey: KeyObject; publicKey: KeyObject }): VerifierRequest => ({
      op: 'derive',
      alg: 'ECDH',
      privateKeyPkcs8Base64: pkcs8Of(pair.privateKey),
      publicKeySpkiBase64: spkiOf(createPublicKey(pair.privateKey)),
    });
    assert.deepEqual(
      await askVerifier(verifier, [
        { op: 'mac', alg: 'HMAC_SHA_384', ...key, messageBase64: base64(MESSAGE) },
        { op: 'hkdf', alg: 'SHA_256', ...key, saltBase64: base64('salt'), infoBase64: base64('info'), lengthBytes: 42 },
        agree(ours),
        agree(theirs),
      ]),
      [
        { macBase64: createHmac('sha384', 'key').update(MESSAGE).digest('base64') },
        { secretBase64: base64(hkdfSync('sha256', 'key', 'salt', 'info', 42)) },
        { secretBase64: base64(diffieHellman(ours)) },
        { secretBase64: base64(diffieHellman(theirs)) },
      ],
    );
  });

  test('gives back what it wrapped, sealed and encapsulated', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    const kem = generateKeyPairSync('ml-kem-768');
    const plaintextBase64 = base64(Buffer.alloc(24, 7));
    const keyBase64 = base64(Buffer.alloc(32, 1));
    const aadBase64 = base64('context');
    const [wrapped, padded, sealed, capsule] = await askVerifier(verifier, [
      { op: 'wrap', alg: 'AES_KW', keyBase64, plaintextBase64 },
      { op: 'wrap', alg: 'AES_KWP', keyBase64, plaintextBase64 },
      {
        op: 'seal',
        alg: 'XAES_256_GCM',
        keyBase64,
        nonceBase64: base64(Buffer.alloc(24, 2)),
        aadBase64,
        plaintextBase64,
      },
      { op: 'encapsulate', alg: 'ML_KEM', publicKeySpkiBase64: spkiOf(kem.publicKey) },
    ]);
    const ciphertextOf = (answer: typeof wrapped) => ({ ciphertextBase64: answer?.['ciphertextBase64'] ?? '' });
    assert.deepEqual(
      await askVerifier(verifier, [
        { op: 'unwrap', alg: 'AES_KW', keyBase64, ...ciphertextOf(wrapped) },
        { op: 'unwrap', alg: 'AES_KWP', keyBase64, ...ciphertextOf(padded) },
        {
          op: 'open',
          alg: 'XAES_256_GCM',
          keyBase64,
          nonceBase64: base64(Buffer.alloc(24, 2)),
          aadBase64,
          ...ciphertextOf(sealed),
        },
        { op: 'decapsulate', alg: 'ML_KEM', privateKeyPkcs8Base64: pkcs8Of(kem.privateKey), ...ciphertextOf(capsule) },
      ]),
      [{ plaintextBase64 }, { plaintextBase64 }, { plaintextBase64 }, { secretBase64: capsule?.['secretBase64'] }],
    );
  });

  test('derives as the published vector of XAES-256-GCM says', async (t) => {
    const verifier = await pythonVerifier(t);
    if (verifier === null) return;
    // C2SP, XAES-256-GCM.md, test vectors, the first one.
    const answers = await askVerifier(verifier, [
      {
        op: 'seal',
        alg: 'XAES_256_GCM',
        keyBase64: base64(Buffer.alloc(32, 1)),
        nonceBase64: base64('ABCDEFGHIJKLMNOPQRSTUVWX'),
        aadBase64: '',
        plaintextBase64: base64('XAES-256-GCM'),
      },
    ]);
    const expected = Buffer.from('ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271', 'hex');
    assert.deepEqual(answers, [{ ciphertextBase64: base64(expected) }]);
  });
});
