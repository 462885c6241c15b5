import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreCache } from '../../../src/store/cache.ts';
import { entity, type Change } from '../../../src/store/change.ts';
import { alias, key, KEY, openTestLog, TENANT, type TestLog } from '../audit/jobs.ts';

const CREDENTIAL = {
  id: 'c1',
  tenantId: TENANT,
  kind: 'aws',
  name: 'n',
  roles: [],
  systemScope: false,
  accessKeyId: 'CLAV1',
  verifier: Uint8Array.of(1),
  createdAt: 1,
  expiresAt: null,
  revokedAt: null,
} as const;

test('an entity is the same object until it is dropped, and another after it', async () => {
  await withCache(async (cache) => {
    const first = await cache.key(KEY);
    assert.equal(cache.key(KEY), first, 'at hand, without a promise');
    cache.drop([entity.key(KEY)]);
    const second = await cache.key(KEY);
    assert.notEqual(second, first);
    assert.deepEqual(second, first);
  });
});

test('callers that miss together get one object', async () => {
  await withCache(async (cache) => {
    const found = await Promise.all([cache.key(KEY), cache.key(KEY), cache.key(KEY)]);
    assert.equal(new Set(found).size, 1);
  });
});

test('what is not there is looked for again each time', async () => {
  await withCache(async (cache, put) => {
    assert.equal(await cache.alias(TENANT, 'new'), null);
    put([{ put: 'alias', alias: alias('new') }]);
    assert.equal((await cache.alias(TENANT, 'new'))!.keyId, KEY);
  });
});

test('a read that began before a drop is not remembered after it', async () => {
  await withCache(async (cache, put) => {
    const reading = cache.key(KEY);
    put([{ put: 'key', key: key(KEY, { state: 'Suspended' }) }]);
    cache.drop([entity.key(KEY)]);
    assert.equal((await reading)!.key.state, 'Active', 'as it was when it was read');
    assert.equal((await cache.key(KEY))!.key.state, 'Suspended');
  });
});

test('a dropped credential is read anew by its access key too', async () => {
  await withCache(async (cache, put) => {
    assert.equal((await cache.credentialByAccessKey('CLAV1'))!.revokedAt, null);
    put([{ put: 'credential', credential: { ...CREDENTIAL, revokedAt: 5 } }]);
    cache.drop([entity.credential('c1')]);
    assert.equal((await cache.credentialByAccessKey('CLAV1'))!.revokedAt, 5);
  });
});

test('a drop touches nothing else', async () => {
  await withCache(async (cache) => {
    const tenant = await cache.tenant(TENANT);
    cache.drop([entity.key(KEY), entity.key('unknown')]);
    assert.equal(cache.tenant(TENANT), tenant);
  });
});

async function withCache(
  run: (cache: StoreCache, put: (changes: readonly Change[]) => void) => Promise<void>,
): Promise<void> {
  const opened: TestLog = openTestLog();
  const writer = opened.reopened();
  const put = (changes: readonly Change[]): void => {
    writer.begin();
    writer.apply(changes);
    writer.commit();
  };
  try {
    put([
      { put: 'key', key: key() },
      { put: 'credential', credential: CREDENTIAL },
    ]);
    await run(new StoreCache(opened.reader), put);
  } finally {
    opened.remove();
  }
}
