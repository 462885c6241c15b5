import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clavigerKeyring, discoveryKeyring } from '../../src/envelope/keyrings/index.ts';
import { Envelope, readMessageHeader } from '../../src/envelope/index.ts';
import type { EncryptionContext } from '../../src/model/encryption-context.ts';
import { startCli, startCliWorld, type CliWorld } from '../support/cli.ts';

const FILES = 40;
const FILE_BYTES = 3_000_000;

let world: CliWorld;
let env: Record<string, string>;
before(async () => {
  world = await startCliWorld();
  env = { CLAVIGER_ENDPOINT: world.server.endpoint, CLAVIGER_TOKEN: world.server.token };
  for (const alias of ['old', 'new', 'turning', 'blobs']) {
    await world.server.client.createKey({ spec: 'AES-256-GCM', alias });
  }
});
after(() => world.stop());

function folder(name: string): string {
  const path = join(world.folder, name);
  mkdirSync(path);
  return path;
}

/** A message of these bytes, under a key. */
async function message(
  path: string,
  key: string,
  bytes: Uint8Array,
  context: EncryptionContext = {},
  requiredContext: readonly string[] = [],
): Promise<void> {
  const envelope = new Envelope({ keyring: clavigerKeyring(world.server.client, { key }), requiredContext });
  writeFileSync(path, (await envelope.encrypt(bytes, { context })).message);
}

async function opened(path: string, context: EncryptionContext = {}): Promise<Buffer> {
  const envelope = new Envelope({ keyring: discoveryKeyring(world.server.client) });
  return (await envelope.decrypt(readFileSync(path), { context })).plaintext;
}

async function arnOf(key: string): Promise<string> {
  return (await world.server.client.describeKey({ key })).arn;
}

function keysIn(path: string): readonly string[] {
  const { header } = readMessageHeader(readFileSync(path))!;
  return header.encryptedDataKeys.map(({ providerInfo }) => Buffer.from(providerInfo).toString());
}

/** Leftovers of what was not finished. */
function unfinished(path: string): readonly string[] {
  return readdirSync(path).filter((name) => name.startsWith('.claviger'));
}

describe('rewrap', { concurrency: 2 }, () => {
  test('a tree goes to a new key, each file with its times and permissions, and what is neither stays', async () => {
    const root = folder('tree');
    mkdirSync(join(root, 'below'));
    const [one, two] = [join(root, 'one.enc'), join(root, 'below', 'two.enc')];
    const bytes = randomBytes(200_000);
    await message(one, 'alias:old', bytes, { shop: '1' });
    await message(two, 'alias:old', Buffer.alloc(0));
    chmodSync(one, 0o640);
    utimesSync(one, 1_000_000_000, 1_000_000_000);
    writeFileSync(join(root, 'notes.txt'), 'a plain text');
    symlinkSync(one, join(root, 'link.enc'));
    const report = join(world.folder, 'tree.jsonl');
    const args = ['rewrap', '--recursive', '--key', 'alias:new', '--report', report, root];

    const dry = await world.ok([...args, '--dry-run']);
    assert.match(dry, /due {2}.*one\.enc/);
    assert.deepEqual(keysIn(one), [await arnOf('alias:old')]);

    const shown = await world.ok(args);
    assert.match(shown, /rewrapped 2, other 1, skipped 1, failed 0$/);
    for (const path of [one, two]) assert.deepEqual(keysIn(path), [await arnOf('alias:new')]);
    assert.deepEqual(await opened(one, { shop: '1' }), bytes);
    assert.equal((await opened(two)).length, 0);
    assert.equal(statSync(one).mode & 0o777, 0o640);
    assert.equal(statSync(one).mtimeMs, 1_000_000_000_000);
    assert.equal(readFileSync(join(root, 'notes.txt'), 'utf8'), 'a plain text');

    const before = readFileSync(one);
    assert.match(await world.ok(args), /rewrapped 0, current 2, other 1, skipped 1, failed 0$/);
    assert.deepEqual(readFileSync(one), before);
    const lines = readFileSync(report, 'utf8').trim().split('\n');
    const outcomes = lines.map((line) => JSON.parse(line).outcome as string);
    assert.equal(outcomes.filter((outcome) => outcome === 'rewrapped').length, 2);
    assert.equal(outcomes.length, 12);
  });

  test('without a key, files go to the current version of their own, under a fresh data key', async () => {
    const path = join(world.folder, 'turning.enc');
    const bytes = randomBytes(5000);
    await message(path, 'alias:turning', bytes);
    const before = await world.json(['inspect', path]);
    assert.match(await world.ok(['rewrap', path]), /rewrapped 0, current 1/);
    await world.server.client.rotateKey({ key: 'alias:turning' });
    assert.match(await world.ok(['rewrap', path]), /rewrapped 1/);
    const after = await world.json(['inspect', path]);
    assert.equal(after.keys[0].blob.keyVersion, 2);
    assert.notEqual(after.messageId, before.messageId);
    assert.deepEqual(await opened(path), bytes);
  });

  test('blobs go over by the server, in the spelling that they had, with the context that is said', async () => {
    const [raw, text] = [join(world.folder, 'raw.blob'), join(world.folder, 'text.blob')];
    const encrypt = ['encrypt', '--key', 'alias:blobs', '--context', 'a=b'];
    await world.ok([...encrypt, '-o', raw], { input: 'one' });
    await world.ok([...encrypt, '--base64', '-o', text], { input: 'two' });
    await world.server.client.rotateKey({ key: 'alias:blobs' });
    await world.refused(3, /failed .*raw\.blob/, ['rewrap', raw]);
    assert.match(await world.ok(['rewrap', '--context', 'a=b', '--', raw, text]), /rewrapped 2/);
    assert.equal((await world.json(['inspect', raw])).keyVersion, 2);
    assert.match(readFileSync(text, 'latin1'), /^wQEB[A-Za-z0-9+/=]+\n$/);
    assert.equal(await world.ok(['decrypt', '--context', 'a=b', '-i', text]), 'two');
    assert.match(await world.ok(['rewrap', '--context', 'a=b', '--', raw, text]), /current 2/);
    await world.refused(1, /has one key/, ['rewrap', '--key', 'alias:old', '--key', 'alias:new', raw]);
  });

  test('pairs that a message does not store stay unstored', async () => {
    const path = join(world.folder, 'required.enc');
    await message(path, 'alias:old', Buffer.from('x'), { shop: '1', till: '2' }, ['till']);
    await world.refused(3, /failed .*required\.enc/, ['rewrap', '--key', 'alias:new', path]);
    await world.ok(['rewrap', '--key', 'alias:new', '--context', 'till=2', '--', path]);
    assert.deepEqual({ ...readMessageHeader(readFileSync(path))!.header.context }, { shop: '1' });
    assert.equal((await opened(path, { till: '2' })).toString(), 'x');
    await assert.rejects(opened(path), { code: 'INVALID_CIPHERTEXT' });
  });

  test('a damaged file, a hard link and a link that is named are told and left as they are', async () => {
    const root = folder('unfit');
    const [damaged, linked, link] = ['damaged', 'linked', 'link'].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    await message(damaged, 'alias:old', randomBytes(100_000));
    const bytes = readFileSync(damaged);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(damaged, bytes);
    await message(linked, 'alias:old', Buffer.from('x'));
    linkSync(linked, join(root, 'linked-too'));
    symlinkSync(linked, link);
    const { code, stderr, stdout } = await world.run([
      'rewrap',
      '-r',
      '--key',
      'alias:new',
      '--exclude',
      'link',
      root,
      link,
    ]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /damaged: .*does not open|damaged: invalid/i);
    assert.match(stderr, /linked`: it has 2 names/);
    assert.match(stderr, /link`: it is a symbolic link/);
    assert.match(stdout, /rewrapped 0, failed 4\n$/);
    assert.deepEqual(readFileSync(damaged), bytes);
    assert.deepEqual(unfinished(root), []);
  });

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    test(`after ${signal} in the middle every file is whole, and a second run does the rest`, async () => {
      const root = folder(`interrupted-${signal}`);
      const bytes = randomBytes(FILE_BYTES);
      await message(join(root, '0'), 'alias:old', bytes);
      for (let at = 1; at < FILES; at += 1) cpSync(join(root, '0'), join(root, String(at)));
      const args = ['rewrap', '-r', '--concurrency', '1', '--key', 'alias:new', root];
      const running = startCli(args, { env, cwd: world.folder });
      await running.shown(/rewrapped .*\n[^]*rewrapped/);
      await running.stop(signal);
      const done = running.stdout().match(/^rewrapped {2}/gm)!.length;
      assert.ok(done < FILES);
      if (signal === 'SIGINT') assert.deepEqual(unfinished(root), []);
      for (const name of readdirSync(root)) assert.deepEqual(await opened(join(root, name)), bytes);
      const rest = await world.ok(args);
      const [, now, current] = /rewrapped (\d+), current (\d+), failed 0$/.exec(rest)!;
      assert.equal(Number(now) + Number(current), FILES);
      assert.ok(Number(current) >= done);
      assert.deepEqual(unfinished(root), []);
    });
  }

  test('who reads meanwhile reads the whole file, old or new', async () => {
    const path = join(world.folder, 'read.enc');
    const bytes = randomBytes(FILE_BYTES);
    await message(path, 'alias:old', bytes);
    const rewrap = async (): Promise<void> => {
      for (const key of ['alias:new', 'alias:old', 'alias:new']) await world.ok(['rewrap', '--key', key, path]);
    };
    const read = async (): Promise<void> => {
      for (let times = 0; times < 4; times += 1) assert.deepEqual(await opened(path), bytes);
    };
    await Promise.all([rewrap(), read()]);
  });
});
