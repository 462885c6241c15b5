/**
 * X25519 (RFC 7748).
 *
 * - Project Wycheproof: `x25519_test.json` (its `_asn` sibling is not part of this version; the SPKI is made here). What is
 *   `acceptable` is taken: points on the twist, and values not below p, as RFC 7748, section 5 says. An all-zero secret is
 *   refused: section 6.1.
 * - RFC 7748, section 5.2: the two vectors, and the iterated ones up to 1,000 (1,000,000 take minutes). Section
 *   6.1 is among Wycheproof's (`Ktv`).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveSharedSecret } from '../../src/crypto/agree.ts';
import { loadPrivate } from '../../src/crypto/key-material.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { imported, pkcs8Of, spkiOf } from './keys.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { has, readWycheproof } from './wycheproof.ts';

const SPEC = 'X25519';

test('Wycheproof x25519_test.json: the secret, or a refusal where it is all zeros', async (t) => {
  const wycheproof = await requirePeer(t, 'wycheproof');
  if (wycheproof === null) return;
  const file = 'x25519_test.json';
  const tally = new Tally(file);
  for (const { tests } of await readWycheproof<object, 'public' | 'private' | 'shared'>(wycheproof.folder, file)) {
    for (const vector of tests) {
      const expected = has(vector, 'ZeroSharedSecret') ? 'INVALID_ARGUMENT' : vector.shared;
      tally.check(`tcId ${vector.tcId} (${vector.flags?.join(', ')})`, expected, {
        secret: await secretOf(vector.private, vector.public),
      });
    }
  }
  tally.close({ ran: 518 });
});

test('RFC 7748, section 5.2', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'asymmetric/X25519/rfc7748.txt';
  const tally = new Tally(file);
  for (const { fields } of await readRecords(peer.folder, file)) {
    const secret = await secretOf(fields['INPUT_SCALAR']!, fields['INPUT_U']!);
    tally.check(`COUNT ${fields['COUNT']}`, fields['OUTPUT_U']!, { secret });
  }
  tally.close({ ran: 3 });
});

test('RFC 7748, section 5.2: one and 1,000 iterations', () => {
  let scalar: Uint8Array = Buffer.alloc(32);
  scalar[0] = 9;
  let u = scalar;
  const after = new Map<number, string>();
  for (let iteration = 1; iteration <= 1000; iteration += 1) {
    const secret = deriveSharedSecret(loadPrivate(SPEC, pkcs8Of(SPEC, scalar)), spkiOf(SPEC, u));
    u = scalar;
    scalar = secret;
    after.set(iteration, secret.toString('hex'));
  }
  assert.equal(after.get(1), '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079');
  assert.equal(after.get(1000), '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51');
});

function secretOf(scalar: string, u: string): Promise<Outcome> {
  return outcomeOf(() => {
    const { handle } = imported(SPEC, pkcs8Of(SPEC, Buffer.from(scalar, 'hex')));
    return deriveSharedSecret(handle, spkiOf(SPEC, Buffer.from(u, 'hex')));
  });
}
