import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Spec } from '../../src/index.ts';
import type { CreateKeyInput } from '../../src/operations/create-key.ts';
import { startCliWorld, type CliWorld } from '../support/cli.ts';

let world: CliWorld;
before(async () => {
  world = await startCliWorld();
});
after(() => world.stop());

const newKey = async (spec: Spec = 'AES-256-GCM', more: Partial<CreateKeyInput> = {}): Promise<string> =>
  (await world.server.client.createKey({ spec, ...more })).id;

describe('keys', { concurrency: 2 }, () => {
  test('a key is made, described and listed', async () => {
    const options = ['--alias', 'first', '--description', 'for tests', '--tag', 'team=a', 'stage=b'];
    const made = await world.json(['keys', 'create', '--spec', 'P-256', ...options]);
    assert.deepEqual(made.tags, { team: 'a', stage: 'b' });
    const words = await world.ok(['keys', 'describe', 'alias:first']);
    for (const shown of [made.id, made.arn, 'for tests', 'team=a', 'ECDSA_SHA_256', 'VERSION']) {
      assert.ok(words.includes(shown), `${words}\nlacks ${shown}`);
    }
    assert.match(
      await world.ok(['keys', 'list', '--all']),
      new RegExp(`${made.id} +P-256 +sign-verify +Active +first`),
    );
    const lines = (await world.ok(['keys', 'list', '--all', '--limit', '1', '--json'])).split('\n');
    assert.ok(lines.map((line) => JSON.parse(line).id).includes(made.id));
    assert.deepEqual(Object.keys(await world.json(['keys', 'list', '--limit', '1'])).sort(), ['keys', 'nextCursor']);
  });

  test('a page that is not the last says how to see the rest', async () => {
    await Promise.all([newKey(), newKey()]);
    const { stderr } = await world.run(['keys', 'list', '--limit', '1']);
    const [, cursor] = /--all shows them, or --cursor (\S+)/.exec(stderr) ?? [];
    assert.match(await world.ok(['keys', 'list', '--limit', '1', '--cursor', cursor!]), /\n[0-9a-f-]{36} /);
  });

  test('a key goes through its life', async () => {
    const key = await world.ok(['keys', 'create', '--spec', 'AES-256-GCM', '--pre-active', '-q']);
    const state = async (...args: string[]): Promise<string> => (await world.json(['keys', ...args, key])).state;
    assert.equal(await state('describe'), 'PreActive');
    assert.equal(await state('activate'), 'Active');
    assert.equal((await world.json(['keys', 'rotate', key])).primaryVersion, 2);
    const compromised = await world.json(['keys', 'compromise', key, '--key-version', '1']);
    assert.equal(compromised.versions[0].state, 'Compromised');
    assert.equal(await state('disable'), 'Suspended');
    await world.refused(1, /enable it first/, ['encrypt', '--key', key], { input: 'x' });
    assert.equal(await state('enable'), 'Active');
    assert.equal(await state('deactivate'), 'Deactivated');
    await world.refused(1, /only decrypts/, ['encrypt', '--key', key], { input: 'x' });
    const scheduled = await world.run(['keys', 'schedule-deletion', key, '--days', '7']);
    assert.match(scheduled.stdout, /deleted on \d{4}-\d\d-\d\d/);
    assert.match(scheduled.stderr, /claviger keys cancel-deletion/);
    assert.equal((await world.json(['keys', 'cancel-deletion', key])).deletionAt, null);
    await world.refused(2, /from 7 to 30/, ['keys', 'schedule-deletion', key, '--days', '3']);
  });

  test('rotation by itself is set and taken back', async () => {
    const key = await newKey();
    assert.match(await world.ok(['keys', 'rotation', 'set', key, '--days', '90']), /every 90 days, next on/);
    assert.equal((await world.json(['keys', 'rotation', 'off', key])).rotation, null);
  });

  test('description, tags and publication change', async () => {
    const key = await newKey('Ed25519');
    assert.equal((await world.json(['keys', 'update', key, '--description', 'new'])).description, 'new');
    assert.equal((await world.json(['keys', 'update', key, '--publish'])).published, true);
    assert.equal((await world.json(['keys', 'update', key, '--no-publish'])).published, false);
    assert.deepEqual((await world.json(['keys', 'tag', key, 'a=1', 'b=2'])).tags, { a: '1', b: '2' });
    assert.deepEqual((await world.json(['keys', 'untag', key, 'a'])).tags, { b: '2' });
    await world.refused(2, /say what to change/, ['keys', 'update', key]);
    await world.refused(2, /NAME=VALUE/, ['keys', 'tag', key, 'a']);
  });

  test('a public key comes as PEM, DER and JWK', async () => {
    const key = await newKey('P-384');
    const pem = await world.ok(['keys', 'public-key', key]);
    const der = (await world.run(['keys', 'public-key', key, '--format', 'der'])).bytes;
    const jwk = JSON.parse(await world.ok(['keys', 'public-key', key, '--format', 'jwk']));
    const [fromPem, fromDer] = [createPublicKey(pem), createPublicKey({ key: der, format: 'der', type: 'spki' })];
    assert.ok(fromPem.equals(fromDer));
    assert.ok(fromPem.equals(createPublicKey({ key: jwk, format: 'jwk' })));
    await world.refused(1, /has no public key/, ['keys', 'public-key', await newKey()]);
  });

  test('what is not there is exit code 4, with the way to find it', async () => {
    await world.refused(4, /`alias:nobody` does not exist\n +`claviger keys list`/, [
      'keys',
      'describe',
      'alias:nobody',
    ]);
    await world.refused(4, /an alias is written alias:NAME/, ['keys', 'describe', 'first']);
  });

  test('text from others does not reach the terminal as control characters', async () => {
    const key = await newKey('AES-256-GCM', { description: 'a\u001B[2Jb' });
    assert.match(await world.ok(['keys', 'describe', key]), /a\?\[2Jb/);
  });
});

describe('import', { concurrency: 2 }, () => {
  test('a private key in PEM is imported, and its public key is the same', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const file = join(world.folder, 'sec1.pem');
    writeFileSync(file, privateKey.export({ format: 'pem', type: 'sec1' }));
    const key = await newKey('P-256', { origin: 'external' });
    await world.refused(1, /no key material; import it first/, ['sign', '--key', key], { input: 'x' });
    await world.ok(['keys', 'import', key, '-i', file]);
    assert.ok(publicKey.equals(createPublicKey(await world.ok(['keys', 'public-key', key]))));
    assert.equal((await world.json(['keys', 'delete-material', key])).materialPresent, false);
    const der = privateKey.export({ format: 'der', type: 'pkcs8' });
    assert.equal((await world.json(['keys', 'import', key], { input: der })).materialPresent, true);
  });

  test('the bytes of a symmetric key are imported, as they are or as text, and expire where that is said', async () => {
    const key = await newKey('AES-256-GCM', { origin: 'external' });
    const material = randomBytes(32);
    const made = await world.json(['keys', 'import', key, '--expires', '30d'], { input: material });
    const days = (Date.parse(made.versions[0].expiresAt) - Date.now()) / 86_400_000;
    assert.ok(days > 29.9 && days <= 30, String(days));
    const rsa = ['--algorithm', 'RSAES_OAEP_SHA_256', '--wrapping-key-bits', '2048'];
    await world.ok(['keys', 'import', key, ...rsa], { input: `${material.toString('hex')}\n` });
  });

  test('material that does not fit is refused in words', async () => {
    const key = await newKey('AES-256-GCM', { origin: 'external' });
    await world.refused(1, /has 32 bytes, the input has 5/, ['keys', 'import', key], { input: 'short' });
    const pair = await newKey('Ed25519', { origin: 'external' });
    await world.refused(1, /not one PKCS#8|not a private key/, ['keys', 'import', pair], { input: 'short' });
    const { privateKey } = generateKeyPairSync('ed25519');
    const encrypted = privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' });
    await world.refused(1, /is encrypted; .*openssl pkcs8/, ['keys', 'import', pair], { input: encrypted });
    await world.refused(1, /origin `external`/, ['keys', 'import', await newKey()], { input: randomBytes(32) });
  });
});

describe('alias', { concurrency: 2 }, () => {
  test('aliases are made, listed, moved and deleted', async () => {
    const [a, b] = await Promise.all([newKey(), newKey()]);
    assert.equal((await world.json(['alias', 'create', 'moving', '--key', a])).keyId, a);
    assert.match(await world.ok(['alias', 'list', '--key', a]), new RegExp(`moving +${a}`));
    assert.equal((await world.json(['alias', 'update', 'alias:moving', '--key', b])).keyId, b);
    await world.refused(1, /exists already/, ['alias', 'create', 'moving', '--key', a]);
    assert.match(await world.ok(['alias', 'delete', 'moving']), /its key stays/);
    await world.refused(4, /does not exist/, ['alias', 'delete', 'moving']);
  });
});
