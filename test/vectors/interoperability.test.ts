/**
 * What Claviger signs, encrypts and agrees on, others verify, open and agree on; and the reverse.
 *
 * The others are Python's `cryptography`, with an OpenSSL of its own, and Go's standard library, which shares no code with
 * OpenSSL. Every spec with every algorithm, as a message and as a digest, over messages of many lengths. Ed25519ph, which
 * neither has, is held against @noble/curves in `ed25519.test.ts`; wrapping for import, ML-KEM and XAES-256-GCM with Python
 * stand in the tests of each.
 */
import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { test } from 'node:test';
import { deriveSharedSecret } from '../../src/crypto/agree.ts';
import { generateMaterial, loadPrivate, type PrivateHandle } from '../../src/crypto/key-material.ts';
import { mac } from '../../src/crypto/mac.ts';
import { oaepDecrypt, oaepEncrypt } from '../../src/crypto/oaep.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { sign, type SignInput } from '../../src/crypto/sign.ts';
import { verify } from '../../src/crypto/verify.ts';
import { MAC_ALGORITHMS, SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specRow, type Spec } from '../../src/model/spec.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { outcomeOf, Tally } from './tally.ts';

interface TestKey {
  readonly spec: Spec;
  readonly handle: PrivateHandle;
  readonly spki: Uint8Array;
  readonly pkcs8Base64: string;
  readonly spkiBase64: string;
}

interface SigningCase {
  readonly name: string;
  readonly key: TestKey;
  readonly algorithm: SigningAlgorithmName;
  readonly message: Buffer;
  readonly digest: Buffer | null;
}

const MESSAGES = ['', 'a', 'claviger'.repeat(20), `${'0123456789abcdef'.repeat(256)}é`].map((text) =>
  Buffer.from(text),
);
/** Python proves the primes of an RSA private key whenever it loads one, so it is asked to sign and decrypt less often. */
const OAEP_LENGTHS = [0, 190];
/** What Go's standard library does not know, and says so. */
const NOT_IN_GO: ReadonlySet<Spec> = new Set<Spec>(['secp256k1', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']);

const keys = new Map<Spec, Promise<TestKey>>();
const SIGNING_SPECS = SPEC_NAMES.filter((spec) => algorithmsOf(spec, 'sign-verify').length > 0);

test('what is signed here, Python and Go verify; and not with another message', async (t) => {
  const python = await requirePeer(t, 'python');
  const goverify = await requirePeer(t, 'goverify');
  if (python === null || goverify === null) return;
  const signed: { name: string; inGo: boolean; request: VerifierRequest; valid: boolean }[] = [];
  for (const entry of await signingCases()) {
    const inputs: SignInput[] = [{ message: entry.message }];
    if (entry.digest !== null) inputs.push({ digest: entry.digest });
    for (const input of inputs) {
      const signature = await sign(entry.key.handle, entry.algorithm, input);
      const inGo = !NOT_IN_GO.has(entry.key.spec);
      const name = `${entry.name}, ${'digest' in input ? 'digest' : 'message'}`;
      signed.push({ name, inGo, valid: true, request: verifyRequest(entry, entry.message, signature) });
      const other = Buffer.concat([entry.message, Buffer.of(0)]);
      signed.push({ name: `${name}, changed`, inGo, valid: false, request: verifyRequest(entry, other, signature) });
    }
  }
  const inGo = signed.filter((entry) => entry.inGo);
  for (const [who, verifier, entries, ran] of [
    ['Python', python.verifier, signed, 408],
    ['Go', goverify.verifier, inGo, 344],
  ] as const) {
    const answers = await askVerifier(
      verifier,
      entries.map(({ request }) => request),
    );
    const tally = new Tally(`signed here, verified by ${who}`);
    for (const [at, { name, valid }] of entries.entries()) {
      tally.check(name, valid, { [who]: answers[at]!.valid ?? answers[at]!.error ?? 'no answer' });
    }
    tally.close({ ran });
  }
});

test('what Python signs verifies here, as message and as digest; and not with another message', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const cases = (await signingCases()).filter(({ key, message }) => {
    return specRow(key.spec).family !== 'rsa' || message === MESSAGES.at(-1);
  });
  const answers = await askVerifier(
    python.verifier,
    cases.map(({ key, algorithm, message }): VerifierRequest => ({
      op: 'sign',
      alg: algorithm,
      privateKeyPkcs8Base64: key.pkcs8Base64,
      messageBase64: message.toString('base64'),
    })),
  );
  const tally = new Tally('signed by Python, verified here');
  for (const [at, { name, key, algorithm, message, digest }] of cases.entries()) {
    assert.equal(answers[at]!.error, undefined);
    const signature = Buffer.from(answers[at]!['signatureBase64']!, 'base64');
    const verified = (input: SignInput) => outcomeOf(() => verify(key.spec, key.spki, algorithm, input, signature));
    tally.check(name, true, {
      message: await verified({ message }),
      ...(digest === null ? {} : { digest: await verified({ digest }) }),
    });
    tally.check(`${name}, changed`, false, {
      message: await verified({ message: Buffer.concat([message, Buffer.of(0)]) }),
      ...(digest === null ? {} : { digest: await verified({ digest: Buffer.from(digest).reverse() }) }),
    });
  }
  tally.close({ ran: 100 });
});

test('RSAES-OAEP: Python opens what is encrypted here, and the reverse', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const specs = SPEC_NAMES.filter((spec) => specRow(spec).family === 'rsa');
  const cases = (await Promise.all(specs.map(keyOf))).flatMap((key) =>
    (['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const).flatMap((algorithm) =>
      OAEP_LENGTHS.map((length) => ({ key, algorithm, plaintext: systemRandom.bytes(length) })),
    ),
  );
  const opened = await askVerifier(
    python.verifier,
    cases.map(({ key, algorithm, plaintext }): VerifierRequest => ({
      op: 'decrypt',
      alg: algorithm,
      privateKeyPkcs8Base64: key.pkcs8Base64,
      ciphertextBase64: oaepEncrypt(key.spki, key.spec, algorithm, plaintext).toString('base64'),
    })),
  );
  const encrypted = await askVerifier(
    python.verifier,
    cases.map(({ key, algorithm, plaintext }): VerifierRequest => ({
      op: 'encrypt',
      alg: algorithm,
      publicKeySpkiBase64: key.spkiBase64,
      plaintextBase64: plaintext.toString('base64'),
    })),
  );
  const tally = new Tally('RSAES-OAEP with Python');
  for (const [at, { key, algorithm, plaintext }] of cases.entries()) {
    const ciphertext = Buffer.from(encrypted[at]!['ciphertextBase64'] ?? '', 'base64');
    tally.check(`${key.spec} ${algorithm} ${plaintext.length} bytes`, plaintext.toString('hex'), {
      there: hexOf(opened[at]!['plaintextBase64']),
      here: await outcomeOf(() => oaepDecrypt(key.handle, algorithm, ciphertext)),
    });
  }
  tally.close({ ran: 12 });
});

test('ECDH and X25519: both sides have the same secret', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const specs: readonly Spec[] = [
    ...SPEC_NAMES.filter((spec) => algorithmsOf(spec, 'key-agreement').length > 0),
    'secp256k1',
  ];
  const pairs = await Promise.all(specs.flatMap((spec) => Array.from({ length: 8 }, () => newPair(spec))));
  const answers = await askVerifier(
    python.verifier,
    pairs.map(([, theirs], at): VerifierRequest => ({
      op: 'derive',
      alg: 'ECDH',
      privateKeyPkcs8Base64: theirs.pkcs8Base64,
      publicKeySpkiBase64: pairs[at]![0].spkiBase64,
    })),
  );
  const tally = new Tally('key agreement with Python');
  for (const [at, [ours, theirs]] of pairs.entries()) {
    tally.check(`${ours.spec} ${at}`, hexOf(answers[at]!['secretBase64']), {
      here: await outcomeOf(() => deriveSharedSecret(ours.handle, theirs.spki)),
      'the other way': await outcomeOf(() => deriveSharedSecret(theirs.handle, ours.spki)),
    });
  }
  tally.close({ ran: 40 });
});

test('HMAC: Python makes the same MACs', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const cases = (['HMAC-SHA-224', 'HMAC-SHA-256', 'HMAC-SHA-384', 'HMAC-SHA-512'] as const).flatMap((spec) => {
    const algorithm = algorithmsOf(spec, 'mac')[0] as keyof typeof MAC_ALGORITHMS;
    const secret = systemRandom.bytes(specRow(spec).size!);
    return MESSAGES.map((message) => ({ spec, algorithm, secret, message }));
  });
  const answers = await askVerifier(
    python.verifier,
    cases.map(({ algorithm, secret, message }): VerifierRequest => ({
      op: 'mac',
      alg: algorithm,
      keyBase64: secret.toString('base64'),
      messageBase64: message.toString('base64'),
    })),
  );
  const tally = new Tally('HMAC with Python');
  for (const [at, { spec, algorithm, secret, message }] of cases.entries()) {
    const made = mac(loadPrivate(spec, secret).key, algorithm, message);
    assert.equal(made.length, MAC_ALGORITHMS[algorithm].macBytes);
    tally.check(`${algorithm} ${message.length} bytes`, hexOf(answers[at]!['macBase64']), {
      here: made.toString('hex'),
    });
  }
  tally.close({ ran: 16 });
});

/** Every algorithm of every spec that signs, over every message; Ed25519ph is the one that takes none. */
async function signingCases(): Promise<readonly SigningCase[]> {
  const ofSpecs = await Promise.all(
    SIGNING_SPECS.map(async (spec) => {
      const key = await keyOf(spec);
      return algorithmsOf(spec, 'sign-verify').flatMap((name): readonly SigningCase[] => {
        const algorithm = name as SigningAlgorithmName;
        if (!SIGNING_ALGORITHMS[algorithm].takesMessage) return [];
        return MESSAGES.map((message) => ({
          name: `${spec} ${algorithm} over ${message.length} bytes`,
          key,
          algorithm,
          message,
          digest: digestOf(key, algorithm, message),
        }));
      });
    }),
  );
  return ofSpecs.flat();
}

/** Null where the algorithm takes no digest. For ML-DSA it is mu: FIPS 204, algorithm 7, line 6. */
function digestOf({ spki }: TestKey, algorithm: SigningAlgorithmName, message: Buffer): Buffer | null {
  const { hash: name, scheme } = SIGNING_ALGORITHMS[algorithm];
  if (name !== null) return hash(name, message, 'buffer');
  if (scheme !== 'ml-dsa') return null;
  // The SPKI is 22 bytes of header and the key.
  return shake256(shake256(spki.subarray(22)), Buffer.of(0, 0), message);
}

function shake256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('shake256', { outputLength: 64 }).update(Buffer.concat(parts)).digest();
}

function verifyRequest({ key, algorithm }: SigningCase, message: Buffer, signature: Buffer): VerifierRequest {
  return {
    alg: algorithm,
    publicKeySpkiBase64: key.spkiBase64,
    messageBase64: message.toString('base64'),
    signatureBase64: signature.toString('base64'),
  };
}

function keyOf(spec: Spec): Promise<TestKey> {
  const known = keys.get(spec) ?? newKey(spec);
  keys.set(spec, known);
  return known;
}

async function newPair(spec: Spec): Promise<readonly [TestKey, TestKey]> {
  return [await newKey(spec), await newKey(spec)];
}

async function newKey(spec: Spec): Promise<TestKey> {
  const { privateMaterial, publicKey } = await generateMaterial(spec, systemRandom);
  return {
    spec,
    handle: loadPrivate(spec, privateMaterial.reveal()),
    spki: publicKey!,
    pkcs8Base64: privateMaterial.reveal().toString('base64'),
    spkiBase64: Buffer.from(publicKey!).toString('base64'),
  };
}

function hexOf(base64: string | undefined): string {
  return base64 === undefined ? 'no answer' : Buffer.from(base64, 'base64').toString('hex');
}
