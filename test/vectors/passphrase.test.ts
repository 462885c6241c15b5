/**
 * Argon2id (RFC 9106), as a passphrase becomes a key: 32 bytes, no secret, no associated data.
 *
 * - Python's `cryptography`, which brings an OpenSSL of its own: the same keys, at our bounds and our own parameters.
 * - RFC 9106, section 5.3, and the others of `KDF/argon2id.txt`: they have little memory or 8 bytes of salt, and must be
 *   refused. So no published vector of Argon2id runs through `derivePassphraseKey`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { derivePassphraseKey, PASSPHRASE_PARAMETERS } from '../../src/crypto/passphrase.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { readRecords } from './records.ts';
import { outcomeOf, Tally } from './tally.ts';

/** JSON lines in, hex lines out. */
const ARGON2ID = `
import json, sys
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
for line in sys.stdin:
    q = json.loads(line)
    kdf = Argon2id(salt=bytes.fromhex(q["salt"]), length=32, iterations=q["passes"], lanes=q["parallelism"],
                   memory_cost=q["memoryKib"])
    print(kdf.derive(bytes.fromhex(q["passphrase"])).hex())
`;

const CASES = [
  { memoryKib: 19_456, passes: 1, parallelism: 1, salt: '00'.repeat(16), passphrase: '70617373776f7264' },
  { memoryKib: 19_456, passes: 2, parallelism: 1, salt: '02'.repeat(16), passphrase: '01'.repeat(32) },
  { memoryKib: 19_999, passes: 3, parallelism: 4, salt: 'a5'.repeat(64), passphrase: '00' },
  { memoryKib: 65_536, passes: 3, parallelism: 4, salt: '7079636173616c74'.repeat(2), passphrase: 'ff'.repeat(1000) },
  { memoryKib: 20_000, passes: 16, parallelism: 16, salt: '0123456789abcdef'.repeat(3), passphrase: 'c3a9' },
  { ...PASSPHRASE_PARAMETERS, salt: '11'.repeat(16), passphrase: '636f727265637420686f727365' },
] as const;

test('Python derives the same keys', async (t) => {
  const python = await requirePeer(t, 'python');
  if (python === null) return;
  const input = CASES.map((entry) => `${JSON.stringify(entry)}\n`).join('');
  const { stdout } = await mustRun(python.python, ['-c', ARGON2ID], { input });
  const expected = stdout.trim().split('\n');
  const tally = new Tally('Argon2id with Python');
  for (const [at, { salt, passphrase, ...parameters }] of CASES.entries()) {
    tally.check(JSON.stringify(parameters), expected[at]!, {
      key: await outcomeOf(async () => {
        const key = await derivePassphraseKey(secretOf(passphrase), Buffer.from(salt, 'hex'), parameters);
        return key.reveal();
      }),
    });
  }
  tally.close({ ran: CASES.length });
});

test('the published vectors are out of our bounds', async (t) => {
  const peer = await requirePeer(t, 'vectors');
  if (peer === null) return;
  const file = 'KDF/argon2id.txt';
  const tally = new Tally(file);
  for (const { fields } of await readRecords(peer.folder, file)) {
    const { COUNT: count, pass = '', salt = '', memcost, iter, lanes } = fields;
    if (count === undefined) continue;
    const parameters = { memoryKib: Number(memcost), passes: Number(iter), parallelism: Number(lanes) };
    tally.check(`COUNT ${count}`, 'SEALED', {
      refused: await outcomeOf(async () => {
        const key = await derivePassphraseKey(secretOf(pass), Buffer.from(salt, 'hex'), parameters);
        return key.reveal();
      }),
    });
  }
  tally.close({ ran: 6 });
  assert.ok(PASSPHRASE_PARAMETERS.memoryKib >= 65_536, 'less than RFC 9106, section 4, recommends');
});

function secretOf(hex: string): SecretBytes {
  return new SecretBytes(Buffer.from(hex, 'hex'));
}
