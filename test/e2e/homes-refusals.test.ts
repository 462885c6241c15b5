/**
 * Refusals of homes that somebody might work around: by doing two things at once, by asking for more than one thing, or by
 * naming keys of others.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ClavigerError } from '../../src/errors.ts';
import { describeHomes } from '../../src/jobs/homes.ts';
import { uuidV7 } from '../../src/model/ids.ts';
import { execute } from '../../src/operations/execute.ts';
import { noteRefusal } from '../../src/operations/home-refusal.ts';
import { OPERATIONS } from '../../src/operations/index.ts';
import { ownCall } from '../../src/operations/job-call.ts';
import { monotonicMs } from '../../src/ports/clock.ts';
import { failing, homesService, meanwhile, type HomesService } from '../support/homes-service.ts';
import { principalOf } from '../support/service.ts';

const TEXT = Buffer.from('the text');
const KEY_USERS = ['key-administrator', 'crypto-user'] as const;

const symmetric = async (it: HomesService, more: object = {}): Promise<string> =>
  (await it.api.createKey({ spec: 'AES-256-GCM', group: 'three', ...more })).id;

const records = async (it: HomesService, operation: string): Promise<readonly Record<string, unknown>[]> => {
  const page = await it.as('auditor').listAuditRecords({ operation, intents: true });
  return page.records as unknown as readonly Record<string, unknown>[];
};

/** What intent and outcome of a change have in common. */
const whatOf = ({ tenant, principal, operation, key, keyVersion, provider, requestId }: Record<string, unknown>) => {
  assert.ok(tenant !== undefined && principal !== undefined && key !== undefined && provider !== undefined);
  return { tenant, principal, operation, key, keyVersion, provider, requestId };
};

suite('a change outside that is decided again', () => {
  test('is not found done once it was taken back', async (t) => {
    const it = await homesService(t);
    const { id: taken } = await it.api.createKey({ spec: 'AES-256-GCM' });
    it.pace.ms = 50;
    it.a.fault = meanwhile('create', () => it.api.createAlias({ name: 'alias/orders', key: taken }));
    const making = symmetric(it, { alias: 'alias/orders' });
    it.b.fault = meanwhile('destroy', () => it.api.deleteAlias({ name: 'alias/orders' }));
    await assert.rejects(making, { code: 'KEY_EXISTS' });
    assert.equal(it.c.calls('destroy'), 1);
    assert.deepEqual((await it.api.listKeys({})).keys.length, 1);
    const found = await records(it, 'CreateKey');
    assert.deepEqual(
      found.map(({ phase, outcome }) => [phase, outcome]),
      [
        ['outcome', 'KEY_EXISTS'],
        ['intent', null],
        ['single', 'OK'],
      ],
    );
    assert.deepEqual(whatOf(found[0]!), whatOf(found[1]!));
  });

  test('of a caller whose token was revoked meanwhile is taken back, and its outcome says whose it was', async (t) => {
    const it = await homesService(t);
    const officer = it.as('security-officer');
    const { id, token } = await officer.createToken({ name: 'going', roles: ['key-administrator'] });
    it.pace.ms = 50;
    it.a.fault = meanwhile('create', () => officer.revokeToken({ id }));
    const call = {
      ...ownCall(it.services, principalOf(it.tenantId, KEY_USERS), 'rest'),
      proof: { kind: 'token', text: token! },
    } as const;
    const wanted = { spec: 'AES-256-GCM', group: 'three' } as const;
    await assert.rejects(execute(it.services, OPERATIONS.createKey, call, wanted), { code: 'UNAUTHENTICATED' });
    assert.equal(it.a.calls('destroy'), 1);
    const [outcome, intent] = await records(it, 'CreateKey');
    assert.deepEqual([outcome!['phase'], outcome!['outcome']], ['outcome', 'UNAUTHENTICATED']);
    assert.equal(intent!['principal'], id);
    assert.deepEqual(whatOf(outcome!), whatOf(intent!));
  });
});

suite('a refusal stands for the whole request', () => {
  for (const code of ['PROVIDER_DENIED', 'INVALID_CIPHERTEXT', 'PROVIDER_INTEGRITY'] as const) {
    test(`that is decided again: ${code}`, async (t) => {
      const it = await homesService(t, { balance: 'least-latency' });
      const key = await symmetric(it);
      const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
      it.pace.ms = 50;
      const tag = (): Promise<unknown> => it.api.tagKey({ key, tags: { color: 'red' } });
      for (const home of [it.a, it.b, it.c]) home.fault = meanwhile('unwrap', tag, failing(code, 'unwrap'));
      await assert.rejects(it.api.decrypt({ ciphertext }), { code });
      assert.equal(it.a.calls('unwrap') + it.b.calls('unwrap') + it.c.calls('unwrap'), 1, 'one home was asked, once');
    });
  }

  test('of many items: no other home is asked for the next', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const made = await Promise.all(['one', 'two'].map((text) => it.api.encrypt({ key, plaintext: Buffer.from(text) })));
    it.a.fault = failing('PROVIDER_DENIED', 'unwrap');
    const { results } = await it.api.decryptBatch({ key, items: made.map(({ ciphertext }) => ({ ciphertext })) });
    assert.deepEqual(
      results.map((result) => ('error' in result ? result.error.code : 'OK')),
      ['PROVIDER_DENIED', 'PROVIDER_DENIED'],
    );
    assert.equal(it.b.calls('unwrap'), 0);
  });

  test('met by many requests at once is noted once', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.pace.ms = 20;
    it.a.fault = failing('KEY_DISABLED', 'unwrap');
    const answers = await Promise.allSettled(Array.from({ length: 80 }, () => it.api.decrypt({ ciphertext })));
    const codes = answers.map((answer) =>
      answer.status === 'rejected' ? (answer.reason as { code: string }).code : 'OK',
    );
    assert.deepEqual([...new Set(codes)], ['KEY_DISABLED']);
    assert.equal((await records(it, 'NoteHomeRefusal')).length, 1);
    assert.ok((await records(it, 'Decrypt')).every(({ provider }) => provider === 'a'));
  });
});

suite('a refusal of a key', () => {
  test('stands until its home answers again, and then that of another takes its place at once', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.a.fault = failing('KEY_DISABLED');
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_DISABLED' });
    it.b.fault = failing('KEY_STATE');
    it.a.fault = () => null;
    await describeHomes(it.services);
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_STATE', message: /home `b`/ });
    it.b.fault = () => null;
    await describeHomes(it.services);
    await it.api.decrypt({ ciphertext });
  });

  test('by a home that was removed meanwhile is nobody’s', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await it.api.removeKeyBacking({ key, provider: 'a' });
    await noteRefusal(it.services, it.tenantId, { key, keyVersion: 1, provider: 'a', code: 'KEY_STATE' });
    await it.api.decrypt({ ciphertext });
    assert.equal((await it.api.describeKey({ key })).versions[0]!.refusal, null);
  });

  test('is looked for in the versions that are used, not in all that there are', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    await it.api.encrypt({ key, plaintext: TEXT });
    await it.api.rotateKey({ key });
    await describeHomes(it.services);
    const before = it.a.calls('describe');
    await it.api.encrypt({ key, plaintext: TEXT });
    await describeHomes(it.services);
    assert.equal(it.a.calls('describe') - before, 1);
  });
});

suite('a key that a home refuses', () => {
  for (const [spec, use] of [
    ['RSA-2048', (it: HomesService, key: string) => it.api.encrypt({ key, plaintext: TEXT })],
    ['ML-KEM-768', (it: HomesService, key: string) => it.api.encapsulate({ key })],
  ] as const) {
    test(`protects nothing by its public key either: ${spec}`, async (t) => {
      const it = await homesService(t);
      const usage = spec === 'RSA-2048' ? 'encrypt-decrypt' : 'kem';
      const { id: key } = await it.api.createKey({
        spec,
        usage,
        backings: [{ provider: 'software' }, { provider: 'a' }],
      });
      await use(it, key);
      await noteRefusal(it.services, it.tenantId, { key, keyVersion: 1, provider: 'a', code: 'KEY_DISABLED' });
      await assert.rejects(use(it, key), { code: 'KEY_DISABLED', message: /home `a`/ });
    });
  }

  test('is not rotated by schedule: its new version would live where the old one is refused', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    await it.api.setKeyRotation({ key, periodDays: 90 });
    it.a.fault = failing('KEY_DISABLED', 'wrap');
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'KEY_DISABLED' });
    it.clock.advance(91 * 24 * 60 * 60 * 1000);
    await it.runJobs();
    assert.equal((await it.api.describeKey({ key })).primaryVersion, 1);
    await describeHomes(it.services);
    await it.runJobs();
    assert.equal((await it.api.describeKey({ key })).primaryVersion, 2);
  });
});

suite('a MAC key that is adopted', () => {
  const options = { signal: new AbortController().signal, timeoutMs: 1000 };
  const wanted = { spec: 'HMAC-SHA-256', usage: 'mac', name: 'legacy', tags: {} } as const;

  test('is the same in all homes, or it is refused', async (t) => {
    const it = await homesService(t);
    const material = Buffer.alloc(32, 7);
    await it.a.lifecycle.importMaterial!(wanted, material, options);
    await it.b.lifecycle.importMaterial!(wanted, material, options);
    await it.c.lifecycle.create(wanted, options);
    const create = (...backings: { provider: string; ref?: string }[]): Promise<{ id: string }> =>
      it.api.createKey({ spec: 'HMAC-SHA-256', backings });
    const legacy = (provider: string): { provider: string; ref: string } => ({ provider, ref: 'legacy' });
    const { id: key } = await create(legacy('a'), legacy('b'));
    const { mac } = await it.api.generateMac({ key, message: TEXT });
    it.a.fault = failing('PROVIDER_UNAVAILABLE');
    assert.equal((await it.api.verifyMac({ key, message: TEXT, mac })).valid, true);
    it.a.fault = () => null;
    const different = { code: 'INVALID_ARGUMENT', message: /different MAC keys/ };
    await assert.rejects(create(legacy('a'), legacy('c')), different);
    await assert.rejects(it.api.addKeyBacking({ key, ...legacy('c') }), different);
    await assert.rejects(create({ provider: 'software' }, legacy('a')), { message: /no copy in a new home/ });
    assert.equal((await it.c.describe('legacy@1', options)).state, 'enabled', 'what was adopted is never destroyed');
  });
});

suite('a home that is taken away', () => {
  test('is one no more before its keys are destroyed: nobody takes that for a refusal', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.pace.ms = 50;
    const opened: Promise<unknown>[] = [];
    it.a.fault = meanwhile('destroy', async () => void opened.push(it.api.decrypt({ ciphertext })));
    await it.api.removeKeyBacking({ key, provider: 'a' });
    assert.equal(opened.length, 1);
    await Promise.all(opened);
    assert.equal(it.a.calls('unwrap'), 0);
    assert.equal(it.a.calls('destroy'), 1);
  });

  test('may be down: its native keys stay, and the record says so', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    it.a.fault = failing('PROVIDER_UNAVAILABLE');
    const { versions } = await it.api.removeKeyBacking({ key, provider: 'a' });
    assert.deepEqual(versions[0]!.providers, ['b', 'c']);
    const [outcome, intent] = await records(it, 'RemoveKeyBacking');
    assert.deepEqual([outcome!['outcome'], outcome!['provider'], outcome!['missingHomes']], ['OK', 'a', ['a']]);
    assert.equal(intent!['phase'], 'intent');
    await it.api.encrypt({ key, plaintext: TEXT });
  });
});

suite('adopting a native key of strangers', () => {
  test('takes the provider from nobody, whatever our credentials may not see', async (t) => {
    const it = await homesService(t);
    const backings = [{ provider: 'a', ref: 'of-strangers' }];
    for (const operation of ['resolve', 'describe'] as const) {
      it.a.fault = failing('PROVIDER_DENIED', 'resolve', operation);
      await assert.rejects(it.api.createKey({ spec: 'P-256', backings }), {
        code: 'KEY_NOT_FOUND',
        message: 'provider `a` has no key `of-strangers`',
      });
    }
    const guard = it.services.homes.guards.find(({ name }) => name === 'a')!;
    assert.equal(guard.status().state, 'closed');
  });

  test('tells nothing of it that the caller has not said', async (t) => {
    const it = await homesService(t, {}, { a: { adopt: ['fake:mine/*'] } });
    const options = { signal: new AbortController().signal, timeoutMs: 1000 };
    await it.a.lifecycle.create({ spec: 'P-256', usage: 'sign-verify', name: 'theirs', tags: {} }, options);
    const words = async (ref: string): Promise<string> => {
      const backings = [{ provider: 'a', ref }];
      const error = await it.api.createKey({ spec: 'P-256', backings }).then(
        () => assert.fail('it was adopted'),
        (thrown: unknown) => thrown as ClavigerError,
      );
      return `${error.code}: ${error.message}`.replaceAll(ref, '…');
    };
    assert.equal(await words('theirs'), await words('nothing'));
    assert.match(await words('theirs'), /^PERMISSION_DENIED: .*lets nobody adopt `…`/);
  });

  test('asks a provider nothing that has no patterns', async (t) => {
    const it = await homesService(t, {}, { a: { adopt: [] } });
    await assert.rejects(it.api.createKey({ spec: 'P-256', backings: [{ provider: 'a', ref: 'any' }] }), {
      code: 'PERMISSION_DENIED',
      message: /provider `a` lets nobody adopt/,
    });
    assert.equal(it.a.calls(), 0);
  });
});

suite('the record', () => {
  test('of a request that no home answered names them all', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    for (const home of [it.a, it.b, it.c]) home.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'ALL_BACKINGS_FAILED' });
    assert.deepEqual((await records(it, 'Encrypt'))[0]!['missingHomes'], ['a', 'b', 'c']);
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'ALL_BACKINGS_FAILED' });
    assert.deepEqual((await records(it, 'Decrypt'))[0]!['failovers'], ['a', 'b', 'c']);
  });

  test('of a wrong answer names the home that gave it', async (t) => {
    const it = await homesService(t);
    const { id: key } = await it.api.createKey({ spec: 'P-256', group: 'three' });
    it.a.fault = () => ({ kind: 'corrupt' });
    await assert.rejects(it.api.sign({ key, message: TEXT }), { code: 'PROVIDER_INTEGRITY' });
    assert.equal((await records(it, 'Sign'))[0]!['provider'], 'a');
  });

  test('of a re-encryption names the home that opened, and those that wrapped', async (t) => {
    const it = await homesService(t);
    const [from, to] = await Promise.all(
      [
        ['a', 'b'],
        ['b', 'c'],
      ].map((names) => it.api.createKey({ spec: 'AES-256-GCM', backings: names.map((provider) => ({ provider })) })),
    );
    const { ciphertext } = await it.api.encrypt({ key: from!.id, plaintext: TEXT });
    await it.api.reEncrypt({ ciphertext, destinationKey: to!.id });
    assert.equal((await records(it, 'ReEncrypt'))[0]!['provider'], 'a,b,c');
  });
});

test('a dry run asks no home', async (t) => {
  const it = await homesService(t);
  const key = await symmetric(it);
  const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
  const calls = (): number => it.a.calls() + it.b.calls() + it.c.calls();
  const before = calls();
  const dry = {
    proof: { kind: 'principal', principal: principalOf(it.tenantId, KEY_USERS) },
    gateway: 'library',
    source: null,
    startedMs: monotonicMs(),
    dryRun: true,
    idempotency: null,
    trace: null,
  } as const;
  const requestId = (): string => uuidV7(it.clock.now(), it.services.random.bytes(10));
  const runs = [
    () => execute(it.services, OPERATIONS.encrypt, { ...dry, requestId: requestId() }, { key, plaintext: TEXT }),
    () => execute(it.services, OPERATIONS.decrypt, { ...dry, requestId: requestId() }, { ciphertext }),
    () => execute(it.services, OPERATIONS.rotateKey, { ...dry, requestId: requestId() }, { key }),
    () => execute(it.services, OPERATIONS.removeKeyBacking, { ...dry, requestId: requestId() }, { key, provider: 'a' }),
  ];
  for (const run of runs) await assert.rejects(run(), { code: 'DRY_RUN' });
  assert.equal(calls(), before);
});

suite('what a provider says of itself', () => {
  test('is not told to callers, who learn its name and how it fails', async (t) => {
    const it = await homesService(t);
    const key = await symmetric(it);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    for (const home of [it.a, it.b, it.c]) home.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(it.api.decrypt({ ciphertext }), {
      code: 'ALL_BACKINGS_FAILED',
      message:
        'no home of the key could `unwrap`: `a`: provider unavailable; `b`: provider unavailable; `c`: provider unavailable',
    });
    const told = { code: 'PROVIDER_DENIED', message: '`a`: provider refused our credentials' };
    it.a.fault = failing('PROVIDER_DENIED');
    await assert.rejects(it.api.createKey({ spec: 'P-256', backings: [{ provider: 'a' }] }), told);
    const guard = it.services.homes.guards.find(({ name }) => name === 'a')!;
    assert.equal(guard.status().state, 'closed', 'credentials that make no keys may use them still');
    const { results } = await it.api.decryptBatch({ key, items: [{ ciphertext }] });
    assert.deepEqual(
      results.map((result) => ('error' in result ? result.error.message : 'OK')),
      [told.message],
    );
  });
});
