/**
 * Cases: both sides of a key agreement, and of a KEM, have one secret.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { diffieHellman, encapsulate } from 'node:crypto';
import { specsOf, type Case } from '../bench.ts';
import { newPeer } from '../calls.ts';
import { refused } from '../expect.ts';
import { brokenBytes, Draw } from '../fuzz.ts';

export const agreeCases: readonly Case[] = [
  ...specsOf('key-agreement').map((spec): Case => ({
    name: `agree ${spec}: the other side has the same secret`,
    run: async (bench) => {
      if (!bench.can('agree', spec)) return;
      const key = await bench.key(spec, 'key-agreement');
      const publicKey = await bench.publicKey(key.ref);
      for (let n = 0; n < 3; n++) {
        const peer = newPeer(spec);
        const { value } = await key.agree!(peer.spki, bench.options);
        assert.deepEqual(Buffer.from(value), diffieHellman({ privateKey: peer.privateKey, publicKey }));
      }
    },
  })),
  ...specsOf('key-agreement').map((spec): Case => ({
    name: `agree ${spec}: what is no public key of its curve is refused`,
    run: async (bench) => {
      if (!bench.can('agree', spec)) return;
      const key = await bench.key(spec, 'key-agreement');
      const others = specsOf('key-agreement').filter((other) => other !== spec);
      for (const other of others) {
        await refused(`a key of ${other}`, 'INVALID_ARGUMENT', () => key.agree!(newPeer(other).spki, bench.options));
      }
      const draw = new Draw(bench.seed);
      const { spki } = newPeer(spec);
      for (let n = 0; n < bench.fuzzRuns; n++) {
        // Another point of X25519 is a public key as well: what is changed there is the frame around it.
        const noise = spec === 'X25519' ? spki.subarray(0, draw.number(spki.length)) : brokenBytes(draw, spki);
        const what = `noise ${n} of seed ${bench.seed}: ${noise.toString('base64')}`;
        await refused(what, 'INVALID_ARGUMENT', () => key.agree!(noise, bench.options));
      }
    },
  })),
  ...specsOf('kem').map((spec): Case => ({
    name: `decapsulate ${spec}: the other side has the same secret, and of a changed ciphertext another`,
    run: async (bench) => {
      if (!bench.can('decapsulate', spec)) return;
      const key = await bench.key(spec, 'kem');
      const { ciphertext, sharedKey } = encapsulate(await bench.publicKey(key.ref));
      const { value } = await key.decapsulate!(ciphertext, bench.options);
      assert.deepEqual(Buffer.from(value), sharedKey);
      const changed = Buffer.from(ciphertext);
      changed[7]! ^= 1;
      // FIPS 203, section 6.3: implicit rejection.
      const other = await key.decapsulate!(changed, bench.options);
      assert.notDeepEqual(Buffer.from(other.value), sharedKey);
      for (const length of [0, 1, ciphertext.length - 1, ciphertext.length + 1]) {
        await refused(`${length} bytes`, 'INVALID_CIPHERTEXT', () =>
          key.decapsulate!(Buffer.alloc(length), bench.options),
        );
      }
    },
  })),
];
