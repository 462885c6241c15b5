/**
 * ML-KEM-512, ML-KEM-768 and ML-KEM-1024 (FIPS 203).
 *
 * - Project Wycheproof: `mlkem_*_test.json` (seed, ciphertext, secret), `mlkem_*_keygen_seed_test.json`,
 *   `mlkem_*_encaps_test.json` (which keys may be encapsulated to) and `mlkem_*_semi_expanded_decaps_test.json` (keys without
 *   their seed must be refused).
 * - NIST's `kat_MLKEM_*.rsp`, 1,000 each, as the reference implementation made them: public key, secret, and the secret of a
 *   ciphertext that was changed (implicit rejection).
 * - Python's `cryptography` (768 and 1024) and @noble/post-quantum (all): secrets agree in both directions.
 *
 * Not run: encapsulation with given randomness. Ours takes none, so its ciphertexts cannot be foreseen.
 */
import { ml_kem1024, ml_kem512, ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { test } from 'node:test';
import { decapsulate, encapsulate } from '../../src/crypto/kem.ts';
import { importMaterial, type PrivateHandle } from '../../src/crypto/key-material.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { expandedPkcs8Of, imported, pkcs8Of, spkiOf } from './keys.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

const NOBLE = { 512: ml_kem512, 768: ml_kem768, 1024: ml_kem1024 } as const;
const SEED_BYTES = 64;
const PAIRS = 20;

for (const { size, decapsulations, encapsulations } of [
  { size: 512, decapsulations: 200, encapsulations: 261 },
  { size: 768, decapsulations: 201, encapsulations: 265 },
  { size: 1024, decapsulations: 202, encapsulations: 269 },
] as const) {
  const spec = `ML-KEM-${size}` as const;

  test(`Wycheproof mlkem_${size}_test.json: the secret of a ciphertext, or a refusal of what has another length`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mlkem_${size}_test.json`;
    const tally = new Tally(file);
    for (const { tests } of await readWycheproof<object, 'seed' | 'ek' | 'c' | 'K'>(wycheproof.folder, file)) {
      for (const { tcId, seed, ek, c, K, result } of tests) {
        const pkcs8 = pkcs8Of(spec, Buffer.from(seed, 'hex'));
        if (seed.length !== 2 * SEED_BYTES) {
          tally.check(`tcId ${tcId}`, 'INVALID_ARGUMENT', { import: await importOutcome(spec, pkcs8) });
          continue;
        }
        const { handle, spki } = imported(spec, pkcs8);
        if (result === 'invalid') {
          tally.check(`tcId ${tcId}`, 'INVALID_CIPHERTEXT', { secret: await secretOf(handle, c) });
          continue;
        }
        tally.check(`tcId ${tcId}`, K, {
          secret: await secretOf(handle, c),
          'public key': spkiOf(spec, Buffer.from(ek, 'hex')).equals(spki) ? K : 'another',
        });
      }
    }
    tally.close({ ran: decapsulations });
  });

  test(`Wycheproof mlkem_${size}_keygen_seed_test.json: the public key of a seed`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mlkem_${size}_keygen_seed_test.json`;
    const tally = new Tally(file);
    for (const { tests } of await readWycheproof<object, 'seed' | 'ek'>(wycheproof.folder, file)) {
      for (const { tcId, seed, ek } of tests) {
        tally.check(`tcId ${tcId}`, spkiOf(spec, Buffer.from(ek, 'hex')).toString('hex'), {
          import: await importOutcome(spec, pkcs8Of(spec, Buffer.from(seed, 'hex'))),
        });
      }
    }
    tally.close({ ran: 100 });
  });

  test(`Wycheproof mlkem_${size}_encaps_test.json: no secret for a key that is none`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mlkem_${size}_encaps_test.json`;
    const tally = new Tally(file);
    for (const { tests } of await readWycheproof<object, 'ek' | 'c' | 'K'>(wycheproof.folder, file)) {
      for (const { tcId, ek, c, flags, result } of tests) {
        const valid = result === 'valid';
        tally.check(`tcId ${tcId} (${flags?.join(', ')})`, valid ? c.length / 2 : 'INVALID_ARGUMENT', {
          ciphertext: await outcomeOf(() => encapsulate(spec, spkiOf(spec, Buffer.from(ek, 'hex'))).ciphertext.length),
        });
      }
    }
    tally.close({ ran: encapsulations });
  });

  test(`Wycheproof mlkem_${size}_semi_expanded_decaps_test.json: a key without its seed is refused`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mlkem_${size}_semi_expanded_decaps_test.json`;
    const tally = new Tally(file);
    for (const { tests } of await readWycheproof<object, 'dk'>(wycheproof.folder, file)) {
      for (const { tcId, dk } of tests) {
        const pkcs8 = expandedPkcs8Of(spec, Buffer.from(dk, 'hex'));
        tally.check(`tcId ${tcId}`, 'INVALID_ARGUMENT', { import: await importOutcome(spec, pkcs8) });
      }
    }
    tally.close({ ran: 9 });
  });

  test(`NIST kat_MLKEM_${size}.rsp: public key, secret, and secret of a changed ciphertext`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const file = `asymmetric/MLKEM/kat_MLKEM_${size}.rsp`;
    const tally = new Tally(file);
    for (const { fields } of await readRecords(peer.folder, file)) {
      const { count, d = '', z = '', pk = '', ct = '', ss = '', ct_n: changed = '', ss_n: rejection = '' } = fields;
      const { handle, spki } = imported(spec, pkcs8Of(spec, Buffer.from(d + z, 'hex')));
      tally.check(`count ${count}`, true, {
        'public key': spkiOf(spec, Buffer.from(pk, 'hex')).equals(spki),
        secret: decapsulate(handle, Buffer.from(ct, 'hex')).toString('hex') === ss,
        'implicit rejection': decapsulate(handle, Buffer.from(changed, 'hex')).toString('hex') === rejection,
      });
    }
    tally.close({ ran: 1000 });
  });

  test(`@noble/post-quantum and ${spec} have the same secrets`, () => {
    const tally = new Tally(`${spec} with @noble/post-quantum`);
    const noble = NOBLE[size];
    for (let pair = 0; pair < PAIRS; pair += 1) {
      const seed = systemRandom.bytes(SEED_BYTES);
      const { handle, spki } = imported(spec, pkcs8Of(spec, seed));
      const theirKey = noble.keygen(Uint8Array.from(seed));
      const ours = encapsulate(spec, spki);
      const theirs = noble.encapsulate(theirKey.publicKey);
      tally.check(`pair ${pair}`, true, {
        'public key': spkiOf(spec, theirKey.publicKey).equals(spki),
        theirs: decapsulate(handle, theirs.cipherText).equals(theirs.sharedSecret),
        ours: ours.sharedSecret.equals(noble.decapsulate(Uint8Array.from(ours.ciphertext), theirKey.secretKey)),
      });
    }
    tally.close({ ran: PAIRS });
  });
}

test('Python and ML-KEM-768, ML-KEM-1024 have the same secrets', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const pairs = (['ML-KEM-768', 'ML-KEM-1024'] as const).flatMap((spec) =>
    Array.from({ length: PAIRS }, () => {
      const key = imported(spec, pkcs8Of(spec, systemRandom.bytes(SEED_BYTES)));
      return { spec, key, ours: encapsulate(spec, key.spki) };
    }),
  );
  const theirs = await askVerifier(
    python.verifier,
    pairs.map(({ key }): VerifierRequest => ({
      op: 'encapsulate',
      alg: 'ML_KEM',
      publicKeySpkiBase64: Buffer.from(key.spki).toString('base64'),
    })),
  );
  const opened = await askVerifier(
    python.verifier,
    pairs.map(({ key, ours }): VerifierRequest => ({
      op: 'decapsulate',
      alg: 'ML_KEM',
      privateKeyPkcs8Base64: key.pkcs8.toString('base64'),
      ciphertextBase64: ours.ciphertext.toString('base64'),
    })),
  );
  const tally = new Tally('ML-KEM with Python');
  for (const [at, { spec, key, ours }] of pairs.entries()) {
    const ciphertext = Buffer.from(theirs[at]!['ciphertextBase64'] ?? '', 'base64');
    tally.check(`${spec} ${at}`, true, {
      theirs: decapsulate(key.handle, ciphertext).toString('base64') === theirs[at]!['secretBase64'],
      ours: ours.sharedSecret.toString('base64') === opened[at]!['secretBase64'],
    });
  }
  tally.close({ ran: 2 * PAIRS });
});

function secretOf(handle: PrivateHandle, ciphertext: string): Promise<Outcome> {
  return outcomeOf(() => decapsulate(handle, Buffer.from(ciphertext, 'hex')));
}

function importOutcome(spec: `ML-KEM-${512 | 768 | 1024}`, pkcs8: Uint8Array): Promise<Outcome> {
  return outcomeOf(() => importMaterial(spec, pkcs8).publicKey);
}
