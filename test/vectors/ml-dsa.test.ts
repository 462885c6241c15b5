/**
 * ML-DSA-44, ML-DSA-65 and ML-DSA-87 (FIPS 204), with the empty context, and over the external mu.
 *
 * A vector with a context is none of ours as a message, so it must be refused; over its mu, which has the context in it, it
 * must verify. By message, by mu, and by the portable way over mu.
 *
 * - Project Wycheproof: `mldsa_*_verify_test.json`, `mldsa_*_sign_seed_test.json` (the seed imports to the public key; the
 *   signature verifies; ours verify) and `mldsa_*_sign_noseed_test.json` (the key is refused; the signature verifies).
 * - NIST's `kat_MLDSA_*_det_pure.rsp`, 100 each, as the reference implementation made them: seed, public key, signature.
 *
 * Not run: deterministic signing. Ours is hedged, so its bytes cannot be foreseen. Contexts of more than 255 bytes, which
 * have no mu. HashML-DSA, which Claviger has not.
 */
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { portableDigests } from '../../src/crypto/digest-portable.ts';
import { importMaterial, loadPublic } from '../../src/crypto/key-material.ts';
import { sign } from '../../src/crypto/sign.ts';
import { verify } from '../../src/crypto/verify.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { expandedPkcs8Of, imported, pkcs8Of, spkiOf, type ImportedKey } from './keys.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { has, readWycheproof, type Vector } from './wycheproof.ts';

interface VerifyHead {
  readonly publicKey: string;
  readonly publicKeyDer: string;
}

interface SignHead {
  readonly publicKey: string;
  readonly privateSeed: string;
  /** Some have it. */
  readonly privateKeyPkcs8?: string;
}

interface ExpandedHead {
  readonly publicKey: string;
  readonly privateKey: string;
}

type Spec = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87';
type Signed = Vector & { readonly msg?: string; readonly mu?: string; readonly ctx?: string; readonly sig?: string };

const ALGORITHM = 'ML_DSA_SHAKE_256';
const MU_BYTES = 64;
const CONTEXT_BYTES_MAX = 255;
const NO_MU = 'its context is too long to have a mu';

for (const { size, verifying, seed, noSeed } of [
  { size: 44, verifying: 175, seed: 85, noSeed: 72 },
  { size: 65, verifying: 205, seed: 104, noSeed: 77 },
  { size: 87, verifying: 236, seed: 95, noSeed: 68 },
] as const) {
  const spec = `ML-DSA-${size}` as const;

  test(`Wycheproof mldsa_${size}_verify_test.json: accepts what is valid and nothing else`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mldsa_${size}_verify_test.json`;
    const tally = new Tally(file);
    for (const { publicKey, publicKeyDer, tests } of await readWycheproof<VerifyHead, never>(wycheproof.folder, file)) {
      const spki = Buffer.from(publicKeyDer, 'hex');
      for (const vector of tests as readonly Signed[]) {
        if (!hasMu(vector)) {
          tally.skip(NO_MU);
          continue;
        }
        const refusedKey = has(vector, 'IncorrectPublicKeyLength');
        const expected = refusedKey ? 'INVALID_ARGUMENT' : vector.result === 'valid';
        check(tally, vector, expected, await verified(spec, spki, publicKey, vector));
      }
    }
    tally.close({ ran: verifying, skipped: { [NO_MU]: 5 } });
  });

  test(`Wycheproof mldsa_${size}_sign_seed_test.json: seeds import, and signatures by both verify`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mldsa_${size}_sign_seed_test.json`;
    const tally = new Tally(file);
    for (const group of await readWycheproof<SignHead, never>(wycheproof.folder, file)) {
      const pkcs8 = pkcs8Of(spec, Buffer.from(group.privateSeed, 'hex'));
      for (const vector of group.tests as readonly Signed[]) {
        if (has(vector, 'IncorrectPrivateKeyLength')) {
          tally.check(nameOf(vector), 'INVALID_ARGUMENT', { import: await importOutcome(spec, pkcs8) });
          continue;
        }
        if (!hasMu(vector)) {
          tally.skip(NO_MU);
          continue;
        }
        const key = imported(spec, pkcs8);
        check(tally, vector, true, {
          ...(await verified(spec, key.spki, group.publicKey, vector)),
          ...(await ours(spec, key, group.publicKey, vector)),
          'public key': spkiOf(spec, Buffer.from(group.publicKey, 'hex')).equals(key.spki),
          'PKCS #8': pkcs8.toString('hex') === (group.privateKeyPkcs8 ?? pkcs8.toString('hex')),
        });
      }
    }
    tally.close({ ran: seed, skipped: { [NO_MU]: 1 } });
  });

  test(`Wycheproof mldsa_${size}_sign_noseed_test.json: a key without its seed is refused, its signature verifies`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const file = `mldsa_${size}_sign_noseed_test.json`;
    const tally = new Tally(file);
    for (const group of await readWycheproof<ExpandedHead, never>(wycheproof.folder, file)) {
      const pkcs8 = expandedPkcs8Of(spec, Buffer.from(group.privateKey, 'hex'));
      for (const vector of group.tests as readonly Signed[]) {
        if (!hasMu(vector)) {
          tally.skip(NO_MU);
          continue;
        }
        const refused = (await importOutcome(spec, pkcs8)) === 'INVALID_ARGUMENT';
        if (vector.result === 'invalid') {
          tally.check(nameOf(vector), true, { refused });
          continue;
        }
        const spki = spkiOf(spec, Buffer.from(group.publicKey, 'hex'));
        check(tally, vector, true, { refused, ...(await verified(spec, spki, group.publicKey, vector)) });
      }
    }
    tally.close({ ran: noSeed, skipped: { [NO_MU]: 1 } });
  });

  test(`NIST kat_MLDSA_${size}_det_pure.rsp: seeds import, and signatures by both verify`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const file = `asymmetric/MLDSA/kat_MLDSA_${size}_det_pure.rsp`;
    const tally = new Tally(file);
    for (const { fields } of await readRecords(peer.folder, file)) {
      const { xi = '', pk = '', msg = '', sm = '', ctx = '' } = fields;
      const key = imported(spec, pkcs8Of(spec, Buffer.from(xi, 'hex')));
      // The message follows its signature there.
      const sig = sm.slice(0, sm.length - msg.length);
      const vector: Signed = { tcId: Number(fields['count']), result: 'valid', msg, ctx, sig };
      check(tally, vector, true, {
        ...(await verified(spec, key.spki, pk, vector)),
        ...(await ours(spec, key, pk, vector)),
        'public key': spkiOf(spec, Buffer.from(pk, 'hex')).equals(key.spki),
      });
    }
    tally.close({ ran: 100 });
  });
}

/** As a message, a vector with a context is invalid here whatever it is. */
function check(tally: Tally, vector: Signed, expected: Outcome, outcomes: Readonly<Record<string, Outcome>>): void {
  const { message, ...others } = outcomes;
  const ofContext = (vector.ctx ?? '') !== '' && expected === true;
  tally.check(nameOf(vector), expected, {
    ...others,
    ...(message === undefined ? {} : { message: ofContext ? message === false : message }),
  });
}

async function verified(
  spec: Spec,
  spki: Uint8Array,
  publicKey: string,
  vector: Signed,
): Promise<Record<string, Outcome>> {
  const digest = muOf(publicKey, vector);
  const signature = Buffer.from(vector.sig ?? '', 'hex');
  const { msg } = vector;
  return {
    mu: await outcomeOf(() => verify(spec, spki, ALGORITHM, { digest }, signature)),
    portable: await outcomeOf(() => portableDigests.verify(spec, loadPublic(spec, spki), digest, signature)),
    ...(msg === undefined
      ? {}
      : {
          message: await outcomeOf(() =>
            verify(spec, spki, ALGORITHM, { message: Buffer.from(msg, 'hex') }, signature),
          ),
        }),
  };
}

/** What is signed here, over mu and as a message, verifies in the other way. */
async function ours(
  spec: Spec,
  { handle, spki }: ImportedKey,
  publicKey: string,
  vector: Signed,
): Promise<Record<string, Outcome>> {
  const digest = muOf(publicKey, vector);
  const overMu = await sign(handle, ALGORITHM, { digest });
  const mu = portableDigests.verify(spec, loadPublic(spec, spki), digest, overMu);
  if (vector.msg === undefined) return { 'ours over mu': mu };
  const message = Buffer.from(vector.msg, 'hex');
  const plain = muOf(publicKey, { ...vector, ctx: '', mu: '' });
  const signature = await sign(handle, ALGORITHM, { message });
  return {
    'ours over mu': mu,
    'ours as a message': await verify(spec, spki, ALGORITHM, { digest: plain }, signature),
  };
}

/** FIPS 204, algorithm 7, line 6, with the message of algorithm 2, line 10; and held against the vector's own, if any. */
function muOf(publicKey: string, { msg, ctx = '', mu = '' }: Signed): Buffer {
  if (msg === undefined) return Buffer.from(mu, 'hex');
  const context = Buffer.from(ctx, 'hex');
  const tr = shake256(Buffer.from(publicKey, 'hex'));
  const made = shake256(tr, Buffer.of(0, context.length), context, Buffer.from(msg, 'hex'));
  if (mu !== '' && made.toString('hex') !== mu) throw new Error(`mu is ${made.toString('hex')}, and should be ${mu}`);
  return made;
}

function shake256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('shake256', { outputLength: MU_BYTES }).update(Buffer.concat(parts)).digest();
}

function hasMu({ ctx = '' }: Signed): boolean {
  return ctx.length <= 2 * CONTEXT_BYTES_MAX;
}

function importOutcome(spec: Spec, pkcs8: Uint8Array): Promise<Outcome> {
  return outcomeOf(() => importMaterial(spec, pkcs8).publicKey);
}

function nameOf(vector: Signed): string {
  return `tcId ${vector.tcId} (${vector.flags?.join(', ') ?? ''})`;
}
