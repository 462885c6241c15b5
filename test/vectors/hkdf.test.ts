/**
 * HKDF (RFC 5869) with one block of output, through node:ffi and through node:crypto.
 *
 * - Project Wycheproof: `hkdf_sha{256,384,512}_test.json`, but for what is longer than messages have it.
 */
import { test } from 'node:test';
import { nativeHkdfSha512 } from '../../src/envelope/message/hkdf-native.ts';
import { INPUT_BYTES_MAX, portableHkdf } from '../../src/envelope/message/hkdf-portable.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { Tally } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

for (const { name, outputBytes, ran, longer } of [
  { name: 'sha256', outputBytes: 32, ran: 29, longer: 57 },
  { name: 'sha384', outputBytes: 48, ran: 53, longer: 30 },
  { name: 'sha512', outputBytes: 64, ran: 71, longer: 12 },
] as const) {
  const file = `hkdf_${name}_test.json`;

  test(`Wycheproof ${file}`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const { tests } of await readWycheproof<{ keySize: number }, 'ikm' | 'salt' | 'info' | 'okm'>(
      wycheproof.folder,
      file,
    ))
      for (const vector of tests) {
        const [ikm, salt, info] = [vector.ikm, vector.salt, `${vector.info}01`].map((hex) => Buffer.from(hex, 'hex'));
        const { size } = vector as unknown as { readonly size: number };
        if (size > outputBytes || [ikm!, salt!, info!].some(({ length }) => length > INPUT_BYTES_MAX)) {
          tally.skip('longer than messages have it');
          continue;
        }
        const first = ([output]: readonly Buffer[]): string => output!.toString('hex', 0, size);
        tally.check(`tcId ${vector.tcId}`, vector.okm, {
          portable: first(portableHkdf(name, salt!, ikm!, [info!])),
          ...(name === 'sha512' ? { native: first(nativeHkdfSha512!(salt!, ikm!, [info!])) } : {}),
        });
      }
    tally.close({ ran, skipped: { 'longer than messages have it': longer } });
  });
}
