import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { ClavigerApi } from '../../../src/operations/index.ts';
import { openTestService, principalOf, type TestService } from '../../support/service.ts';
import { readLog, type StoredEntry } from '../../support/stored-log.ts';
import { tamper } from '../../support/store-files.ts';

const CONTEXT = { shop: '1', cart: '42' };
const TEXT = Buffer.from('hello');

describe('a ciphertext', () => {
  let service: TestService;
  let api: ClavigerApi;
  let key: string;
  let blob: Buffer;
  before(async () => {
    service = await openTestService();
    ({ api } = service);
    key = (await api.createKey({ spec: 'AES-256-GCM' })).id;
    blob = Buffer.from((await api.encrypt({ key, plaintext: TEXT, context: CONTEXT })).ciphertext);
  });
  after(() => service.remove());

  test('with a byte changed, at any place, does not open', async () => {
    for (const [at, byte] of blob.entries()) {
      for (const bit of [0, 7]) {
        await refused(blob.with(at, byte ^ (1 << bit)), `byte ${at}`);
      }
    }
  });

  test('cut to any length does not open', async () => {
    for (let length = 0; length < blob.length; length++) await refused(blob.subarray(0, length), `${length} bytes`);
  });

  test('with anything before or after it does not open', async () => {
    for (const more of [1, 16, 1000, 6144 - blob.length, 6144]) {
      await refused(Buffer.concat([blob, Buffer.alloc(more)]), `${more} after`);
      await refused(Buffer.concat([Buffer.alloc(more, 0xc1), blob]), `${more} before`);
    }
    await refused(Buffer.concat([blob, blob]), 'twice');
  });

  test('of random bytes does not open, with or without our header', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 39 }), async (noise, header) => {
        await refused(noise, 'noise');
        await refused(Buffer.concat([blob.subarray(0, header), noise]), 'noise after a part of our header');
      }),
      { numRuns: 100 },
    );
  });

  test('with another context does not open: another value, a name more, a name less, another case, none', async () => {
    for (const context of [
      { ...CONTEXT, cart: '43' },
      { ...CONTEXT, more: '' },
      { shop: '1' },
      { Shop: '1', cart: '42' },
      { shop: '42', cart: '1' },
      { shop: '1cart42' },
      {},
      undefined,
    ]) {
      await assert.rejects(api.decrypt({ key, ciphertext: blob, context }), { code: 'INVALID_CIPHERTEXT' });
    }
    const { plaintext } = await api.decrypt({ key, ciphertext: blob, context: { cart: '42', shop: '1' } });
    assert.deepEqual(plaintext, TEXT);
  });

  test('without a context opens with an empty one, and the reverse', async () => {
    const { ciphertext: none } = await api.encrypt({ key, plaintext: TEXT });
    const { ciphertext: empty } = await api.encrypt({ key, plaintext: TEXT, context: {} });
    await api.decrypt({ key, ciphertext: none, context: {} });
    await api.decrypt({ key, ciphertext: empty });
  });

  test('under another version of its key does not open', async () => {
    const { id } = await api.createKey({ spec: 'AES-256-GCM' });
    const { ciphertext } = await api.encrypt({ key: id, plaintext: TEXT });
    await api.rotateKey({ key: id });
    const moved = Buffer.from(ciphertext);
    moved.writeUInt32BE(2, 35);
    await assert.rejects(api.decrypt({ key: id, ciphertext: moved }), { code: 'INVALID_CIPHERTEXT' });
    for (const version of [0, 3, 0xffff_ffff]) {
      moved.writeUInt32BE(version, 35);
      await assert.rejects(api.decrypt({ key: id, ciphertext: moved }), { code: 'INVALID_CIPHERTEXT' });
    }
    await assert.rejects(api.decrypt({ key: id, ciphertext, keyVersion: 2 }), { code: 'INVALID_CIPHERTEXT' });
    await api.decrypt({ key: id, ciphertext, keyVersion: 1 });
  });

  test('of another key of the tenant is told from noise: its owner may know', async () => {
    const { id: other } = await api.createKey({ spec: 'AES-256-GCM' });
    await assert.rejects(api.decrypt({ key: other, ciphertext: blob, context: CONTEXT }), {
      code: 'INCORRECT_KEY',
      message: new RegExp(key),
    });
  });

  test('that names another key in its header is not believed', async () => {
    const { id: other } = await api.createKey({ spec: 'AES-256-GCM' });
    const forged = Buffer.from(blob);
    Buffer.from(other.replaceAll('-', ''), 'hex').copy(forged, 19);
    await assert.rejects(api.decrypt({ key: other, ciphertext: forged, context: CONTEXT }), {
      code: 'INVALID_CIPHERTEXT',
    });
  });

  test('opens without naming its key, by the key that it names itself', async () => {
    const opened = await api.decrypt({ ciphertext: blob, context: CONTEXT });
    assert.deepEqual([opened.keyId, opened.keyVersion], [key, 1]);
  });

  test('is 79 bytes longer than its text, of every length up to 4,096 bytes, and another each time', async () => {
    for (const length of [0, 1, 15, 16, 17, 4095, 4096]) {
      const plaintext = Buffer.alloc(length, 0x61);
      const { ciphertext } = await api.encrypt({ key, plaintext });
      assert.equal(ciphertext.length, length + 79);
      assert.deepEqual((await api.decrypt({ key, ciphertext })).plaintext, plaintext);
      assert.notDeepEqual((await api.encrypt({ key, plaintext })).ciphertext, ciphertext);
    }
    await assert.rejects(api.encrypt({ key, plaintext: Buffer.alloc(4097) }), {
      code: 'INVALID_ARGUMENT',
      message: '`plaintext` has 4097 bytes, at most 4096 are taken; encrypt it under a data key',
    });
  });

  async function refused(ciphertext: Uint8Array, what: string): Promise<void> {
    await assert.rejects(api.decrypt({ key, ciphertext, context: CONTEXT }), (error: Error & { code: string }) => {
      // A header that names another existing key says so; there is none here, so everything is one answer.
      assert.deepEqual(
        [error.code, error.message],
        [
          'INVALID_CIPHERTEXT',
          'the ciphertext does not open: it was changed, or key or encryption context are not the ones it was made with',
        ],
        what,
      );
      return true;
    });
  }
});

describe('a ciphertext of another tenant', () => {
  let service: TestService;
  let mine: ClavigerApi;
  let key: string;
  let theirs: Buffer;
  before(async () => {
    service = await openTestService();
    mine = service.api;
    key = (await mine.createKey({ spec: 'AES-256-GCM' })).id;
    const tenantId = await service.tenant('other');
    const other = service.of(principalOf(tenantId, ['key-administrator', 'crypto-user']));
    const { id } = await other.createKey({ spec: 'AES-256-GCM' });
    theirs = Buffer.from((await other.encrypt({ key: id, plaintext: TEXT })).ciphertext);
  });
  after(() => service.remove());

  for (const [what, named] of [
    ['under a key that is named', true],
    ['without naming a key', false],
  ] as const) {
    test(`is no different from noise, in the answer and in the record, ${what}`, async () => {
      const noise = Buffer.from(theirs);
      noise.fill(0x5a, 3);
      const garbage = Buffer.alloc(theirs.length, 0x5a);
      const refusals: unknown[] = [];
      for (const ciphertext of [theirs, noise, garbage]) {
        const name = named ? { key } : {};
        const error = await mine.decrypt({ ...name, ciphertext }).then(
          () => assert.fail('opened'),
          (thrown: unknown) => thrown as Error & { code: string; http: number; reason: unknown },
        );
        const { code, message, http, reason } = error;
        refusals.push({ code, message, http, reason, record: comparable(readLog(service.folder).at(-1)!) });
      }
      assert.deepEqual(refusals[0], refusals[1]);
      assert.deepEqual(refusals[0], refusals[2]);
    });
  }

  test('is no different from noise in a batch and as the source of reEncrypt', async () => {
    const noise = Buffer.alloc(theirs.length, 0x5a);
    const { results } = await mine.decryptBatch({ key, items: [{ ciphertext: theirs }, { ciphertext: noise }] });
    const [a, b] = results.map((result) => 'error' in result && [result.error.code, result.error.message]);
    assert.deepEqual(a, b);
    for (const ciphertext of [theirs, noise]) {
      await assert.rejects(mine.reEncrypt({ key, ciphertext, destinationKey: key }), { code: 'INVALID_CIPHERTEXT' });
      await assert.rejects(mine.reEncrypt({ ciphertext, destinationKey: key }), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  /** What a record says, but for what is another in each. */
  function comparable({ record, values }: StoredEntry): unknown {
    const { index: _i, time: _t, requestId: _r, latencyUs: _l, principal: _p, context: _c, ...rest } = record;
    return { rest, values };
  }
});

describe('a record of reEncrypt', () => {
  let service: TestService;
  before(async () => {
    service = await openTestService();
  });
  after(() => service.remove());

  test('names the source as its key and the destination beside it, where it succeeded and where the source did not open', async () => {
    const { api, folder } = service;
    const { id: from } = await api.createKey({ spec: 'AES-256-GCM' });
    const { id: to } = await api.createKey({ spec: 'AES-256-GCM' });
    const { ciphertext } = await api.encrypt({ key: from, plaintext: TEXT, context: CONTEXT });
    const destinationContext = { moved: 'yes' };
    const wanted = { ciphertext, context: CONTEXT, destinationKey: to, destinationContext };
    await api.reEncrypt({ key: from, ...wanted });
    await assert.rejects(api.reEncrypt({ key: from, ...wanted, context: { shop: '2' } }), {
      code: 'INVALID_CIPHERTEXT',
    });
    const [good, bad] = readLog(folder).slice(-2);
    for (const [entry, outcome, context] of [
      [good!, 'OK', CONTEXT],
      [bad!, 'INVALID_CIPHERTEXT', { shop: '2' }],
    ] as const) {
      const { record, values } = entry;
      assert.deepEqual([record['outcome'], record['key'], values['resource']], [outcome, from, `key/${to}`]);
      assert.deepEqual(JSON.parse(values['context']!), context);
      assert.deepEqual(JSON.parse(values['destinationContext']!), destinationContext);
    }
  });
});

describe('sealed values that were moved in the database', () => {
  test('open nowhere but where they were put: not for another key, version or tenant', async () => {
    const service = await openTestService();
    const { api, folder } = service;
    const other = service.of(principalOf(await service.tenant('other'), ['key-administrator', 'crypto-user']));
    const a = await api.createKey({ spec: 'AES-256-GCM' });
    const b = await api.createKey({ spec: 'AES-256-GCM' });
    await api.rotateKey({ key: b.id });
    const c = await other.createKey({ spec: 'AES-256-GCM' });
    const d = await api.createKey({ spec: 'P-256' });
    const e = await api.createKey({ spec: 'AES-256-GCM' });
    await api.rotateKey({ key: e.id });
    const { ciphertext } = await api.encrypt({ key: a.id, plaintext: TEXT });
    await service.close();

    const copy = (from: string, fromVersion: number, to: string, toVersion: number): void =>
      tamper(
        folder,
        `UPDATE materials SET sealed = (SELECT sealed FROM materials WHERE key_id = ? AND version = ?)
           WHERE key_id = ? AND version = ?`,
        from,
        fromVersion,
        to,
        toVersion,
      );
    copy(a.id, 1, b.id, 2);
    copy(b.id, 1, a.id, 1);
    copy(e.id, 1, e.id, 2);
    copy(a.id, 1, c.id, 1);
    copy(a.id, 1, d.id, 1);

    const told: string[] = [];
    const again = await openTestService({
      folder,
      clock: service.clock,
      log: { write: (_level, message, fields) => void told.push(`${message} ${JSON.stringify(fields)}`) },
    });
    const otherAgain = again.of(principalOf(await again.tenant('other'), ['crypto-user']));
    for (const use of [
      () => again.api.decrypt({ key: a.id, ciphertext }),
      () => again.api.encrypt({ key: a.id, plaintext: TEXT }),
      () => again.api.encrypt({ key: b.id, plaintext: TEXT }),
      () => again.api.encrypt({ key: e.id, plaintext: TEXT }),
      () => again.api.sign({ key: d.id, message: TEXT }),
      () => otherAgain.encrypt({ key: c.id, plaintext: TEXT }),
    ]) {
      await assert.rejects(use(), {
        code: 'INTERNAL',
        message: 'an internal error occurred; quote the request id to your operator',
      });
    }
    assert.ok(told.length >= 5 && told.every((line) => line.includes('does not open (key-material)')));
    await again.remove();
  });
});
