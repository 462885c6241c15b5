import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AlgorithmSuiteIdentifier, buildClient, CommitmentPolicy, KMS, KmsKeyringNode } from '@aws-crypto/client-node';
import { clavigerKeyring, discoveryKeyring } from '../../src/envelope/keyrings/index.ts';
import { Envelope } from '../../src/envelope/index.ts';
import type { EncryptionContext } from '../../src/model/encryption-context.ts';
import { BINARY, runShell, startCli, startCliWorld, type CliWorld } from '../support/cli.ts';
import { smallDisk } from '../support/small-disk.ts';

const KEY = ['--key', 'alias:files'];
const FRAME_BYTES = 1000;
/** Longer than what is held until it is verified. */
const LONG = randomBytes(20 * 1024 * 1024);

let world: CliWorld;
let env: Record<string, string>;
let arn: string;
let longMessage: Buffer;
before(async () => {
  world = await startCliWorld();
  const { client, endpoint, token } = world.server;
  env = { CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token };
  ({ arn } = await client.createKey({ spec: 'AES-256-GCM', alias: 'files' }));
  await client.createKey({ spec: 'AES-256-GCM', alias: 'other' });
  longMessage = await sealed(LONG);
});
after(() => world.stop());

/** A path in a new folder. */
let folders = 0;
function place(name: string, content?: Uint8Array | string): string {
  folders += 1;
  const folder = join(world.folder, `place-${folders}`);
  mkdirSync(folder);
  const path = join(folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

/** Everything in the folder of a path. */
function besides(path: string): readonly string[] {
  return readdirSync(join(path, '..'));
}

async function sealed(bytes: Uint8Array, context: EncryptionContext = {}, ...keys: string[]): Promise<Buffer> {
  const keyring = clavigerKeyring(world.server.client, { keys: keys.length > 0 ? keys : ['alias:files'] });
  return (await new Envelope({ keyring }).encrypt(bytes, { context })).message;
}

async function opened(path: string, context: EncryptionContext = {}): Promise<Buffer> {
  const keyring = discoveryKeyring(world.server.client);
  return (await new Envelope({ keyring }).decrypt(readFileSync(path), { context })).plaintext;
}

function changed(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

describe('a file goes there and comes back', { concurrency: 2 }, () => {
  for (const size of [0, 1, FRAME_BYTES, 3 * FRAME_BYTES + 1]) {
    test(`with ${size} bytes`, async () => {
      const bytes = randomBytes(size);
      const path = place('plain', bytes);
      const context = ['--context', 'shop=1', 'city=Graz', '--frame-size', String(FRAME_BYTES)];
      assert.equal(await world.ok(['encrypt', ...KEY, ...context, '--in', path, '--out', `${path}.enc`]), '');
      assert.equal(await world.ok(['decrypt', '--in', `${path}.enc`, '--out', `${path}.again`]), '');
      assert.deepEqual(readFileSync(`${path}.again`), bytes);
      assert.deepEqual(besides(path), ['plain', 'plain.again', 'plain.enc']);
    });
  }

  test('in streams, and a long one that leaves before its end says so', async () => {
    const made = await world.run(['encrypt', ...KEY, '--in', '-'], { input: LONG });
    assert.equal(made.stderr, '');
    const back = await world.run(['decrypt', '--in', '-'], { input: made.bytes });
    assert.equal(back.code, 0);
    assert.match(back.stderr, /^plaintext leaves before the end of the message is verified/);
    assert.ok(back.bytes.equals(LONG));
  });

  test('a short message on standard output is verified before, and arrives whole at a slow reader', async () => {
    const path = place('short.enc', await sealed(LONG.subarray(0, 1_000_000)));
    const line = `'${process.execPath}' '${BINARY}' decrypt --in '${path}' | { sleep 1; cmp - '${place('plain', LONG.subarray(0, 1_000_000))}'; }`;
    const slow = await runShell(line, { env });
    assert.deepEqual([slow.code, slow.stdout, slow.stderr], [0, '', '']);
    const { stderr, stdout, code } = await world.run(['decrypt'], { input: await sealed(Buffer.from('hello')) });
    assert.deepEqual([code, stdout, stderr], [0, 'hello', '']);
  });

  test('from standard input, where only the output is named, and the reverse', async () => {
    const path = place('made.enc');
    await world.ok(['encrypt', ...KEY, '--out', path], { input: 'hello' });
    assert.equal((await opened(path)).toString(), 'hello');
    assert.equal(await world.ok(['decrypt', '--in', path]), 'hello');
    assert.equal(await world.ok(['decrypt', '-i', path]), 'hello');
    assert.equal(await world.ok(['decrypt'], { input: readFileSync(path).toString('base64') }), 'hello');
  });

  test('--format says which it is, in either spelling', async () => {
    const path = place('card', 'hello');
    await world.ok(['encrypt', ...KEY, '--format', 'message', '-i', path, '-o', `${path}.message`]);
    await world.ok(['encrypt', ...KEY, '--format', 'blob', '--in', path, '--out', `${path}.blob`]);
    assert.equal(readFileSync(`${path}.message`)[0], 2);
    assert.equal(readFileSync(`${path}.blob`)[0], 0xc1);
    for (const kind of ['message', 'blob']) {
      assert.equal(await world.ok(['decrypt', '--in', `${path}.${kind}`]), 'hello');
      await world.ok(['decrypt', '-i', `${path}.${kind}`, '-o', `${path}.${kind}.out`]);
      assert.equal(readFileSync(`${path}.${kind}.out`, 'utf8'), 'hello');
    }
  });

  test('under several keys, of which any opens it, and --key admits only those that are named', async () => {
    const path = place('two.enc');
    await world.ok(['encrypt', ...KEY, '--key', 'alias:other', '--out', path], { input: 'hello' });
    await world.ok(['decrypt', '--key', 'alias:other', '--in', path]);
    const one = place('one.enc', await sealed(Buffer.from('hello')));
    await world.refused(3, /does not open/, ['decrypt', '--key', 'alias:other', '--in', one]);
    await world.refused(4, /nobody/, ['encrypt', ...KEY, '--key', 'alias:nobody', '--out', place('none')], {
      input: 'x',
    });
  });

  test('--json tells what was written and by which keys', async () => {
    const path = place('card', 'hello');
    const made = await world.json(['encrypt', ...KEY, '--context', 'a=b', '--in', path, '--out', `${path}.enc`]);
    assert.equal(made.suite, '0x0478 ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY');
    assert.deepEqual(made.context, { a: 'b' });
    assert.deepEqual([made.bytesRead, made.keys[0].key, made.keys[0].blob.keyVersion], [5, arn, 1]);
    const back = await world.json(['decrypt', '--in', `${path}.enc`, '--out', `${path}.again`]);
    assert.deepEqual([back.bytesWritten, 'plaintext' in back], [5, false]);
  });
});

describe('with official SDKs', () => {
  const client = (policy: CommitmentPolicy): ReturnType<typeof buildClient> => buildClient(policy);
  const keyring = (): KmsKeyringNode => {
    const { endpoint, awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey } = world.server;
    const kms = new KMS({ region: 'us-east-1', endpoint, credentials: { accessKeyId, secretAccessKey } });
    // The types of the two packages differ in what may be undefined.
    const clientProvider = (): never => kms as never;
    return new KmsKeyringNode({ generatorKeyId: arn, clientProvider });
  };

  test('one in JavaScript opens what the command line made, at our AWS endpoint', async () => {
    const path = place('ours.enc');
    await world.ok(['encrypt', ...KEY, '--context', 'shop=1', '--out', path], { input: LONG.subarray(0, 300_000) });
    const { decrypt } = client(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    const { plaintext, messageHeader } = await decrypt(keyring(), readFileSync(path));
    assert.deepEqual(plaintext, LONG.subarray(0, 300_000));
    assert.equal(messageHeader.encryptionContext['shop'], '1');
  });

  test('the command line opens what one made, signed, and of an old suite only where a policy allows it', async () => {
    const { encrypt } = client(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    const { result } = await encrypt(keyring(), Buffer.from('hello'), { encryptionContext: { shop: '1' } });
    const path = place('theirs.enc', result);
    assert.equal((await world.json(['inspect', path])).signed, true);
    assert.equal(await world.ok(['decrypt', '--in', path, '--context', 'shop=1']), 'hello');
    const { encrypt: older } = client(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT);
    const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA256;
    const old = place('old.enc', (await older(keyring(), Buffer.from('hello'), { suiteId })).result);
    await world.refused(1, /commit/, ['decrypt', '--in', old]);
    assert.equal(
      await world.ok(['decrypt', '--commitment-policy', 'require-encrypt-allow-decrypt', '--in', old]),
      'hello',
    );
  });
});

describe('what does not open leaves nothing behind', { concurrency: 2 }, () => {
  const cases: readonly (readonly [what: string, message: () => Buffer])[] = [
    ['changed in its header', () => changed(longMessage, 40)],
    ['changed at the start of its body', () => changed(longMessage, 400)],
    ['changed in the middle', () => changed(longMessage, longMessage.length >> 1)],
    ['changed in its last byte', () => changed(longMessage, longMessage.length - 1)],
    ['cut off by a byte', () => longMessage.subarray(0, -1)],
    ['cut off within a frame', () => longMessage.subarray(0, longMessage.length >> 1)],
    ['cut off within its header', () => longMessage.subarray(0, 100)],
    ['with a byte behind its end', () => Buffer.concat([longMessage, Buffer.alloc(1)])],
  ];
  for (const [what, message] of cases) {
    test(`a message ${what}`, async () => {
      const path = place('bad.enc', message());
      await world.refused(3, /does not open|begins as a message/, ['decrypt', '--in', path, '--out', `${path}.out`]);
      assert.deepEqual(besides(path), ['bad.enc']);
      const { code, bytes, stderr } = await world.run(['decrypt', '--in', path]);
      assert.equal(code, 3, stderr);
      // What left was verified frame by frame, and its reader is told that it is not the whole.
      assert.ok(LONG.subarray(0, bytes.length).equals(bytes));
      if (message().length > 16 * 1024 * 1024) assert.match(stderr, /throw it away/);
      else assert.equal(bytes.length, 0);
    });
  }

  test('of a short one not a byte leaves, and a file that was there stays', async () => {
    const path = place('bad.enc', changed(await sealed(randomBytes(200_000)), 150_000));
    const there = place('there', 'before');
    await world.refused(3, /does not open/, ['decrypt', '--in', path, '--out', there, '--force']);
    assert.equal(readFileSync(there, 'utf8'), 'before');
    const { code, bytes } = await world.run(['decrypt', '--in', path]);
    assert.deepEqual([code, bytes.length], [3, 0]);
  });

  test('another context, and a key that the caller may not use', async () => {
    const path = place('shop.enc', await sealed(Buffer.from('x'), { shop: '1' }));
    const out = `${path}.out`;
    await world.refused(3, /does not open/, ['decrypt', '--in', path, '--out', out, '--context', 'shop=2']);
    await world.refused(3, /does not open/, ['decrypt', '--in', path, '--out', out, '--context', 'till=2']);
    const { token } = await world.server.client.createToken({ name: 'nobody', roles: ['auditor'] });
    const nobody = { env: { CLAVIGER_TOKEN: token! } };
    await world.refused(5, /denied|not permitted|may not/i, ['decrypt', '--in', path, '--out', out], nobody);
    const encrypt = ['encrypt', ...KEY, '--in', path, '--out', out];
    await world.refused(5, /denied|not permitted|may not/i, encrypt, nobody);
    await world.refused(6, /cannot reach/, encrypt, { env: { CLAVIGER_ENDPOINT: 'http://127.0.0.1:1' } });
    assert.deepEqual(besides(path), ['shop.enc']);
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGKILL', null],
  ] as const) {
    test(`${signal} in the middle`, async () => {
      const path = place('out');
      for (const args of [
        ['decrypt', '--in', '-', '--out', path],
        ['encrypt', ...KEY, '--in', '-', '--out', path],
      ]) {
        const running = startCli(args, { env });
        // All but the end; what has been taken is more than a pipe holds.
        const half = longMessage.subarray(0, longMessage.length - 1000);
        await new Promise<void>((resolve) => running.child.stdin!.write(half, () => resolve()));
        assert.equal(await running.stop(signal), code);
        if (signal !== 'SIGKILL') assert.match(running.stderr(), /interrupted/);
        // Linux takes back a file without a name; elsewhere only SIGKILL leaves one.
        if (signal !== 'SIGKILL' || process.platform === 'linux') assert.deepEqual(besides(path), []);
      }
    });
  }

  test('a full disk', (t) => {
    const disk = smallDisk(8 * 1024);
    if (typeof disk === 'string') return t.skip(disk);
    return (async () => {
      try {
        const path = join(disk.folder, 'out');
        const from = place('long.enc', longMessage);
        await world.refused(1, /the disk is full/, ['decrypt', '--in', from, '--out', path]);
        await world.refused(1, /the disk is full/, ['encrypt', ...KEY, '--in', from, '--out', path]);
        assert.deepEqual(readdirSync(disk.folder), []);
        disk.fill();
        disk.free();
        const short = place('short.enc', await sealed(LONG.subarray(0, 4_000_000)));
        await world.ok(['decrypt', '--in', short, '--out', path]);
      } finally {
        disk.remove();
      }
    })();
  });

  test('a reader that leaves ends the command with an error, for what it had was not the whole', async () => {
    const path = place('long.enc', longMessage);
    const claviger = `'${process.execPath}' '${BINARY}'`;
    const line = `set -o pipefail; ${claviger} decrypt --in '${path}' | head -c 1000 | wc -c`;
    const { code, stdout, stderr } = await runShell(line, { env });
    assert.equal(stdout.trim(), '1000');
    assert.equal(code, 1, stderr);
    assert.match(stderr, /nobody reads standard output any more/);
  });
});

describe('where it goes', { concurrency: 2 }, () => {
  test('a file that is there stays, unless --force says otherwise; an empty one holds nothing', async () => {
    const path = place('out', 'before');
    const args = ['encrypt', ...KEY, '--out', path];
    await world.refused(1, /cannot write `.*out`: it exists already; --force/, args, { input: 'x' });
    assert.equal(readFileSync(path, 'utf8'), 'before');
    chmodSync(path, 0o640);
    await world.ok([...args, '--force'], { input: 'x' });
    assert.equal((await opened(path)).toString(), 'x');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await world.ok(['encrypt', ...KEY, '--out', place('empty', '')], { input: 'x' });
    await world.refused(1, /exists already/, ['decrypt', '--in', path, '--out', path]);
  });

  test('the file itself is replaced once the new one is whole', async () => {
    const path = place('same', LONG.subarray(0, 2_000_000));
    await world.refused(1, /exists already/, ['encrypt', ...KEY, '--in', path, '--out', path]);
    await world.ok(['encrypt', ...KEY, '--in', path, '--out', path, '--force']);
    assert.deepEqual(await opened(path), LONG.subarray(0, 2_000_000));
    await world.ok(['decrypt', '--in', path, '--out', path, '--force']);
    assert.deepEqual(readFileSync(path), LONG.subarray(0, 2_000_000));
    assert.deepEqual(besides(path), ['same']);
  });

  test('a plaintext is for its owner, a ciphertext for whoever may read its source', async () => {
    const path = place('plain', 'x');
    chmodSync(path, 0o640);
    await world.ok(['encrypt', ...KEY, '--in', path, '--out', `${path}.enc`]);
    await world.ok(['decrypt', '--in', `${path}.enc`, '--out', `${path}.again`]);
    assert.equal(statSync(`${path}.enc`).mode & 0o777, 0o640);
    assert.equal(statSync(`${path}.again`).mode & 0o777, 0o600);
    chmodSync(`${path}.again`, 0o666);
    await world.ok(['decrypt', '--in', `${path}.enc`, '--out', `${path}.again`, '--force']);
    assert.equal(statSync(`${path}.again`).mode & 0o777, 0o600);
  });

  test('a link is written where it leads, and one to nowhere is refused', async () => {
    const path = place('real', '');
    const [link, lost] = [`${path}.link`, `${path}.lost`];
    symlinkSync('real', link);
    symlinkSync('nowhere', lost);
    await world.ok(['encrypt', ...KEY, '--out', link], { input: 'x' });
    assert.equal((await opened(path)).toString(), 'x');
    await world.refused(1, /symbolic link to nowhere/, ['encrypt', ...KEY, '--out', lost], { input: 'x' });
  });

  test('folders are refused, pipes and devices take bytes as they come', async () => {
    const path = place('pipe');
    await world.refused(1, /it is a folder/, ['encrypt', ...KEY, '--in', join(path, '..'), '--out', path]);
    await world.refused(1, /it is a folder/, ['encrypt', ...KEY, '--out', join(path, '..')], { input: 'x' });
    await world.refused(1, /there is no such file/, ['encrypt', ...KEY, '--out', join(path, 'no')], { input: 'x' });
    await world.ok(['encrypt', ...KEY, '--out', '/dev/null'], { input: 'x' });
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    const source = place('long.enc', longMessage);
    const claviger = `'${process.execPath}' '${BINARY}'`;
    const line = `${claviger} decrypt --in '${source}' --out '${path}' & sha256sum < '${path}'; wait $!`;
    const { code, stdout, stderr } = await runShell(
      `${line}; head -c ${LONG.length} '${place('plain', LONG)}' | sha256sum`,
      {
        env,
      },
    );
    assert.equal(code, 0, stderr);
    const [first, second] = stdout.trim().split('\n');
    assert.equal(first, second);
    assert.match(stderr, /before the end/);
  });
});

describe('inspect', { concurrency: 2 }, () => {
  const nowhere = { env: { CLAVIGER_ENDPOINT: 'http://127.0.0.1:1', CLAVIGER_TOKEN: 'clv_x' } };

  test('shows a message without a server, and says that nothing of it is verified', async () => {
    const path = place('m.enc', await sealed(LONG.subarray(0, 70_000), { shop: '1' }, 'alias:files', 'alias:other'));
    const shown = await world.ok(['inspect', path], nowhere);
    assert.match(shown, /^suite +0x0478/m);
    assert.match(shown, /^context +shop=1$/m);
    assert.match(shown, new RegExp(`^key 1 +aws-kms {2}${arn} {2}version 1$`, 'm'));
    assert.match(shown, /^key 2 /m);
    assert.match(shown, /^frames +2 of 65536 bytes$/m);
    assert.match(shown, /^plaintext +70000 bytes$/m);
    assert.match(shown, /nothing of this is verified/);
    const piped = await world.json(['inspect', '-'], { ...nowhere, input: readFileSync(path).subarray(0, 2000) });
    assert.deepEqual([piped.body, piped.whole, piped.keys.length], [null, null, 2]);
  });

  test('tells that a message is cut off, or goes on behind its end', async () => {
    for (const bytes of [longMessage.subarray(0, -5), Buffer.concat([longMessage, Buffer.alloc(5)])]) {
      const shown = await world.json(['inspect', place('cut.enc', bytes)], nowhere);
      assert.deepEqual([shown.whole, shown.body], [false, null]);
    }
    await world.refused(3, /ends within its header/, ['inspect', place('head', longMessage.subarray(0, 50))]);
  });

  test('shows a blob, as bytes and as base64', async () => {
    const { ciphertext, keyId } = await world.server.client.encrypt({
      key: 'alias:files',
      plaintext: Buffer.from('hello'),
    });
    for (const content of [Buffer.from(ciphertext), `${ciphertext.toBase64()}\n`]) {
      const shown = await world.json(['inspect', place('card', content)], nowhere);
      assert.deepEqual([shown.format, shown.kind, shown.keyId, shown.plaintextBytes], ['blob', 'direct', keyId, 5]);
    }
  });

  test('knows sealed configuration by what it says, and nothing else', async () => {
    const path = place('app.env', 'DB_PASSWORD=secret\n');
    const made = await world.ok(['seal', ...KEY, path]);
    const shown = await world.json(['inspect', place('sealed.env', made)], nowhere);
    assert.deepEqual(shown, { format: 'sealed-configuration', values: 1, keys: [arn] });
    await world.refused(1, /is neither a message/, ['inspect', path]);
    await world.refused(1, /is neither a message/, ['inspect', place('empty', '')]);
    await world.refused(1, /there is no such file/, ['inspect', 'nothing']);
  });

  test('control characters of a context do not reach the terminal', async () => {
    const path = place('m.enc', await sealed(Buffer.from('x'), { name: '\u001B[2Jred\nkey 1  mine' }));
    const shown = await world.ok(['inspect', path]);
    assert.ok(!shown.includes('\u001B[2J'));
    assert.match(shown, /^context +name=\?\[2Jred\?key 1 {2}mine$/m);
  });
});

test('the example of the guide does what it says', async () => {
  const path = place('scroll', LONG.subarray(0, 100_000));
  const bin = join(path, '..', 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'claviger'), `#!/bin/sh\nexec '${process.execPath}' '${BINARY}' "$@"\n`, { mode: 0o755 });
  const script = join(import.meta.dirname, '..', '..', 'examples', 'encrypt-file.sh');
  await world.server.client.createKey({ spec: 'AES-256-GCM', alias: 'example' });
  const { code, stdout, stderr } = await runShell(`PATH="${bin}:$PATH" bash '${script}' alias:example '${path}'`, {
    env,
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^context +archive=2026\nrewrapped .*\n.*rewrapped 1, failed 0\nthe same bytes\n$/);
  assert.ok(existsSync(`${path}.again`));
});
