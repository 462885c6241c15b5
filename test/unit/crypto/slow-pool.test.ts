import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { signAside, slowTasks, verifyAside } from '../../../src/crypto/slow-pool.ts';

/** Each has two batches of at most 32 at a time. */
const MORE_THAN_THREADS_TAKE = availableParallelism() * 64 + 8;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });

test('many tasks of several keys come back each with its own result', async () => {
  const messages = Array.from({ length: MORE_THAN_THREADS_TAKE }, (_, at) => Buffer.from(`message ${at}`));
  const signed = messages.map((message, at) =>
    at % 2 === 0
      ? signAside('RSA-2048', rsa.privateKey, 'RSASSA_PKCS1_V1_5_SHA_256', { message })
      : signAside('P-384', p384.privateKey, 'ECDSA_SHA_384', { message }),
  );
  await nextTurn();
  assert.ok(slowTasks.waiting > 0, 'not all fit into what the threads take at a time');
  assert.ok(slowTasks.running > 0);
  for (const [at, signature] of (await Promise.all(signed)).entries()) {
    const [hash, key] = at % 2 === 0 ? (['sha256', rsa.publicKey] as const) : (['sha384', p384.publicKey] as const);
    assert.ok(verify(hash, messages[at]!, key, signature), `signature ${at}`);
  }
  assert.deepEqual([slowTasks.running, slowTasks.waiting], [0, 0]);
});

test('digests are signed and verified as they are', async () => {
  const digest = createHash('sha384').update('hello').digest();
  const signature = await signAside('P-384', p384.privateKey, 'ECDSA_SHA_384', { digest });
  assert.ok(verify('sha384', Buffer.from('hello'), p384.publicKey, signature));
  assert.equal(await verifyAside('P-384', p384.publicKey, 'ECDSA_SHA_384', { digest }, signature), true);
  assert.equal(await verifyAside('P-384', p384.publicKey, 'ECDSA_SHA_384', { digest }, signature.fill(1, 8)), false);
});

test('bytes that change while a task waits do not change what is signed', async () => {
  const message = Buffer.from('hello');
  const signed = signAside('P-384', p384.privateKey, 'ECDSA_SHA_384', { message });
  message.fill(0);
  assert.ok(verify('sha384', Buffer.from('hello'), p384.publicKey, await signed));
});

test('a task that fails is refused alone, without words of the inside', async () => {
  const message = Buffer.from('hello');
  const tasks = Array.from({ length: 12 }, (_, at) =>
    // A public key cannot sign.
    signAside('RSA-2048', at === 5 ? rsa.publicKey : rsa.privateKey, 'RSASSA_PSS_SHA_256', { message }),
  );
  const settled = await Promise.allSettled(tasks);
  for (const [at, { status }] of settled.entries())
    assert.equal(status, at === 5 ? 'rejected' : 'fulfilled', String(at));
  await assert.rejects(tasks[5]!, { code: 'INTERNAL', message: 'a slow operation failed' });
});

test('its threads are no reason for a process to stay, and there are no more than cores', (t) => {
  const script = `
    import { generateKeyPairSync } from 'node:crypto';
    import { readdirSync, readFileSync } from 'node:fs';
    import { signAside } from ${JSON.stringify(join(import.meta.dirname, '../../../src/crypto/slow-pool.ts'))};
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const task = () => signAside('RSA-2048', privateKey, 'RSASSA_PSS_SHA_256', { message: Buffer.alloc(1) });
    await Promise.all(Array.from({ length: 50 }, task));
    const names = readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/stat', 'latin1'));
    const behind = names.filter((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16] === '10');
    console.log(behind.length);
  `;
  const folder = mkdtempSync(join(tmpdir(), 'claviger-slow-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'script.mjs');
  writeFileSync(file, script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, stderr);
  if (process.platform === 'linux') {
    assert.ok(
      Number(stdout) >= 1 && Number(stdout) <= availableParallelism(),
      `${stdout.trim()} threads of low priority`,
    );
  }
});
