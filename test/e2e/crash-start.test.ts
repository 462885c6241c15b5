/** What a start refuses, in words, and leaves as it was. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { systemRandom } from '../../src/crypto/random.ts';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import { SQLITE_MIGRATIONS } from '../../src/store/migrations/sqlite.ts';
import { Claviger } from '../../src/index.ts';
import type { LogLevel } from '../../src/ports/log.ts';
import { passphraseUnseal } from '../../src/seal/root-key.ts';
import { startChildServer } from '../support/child-server.ts';
import { removeFolder, startTestServer, testFolder } from '../support/server.ts';
import { openTestService } from '../support/service.ts';
import { tamper } from '../support/store-files.ts';

const PRINCIPAL = { name: 'test', roles: ['key-administrator', 'crypto-user'] } as const;
let folder: string;
beforeEach(() => {
  folder = testFolder();
});
afterEach(() => removeFolder(folder));

describe('the root key', () => {
  test('is made once, for its owner only, and a second start opens with it what the first encrypted', async () => {
    const { key, ciphertext } = await encryptOnce();
    const file = join(folder, 'root.key');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, 'utf8');
    await using claviger = await open();
    assert.deepEqual(Buffer.from((await claviger.decrypt({ key, ciphertext })).plaintext), Buffer.from('hello'));
    assert.equal(readFileSync(file, 'utf8'), text);
  });

  test('of another store is refused, and the store is not changed', async () => {
    await encryptOnce();
    const file = join(folder, 'root.key');
    renameSync(file, `${file}.kept`);
    writeFileSync(file, JSON.stringify({ format: 'claviger-root-key-v1', key: Buffer.alloc(32).toString('base64') }), {
      mode: 0o600,
    });
    await assert.rejects(open(), {
      code: 'SEALED',
      message: 'this root key does not open the store; name the one it was sealed with',
    });
    renameSync(`${file}.kept`, file);
    await (await open()).close();
  });

  test('that is missing is not made anew where there is a store', async () => {
    const { key, ciphertext } = await encryptOnce();
    const file = join(folder, 'root.key');
    renameSync(file, `${file}.kept`);
    await assert.rejects(open(), {
      code: 'SEALED',
      message: /has keys, but its root key is missing: root key in the file/,
    });
    assert.ok(!existsSync(file));
    renameSync(`${file}.kept`, file);
    await using claviger = await open();
    await claviger.decrypt({ key, ciphertext });
  });

  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    test(`in a file of mode ${mode.toString(8)} is refused, with what to do`, async () => {
      await encryptOnce();
      chmodSync(join(folder, 'root.key'), mode);
      await assert.rejects(open(), { code: 'SEALED', message: /cannot read the root key.*chmod 600/ });
      chmodSync(join(folder, 'root.key'), 0o400);
      await (await open()).close();
    });
  }

  for (const [what, text] of [
    ['empty', ''],
    ['no JSON', 'not json'],
    ['of another format', '{"format":"something-else","key":"AAAA"}'],
    ['without its key', '{"format":"claviger-root-key-v1"}'],
    ['with a short key', JSON.stringify({ format: 'claviger-root-key-v1', key: Buffer.alloc(16).toString('base64') })],
    ['cut in the middle', '{"format":"claviger-root-key-v1","key":"AAAAAAAAAAAAAA'],
  ] as const) {
    test(`in a file that is ${what} is refused without a word of what stands in it`, async () => {
      await encryptOnce();
      writeFileSync(join(folder, 'root.key'), text);
      const error = await open().then(
        () => assert.fail('opened'),
        (thrown: unknown) => thrown as Error & { code: string },
      );
      assert.equal(error.code, 'SEALED');
      assert.ok(!error.message.includes('AAAA'));
    });
  }
});

describe('a passphrase', () => {
  test('opens what it sealed; another one, or none, does not', async () => {
    const options = { folder, principal: PRINCIPAL, passphrase: 'correct horse battery' };
    const first = await Claviger.open(options);
    const { id } = await first.createKey({ spec: 'AES-256-GCM' });
    const { ciphertext } = await first.encrypt({ key: id, plaintext: Buffer.from('hello') });
    await first.close();

    await assert.rejects(Claviger.open({ ...options, passphrase: 'correct horse batterz' }), {
      code: 'SEALED',
      message: /the passphrase does not open the root key/,
    });
    await assert.rejects(Claviger.open({ ...options, passphrase: '' }), {
      code: 'INVALID_ARGUMENT',
      message: /at least 12/,
    });
    await assert.rejects(open(), { code: 'SEALED', message: /not in the expected form/ });

    await using again = await Claviger.open(options);
    assert.deepEqual(Buffer.from((await again.decrypt({ key: id, ciphertext })).plaintext), Buffer.from('hello'));
  });

  test('keeps the root key out of its file', async () => {
    const path = join(folder, 'root.key');
    const unseal = passphraseUnseal(path, new SecretBytes(Buffer.from('correct horse battery')), systemRandom);
    using root = await unseal.create();
    const text = readFileSync(path);
    assert.ok(!text.includes(root.reveal()) && !text.includes(root.reveal().toString('base64')));
    using again = await unseal.unseal();
    assert.deepEqual(again.reveal(), root.reveal());
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await assert.rejects(unseal.create(), { code: 'EEXIST' }, 'a root key is never overwritten');
  });

  test('whose file was changed, by one bit, does not open', async () => {
    const path = join(folder, 'root.key');
    const unseal = passphraseUnseal(path, new SecretBytes(Buffer.from('correct horse battery')), systemRandom);
    (await unseal.create())[Symbol.dispose]();
    const file = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const flipped = (text: unknown): string => {
      const bytes = Buffer.from(text as string, 'base64');
      bytes[3]! ^= 1;
      return bytes.toString('base64');
    };
    for (const changed of [
      { ...file, salt: flipped(file['salt']) },
      { ...file, sealed: flipped(file['sealed']) },
    ]) {
      writeFileSync(path, JSON.stringify(changed));
      await assert.rejects(unseal.unseal(), { code: 'SEALED' });
    }
  });
});

describe('the store', () => {
  test('of a newer release is refused, named by its version; nothing of it is changed, and the folder is free', async () => {
    await encryptOnce();
    setUserVersion(700);
    const before = readFileSync(join(folder, 'claviger.db'));
    const told: [LogLevel, string][] = [];
    const log = { write: (level: LogLevel, message: string) => void told.push([level, message]) };
    await assert.rejects(Claviger.open({ folder, principal: PRINCIPAL, log }), {
      code: 'STORE_UNAVAILABLE',
      message:
        /has schema version 700, this Claviger knows up to \d+: it was written by a newer release, start that one/,
    });
    assert.deepEqual(readFileSync(join(folder, 'claviger.db')), before);
    assert.deepEqual(told, [], 'the refusal is all there is to say');
    setUserVersion(SQLITE_MIGRATIONS.length);
    await (await open()).close();
  });

  test('that another process has is refused with the address where that one answers', async () => {
    const server = await startChildServer(folder);
    try {
      await assert.rejects(open(), {
        code: 'STORE_UNAVAILABLE',
        message: new RegExp(`in use by another process \\(pid ${server.child.pid}, ${server.endpoint}\\)`),
      });
    } finally {
      await server.terminate();
    }
    await (await open()).close();
  });

  test('that was killed with its process is opened by the next', async () => {
    const server = await startChildServer(folder);
    await server.kill();
    await (await open()).close();
  });

  test('that is open already in this process is refused, and the first goes on', async () => {
    await using first = await open();
    await assert.rejects(open(), { code: 'STORE_UNAVAILABLE', message: /is in use/ });
    await first.generateRandom({ bytes: 1 });
  });

  test('that is no store is refused', async () => {
    writeFileSync(join(folder, 'claviger.db'), 'x'.repeat(10_000));
    writeFileSync(
      join(folder, 'root.key'),
      JSON.stringify({ format: 'claviger-root-key-v1', key: Buffer.alloc(32).toString('base64') }),
      { mode: 0o600 },
    );
    await assert.rejects(open(), { code: 'STORE_UNAVAILABLE', message: /cannot open the store/ });
  });

  test('whose check of the root key was taken away is refused', async () => {
    await encryptOnce();
    tamper(folder, "UPDATE settings SET value = '' WHERE name = 'root-check'");
    await assert.rejects(open(), { code: 'SEALED' });
  });

  test('whose key of the log was taken away is refused, for another one would sign a log that it did not begin', async () => {
    await encryptOnce();
    tamper(folder, "DELETE FROM settings WHERE name = 'log-key'");
    await assert.rejects(open(), {
      code: 'STORE_UNAVAILABLE',
      message: /the key that the log was signed with is missing/,
    });
  });

  test('after a start that was refused, a right start finds everything', async () => {
    const { key } = await encryptOnce();
    await assert.rejects(Claviger.open({ folder, principal: PRINCIPAL, passphrase: 'wrong kind of file' }), {
      code: 'SEALED',
    });
    await using claviger = await open();
    assert.equal((await claviger.describeKey({ key })).state, 'Active');
  });
});

describe('the development server', () => {
  test('that lost its credentials file makes new ones, and finds its keys', async () => {
    const first = await startTestServer({ folder });
    const { id } = await first.client.createKey({ spec: 'AES-256-GCM' });
    await first.stop();
    rmSync(join(folder, 'dev-credentials.json'));
    const second = await startTestServer({ folder });
    assert.notEqual(second.token, first.token);
    assert.equal((await second.client.describeKey({ key: id })).id, id);
    await second.stop();
  });

  test('writes its credentials for the owner only, and keeps them over a restart', async () => {
    const first = await startTestServer({ folder });
    const file = join(folder, 'dev-credentials.json');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')) as object).toSorted(), [
      'accountId',
      'awsAccessKeyId',
      'awsSecretAccessKey',
      'endpoint',
      'region',
      'token',
    ]);
    await first.stop();
    const second = await startTestServer({ folder });
    assert.deepEqual([second.token, second.awsSecretAccessKey], [first.token, first.awsSecretAccessKey]);
    await second.stop();
  });

  test('releases the folder when it stops', async () => {
    const server = await startTestServer({ folder });
    await server.stop();
    const service = await openTestService({ folder });
    await service.close();
    assert.ok(!existsSync(join(folder, 'owner.json')));
  });
});

function open(): Promise<Claviger> {
  return Claviger.open({ folder, principal: PRINCIPAL });
}

async function encryptOnce(): Promise<{ key: string; ciphertext: Uint8Array }> {
  await using claviger = await open();
  const { id: key } = await claviger.createKey({ spec: 'AES-256-GCM' });
  const { ciphertext } = await claviger.encrypt({ key, plaintext: Buffer.from('hello') });
  return { key, ciphertext };
}

function setUserVersion(version: number): void {
  const db = new DatabaseSync(join(folder, 'claviger.db'), { timeout: 5000 });
  db.exec(`PRAGMA user_version = ${version}; PRAGMA wal_checkpoint(TRUNCATE)`);
  db.close();
}
