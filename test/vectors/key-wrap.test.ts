/**
 * AES key wrap with padding (RFC 5649, SP 800-38F) under a key of 256 bits, and the wrapping for import around it:
 * RSA_AES_KEY_WRAP_SHA_1 and _SHA_256, of which KWP is the second half (PKCS #11, CKM_RSA_AES_KEY_WRAP).
 *
 * Claviger has no KWP by itself. Each vector's key is put before it under RSA-OAEP, as an owner of material would do, and
 * `unwrapImport` opens the whole; `wrapForImport` is given the vector's key as its random bytes.
 *
 * - Project Wycheproof: `aes_kwp_test.json`. Keys of 128 and 192 bits must be refused.
 * - NIST CAVS: `KWP_AE_256.txt` (wrap) and `KWP_AD_256.txt` (unwrap), which are SP 800-38F's.
 * - Python's `cryptography`: what it wraps for import opens here, with RSA keys of 2048, 3072 and 4096 bits.
 *
 * Not run: KW without padding, and `*_inv.txt`, which exchange the directions of AES: Claviger has neither. RFC 5649's own
 * vectors and Botan's `kwp_botan.txt` have keys of 128 and 192 bits only.
 */
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { test } from 'node:test';
import { newImportKey, unwrapImport, wrapForImport } from '../../src/crypto/key-wrap.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { IMPORT_ALGORITHMS } from '../../src/model/algorithm.ts';
import type { Random } from '../../src/ports/random.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

const ALGORITHM = 'RSA_AES_KEY_WRAP_SHA_256';
const AES_KEY_BYTES = 32;
const MODULUS_BYTES = 256;
const importKey = newImportKey(2048);

test('Wycheproof aes_kwp_test.json: unwraps what is right, and refuses all else', async (t) => {
  const wycheproof = await requirePeer(t, 'wycheproof');
  if (wycheproof === null) return;
  const file = 'aes_kwp_test.json';
  const tally = new Tally(file);
  for (const { keySize, tests } of await readWycheproof<{ readonly keySize: number }, 'key' | 'msg' | 'ct'>(
    wycheproof.folder,
    file,
  )) {
    for (const { tcId, key, msg, ct, result } of tests) {
      const opens = result === 'valid' && keySize === 8 * AES_KEY_BYTES;
      tally.check(`tcId ${tcId}`, opens ? msg : 'INVALID_CIPHERTEXT', {
        unwrap: await unwrapped(key, ct),
        ...(opens ? { wrap: (await wrapped(key, msg)) === ct ? msg : 'another ciphertext' } : {}),
      });
    }
  }
  tally.close({ ran: 254 });
});

test('CAVS KWP_AE_256: wraps to the same bytes', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'keywrap/kwtestvectors/KWP_AE_256.txt';
  const tally = new Tally(file);
  for (const { heading, fields } of await readRecords(peer.folder, file)) {
    tally.check(`${heading}, COUNT ${fields['COUNT']}`, fields['C']!, {
      wrap: await wrapped(fields['K']!, fields['P']!),
    });
  }
  tally.close({ ran: 500 });
});

test('CAVS KWP_AD_256: unwraps, or fails, as NIST says', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'keywrap/kwtestvectors/KWP_AD_256.txt';
  const tally = new Tally(file);
  for (const { heading, fields } of await readRecords(peer.folder, file)) {
    tally.check(`${heading}, COUNT ${fields['COUNT']}`, fields['P'] ?? 'INVALID_CIPHERTEXT', {
      unwrap: await unwrapped(fields['K']!, fields['C']!),
    });
  }
  tally.close({ ran: 500 });
});

test('Python wraps for import, and it opens here', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const tally = new Tally('wrapping for import, by Python');
  for (const bits of [2048, 3072, 4096] as const) {
    const { privateKey, publicKey } = await newImportKey(bits);
    const cases = (
      ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'] as const
    )
      .flatMap((algorithm) => [28, 32, 48, 64, 100, 2400].map((length) => ({ algorithm, length })))
      .filter(({ algorithm, length }) => IMPORT_ALGORITHMS[algorithm].aesKeyWrap || length <= 100)
      .map((entry) => ({ ...entry, material: systemRandom.bytes(entry.length) }));
    const answers = await askVerifier(
      python.verifier,
      cases.map(({ algorithm, material }): VerifierRequest => ({
        op: IMPORT_ALGORITHMS[algorithm].aesKeyWrap ? 'wrap' : 'encrypt',
        alg: algorithm,
        publicKeySpkiBase64: Buffer.from(publicKey).toString('base64'),
        plaintextBase64: material.toString('base64'),
      })),
    );
    for (const [at, { algorithm, length, material }] of cases.entries()) {
      const theirs = Buffer.from(answers[at]!['ciphertextBase64'] ?? '', 'base64');
      tally.check(`${bits} ${algorithm} ${length} bytes`, material.toString('hex'), {
        theirs: await outcomeOf(() => unwrapImport(algorithm, privateKey, theirs).reveal()),
        ours: await outcomeOf(() =>
          unwrapImport(algorithm, privateKey, wrapForImport(algorithm, publicKey, material, systemRandom)).reveal(),
        ),
      });
    }
  }
  tally.close({ ran: 66 });
});

test('Python unwraps both halves of what is wrapped for import here', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const tally = new Tally('wrapping for import, opened by Python');
  const { privateKey, publicKey } = await importKey;
  for (const algorithm of ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const) {
    const materials = [1, 7, 8, 9, 28, 32, 48, 64, 2400].map((length) => systemRandom.bytes(length));
    const parts = materials.map((material) => {
      const whole = wrapForImport(algorithm, publicKey, material, systemRandom);
      return { encryptedKey: whole.subarray(0, MODULUS_BYTES), wrappedMaterial: whole.subarray(MODULUS_BYTES) };
    });
    const keys = await askVerifier(
      python.verifier,
      parts.map(({ encryptedKey }): VerifierRequest => ({
        op: 'decrypt',
        alg: algorithm.replace('RSA_AES_KEY_WRAP', 'RSAES_OAEP'),
        privateKeyPkcs8Base64: privateKey.reveal().toString('base64'),
        ciphertextBase64: encryptedKey.toString('base64'),
      })),
    );
    const opened = await askVerifier(
      python.verifier,
      parts.map(({ wrappedMaterial }, at): VerifierRequest => ({
        op: 'unwrap',
        alg: 'AES_KWP',
        keyBase64: keys[at]!['plaintextBase64']!,
        ciphertextBase64: wrappedMaterial.toString('base64'),
      })),
    );
    for (const [at, material] of materials.entries()) {
      tally.check(`${algorithm} ${material.length} bytes`, material.toString('base64'), {
        Python: opened[at]!['plaintextBase64'] ?? opened[at]!.error ?? 'no answer',
      });
    }
  }
  tally.close({ ran: 18 });
});

async function unwrapped(key: string, ciphertext: string): Promise<Outcome> {
  const { privateKey, publicKey } = await importKey;
  const encryptedKey = publicEncrypt(
    {
      key: createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
    },
    Buffer.from(key, 'hex'),
  );
  const whole = Buffer.concat([encryptedKey, Buffer.from(ciphertext, 'hex')]);
  return outcomeOf(() => unwrapImport(ALGORITHM, privateKey, whole).reveal());
}

/** The half that is KWP. */
async function wrapped(key: string, plaintext: string): Promise<string> {
  const { publicKey } = await importKey;
  const random: Random = { bytes: () => Buffer.from(key, 'hex') };
  const whole = wrapForImport(ALGORITHM, publicKey, Buffer.from(plaintext, 'hex'), random);
  return whole.subarray(MODULUS_BYTES).toString('hex');
}
