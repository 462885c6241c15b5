/**
 * The cache of data keys of a group: what it saves, and that whatever is done to a key at Claviger reaches it at once.
 */
import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { execute } from '../../src/operations/execute.ts';
import { OPERATIONS } from '../../src/operations/index.ts';
import { ownCall } from '../../src/operations/job-call.ts';
import { failing, homesService, meanwhile, type HomesService } from '../support/homes-service.ts';
import { principalOf } from '../support/service.ts';

const TEXT = Buffer.from('the text');
const TTL_MS = 60_000;

const cached = (t: TestContext, limits: object = {}, group: object = {}): Promise<HomesService> =>
  homesService(t, group, {}, { ttlMs: TTL_MS, ...limits });

const newKey = async (it: HomesService): Promise<string> =>
  (await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' })).id;

const wraps = (it: HomesService): readonly number[] => [it.a, it.b, it.c].map((home) => home.calls('wrap'));
const unwraps = (it: HomesService): number => [it.a, it.b, it.c].reduce((sum, home) => sum + home.calls('unwrap'), 0);

const record = async (it: HomesService): Promise<Record<string, unknown>> =>
  (await it.as('auditor').listAuditRecords({ limit: 1 })).records[0] as unknown as Record<string, unknown>;

const open = async (it: HomesService, ciphertext: Uint8Array): Promise<string> =>
  Buffer.from((await it.api.decrypt({ ciphertext })).plaintext).toString();

suite('what it saves', () => {
  test('nothing, where the group does not ask for it', async (t) => {
    const it = await homesService(t);
    const key = await newKey(it);
    for (const _ of [1, 2]) await open(it, (await it.api.encrypt({ key, plaintext: TEXT })).ciphertext);
    assert.deepEqual([wraps(it), unwraps(it)], [[2, 2, 2], 2]);
  });

  test('ciphertexts share a data key and its wraps, each with a salt of its own, and open without a call', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const made = [];
    for (const context of [{}, { a: 'b' }, {}]) made.push(await it.api.encrypt({ key, plaintext: TEXT, context }));
    assert.deepEqual(wraps(it), [1, 1, 1]);
    const blobs = made.map(({ ciphertext }) => Buffer.from(ciphertext));
    assert.equal(new Set(blobs.map((blob) => blob.subarray(39, 71).toString('hex'))).size, 3);
    assert.equal(new Set(blobs.map((blob) => blob.subarray(103, -24).toString('hex'))).size, 1);
    assert.equal(await open(it, blobs[0]!), 'the text');
    assert.equal(await open(it, blobs[2]!), 'the text');
    assert.equal(unwraps(it), 1);
    await assert.rejects(it.api.decrypt({ ciphertext: blobs[1]! }), { code: 'INVALID_CIPHERTEXT' });
  });

  test('1,000 requests at the same time wrap once and unwrap once, also when its time is over', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    for (const round of [1, 2]) {
      const made = await Promise.all(Array.from({ length: 1000 }, () => it.api.encrypt({ key, plaintext: TEXT })));
      assert.deepEqual(wraps(it), [round, round, round]);
      await Promise.all(made.map(({ ciphertext }) => open(it, ciphertext)));
      assert.equal(unwraps(it), round);
      it.clock.advance(TTL_MS);
    }
  });

  test('a batch takes of it what its items need, and no more messages than a key may protect', async (t) => {
    const it = await cached(t, { messagesMax: 4 });
    const key = await newKey(it);
    const items = Array.from({ length: 10 }, () => ({ plaintext: TEXT }));
    const { results } = await it.api.encryptBatch({ key, items });
    assert.deepEqual(wraps(it), [3, 3, 3]);
    const ciphertexts = results.flatMap((result) => ('output' in result ? [result.output] : []));
    const opened = await it.api.decryptBatch({
      key,
      items: ciphertexts.map(({ ciphertext }) => ({ ciphertext })),
    });
    assert.equal(ciphertexts.length, 10);
    assert.ok(opened.results.every((result) => 'output' in result));
    assert.equal(unwraps(it), 3);
  });

  test('a data key of generateDataKey is fresh each time; only what wraps it is remembered', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const [one, two] = [await it.api.generateDataKey({ key }), await it.api.generateDataKey({ key })];
    assert.notDeepEqual(one.plaintext, two.plaintext);
    assert.deepEqual(wraps(it), [1, 1, 1]);
  });

  test('no data key protects more bytes than it may', async (t) => {
    const it = await cached(t, { bytesMax: 4096 });
    const key = await newKey(it);
    for (const bytes of [4000, 96, 1, 4096]) await it.api.encrypt({ key, plaintext: Buffer.alloc(bytes) });
    assert.deepEqual(wraps(it), [3, 3, 3]);
  });
});

suite('what is told', () => {
  test('the record names the homes that did the work earlier, and that it was earlier', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    assert.equal((await record(it))['provider'], 'a,b,c');
    await it.api.encrypt({ key, plaintext: TEXT });
    assert.equal((await record(it))['provider'], 'cache:a,cache:b,cache:c');
    await open(it, ciphertext);
    assert.equal((await record(it))['provider'], 'a');
    await open(it, ciphertext);
    assert.equal((await record(it))['provider'], 'cache:a');
  });

  test('what lacks a home says so each time, and is remembered for ten seconds', async (t) => {
    const it = await cached(t, {}, { wrapGraceMs: 0 });
    const key = await newKey(it);
    it.b.fault = failing('PROVIDER_UNAVAILABLE');
    await it.api.encrypt({ key, plaintext: TEXT });
    it.b.fault = () => null;
    it.clock.advance(9_999);
    await it.api.encrypt({ key, plaintext: TEXT });
    const { provider, missingHomes } = await record(it);
    assert.deepEqual([provider, missingHomes], ['cache:a,cache:c', ['b']]);
    it.clock.advance(1);
    await it.api.encrypt({ key, plaintext: TEXT });
    assert.equal((await record(it))['missingHomes'] ?? null, null);
  });

  test('hits, misses, evictions and entries are metrics', async (t) => {
    const it = await cached(t, { messagesMax: 2 });
    const key = await newKey(it);
    for (const _ of [1, 2, 3]) await it.api.encrypt({ key, plaintext: TEXT });
    const text = await it.services.observer.metrics.render(null);
    for (const [name, value] of Object.entries({ hits_total: 1, misses_total: 2, evictions_total: 1, entries: 1 })) {
      assert.match(text, new RegExp(`^claviger_data_key_cache_${name}\\{group="three"\\} ${value}$`, 'm'));
    }
    assert.match(text, /provider="cache"|provider="several"/);
  });
});

suite('what reaches it at once', () => {
  const changes: Readonly<Record<string, (it: HomesService, key: string) => Promise<unknown>>> = {
    KEY_DISABLED: (it, key) => it.api.disableKey({ key }),
    KEY_STATE: (it, key) => it.api.scheduleKeyDeletion({ key }),
  };
  for (const [code, change] of Object.entries(changes)) {
    test(`a key that is changed to be refused with ${code} is, although its data keys are warm`, async (t) => {
      const it = await cached(t);
      const key = await newKey(it);
      const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
      await open(it, ciphertext);
      assert.equal(entriesOf(it), 2);
      await change(it, key);
      assert.equal(entriesOf(it), 0, 'they are wiped');
      await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code });
      await assert.rejects(it.api.decrypt({ ciphertext }), { code });
    });
  }

  test('a compromised key opens nothing for whoever may not use such keys, and its data keys are wiped', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await open(it, ciphertext);
    await it.api.compromiseKey({ key });
    assert.equal(entriesOf(it), 0);
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'KEY_STATE' });
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_STATE' });
  });

  test('a rotated key encrypts under its new version', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await it.api.rotateKey({ key });
    assert.equal((await it.api.encrypt({ key, plaintext: TEXT })).keyVersion, 2);
    assert.equal(await open(it, ciphertext), 'the text');
  });

  test('a home that was taken away wraps and unwraps nothing more', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await open(it, ciphertext);
    const before = it.a.calls('wrap') + it.a.calls('unwrap');
    await it.api.removeKeyBacking({ key, provider: 'a' });
    const after = await it.api.encrypt({ key, plaintext: TEXT });
    assert.equal((await record(it))['provider'], 'b,c');
    assert.equal(await open(it, ciphertext), 'the text');
    assert.equal((await record(it))['provider'], 'b');
    assert.equal(await open(it, after.ciphertext), 'the text');
    assert.equal(it.a.calls('wrap') + it.a.calls('unwrap'), before);
  });

  test('a refusal of a home that was met by one request refuses the others, whatever is remembered', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await open(it, ciphertext);
    it.a.fault = failing('KEY_DISABLED');
    assert.equal(await open(it, ciphertext), 'the text', 'nobody has asked the home yet: that is what the time is for');
    it.clock.advance(TTL_MS);
    const refused = { code: 'KEY_DISABLED', message: /home `a`/ };
    await assert.rejects(it.api.decrypt({ ciphertext }), refused);
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), refused);
    assert.equal(entriesOf(it), 0);
  });

  test('whoever may not use the key gets nothing of it, and another tenant neither', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await open(it, ciphertext);
    await assert.rejects(it.as('auditor').decrypt({ ciphertext }), { code: 'PERMISSION_DENIED' });
    const other = it.of(principalOf(await it.tenant('other'), ['crypto-user']));
    await assert.rejects(other.decrypt({ ciphertext }), { code: 'INVALID_CIPHERTEXT' });
    await assert.rejects(other.encrypt({ key, plaintext: TEXT }), { code: 'KEY_NOT_FOUND' });
  });

  test('what was on its way when the key was disabled is refused, and is not remembered', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const disabled = Promise.withResolvers<unknown>();
    it.a.fault = meanwhile('wrap', () => {
      const change = it.api.disableKey({ key });
      disabled.resolve(change);
      return change;
    });
    it.pace.ms = 20;
    const asking = await Promise.allSettled(Array.from({ length: 20 }, () => it.api.encrypt({ key, plaintext: TEXT })));
    await disabled.promise;
    assert.ok(
      asking.every((one) => one.status === 'rejected' && (one.reason as { code: string }).code === 'KEY_DISABLED'),
    );
    assert.equal(entriesOf(it), 0);
  });

  test('disabling and enabling it under load never lets a use through that was asked for later', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    const state = { disabledIn: 0, isOver: false };
    const late: string[] = [];
    let refusals = 0;
    const caller = async (n: number): Promise<void> => {
      while (!state.isOver) {
        const { disabledIn } = state;
        try {
          await (n % 2 === 0 ? it.api.encrypt({ key, plaintext: TEXT }) : it.api.decrypt({ ciphertext }));
          if (disabledIn > 0 && disabledIn === state.disabledIn) late.push(`caller ${n}`);
        } catch (error) {
          assert.equal((error as { code: string }).code, 'KEY_DISABLED');
          refusals += 1;
        }
      }
    };
    const callers = Array.from({ length: 8 }, (_, n) => caller(n));
    for (let round = 1; round <= 10; round += 1) {
      await it.api.disableKey({ key });
      state.disabledIn = round;
      await Promise.all([1, 2, 3].map(() => it.api.encrypt({ key, plaintext: TEXT }).catch(() => undefined)));
      state.disabledIn = 0;
      await it.api.enableKey({ key });
      await it.api.encrypt({ key, plaintext: TEXT });
    }
    state.isOver = true;
    await Promise.all(callers);
    assert.deepEqual(late, []);
    assert.ok(refusals > 0);
  });
});

suite('what homes do wrong', () => {
  test('a refusal is everybody’s who waits, and each is recorded', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    it.b.fault = failing('KEY_DISABLED');
    const asking = await Promise.allSettled(Array.from({ length: 10 }, () => it.api.encrypt({ key, plaintext: TEXT })));
    for (const one of asking) {
      assert.ok(one.status === 'rejected');
      assert.equal((one.reason as { code: string }).code, 'KEY_DISABLED');
      assert.match((one.reason as Error).message, /^home `b` of key [0-9a-f-]+ refuses it/);
    }
    const { records } = await it.as('auditor').listAuditRecords({ limit: 40 });
    const refused = records.filter((entry) => entry.operation === 'Encrypt' && entry.outcome === 'KEY_DISABLED');
    assert.equal(refused.length, 10);
    assert.ok(refused.every((entry) => entry.provider === 'b'));
  });

  test('a data key that a blob does not commit to is not remembered for others', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    const forged = Buffer.from(ciphertext);
    forged[71]! ^= 1;
    await assert.rejects(it.api.decrypt({ ciphertext: forged }), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(await open(it, ciphertext), 'the text');
    await assert.rejects(it.api.decrypt({ ciphertext: forged }), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(await open(it, ciphertext), 'the text');
    it.clock.advance(TTL_MS);
    it.a.fault = ({ operation }) => (operation === 'unwrap' ? { kind: 'corrupt' } : null);
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'INVALID_CIPHERTEXT' });
    it.a.fault = () => null;
    assert.equal(await open(it, ciphertext), 'the text');
  });

  test('a dry run asks no home, and takes nothing of it', async (t) => {
    const it = await cached(t);
    const key = await newKey(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    const counts = (): unknown => it.services.homes.dataKeyCaches.get('three')!.counts;
    const before = counts();
    const principal = principalOf(it.tenantId, ['crypto-user']);
    const dry = { ...ownCall(it.services, principal, 'library'), dryRun: true };
    const runs = [
      () => execute(it.services, OPERATIONS.encrypt, dry, { key, plaintext: TEXT }),
      () => execute(it.services, OPERATIONS.decrypt, dry, { ciphertext }),
    ];
    for (const run of runs) await assert.rejects(run(), { code: 'DRY_RUN' });
    assert.deepEqual(counts(), before);
  });
});

test('a service that ends wipes what it remembers', async (t) => {
  const it = await cached(t);
  const key = await newKey(it);
  await it.api.encrypt({ key, plaintext: TEXT });
  const cache = it.services.homes.dataKeyCaches.get('three')!;
  await it.services.homes.close();
  assert.equal(cache.counts.entries, 0);
});

function entriesOf(it: HomesService): number {
  return it.services.homes.dataKeyCaches.get('three')!.counts.entries;
}
