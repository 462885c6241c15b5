/** Batches: each item is its own, answered in order; what is wrong with one is that one's answer. */
import assert from 'node:assert/strict';
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { SigningAlgorithmName } from '../../src/model/algorithm.ts';
import type { Spec } from '../../src/model/spec.ts';
import type { BatchOutput } from '../../src/operations/batch.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { readLog } from '../support/stored-log.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }' });
});
after(() => server.stop());

describe('encryptBatch and decryptBatch', () => {
  test('of a hundred items open to what each was, in order, each under its own context', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'AES-256-GCM' });
    const items = Array.from({ length: 100 }, (_, n) => ({
      plaintext: randomBytes(n * 41),
      context: { n: String(n) },
    }));
    const made = outputs(await client.encryptBatch({ key, items }));
    const ciphertexts = made.map(({ ciphertext }, n) => ({ ciphertext, context: { n: String(n) } }));
    assert.equal(new Set(made.map(({ ciphertext }) => Buffer.from(ciphertext).toString('hex'))).size, 100);
    const opened = outputs(await client.decryptBatch({ key, items: ciphertexts }));
    for (const [n, { plaintext, keyVersion, keyId }] of opened.entries()) {
      assert.deepEqual(Buffer.from(plaintext), items[n]!.plaintext);
      assert.deepEqual([keyVersion, keyId], [1, key]);
    }
    // What a batch made, a single call opens, and the reverse.
    const { plaintext } = await client.decrypt({ key, ...ciphertexts[7]! });
    assert.deepEqual(Buffer.from(plaintext), items[7]!.plaintext);
  });

  test('answer each wrong item with its own error, and the others as if it were not there', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'AES-256-GCM' });
    const { id: other } = await client.createKey({ spec: 'AES-256-GCM' });
    const good = await client.encrypt({ key, plaintext: Buffer.from('good') });
    const theirs = await client.encrypt({ key: other, plaintext: Buffer.from('good') });
    const { ciphertext } = good;
    const { results } = await client.decryptBatch({
      key,
      items: [
        { ciphertext },
        { ciphertext, context: { wrong: 'context' } },
        { ciphertext: ciphertext.slice(1) },
        { ciphertext: theirs.ciphertext },
        { ciphertext, keyVersion: 2 },
        { ciphertext, algorithm: 'RSAES_OAEP_SHA_256' },
        { ciphertext, context: { '': 'empty' } },
        { ciphertext },
      ],
    });
    assert.deepEqual(codes(results), [
      'OK',
      'INVALID_CIPHERTEXT',
      'INVALID_CIPHERTEXT',
      'INCORRECT_KEY',
      'INVALID_CIPHERTEXT',
      'KEY_USAGE',
      'INVALID_ARGUMENT',
      'OK',
    ]);
    const encrypted = await client.encryptBatch({
      key,
      items: [{ plaintext: Buffer.alloc(4096) }, { plaintext: Buffer.alloc(4097) }, { plaintext: Buffer.alloc(0) }],
    });
    assert.deepEqual(codes(encrypted.results), ['OK', 'INVALID_ARGUMENT', 'OK']);
  });

  test('obey a policy that looks at the context, item by item', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'AES-256-GCM' });
    await client.setKeyPolicy({
      key,
      policy: `forbid (principal, action == Claviger::Action::"Encrypt", resource)
        unless { context.encryptionContext.hasTag("team") };`,
    });
    const plaintext = Buffer.from('a');
    const { results } = await client.encryptBatch({
      key,
      items: [{ plaintext, context: { team: 'x' } }, { plaintext }, { plaintext, context: { team: 'y' } }],
    });
    assert.deepEqual(codes(results), ['OK', 'PERMISSION_DENIED', 'OK']);
    const reversed = await client.encryptBatch({ key, items: [{ plaintext }, { plaintext, context: { team: 'x' } }] });
    assert.deepEqual(codes(reversed.results), ['PERMISSION_DENIED', 'OK']);
    await assert.rejects(client.encryptBatch({ key, items: [{ plaintext }, { plaintext }] }), {
      code: 'PERMISSION_DENIED',
    });
  });

  test('under an RSA key work as single calls do', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'RSA-2048', usage: 'encrypt-decrypt' });
    const items = [{ plaintext: Buffer.from('a') }, { plaintext: Buffer.alloc(191) }, { plaintext: Buffer.from('b') }];
    const { results } = await client.encryptBatch({ key, items });
    assert.deepEqual(codes(results), ['OK', 'INVALID_ARGUMENT', 'OK']);
    const ciphertexts = results.flatMap((result) =>
      'output' in result ? [{ ciphertext: result.output.ciphertext }] : [],
    );
    const opened = outputs(await client.decryptBatch({ key, items: ciphertexts }));
    assert.deepEqual(
      opened.map(({ plaintext }) => Buffer.from(plaintext).toString()),
      ['a', 'b'],
    );
  });
});

describe('signBatch and verifyBatch', () => {
  for (const spec of ['P-256', 'Ed25519', 'P-384', 'RSA-2048', 'ML-DSA-44'] as const satisfies readonly Spec[]) {
    test(`${spec}: of a hundred messages, each signature is of its own message`, async () => {
      const { client } = server;
      const { id: key } = await client.createKey({ spec });
      const count = spec === 'ML-DSA-44' || spec === 'RSA-2048' ? 20 : 100;
      const items = Array.from({ length: count }, (_, n) => ({ message: Buffer.from(`message ${n}`) }));
      const signed = outputs(await client.signBatch({ key, items }));
      const { results } = await client.verifyBatch({
        key,
        items: items.map((item, n) => ({ ...item, signature: signed[n]!.signature })),
      });
      assert.ok(results.every((result) => 'output' in result && result.output.valid && result.output.keyVersion === 1));
      const { pem } = await client.getPublicKey({ key });
      if (spec === 'P-256') {
        for (const [n, { signature }] of signed.entries()) {
          assert.ok(verify('sha256', items[n]!.message, createPublicKey(pem), signature));
        }
      }
    });
  }

  test('mix messages, digests, algorithms and mistakes, each answered in its place', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'RSA-2048' });
    const digest = randomBytes(32);
    const algorithm: SigningAlgorithmName = 'RSASSA_PKCS1_V1_5_SHA_256';
    const { results } = await client.signBatch({
      key,
      items: [
        { message: Buffer.from('a') },
        { digest },
        { digest: digest.subarray(1) },
        { message: Buffer.from('a'), digest },
        {},
        { digest, algorithm },
        { digest, algorithm: 'ECDSA_SHA_256' },
        { message: Buffer.alloc(4097) },
      ],
    });
    assert.deepEqual(codes(results), [
      'OK',
      'OK',
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'OK',
      'KEY_USAGE',
      'INVALID_ARGUMENT',
    ]);
    assert.equal('output' in results[5]! && results[5].output.algorithm, algorithm);
  });

  test('with fast signatures among mistakes keep signature and item together', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'P-256' });
    const items = Array.from({ length: 40 }, (_, n) =>
      n % 3 === 1 ? { digest: Buffer.alloc(5) } : { message: Buffer.from(`m${n}`) },
    );
    const { results } = await client.signBatch({ key, items });
    for (const [n, result] of results.entries()) {
      if (n % 3 === 1) assert.ok('error' in result && result.error.code === 'INVALID_ARGUMENT');
      else {
        assert.ok('output' in result);
        const { signature } = result.output;
        assert.equal((await client.verify({ key, message: Buffer.from(`m${n}`), signature })).valid, true);
      }
    }
  });

  test('of which every item is wrong is answered, and recorded, as a batch of mistakes', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'P-256' });
    const { results } = await client.signBatch({ key, items: [{}, { digest: Buffer.alloc(1) }] });
    assert.deepEqual(codes(results), ['INVALID_ARGUMENT', 'INVALID_ARGUMENT']);
    const { record } = readLog(server.folder).findLast(({ record }) => record['operation'] === 'SignBatch')!;
    assert.deepEqual([record['outcome'], record['items'].count, record['items'].failed], ['OK', 2, 2]);
  });

  test('verify says of each whether it is valid, and the record counts those that are not', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'P-256' });
    const message = Buffer.from('m');
    const { signature } = await client.sign({ key, message });
    const { results } = await client.verifyBatch({
      key,
      items: [
        { message, signature },
        { message: Buffer.from('n'), signature },
        { message, signature: Buffer.from('no signature') },
        { message, signature: Buffer.alloc(0) },
        { message, signature, keyVersion: 2 },
      ],
    });
    const seen = results.map((result) => ('output' in result ? result.output.valid : result.error.code));
    assert.deepEqual(seen, [true, false, false, false, 'INVALID_ARGUMENT']);
    const { record } = readLog(server.folder).findLast(({ record }) => record['operation'] === 'VerifyBatch')!;
    assert.deepEqual([record['items'].count, record['items'].failed], [5, 4]);
  });
});

describe('a batch as a whole', () => {
  test('is refused where its key refuses: not one item is answered', async () => {
    const { client } = server;
    const { id: key } = await client.createKey({ spec: 'AES-256-GCM' });
    await client.disableKey({ key });
    const answer = await server.fetch('POST', `/v1/keys/${key}:encryptBatch`, { items: [{ plaintext: 'YQ==' }] });
    assert.deepEqual([answer.status, answer.body.code, answer.body.results], [409, 'KEY_DISABLED', undefined]);
  });

  test('counts as its items against the rate limit', async () => {
    const slow = await startTestServer({ config: 'limits: { cryptoPerSecond: 150 }' });
    try {
      const { id: key } = await slow.client.createKey({ spec: 'AES-256-GCM' });
      const items = Array.from({ length: 100 }, () => ({ plaintext: Buffer.from('a') }));
      await slow.client.encryptBatch({ key, items });
      const answer = await slow.fetch('POST', `/v1/keys/${key}:encryptBatch`, {
        items: items.map(() => ({ plaintext: 'YQ==' })),
      });
      assert.deepEqual([answer.status, answer.body.code, answer.headers.get('retry-after')], [429, 'THROTTLED', '1']);
      assert.match(answer.body.detail, /more than 150 cryptographic operations a second; slow down and try again/);
      const { record } = readLog(slow.folder).at(-1)!;
      assert.deepEqual([record['operation'], record['outcome']], ['EncryptBatch', 'THROTTLED']);
    } finally {
      await slow.stop();
    }
  });
});

function outputs<O>({ results }: BatchOutput<O>): O[] {
  return results.map((result) => ('output' in result ? result.output : assert.fail(result.error.message)));
}

function codes(results: BatchOutput<unknown>['results']): string[] {
  return results.map((result) => ('output' in result ? 'OK' : result.error.code));
}
