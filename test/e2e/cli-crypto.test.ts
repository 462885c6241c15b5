import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { runShell, startCliWorld, BINARY, type CliWorld } from '../support/cli.ts';

/** Every byte value, and sequences that are no UTF-8. */
const BINARY_TEXT = Buffer.from(Array.from({ length: 1024 }, (_, index) => index & 0xff));

let world: CliWorld;
before(async () => {
  world = await startCliWorld();
  const { client } = world.server;
  await Promise.all([
    client.createKey({ spec: 'AES-256-GCM', alias: 'orders' }),
    client.createKey({ spec: 'AES-256-GCM', alias: 'other' }),
    client.createKey({ spec: 'P-256', alias: 'releases' }),
    client.createKey({ spec: 'Ed25519', alias: 'ed' }),
    client.createKey({ spec: 'ML-DSA-44', alias: 'pq' }),
    client.createKey({ spec: 'RSA-2048', usage: 'encrypt-decrypt', alias: 'rsa' }),
    client.createKey({ spec: 'HMAC-SHA-256', alias: 'webhooks' }),
    client.createKey({ spec: 'X25519', alias: 'agreement' }),
    client.createKey({ spec: 'ML-KEM-768', alias: 'kem' }),
  ]);
});
after(() => world.stop());

function file(name: string, content?: Uint8Array | string): string {
  const path = join(world.folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

describe('encrypt and decrypt', { concurrency: 2 }, () => {
  test('binary data goes through a pipe of both and comes out as it was', async () => {
    const { endpoint: CLAVIGER_ENDPOINT, token: CLAVIGER_TOKEN } = world.server;
    const claviger = `'${process.execPath}' '${BINARY}'`;
    const line = `set -o pipefail; ${claviger} encrypt --key alias:orders --context shop=1 city=Graz | ${claviger} decrypt --context city=Graz --context shop=1`;
    const { code, bytes, stderr } = await runShell(line, {
      env: { CLAVIGER_ENDPOINT, CLAVIGER_TOKEN },
      input: BINARY_TEXT,
    });
    assert.equal(code, 0, stderr);
    assert.deepEqual(bytes, BINARY_TEXT);
  });

  test('files work both ways, and a plaintext is readable for its owner only', async () => {
    const [plain, sealed, opened] = [file('plain.bin', BINARY_TEXT), file('sealed.bin'), file('opened.bin')];
    assert.equal(await world.ok(['encrypt', '--key', 'alias:orders', '-i', plain, '-o', sealed]), '');
    assert.deepEqual(readFileSync(sealed).subarray(0, 2), Buffer.from([0xc1, 0x01]));
    await world.ok(['decrypt', '--key', 'alias:orders', '-i', sealed, '-o', opened]);
    assert.deepEqual(readFileSync(opened), BINARY_TEXT);
    assert.equal(statSync(opened).mode & 0o777, 0o600);
  });

  test('a ciphertext in base64 is decrypted as one of bytes is', async () => {
    const text = await world.ok(['encrypt', '--key', 'alias:orders', '--base64'], { input: 'hello' });
    assert.match(text, /^wQEB[A-Za-z0-9+/=]+$/);
    assert.equal(await world.ok(['decrypt'], { input: `${text.slice(0, 40)}\n${text.slice(40)}\n` }), 'hello');
  });

  test('an RSA ciphertext names no key, so it has to be said', async () => {
    const sealed = (await world.run(['encrypt', '--key', 'alias:rsa'], { input: 'hello' })).bytes;
    assert.equal(sealed.length, 256);
    assert.equal(await world.ok(['decrypt', '--key', 'alias:rsa'], { input: sealed }), 'hello');
    await world.refused(1, /for one of an RSA key say --key/, ['decrypt'], { input: sealed });
  });

  test('the wrong context is told with exit code 3 and what to do', async () => {
    const sealed = (await world.run(['encrypt', '--key', 'alias:orders', '--context', 'a=b'], { input: 'x' })).bytes;
    await world.refused(3, /does not open[^]*--context/, ['decrypt', '--context', 'a=c'], { input: sealed });
  });

  test('a plaintext of more than 4,096 bytes is refused with the way to encrypt it', async () => {
    const long = file('long.bin', Buffer.alloc(4097));
    await world.refused(1, /long\.bin` has more than 4096 bytes; .*claviger data-key/, [
      'encrypt',
      '--key',
      'alias:orders',
      '-i',
      long,
    ]);
  });

  test('--json prints what the API answers', async () => {
    const answer = await world.json(['encrypt', '--key', 'alias:orders'], { input: 'hello' });
    assert.deepEqual(Object.keys(answer).sort(), ['algorithm', 'arn', 'ciphertext', 'keyId', 'keyVersion']);
    assert.equal((await world.json(['decrypt'], { input: answer.ciphertext })).plaintext, 'aGVsbG8=');
  });

  test('re-encrypt moves a ciphertext to another key and context', async () => {
    const sealed = (await world.run(['encrypt', '--key', 'alias:orders', '--context', 'a=b'], { input: 'x' })).bytes;
    const to = ['--destination-key', 'alias:other', '--destination-context', 'c=d'];
    const moved = (await world.run(['re-encrypt', ...to, '--context', 'a=b'], { input: sealed })).bytes;
    assert.equal(await world.ok(['decrypt', '--key', 'alias:other', '--context', 'c=d'], { input: moved }), 'x');
  });
});

describe('sign and verify', { concurrency: 2 }, () => {
  test('openssl verifies a signature with the exported public key', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const [message, signature, key] = [file('message', 'release 1'), file('message.sig'), file('releases.pem')];
    await world.ok(['sign', '--key', 'alias:releases', '-i', message, '-o', signature]);
    await world.ok(['keys', 'public-key', 'alias:releases', '-o', key]);
    await mustRun(openssl.program, ['dgst', '-sha256', '-verify', key, '-signature', signature, message]);
  });

  for (const alias of ['releases', 'ed', 'pq']) {
    test(`what ${alias} signed verifies, and nothing else does`, async () => {
      const signature = file(`${alias}.sig`);
      await world.ok(['sign', '--key', `alias:${alias}`, '-o', signature], { input: 'yes' });
      const verify = ['verify', '--key', `alias:${alias}`, '--signature', signature];
      assert.match(await world.ok(verify, { input: 'yes' }), /is one of key .* version 1$/);
      const no = await world.run([...verify, '--json'], { input: 'no' });
      assert.equal(no.code, 3);
      assert.equal(JSON.parse(no.stdout).valid, false);
    });
  }

  test('a long message is hashed here: the server verifies its digest, openssl the whole', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const content = randomBytes(300_000);
    const [message, signature, key] = [file('long', content), file('long.sig'), file('long.pem')];
    await world.ok(['sign', '--key', 'alias:releases', '-i', message, '-o', signature]);
    await world.ok(['verify', '--key', 'alias:releases', '-i', message, '--signature', signature]);
    await world.ok(['keys', 'public-key', 'alias:releases', '-o', key]);
    await mustRun(openssl.program, ['dgst', '-sha256', '-verify', key, '-signature', signature, message]);
    const digest = createHash('sha256').update(content).digest('hex');
    const byDigest = ['verify', '--key', 'alias:releases', '--digest', '--signature', signature];
    await world.ok(byDigest, { input: `${digest}\n` });
    assert.equal((await world.run(byDigest, { input: digest.replaceAll(/[0-7]/g, '8') })).code, 3);
  });

  test('a long message is signed by ML-DSA as it is, and still verifies after a rotation', async () => {
    const { id } = await world.server.client.createKey({ spec: 'ML-DSA-65' });
    const message = file('pq-long', randomBytes(20_000));
    const signature = file('pq-long.sig');
    await world.ok(['sign', '--key', id, '-i', message, '-o', signature]);
    await world.server.client.rotateKey({ key: id });
    const found = await world.json(['verify', '--key', id, '-i', message, '--signature', signature]);
    assert.equal(found.keyVersion, 1);
  });

  test('a long message under plain Ed25519 is refused with what to use instead', async () => {
    const input = Buffer.alloc(5000);
    await world.refused(1, /use ED25519_PH_SHA_512/, ['sign', '--key', 'alias:ed'], { input });
    const signature = file('ph.sig');
    const ph = ['--key', 'alias:ed', '--algorithm', 'ED25519_PH_SHA_512'];
    await world.ok(['sign', ...ph, '-o', signature], { input });
    await world.ok(['verify', ...ph, '--signature', signature], { input });
  });

  test('message and signature cannot both come from standard input', async () => {
    await world.refused(2, /only one input/, ['verify', '--key', 'alias:ed', '--signature', '-']);
  });

  test("a digest of the wrong length is the server's refusal", async () => {
    await world.refused(1, /has 3 bytes/, ['sign', '--key', 'alias:releases', '--digest'], { input: 'abc' });
  });
});

describe('MACs, data keys, agreement', { concurrency: 2 }, () => {
  test('a MAC verifies for its message and no other', async () => {
    const mac = file('body.mac');
    await world.ok(['mac', 'generate', '--key', 'alias:webhooks', '-o', mac], { input: 'body' });
    const verify = ['mac', 'verify', '--key', 'alias:webhooks', '--mac', mac];
    assert.match(await world.ok(verify, { input: 'body' }), /is one of key/);
    assert.match((await world.run(verify, { input: 'other' })).stdout, /NOT/);
    assert.equal((await world.run(verify, { input: 'other' })).code, 3);
  });

  test('random gives as many bytes as were asked for, and no more than there are', async () => {
    assert.equal((await world.run(['random', '33'])).bytes.length, 33);
    assert.match(await world.ok(['random', '4', '--hex']), /^[0-9a-f]{8}$/);
    await world.refused(2, /whole number from 1 to 1024/, ['random', '1025']);
  });

  test('a data key is had again from its ciphertext', async () => {
    const [key, sealed] = [file('data.key'), file('data.key.enc')];
    const out = ['--plaintext-out', key, '--ciphertext-out', sealed];
    await world.ok(['data-key', '--key', 'alias:orders', '--bytes', '24', ...out]);
    assert.equal(readFileSync(key).length, 24);
    assert.equal(statSync(key).mode & 0o777, 0o600);
    assert.deepEqual((await world.run(['decrypt', '-i', sealed])).bytes, readFileSync(key));
    const without = await world.json(['data-key', '--key', 'alias:orders', '--without-plaintext']);
    assert.equal(without.plaintext, undefined);
  });

  test('a data-key pair is PEM in files, and its private key comes back from its ciphertext', async () => {
    const [key, publicKey, sealed] = [file('pair.pem'), file('pair.pub'), file('pair.enc')];
    const out = ['--plaintext-out', key, '--public-out', publicKey, '--ciphertext-out', sealed];
    await world.ok(['data-key', 'pair', '--key', 'alias:orders', '--spec', 'P-256', ...out]);
    assert.match(readFileSync(key, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
    assert.match(readFileSync(publicKey, 'utf8'), /^-----BEGIN PUBLIC KEY-----\n/);
    const der = (await world.run(['decrypt', '-i', sealed])).bytes;
    assert.ok(readFileSync(key, 'utf8').replaceAll('\n', '').includes(der.toString('base64')));
  });

  test('derive agrees with the other side', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    const mine = file('mine.pem', privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const public_ = file('mine.pub', publicKey.export({ format: 'pem', type: 'spki' }));
    const [theirs, secret] = [file('theirs.pem'), file('derived.bin')];
    await world.ok(['keys', 'public-key', 'alias:agreement', '-o', theirs]);
    const derived = (await world.run(['derive', '--key', 'alias:agreement', '--public-key', public_])).bytes;
    await mustRun(openssl.program, ['pkeyutl', '-derive', '-inkey', mine, '-peerkey', theirs, '-out', secret]);
    assert.deepEqual(derived, readFileSync(secret));
  });

  test('what encapsulate made, decapsulate opens', async () => {
    const [secret, ciphertext] = [file('kem.bin'), file('kem.enc')];
    await world.ok(['encapsulate', '--key', 'alias:kem', '--secret-out', secret, '--ciphertext-out', ciphertext]);
    const opened = (await world.run(['decapsulate', '--key', 'alias:kem', '-i', ciphertext])).bytes;
    assert.deepEqual(opened, readFileSync(secret));
  });
});
