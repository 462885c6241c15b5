/**
 * HMAC with SHA-224, SHA-256, SHA-384 and SHA-512 (FIPS 198-1), never truncated.
 *
 * - Project Wycheproof: `hmac_sha{224,256,384,512}_test.json`. A key of the length that the spec has comes in by
 *   importMaterial; other lengths are loaded as they are, which only tests do. A truncated MAC must never match; its bytes
 *   must be the first ones of ours exactly where Wycheproof has it as valid.
 * - RFC 4231.
 */
import { test } from 'node:test';
import { importMaterial, loadPrivate } from '../../src/crypto/key-material.ts';
import { mac, macMatches } from '../../src/crypto/mac.ts';
import { specRow, type Spec } from '../../src/model/spec.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

interface MacHead {
  readonly keySize: number;
  readonly tagSize: number;
}

for (const { bits, vectors, truncated } of [
  { bits: 224, vectors: 172, truncated: 85 },
  { bits: 256, vectors: 174, truncated: 87 },
  { bits: 384, vectors: 174, truncated: 87 },
  { bits: 512, vectors: 174, truncated: 87 },
] as const) {
  const spec = `HMAC-SHA-${bits}` as const;
  const algorithm = `HMAC_SHA_${bits}` as const;
  const file = `hmac_sha${bits}_test.json`;

  test(`Wycheproof ${file}: only the whole MAC matches`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const { tagSize, tests } of await readWycheproof<MacHead, 'key' | 'msg' | 'tag'>(wycheproof.folder, file)) {
      for (const { tcId, key, msg, tag, result } of tests) {
        const made = mac(keyOf(spec, key), algorithm, Buffer.from(msg, 'hex'));
        const given = Buffer.from(tag, 'hex');
        const whole = tagSize === bits;
        tally.check(`tcId ${tcId}`, result === 'valid', {
          prefix: made.subarray(0, given.length).equals(given),
          ...(whole ? { matches: macMatches(made, given) } : {}),
        });
        if (!whole) tally.check(`tcId ${tcId}, truncated`, false, { matches: macMatches(made, given) });
      }
    }
    // A truncated one is run as a prefix and as a MAC.
    tally.close({ ran: vectors + truncated });
  });

  test(`RFC 4231: HMAC with SHA-${bits}`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const file = `HMAC/rfc-4231-sha${bits}.txt`;
    const tally = new Tally(file);
    for (const { fields } of await readRecords(peer.folder, file)) {
      const message = Buffer.from(fields['Msg']!, 'hex');
      tally.check(fields['MD']!.slice(0, 16), fields['MD']!, {
        mac: await outcomeOf(() => mac(keyOf(spec, fields['Key']!), algorithm, message)),
      });
    }
    tally.close({ ran: 6 });
  });
}

function keyOf(spec: Spec, hex: string): ReturnType<typeof loadPrivate>['key'] {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length !== specRow(spec).size) return loadPrivate(spec, bytes).key;
  return loadPrivate(spec, importMaterial(spec, bytes).privateMaterial.reveal()).key;
}
