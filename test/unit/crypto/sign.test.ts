import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import assert from 'node:assert/strict';
import { constants, createPrivateKey, hash, sign as nodeSign, verify as nodeVerify } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { privateHandle } from '../../../src/crypto/key-material.ts';
import { sign, signNow, signsNow, type SignInput } from '../../../src/crypto/sign.ts';
import { verify } from '../../../src/crypto/verify.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../../src/model/algorithm.ts';
import { SPEC_NAMES, type Spec } from '../../../src/model/spec.ts';
import { flipped, keyOf, newKey, signingAlgorithms, SIGNING_SPECS } from './keys.ts';

const MESSAGE = Buffer.from('message');

/** Every input that an algorithm takes. */
function inputsOf(algorithm: SigningAlgorithmName): SignInput[] {
  const { digestBytes, takesMessage } = SIGNING_ALGORITHMS[algorithm];
  return [
    ...(takesMessage ? [{ message: MESSAGE }] : []),
    ...(digestBytes === null ? [] : [{ digest: Buffer.alloc(digestBytes, 0x5a) }]),
  ];
}

const CASES = SIGNING_SPECS.flatMap((spec) =>
  signingAlgorithms(spec).flatMap((algorithm) =>
    inputsOf(algorithm).map((input) => ({ spec, algorithm, input, kind: 'digest' in input ? 'digest' : 'message' })),
  ),
);

for (const { spec, algorithm, input, kind } of CASES) {
  test(`${spec} ${algorithm}: a signature over a ${kind} is valid for its key and input alone`, async () => {
    const { handle, spki } = await keyOf(spec);
    const signature = await sign(handle, algorithm, input);
    assert.equal(await verify(spec, spki, algorithm, input, signature), true);

    const bytes = 'digest' in input ? input.digest : input.message;
    const changed = 'digest' in input ? { digest: flipped(bytes, 3) } : { message: flipped(bytes, 3) };
    assert.equal(await verify(spec, spki, algorithm, changed, signature), false);
    for (const bit of [0, 9, signature.length * 4, signature.length * 8 - 1]) {
      assert.equal(await verify(spec, spki, algorithm, input, flipped(signature, bit)), false, `bit ${bit}`);
    }
    const wrong = [
      new Uint8Array(0),
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([signature, Buffer.of(0)]),
    ];
    for (const bytes of wrong)
      assert.equal(await verify(spec, spki, algorithm, input, bytes), false, `${bytes.length} bytes`);
    for (const fill of [0x00, 0xff]) {
      assert.equal(await verify(spec, spki, algorithm, input, Buffer.alloc(signature.length, fill)), false);
    }
  });
}

for (const [kind, input] of [
  ['message', { message: MESSAGE }],
  ['digest', { digest: Buffer.alloc(32, 0x5a) }],
] as const) {
  test(`RSA-2048: a PSS signature over a ${kind} is not valid without its leading zero, nor with one more`, async () => {
    const { handle, spki } = await keyOf('RSA-2048');
    let signature: Uint8Array;
    // One in 256 begins with a zero.
    do signature = await sign(handle, 'RSASSA_PSS_SHA_256', input);
    while (signature[0] !== 0);
    const valid = (bytes: Uint8Array): Promise<boolean> => verify('RSA-2048', spki, 'RSASSA_PSS_SHA_256', input, bytes);
    assert.equal(await valid(signature), true);
    assert.equal(await valid(signature.subarray(1)), false);
    assert.equal(await valid(Buffer.concat([Buffer.of(0), signature])), false);
  });
}

for (const spec of ['RSA-2048', 'P-256', 'P-384', 'P-521', 'secp256k1', 'Ed25519', 'ML-DSA-44'] as const) {
  test(`${spec}: a signature is not valid for another key`, async () => {
    const { handle } = await keyOf(spec);
    const other = await newKey(spec);
    for (const algorithm of signingAlgorithms(spec)) {
      for (const input of inputsOf(algorithm)) {
        assert.equal(await verify(spec, other.spki, algorithm, input, await sign(handle, algorithm, input)), false);
      }
    }
  });
}

test('a digest and its message have the same signatures: either verifies the other', async () => {
  for (const spec of SIGNING_SPECS) {
    const { handle, spki } = await keyOf(spec);
    for (const algorithm of signingAlgorithms(spec)) {
      const { hash: name, takesMessage } = SIGNING_ALGORITHMS[algorithm];
      if (name === null || !takesMessage) continue;
      const digest = { digest: hash(name, MESSAGE, 'buffer') };
      const message = { message: MESSAGE };
      assert.equal(
        await verify(spec, spki, algorithm, message, await sign(handle, algorithm, digest)),
        true,
        algorithm,
      );
      assert.equal(
        await verify(spec, spki, algorithm, digest, await sign(handle, algorithm, message)),
        true,
        algorithm,
      );
    }
  }
});

test('signatures of both kinds are what node:crypto verifies', async () => {
  for (const spec of SIGNING_SPECS) {
    const { handle, publicKey } = await keyOf(spec);
    for (const algorithm of signingAlgorithms(spec)) {
      const { hash: name, scheme, takesMessage } = SIGNING_ALGORITHMS[algorithm];
      if (!takesMessage) continue;
      const padding = constants[scheme === 'rsa-pss' ? 'RSA_PKCS1_PSS_PADDING' : 'RSA_PKCS1_PADDING'];
      const saltLength = name === null ? undefined : hash(name, '', 'buffer').length;
      const key = scheme.startsWith('rsa') ? { key: publicKey, padding, saltLength } : publicKey;
      const inputs: SignInput[] = [{ message: MESSAGE }];
      if (name !== null) inputs.push({ digest: hash(name, MESSAGE, 'buffer') });
      for (const input of inputs) {
        assert.equal(
          nodeVerify(name, MESSAGE, key, await sign(handle, algorithm, input)),
          true,
          `${spec} ${algorithm}`,
        );
      }
    }
  }
});

test('signNow makes the same kinds of signature as sign, for every spec', async () => {
  for (const { spec, algorithm, input } of CASES) {
    const { handle, spki } = await keyOf(spec);
    assert.equal(await verify(spec, spki, algorithm, input, signNow(handle, algorithm, input)), true);
  }
});

test('P-256 and Ed25519 alone sign at once', () => {
  assert.deepEqual(SPEC_NAMES.filter(signsNow), ['P-256', 'Ed25519']);
});

test('many slow signatures at once, by several keys, all come out right', async () => {
  const specs = ['RSA-2048', 'P-384', 'ML-DSA-44', 'P-521'] as const;
  const tasks = Array.from({ length: 40 }, async (_, count) => {
    const spec = specs[count % specs.length]!;
    const { handle, spki } = await keyOf(spec);
    const algorithm = signingAlgorithms(spec)[0]!;
    const inputs = inputsOf(algorithm);
    const input = inputs[Math.floor(count / specs.length) % inputs.length]!;
    return verify(spec, spki, algorithm, input, await sign(handle, algorithm, input));
  });
  assert.deepEqual(new Set(await Promise.all(tasks)), new Set([true]));
});

test('an input that the algorithm does not take is refused', async () => {
  const refused = { code: 'INVALID_ARGUMENT' };
  for (const spec of SIGNING_SPECS) {
    const { handle, spki } = await keyOf(spec);
    for (const algorithm of signingAlgorithms(spec)) {
      const { digestBytes, takesMessage } = SIGNING_ALGORITHMS[algorithm];
      const wrong: SignInput[] =
        digestBytes === null
          ? [{ digest: Buffer.alloc(64) }]
          : [0, digestBytes - 1, digestBytes + 1].map((length) => ({ digest: Buffer.alloc(length) }));
      if (!takesMessage) wrong.push({ message: MESSAGE });
      for (const input of wrong) {
        assert.throws(() => signNow(handle, algorithm, input), refused);
        await assert.rejects(sign(handle, algorithm, input), refused);
        await assert.rejects(verify(spec, spki, algorithm, input, new Uint8Array(64)), refused);
      }
    }
  }
});

test('an algorithm of another spec is refused', async () => {
  for (const spec of SPEC_NAMES) {
    const { handle, spki } = await keyOf(spec);
    for (const algorithm of Object.keys(SIGNING_ALGORITHMS) as SigningAlgorithmName[]) {
      if (signingAlgorithms(spec).includes(algorithm)) continue;
      const input = inputsOf(algorithm)[0]!;
      assert.throws(() => signNow(handle, algorithm, input), { code: 'KEY_USAGE' });
      await assert.rejects(sign(handle, algorithm, input), { code: 'KEY_USAGE' });
      await assert.rejects(verify(spec, spki, algorithm, input, new Uint8Array(64)), { code: 'KEY_USAGE' });
    }
  }
});

test('verification of any bytes as a signature is false, never an error', async () => {
  // Length, head and tail are what parsers of signatures look at.
  const der = fc
    .tuple(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 70 }))
    .map(([r, s]) =>
      Buffer.concat([Buffer.of(0x30, r.length + s.length + 4, 2, r.length), r, Buffer.of(2, s.length), s]),
    );
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 160 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), der);
  const cases = CASES.filter(({ spec }) => !['RSA-3072', 'RSA-4096', 'ML-DSA-65', 'ML-DSA-87'].includes(spec));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...cases), bytes, async ({ spec, algorithm, input }, signature) => {
      assert.equal(await verify(spec, (await keyOf(spec)).spki, algorithm, input, signature), false);
    }),
    { numRuns: 500 },
  );
});

test('a PSS signature with a salt of another length is not valid', async () => {
  const { handle, spki } = await keyOf('RSA-2048');
  const digest = hash('sha256', MESSAGE, 'buffer');
  for (const [saltLength, valid] of [
    [32, true],
    [0, false],
    [20, false],
    [222, false],
  ] as const) {
    const key = { key: handle.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
    const signature = nodeSign('sha256', MESSAGE, key);
    assert.equal(await verify('RSA-2048', spki, 'RSASSA_PSS_SHA_256', { message: MESSAGE }, signature), valid);
    assert.equal(
      await verify('RSA-2048', spki, 'RSASSA_PSS_SHA_256', { digest }, signature),
      valid,
      `salt ${saltLength}`,
    );
  }
});

test('an RSA signature of one padding or hash is not valid for another', async () => {
  const { handle, spki } = await keyOf('RSA-2048');
  for (const signed of signingAlgorithms('RSA-2048')) {
    const signature = await sign(handle, signed, { message: MESSAGE });
    for (const algorithm of signingAlgorithms('RSA-2048')) {
      const digest = hash(SIGNING_ALGORITHMS[algorithm].hash!, MESSAGE, 'buffer');
      assert.equal(await verify('RSA-2048', spki, algorithm, { message: MESSAGE }, signature), signed === algorithm);
      assert.equal(await verify('RSA-2048', spki, algorithm, { digest }, signature), signed === algorithm);
    }
  }
});

test('an ECDSA signature in another encoding than DER is not valid', async () => {
  const { handle, spki } = await keyOf('P-256');
  const digest = hash('sha256', MESSAGE, 'buffer');
  const signature = signNow(handle, 'ECDSA_SHA_256', { digest });
  const rAt = 4;
  const rBytes = signature[3]!;
  const sBytes = signature[rAt + rBytes + 1]!;
  const r = signature.subarray(rAt, rAt + rBytes);
  const s = signature.subarray(rAt + rBytes + 2);
  assert.equal(s.length, sBytes);
  const raw = Buffer.concat([Buffer.alloc(32), r]).subarray(-32);
  const p1363 = Buffer.concat([raw, Buffer.concat([Buffer.alloc(32), s]).subarray(-32)]);
  const padded = Buffer.concat([Buffer.of(0x30, signature[1]! + 1, 2, rBytes + 1, 0), r, Buffer.of(2, sBytes), s]);
  const longForm = Buffer.concat([Buffer.of(0x30, 0x81), signature.subarray(1)]);
  for (const other of [p1363, padded, longForm]) {
    for (const input of [{ message: MESSAGE }, { digest }]) {
      assert.equal(await verify('P-256', spki, 'ECDSA_SHA_256', input, other), false, other.toString('hex'));
    }
  }
});

test('ECDSA signatures are not brought to low s, and both halves verify', async () => {
  const { handle, spki } = await keyOf('secp256k1');
  const highs = new Set<boolean>();
  for (let count = 0; count < 200 && highs.size < 2; count += 1) {
    const signature = signNow(handle, 'ECDSA_SHA_256', { digest: Buffer.alloc(32, 1) });
    const sAt = 4 + signature[3]! + 2;
    const s = BigInt(`0x${signature.toString('hex', sAt)}`);
    highs.add(s > 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n);
    assert.equal(await verify('secp256k1', spki, 'ECDSA_SHA_256', { digest: Buffer.alloc(32, 1) }, signature), true);
  }
  assert.equal(highs.size, 2);
});

test('RFC 8032, section 7.1, test 3: Ed25519', async () => {
  const handle = privateHandle(
    'Ed25519',
    ed25519Key('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'),
  );
  const signature = await sign(handle, 'ED25519_SHA_512', { message: Buffer.from('af82', 'hex') });
  assert.equal(
    signature.toString('hex'),
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  );
});

test('RFC 8032, section 7.3: Ed25519ph', async () => {
  const handle = privateHandle(
    'Ed25519',
    ed25519Key('833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42'),
  );
  const signature = await sign(handle, 'ED25519_PH_SHA_512', { digest: hash('sha512', 'abc', 'buffer') });
  assert.equal(
    signature.toString('hex'),
    '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
  );
});

function ed25519Key(seed: string): ReturnType<typeof createPrivateKey> {
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex');
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

const NOBLE = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const;

for (const [spec, noble] of Object.entries(NOBLE)) {
  test(`${spec}: keys and signatures agree with @noble/post-quantum`, async () => {
    const { handle, spki, publicKey } = await keyOf(spec as Spec);
    const { secretKey, publicKey: raw } = noble.keygen(Uint8Array.from(handle.key.export({ format: 'raw-seed' })));
    assert.deepEqual(Buffer.from(raw), publicKey.export({ format: 'raw-public' }));
    const signature = await sign(handle, 'ML_DSA_SHAKE_256', { message: MESSAGE });
    assert.equal(noble.verify(Uint8Array.from(signature), Uint8Array.from(MESSAGE), raw), true);
    const theirs = noble.sign(Uint8Array.from(MESSAGE), secretKey);
    assert.equal(await verify(spec as Spec, spki, 'ML_DSA_SHAKE_256', { message: MESSAGE }, theirs), true);
  });
}
