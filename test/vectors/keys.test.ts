/**
 * Keys themselves: public keys that are on their curve or not, private keys that give their public key, and what comes in by
 * import.
 *
 * - NIST CAVP FIPS 186-2 and 186-3: `PKV.rsp` (public keys), `KeyPair.rsp` (private → public), P-256, P-384 and P-521.
 * - NIST CAVP FIPS 186-2: `KeyGenRSA.rsp` (n, e, d, p, q), 2048, 3072 and 4096 bits; e = 3 and e = 17 must be refused.
 * - pyca/cryptography's PKCS #8 files: which come in, and as which spec; the others must be refused for every spec.
 * - RFC 7638, section 3.1, and RFC 8037, appendix A.3: thumbprints.
 *
 * Not run: other curves and sizes. Not asserted: `invalid-version.der`, `ec-invalid-version.pem` and
 * `ec-inconsistent-curve2.pem`, which OpenSSL reads, and import rewrites as the P-256 keys that their algorithm names.
 */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { importMaterial, loadPublic, publicKeyJwk, thumbprint } from '../../src/crypto/key-material.ts';
import { isAsymmetric, SPEC_NAMES, type Spec } from '../../src/model/spec.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { pkcs8Of, pointOf, rsaPkcs8Of, rsaSpecOf, rsaSpkiOf, spkiOf } from './keys.ts';
import { hexBytes, readRecords } from './records.ts';
import { outcomeOf, Tally } from './tally.ts';

for (const { standard, publicKeys, pairs } of [
  { standard: 'FIPS_186-2', publicKeys: 36, pairs: 30 },
  { standard: 'FIPS_186-3', publicKeys: 36, pairs: 30 },
]) {
  test(`CAVP ${standard} PKV: a point that is not on its curve is no public key`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const file = `asymmetric/ECDSA/${standard}/PKV.rsp`;
    const tally = new Tally(file);
    for (const { heading, fields } of await readRecords(peer.folder, file)) {
      if (!isNist(heading)) continue;
      const spki = spkiOf(heading, pointOf(heading, fields['Qx']!, fields['Qy']!));
      const expected = fields['Result']!.startsWith('P') ? 'public' : 'INVALID_ARGUMENT';
      tally.check(`${heading} Qx ${fields['Qx']!.slice(0, 16)}, ${fields['Result']}`, expected, {
        load: await outcomeOf(() => loadPublic(heading, spki).type),
      });
    }
    tally.close({ ran: publicKeys });
  });

  test(`CAVP ${standard} KeyPair: a private key has its public key`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const file = `asymmetric/ECDSA/${standard}/KeyPair.rsp`;
    const tally = new Tally(file);
    for (const { heading, fields } of await readRecords(peer.folder, file, /^[PKB]-\d/u)) {
      if (!isNist(heading) || fields['d'] === undefined) continue;
      const spki = spkiOf(heading, pointOf(heading, fields['Qx']!, fields['Qy']!));
      const pkcs8 = pkcs8Of(heading, hexBytes(fields['d']));
      tally.check(`${heading} d ${fields['d'].slice(0, 16)}`, spki.toString('hex'), {
        import: await outcomeOf(() => importMaterial(heading, pkcs8).publicKey),
      });
    }
    tally.close({ ran: pairs });
  });
}

test('CAVP KeyGenRSA: keys with the exponent 65537 come in, others do not', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'asymmetric/RSA/FIPS_186-2/KeyGenRSA.rsp';
  const tally = new Tally(file);
  for (const { heading, fields } of await readRecords(peer.folder, file)) {
    const spec = rsaSpecOf(Number(heading.replace('mod = ', '')));
    if (spec === undefined) continue;
    const number = (name: string): bigint => BigInt(`0x${fields[name]!}`);
    const [n, e, d, p, q] = ['n', 'e', 'd', 'p', 'q'].map(number) as [bigint, bigint, bigint, bigint, bigint];
    const expected = e === 65_537n ? rsaSpkiOf(spec, n, e).toString('hex') : 'INVALID_ARGUMENT';
    tally.check(`${spec} e ${e} n ${fields['n']!.slice(0, 16)}`, expected, {
      import: await outcomeOf(() => importMaterial(spec, rsaPkcs8Of(spec, { n, e, d, p, q })).publicKey),
    });
  }
  tally.close({ ran: 18 });
});

/** File → the one asymmetric spec it comes in as, or null. */
const PRIVATE_FILES: Readonly<Record<string, Spec | null>> = {
  'PKCS8/ec_private_key.pem': 'P-256',
  'PKCS8/ec-consistent-curve.pem': 'P-256',
  'PKCS8/ecc_private_with_rfc5915_ext.pem': 'P-256',
  'PKCS8/bad-oid-dsa-key.pem': null,
  'PKCS8/ec-inconsistent-curve.pem': null,
  'PKCS8/ec-invalid-private-scalar.pem': null,
  'PKCS8/ec_oid_not_in_reg_private_2.pkcs8.pem': null,
  'PKCS8/nodompar_private.pkcs8.pem': null,
  'PKCS8/private.pem': null,
  'PKCS8/rsa_pss_2048.pem': null,
  'PKCS8/rsa_pss_2048_hash.pem': null,
  'PKCS8/rsa_pss_2048_hash_mask.pem': null,
  'PKCS8/rsa_pss_2048_hash_mask_diff.pem': null,
  'PKCS8/rsa_pss_2048_hash_mask_salt.pem': null,
  'PKCS8/unenc-dsa-pkcs8.pem': null,
  'PKCS8/unenc-rsa-pkcs8.pem': null,
  'PKCS8/unknown-oid.der': null,
  'PKCS8/withdompar_private.pkcs8.pem': null,
  'EC/ec_private_key_non_zero_unused_bits.der': null,
  'EC/truncated-private-key.der': null,
  'Ed25519/ed25519-pkcs8.der': 'Ed25519',
  'Ed25519/ed25519-pkcs8-enc.der': null,
  'X25519/x25519-pkcs8.der': 'X25519',
  'X25519/x25519-pkcs8-enc.der': null,
  'MLDSA/mldsa44_priv.der': 'ML-DSA-44',
  'MLDSA/mldsa65_noseed_priv.der': null,
  'MLKEM/mlkem768.der': 'ML-KEM-768',
  'DER_Serialization/ec_private_key.der': null,
  'DER_Serialization/enc-rsa-pkcs8.der': null,
  'DER_Serialization/testrsa.der': null,
};

test('pyca/cryptography: private keys come in as what they are, or not at all', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const tally = new Tally('PKCS #8 files');
  for (const [file, expected] of Object.entries(PRIVATE_FILES)) {
    const bytes = derOf(await readFile(join(peer.folder, 'asymmetric', file)));
    const taken = SPEC_NAMES.filter((spec) => isAsymmetric(spec) && comesIn(spec, bytes));
    tally.check(file, expected ?? '', { import: taken.join(', ') });
  }
  tally.close({ ran: 30 });
});

test('RFC 7638, section 3.1, and RFC 8037, appendix A.3: thumbprints', () => {
  const rsa = {
    kty: 'RSA',
    n:
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok' +
      'njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu' +
      '6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a' +
      'wapJzKnqDKgw',
    e: 'AQAB',
  };
  const okp = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  for (const [jwk, expected] of [
    [rsa, 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'],
    [okp, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'],
  ] as const) {
    const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' });
    assert.equal(thumbprint(publicKeyJwk(spki)), expected);
  }
});

function derOf(file: Buffer): Buffer {
  const base64 = /-----BEGIN PRIVATE KEY-----([^-]*)-----END/u.exec(file.toString('latin1'))?.[1];
  return base64 === undefined ? file : Buffer.from(base64, 'base64');
}

function comesIn(spec: Spec, bytes: Uint8Array): boolean {
  try {
    importMaterial(spec, bytes);
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'INVALID_ARGUMENT');
    return false;
  }
}

function isNist(curve: string): curve is 'P-256' | 'P-384' | 'P-521' {
  return curve === 'P-256' || curve === 'P-384' || curve === 'P-521';
}
