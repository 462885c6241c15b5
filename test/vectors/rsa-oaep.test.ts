/**
 * RSAES-OAEP (RFC 8017, section 7.1) with SHA-1 or SHA-256, MGF1 over the same hash, and the empty label. Each vector is
 * opened by `oaepDecrypt`, and by `unwrapImport`, which takes key material in.
 *
 * - Project Wycheproof: `rsa_oaep_*_sha1_mgf1sha1`, `*_sha256_mgf1sha256`, and of `rsa_oaep_misc` what has our hashes and
 *   sizes. With a label, or with another hash in MGF1 (`*_sha256_mgf1sha1`, most of `misc`), nothing may open.
 * - RFC 8017's companion `oaep-vect.txt` (SHA-1), the key of 2048 bits; and pyca's `oaep-sha256-sha256.txt`.
 *
 * Not run: other hashes, and in `rsa_oaep_misc` other sizes.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { unwrapImport } from '../../src/crypto/key-wrap.ts';
import { oaepDecrypt, oaepEncrypt } from '../../src/crypto/oaep.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { imported, rsaPkcs8Of, rsaSpecOf, type ImportedKey } from './keys.ts';
import { outcomeOf, Tally, type Outcome } from './tally.ts';
import { readWycheproof } from './wycheproof.ts';

interface OaepHead {
  readonly keySize: number;
  readonly sha: string;
  readonly mgfSha: string;
  readonly privateKeyPkcs8: string;
}

type Algorithm = 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256';

const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  'SHA-1': 'RSAES_OAEP_SHA_1',
  'SHA-256': 'RSAES_OAEP_SHA_256',
};
const OTHERS = 'other hashes or sizes';

for (const { file, ran, others = 0 } of [
  { file: 'rsa_oaep_2048_sha1_mgf1sha1_test.json', ran: 36 },
  { file: 'rsa_oaep_2048_sha256_mgf1sha256_test.json', ran: 37 },
  { file: 'rsa_oaep_3072_sha256_mgf1sha256_test.json', ran: 37 },
  { file: 'rsa_oaep_4096_sha256_mgf1sha256_test.json', ran: 37 },
  { file: 'rsa_oaep_2048_sha256_mgf1sha1_test.json', ran: 31 },
  { file: 'rsa_oaep_3072_sha256_mgf1sha1_test.json', ran: 32 },
  { file: 'rsa_oaep_4096_sha256_mgf1sha1_test.json', ran: 32 },
  { file: 'rsa_oaep_misc_test.json', ran: 90, others: 305 },
]) {
  test(`Wycheproof ${file}: opens what is right, and refuses all else in one way`, async (t) => {
    const wycheproof = await requirePeer(t, 'wycheproof');
    if (wycheproof === null) return;
    const tally = new Tally(file);
    for (const group of await readWycheproof<OaepHead, 'msg' | 'ct' | 'label'>(wycheproof.folder, file)) {
      const spec = rsaSpecOf(group.keySize);
      const algorithm = ALGORITHMS[group.sha];
      if (spec === undefined || algorithm === undefined) {
        tally.skip(OTHERS, group.tests.length);
        continue;
      }
      const key = imported(spec, Buffer.from(group.privateKeyPkcs8, 'hex'));
      for (const { tcId, msg, ct, label, result } of group.tests) {
        const opens = result === 'valid' && label === '' && group.sha === group.mgfSha;
        tally.check(`tcId ${tcId}`, opens ? msg : 'INVALID_CIPHERTEXT', await opened(key, algorithm, ct));
      }
    }
    tally.close({ ran, ...(others === 0 ? {} : { skipped: { [OTHERS]: others } }) });
  });
}

for (const { file, algorithm, ran } of [
  { file: 'asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt', algorithm: 'RSAES_OAEP_SHA_1', ran: 6 },
  { file: 'asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt', algorithm: 'RSAES_OAEP_SHA_256', ran: 60 },
] as const) {
  test(`${file}: opens to the message, and what is encrypted here opens too`, async (t) => {
    const peer = await requirePeer(t, 'vectors');
    if (peer === null) return;
    const tally = new Tally(file);
    let numbers: Record<string, string> = {};
    let key: ImportedKey | null = null;
    for (const [name, value] of titledNumbers(await readFile(join(peer.folder, file), 'utf8'))) {
      if (name === 'Modulus' && numbers['Coefficient'] !== undefined) numbers = {};
      numbers[name] = value;
      if (name === 'Coefficient') key = keyOf(numbers);
      if (name !== 'Encryption' || key === null) continue;
      const ours = oaepEncrypt(key.spki, key.handle.spec, algorithm, Buffer.from(numbers['Message']!, 'hex'));
      tally.check(value.slice(0, 16), numbers['Message']!, {
        ...(await opened(key, algorithm, value)),
        ours: await outcomeOf(() => oaepDecrypt(key!.handle, algorithm, ours)),
      });
    }
    tally.close({ ran });
  });
}

async function opened(key: ImportedKey, algorithm: Algorithm, ct: string): Promise<Record<string, Outcome>> {
  const ciphertext = Buffer.from(ct, 'hex');
  return {
    decrypt: await outcomeOf(() => oaepDecrypt(key.handle, algorithm, ciphertext)),
    import: await outcomeOf(() => unwrapImport(algorithm, new SecretBytes(key.pkcs8), ciphertext).reveal()),
  };
}

/** `# Title:` and the hexadecimal lines below it. */
function* titledNumbers(text: string): Generator<readonly [name: string, value: string]> {
  for (const [, name, value] of text.matchAll(/^# ([A-Z][\w ]*?)\s*:\s*\n((?:[0-9a-f]+[0-9a-f ]*\s*\n?)+)/gmu)) {
    yield [name!, value!.replaceAll(/\s/gu, '')];
  }
}

/** Null where the size is none of ours. */
function keyOf(numbers: Readonly<Record<string, string>>): ImportedKey | null {
  const spec = rsaSpecOf(numbers['Modulus']!.length * 4);
  if (spec === undefined) return null;
  const number = (name: string): bigint => BigInt(`0x${numbers[name]!}`);
  const pkcs8 = rsaPkcs8Of(spec, {
    n: number('Modulus'),
    e: number('Public exponent'),
    d: number('Exponent'),
    p: number('Prime 1'),
    q: number('Prime 2'),
  });
  return imported(spec, pkcs8);
}
