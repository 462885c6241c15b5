/**
 * AES-GCM (SP 800-38D) with IVs of 12 bytes and tags of 16, through node:ffi and through node:crypto.
 *
 * - Project Wycheproof: `aes_gcm_test.json`, but for IVs of other lengths, which no format of ours has.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GcmCipher, GcmEngine } from '../../src/crypto/gcm-engine.ts';
import { nativeGcm } from '../../src/crypto/gcm-native.ts';
import { portableGcm } from '../../src/crypto/gcm-portable.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { Tally } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

interface Head {
  readonly ivSize: number;
  readonly keySize: number;
  readonly tagSize: number;
}

test('Wycheproof aes_gcm_test.json: valid ones are made and opened, the others are not', async (t) => {
  const wycheproof = await requirePeer(t, 'wycheproof');
  if (wycheproof === null) return;
  assert.ok(nativeGcm);
  const engines = { native: nativeGcm, portable: portableGcm };
  const file = 'aes_gcm_test.json';
  const tally = new Tally(file);
  const groups = await readWycheproof<Head, 'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag'>(wycheproof.folder, file);
  for (const { ivSize, keySize, tagSize, tests } of groups) {
    if (ivSize !== 96 || tagSize !== 128) {
      tally.skip('IV of another length', tests.length);
      continue;
    }
    for (const { tcId, result, ...hex } of tests) {
      const part = (name: 'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag'): Buffer => Buffer.from(hex[name], 'hex');
      for (const [way, engine] of Object.entries(engines)) {
        const cipher = `aes-${keySize}-gcm` as GcmCipher;
        const opened = open(engine, cipher, part('key'), part('iv'), part('aad'), part('ct'), part('tag'));
        tally.check(`tcId ${tcId}`, result === 'valid' ? hex.msg : null, { [`${way}, opened`]: opened });
        const sealed = seal(engine, cipher, part('key'), part('iv'), part('aad'), part('msg'));
        tally.check(`tcId ${tcId}`, result === 'valid', { [`${way}, sealed`]: sealed === hex.ct + hex.tag });
      }
    }
  }
  // Each is sealed and opened, in two ways.
  tally.close({ ran: 4 * 197, skipped: { 'IV of another length': 119 } });
});

function seal(engine: GcmEngine, cipher: GcmCipher, key: Buffer, iv: Buffer, aad: Buffer, text: Buffer): string {
  using gcm = engine.encryption(cipher, new SecretBytes(key));
  gcm.begin(iv);
  gcm.aad(aad);
  const sealed = gcm.update(text);
  return Buffer.concat([sealed, gcm.tag()]).toString('hex');
}

function open(
  engine: GcmEngine,
  cipher: GcmCipher,
  key: Buffer,
  iv: Buffer,
  aad: Buffer,
  sealed: Buffer,
  tag: Buffer,
): string | null {
  using gcm = engine.decryption(cipher, new SecretBytes(key));
  gcm.begin(iv);
  gcm.aad(aad);
  const text = gcm.update(sealed);
  return gcm.isGenuine(tag) ? text.toString('hex') : null;
}
