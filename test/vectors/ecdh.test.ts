/**
 * ECDH over P-256, P-384, P-521 and secp256k1 (SP 800-56A rev. 3, section 5.7.1.2): the x-coordinate, of a peer's SPKI.
 *
 * - Project Wycheproof: `ecdh_secp{256r1,384r1,521r1,256k1}_test.json` (SPKI) and `*_ecpoint_test.json` (the point, which
 *   is put into an SPKI here). Compressed points are taken.
 *   Explicit parameters and what is not DER should not be, and never give a wrong secret.
 * - NIST CAVP: `KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_{init,resp}.fax`: the secret, and public keys that are wrong.
 *
 * Not run: other curves.
 */
import { test } from 'node:test';
import { deriveSharedSecret } from '../../src/crypto/agree.ts';
import type { PrivateHandle } from '../../src/crypto/key-material.ts';
import type { Spec } from '../../src/model/spec.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { imported, pkcs8Of, pointOf, spkiOf } from './keys.ts';
import { hexBytes, readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { has, readWycheproof, type Vector } from './wycheproof.ts';

type Fields = 'public' | 'private' | 'shared';

/** RFC 5480, section 2.1.1: specifiedCurve must not be used. RFC 5280, section 4.1: DER. */
interface EcdhHead {
  readonly encoding: 'asn' | 'ecpoint';
}

for (const { curve, spec, asn, point, encodings } of [
  { curve: 'secp256r1', spec: 'P-256', asn: 612, point: 355, encodings: 236 },
  { curve: 'secp384r1', spec: 'P-384', asn: 1047, point: 790, encodings: 236 },
  { curve: 'secp521r1', spec: 'P-521', asn: 916, point: 661, encodings: 234 },
  { curve: 'secp256k1', spec: 'secp256k1', asn: 752, point: 0, encodings: 236 },
] as const) {
  test(`Wycheproof ecdh_${curve}: the secret of a sound key, and no secret of any other`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const privateKey = keyCache(spec);
    for (const [file, ran] of [
      [`ecdh_${curve}_test.json`, asn],
      [`ecdh_${curve}_ecpoint_test.json`, point],
    ] as const) {
      if (ran === 0) continue;
      const tally = new Tally(file);
      for (const { encoding, tests } of await readWycheproof<EcdhHead, Fields>(wycheproof.folder, file)) {
        for (const vector of tests) {
          const given = Buffer.from(vector.public, 'hex');
          const peer = encoding === 'asn' ? given : spkiOf(spec, given);
          const secret = await outcomeOf(() => deriveSharedSecret(privateKey(vector.private), peer));
          tally.check(nameOf(vector), expectedOf(vector, secret), { secret });
        }
      }
      tally.close({ ran });
    }
  });

  test(`Wycheproof ecdh_${curve}: a peer's key is DER, and its curve is named`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(`ecdh_${curve}_test.json, encodings`);
    const privateKey = keyCache(spec);
    const groups = await readWycheproof<EcdhHead, Fields>(wycheproof.folder, `ecdh_${curve}_test.json`);
    for (const vector of groups.flatMap(({ tests }) => tests).filter(isOfEncoding)) {
      const peer = Buffer.from(vector.public, 'hex');
      const secret = await outcomeOf(() => deriveSharedSecret(privateKey(vector.private), peer));
      tally.check(nameOf(vector), 'INVALID_ARGUMENT', { secret });
    }
    tally.close({ ran: encodings });
  });
}

for (const role of ['init', 'resp'] as const) {
  const file = `asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_${role}.fax`;
  test(`CAVP KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_${role}.fax: as NIST says`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const tally = new Tally(file);
    for (const { heading, fields } of await readRecords(peer.folder, file, / - SHA/u)) {
      const spec = PARAMETER_SETS[heading.slice(0, 2)];
      const { COUNT: count, Result: result = '', Z: z } = fields;
      if (spec === undefined || count === undefined) continue;
      const secret = await outcomeOf(() => {
        const { handle } = imported(spec, pkcs8Of(spec, hexBytes(fields['dsIUT']!)));
        return deriveSharedSecret(handle, spkiOf(spec, pointOf(spec, fields['QsCAVSx']!, fields['QsCAVSy']!)));
      });
      const peerIsWrong = /^F \([12] /u.test(result);
      tally.check(`${heading} COUNT ${count}, ${result}`, peerIsWrong ? 'INVALID_ARGUMENT' : result.startsWith('P'), {
        secret: peerIsWrong ? secret : sameNumber(secret, z!),
      });
    }
    tally.close({ ran: 90 });
  });
}

/** SP 800-56A's names of the curves. */
const PARAMETER_SETS: Readonly<Record<string, Spec>> = { EC: 'P-256', ED: 'P-384', EE: 'P-521' };

function nameOf(vector: Vector): string {
  return `tcId ${vector.tcId} (${vector.flags?.join(', ')}: ${vector.comment})`;
}

function isOfEncoding(vector: Vector): boolean {
  return has(vector, 'InvalidAsn') || has(vector, 'UnnamedCurve');
}

/** Of an encoding that should not be, either no secret or the right one; the test of encodings says which. */
function expectedOf(vector: Vector & { readonly shared: string }, secret: Outcome): Outcome {
  if (vector.result === 'valid' || has(vector, 'CompressedPublic')) return vector.shared;
  return isOfEncoding(vector) && secret === vector.shared ? vector.shared : 'INVALID_ARGUMENT';
}

/** NIST writes Z with more zeros before it than the field has. */
function sameNumber(secret: Outcome, z: string): boolean {
  return /^[0-9a-f]+$/u.test(String(secret)) && BigInt(`0x${secret}`) === BigInt(`0x${z}`);
}

/** Importing takes longer than deriving, and vectors share their keys. */
function keyCache(spec: Spec): (scalar: string) => PrivateHandle {
  const handles = new Map<string, PrivateHandle>();
  return (scalar) => {
    const handle = handles.get(scalar) ?? imported(spec, pkcs8Of(spec, hexBytes(scalar))).handle;
    handles.set(scalar, handle);
    return handle;
  };
}
