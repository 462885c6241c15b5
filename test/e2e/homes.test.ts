/**
 * Keys with several homes, in a service in this process over providers in memory that fail on command.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { systemRandom } from '../../src/crypto/random.ts';
import { jwksOfTenant } from '../../src/gateways/jwks/gateway.ts';
import { describeHomes } from '../../src/jobs/homes.ts';
import { commonConfig } from '../../src/providers/config.ts';
import { FakeProvider } from '../../src/providers/fake/index.ts';
import { failing, homesService as world, type HomesService } from '../support/homes-service.ts';
import { openTestService, principalOf } from '../support/service.ts';

const TEXT = Buffer.from('the text');
const KEY_USERS = ['key-administrator', 'crypto-user'] as const;

const last = async (it: HomesService): Promise<Record<string, unknown>> => {
  return (await it.as('auditor').listAuditRecords({ limit: 1 })).records[0] as unknown as Record<string, unknown>;
};

suite('a symmetric key in a group', () => {
  test('is opened by any of its homes, and the answer and the record say by whom', async (t) => {
    const it = await world(t);
    const key = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    assert.deepEqual(key.homes, {
      group: 'three',
      providers: ['a', 'b', 'c'],
      onHomeRefusal: 'refuse',
      siblings: false,
    });
    assert.deepEqual(key.versions[0]!.providers, ['a', 'b', 'c']);
    const made = await it.api.encrypt({ key: key.id, plaintext: TEXT, context: { shop: '1' } });
    assert.equal(made.ciphertext[2], 2);
    for (const [alone, ...down] of [
      [it.a, it.b, it.c],
      [it.b, it.a, it.c],
      [it.c, it.a, it.b],
    ] as const) {
      alone.fault = () => null;
      for (const other of down) other.fault = failing('PROVIDER_UNAVAILABLE');
      const { plaintext } = await it.api.decrypt({ ciphertext: made.ciphertext, context: { shop: '1' } });
      assert.deepEqual(Buffer.from(plaintext), TEXT);
      assert.equal((await last(it))['provider'], alone.name);
    }
  });

  test('lacks the wraps of homes that were down, says which, and gets them by rewrap', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    it.b.fault = failing('PROVIDER_UNAVAILABLE');
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    assert.deepEqual((await last(it))['missingHomes'], ['b']);
    it.b.fault = () => null;
    const { ciphertext: whole } = await it.api.rewrap({ key, ciphertext });
    assert.ok(whole.length > ciphertext.length);
    for (const other of [it.a, it.c]) other.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'ALL_BACKINGS_FAILED' });
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext: whole })).plaintext), TEXT);
  });

  test('is encrypted under no fewer homes than its quorum, and decrypted by one', async (t) => {
    const it = await world(t, { wrapQuorum: 2 });
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    for (const down of [it.a, it.b]) down.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'ALL_BACKINGS_FAILED' });
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
  });

  test('refuses everywhere once one home has refused, until that home answers again', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.a.fault = failing('KEY_DISABLED');
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_DISABLED' });
    it.a.fault = () => null;
    const before = it.a.calls() + it.b.calls() + it.c.calls();
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_DISABLED', message: /home `a`/ });
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'KEY_DISABLED' });
    assert.equal(it.a.calls() + it.b.calls() + it.c.calls(), before, 'no home was asked');
    assert.deepEqual((await it.api.describeKey({ key })).versions[0]!.refusal?.provider, 'a');
    await describeHomes(it.services);
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
  });

  test('takes only the refusing home out where the key says so', async (t) => {
    const it = await world(t);
    const made = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three', onHomeRefusal: 'quarantine' });
    const { ciphertext } = await it.api.encrypt({ key: made.id, plaintext: TEXT });
    it.a.fault = failing('KEY_DISABLED');
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'KEY_DISABLED' }, 'the request that met it');
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
    assert.equal((await last(it))['provider'], 'b');
    const statuses = (await it.api.describeKey({ key: made.id })).versions[0]!.backings.map(({ status }) => status);
    assert.deepEqual(statuses, ['quarantined', 'live', 'live']);
  });

  test('finds a refusal that nobody has met', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    await it.api.encrypt({ key, plaintext: TEXT });
    it.c.fault = failing('KEY_DISABLED');
    await describeHomes(it.services);
    await assert.rejects(it.api.encrypt({ key, plaintext: TEXT }), { code: 'KEY_DISABLED', message: /home `c`/ });
  });

  test('does not open with a data key that a home gave but the ciphertext does not commit to', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.a.fault = ({ operation }) => (operation === 'unwrap' ? { kind: 'corrupt' } : null);
    const before = it.b.calls('unwrap') + it.c.calls('unwrap');
    await assert.rejects(it.api.decrypt({ ciphertext }), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(it.b.calls('unwrap') + it.c.calls('unwrap'), before, 'there is no second try');
    assert.match(await it.as('auditor').getMetrics(), /claviger_homes_disagreed_total\{provider="a"\} 1/);
  });

  test('refuses a forged blob before it asks any home', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    const before = it.a.calls() + it.b.calls() + it.c.calls();
    // Everything but what the seals do not cover: salt, commitment, text, and how many wraps there are.
    for (let at = 0; at < ciphertext.length - TEXT.length - 16; at++) {
      if (at >= 39 && at <= 39 + 64) continue;
      const changed = Buffer.from(ciphertext);
      changed[at]! ^= 1;
      await assert.rejects(it.api.decrypt({ key, ciphertext: changed }), (error: { code: string }) =>
        ['INVALID_CIPHERTEXT', 'INCORRECT_KEY'].includes(error.code),
      );
    }
    assert.equal(it.a.calls() + it.b.calls() + it.c.calls(), before);
    for (let at = 39; at <= 39 + 64; at++) {
      const changed = Buffer.from(ciphertext);
      changed[at]! ^= 1;
      await assert.rejects(it.api.decrypt({ key, ciphertext: changed }), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('shares one data key among the items of a batch, and opens each', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const before = it.a.calls('wrap');
    const items = Array.from({ length: 20 }, (_, at) => ({ plaintext: Buffer.from(`item ${at}`) }));
    const { results } = await it.api.encryptBatch({ key, items });
    assert.equal(it.a.calls('wrap') - before, 1);
    const blobs = results.map((result) => ('output' in result ? result.output.ciphertext : assert.fail()));
    assert.equal(new Set(blobs.map((blob) => Buffer.from(blob.subarray(39, 71)).toString('hex'))).size, 20, 'salts');
    const opened = await it.api.decryptBatch({ key, items: blobs.map((ciphertext) => ({ ciphertext })) });
    const texts = opened.results.map((result) =>
      'output' in result ? Buffer.from(result.output.plaintext).toString() : '',
    );
    assert.deepEqual(
      texts,
      items.map(({ plaintext }) => plaintext.toString()),
    );
  });

  test('opens old ciphertexts after a rotation, and encrypts under the new version', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const old = await it.api.encrypt({ key, plaintext: TEXT });
    const rotated = await it.api.rotateKey({ key });
    assert.equal(rotated.primaryVersion, 2);
    const next = await it.api.encrypt({ key, plaintext: TEXT });
    assert.equal(next.keyVersion, 2);
    for (const { ciphertext } of [old, next]) {
      assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
    }
  });

  test('is destroyed at its homes when its day comes', async (t) => {
    const it = await world(t);
    const { id: key, versions } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    await it.api.scheduleKeyDeletion({ key, pendingWindowDays: 7 });
    it.clock.advance(8 * 24 * 60 * 60 * 1000);
    await it.runJobs();
    assert.equal((await it.api.describeKey({ key })).state, 'Destroyed');
    const { ref } = versions[0]!.backings[0]!;
    const options = { signal: new AbortController().signal, timeoutMs: 100 };
    assert.notEqual((await it.a.describe(ref, options)).state, 'enabled');
    const { records } = await it.as('auditor').listAuditRecords({ operation: 'DestroyKey', intents: true });
    assert.deepEqual(
      records.map(({ phase, provider, missingHomes }) => [phase, provider, missingHomes]),
      [
        ['outcome', 'a,b,c', undefined],
        ['intent', 'a,b,c', undefined],
      ],
    );
  });
});

suite('a signing key', () => {
  test('with the same pair in several homes fails over, and every signature verifies', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'P-256', group: 'three' });
    for (const down of [null, it.a, it.b]) {
      if (down !== null) down.fault = failing('PROVIDER_UNAVAILABLE');
      const { signature } = await it.api.sign({ key, message: TEXT });
      assert.equal((await it.api.verify({ key, message: TEXT, signature })).valid, true);
    }
    assert.equal((await last(it))['operation'], 'Verify');
  });

  test('with siblings is signed by any, and verify accepts each of them', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'Ed25519', group: 'three', siblings: true });
    const first = await it.api.sign({ key, message: TEXT });
    it.a.fault = failing('PROVIDER_UNAVAILABLE');
    const second = await it.api.sign({ key, message: TEXT });
    const { jwk, siblings } = await it.api.getPublicKey({ key });
    const kids = [jwk, ...siblings!.map((sibling) => sibling.jwk)].map(({ kid }) => kid);
    assert.equal(new Set(kids).size, 3);
    await it.api.updateKey({ key, published: true });
    const published = (await jwksOfTenant(it.services, 'default')).keys.map((one) => (one as { kid: string }).kid);
    assert.deepEqual(new Set(published), new Set(kids));
    assert.notDeepEqual(first.signature, second.signature);
    for (const { signature } of [first, second]) {
      assert.equal((await it.api.verify({ key, message: TEXT, signature })).valid, true);
    }
  });

  test('whose home signs wrongly is refused, and no other home is asked', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'P-256', group: 'three' });
    it.a.fault = ({ operation }) => (operation === 'sign' ? { kind: 'corrupt' } : null);
    await assert.rejects(it.api.sign({ key, message: TEXT }), { code: 'PROVIDER_INTEGRITY' });
    assert.equal(it.b.calls('sign'), 0);
  });

  test('in one home outside is signed there', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'RSA-2048', backings: [{ provider: 'b' }] });
    const { signature } = await it.api.sign({ key, message: TEXT });
    assert.equal((await it.api.verify({ key, message: TEXT, signature })).valid, true);
    assert.equal(it.b.calls('sign'), 1);
  });
});

suite('a MAC key', () => {
  test('has the same material in all homes', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'HMAC-SHA-256', group: 'three' });
    const first = await it.api.generateMac({ key, message: TEXT });
    it.a.fault = failing('PROVIDER_UNAVAILABLE');
    assert.deepEqual((await it.api.generateMac({ key, message: TEXT })).mac, first.mac);
    assert.equal((await it.api.verifyMac({ key, message: TEXT, mac: first.mac })).valid, true);
  });
});

suite('a native key that is there', () => {
  const options = { signal: new AbortController().signal, timeoutMs: 1000 };
  const native = (provider: FakeProvider, spec: 'P-256' | 'AES-256-GCM' = 'P-256') =>
    provider.lifecycle.create(
      { spec, usage: spec === 'P-256' ? 'sign-verify' : 'encrypt-decrypt', name: 'legacy', tags: {} },
      options,
    );

  test('is adopted, used, and never destroyed', async (t) => {
    const it = await world(t);
    const { ref } = await native(it.a);
    const { id: key } = await it.api.createKey({ spec: 'P-256', backings: [{ provider: 'a', ref: 'legacy' }] });
    const { signature } = await it.api.sign({ key, message: TEXT });
    assert.equal((await it.api.verify({ key, message: TEXT, signature })).valid, true);
    await it.api.scheduleKeyDeletion({ key, pendingWindowDays: 7 });
    it.clock.advance(8 * 24 * 60 * 60 * 1000);
    await it.runJobs();
    assert.equal((await it.a.describe(ref, options)).state, 'enabled');
  });

  test('belongs to one tenant', async (t) => {
    const it = await world(t);
    await native(it.a);
    const backings = [{ provider: 'a', ref: 'legacy' }];
    await it.api.createKey({ spec: 'P-256', backings });
    await it.api.createKey({ spec: 'P-256', backings });
    const other = it.of(principalOf(await it.tenant('other'), KEY_USERS));
    await assert.rejects(other.createKey({ spec: 'P-256', backings }), {
      code: 'PERMISSION_DENIED',
      message: /another tenant/,
    });
  });

  test('is not adopted without a pattern, without the right, or as something else', async (t) => {
    const it = await world(t, {}, { a: { adopt: ['fake://elsewhere/*'] } });
    await native(it.a);
    await native(it.b);
    await assert.rejects(it.api.createKey({ spec: 'P-256', backings: [{ provider: 'a', ref: 'legacy' }] }), {
      code: 'PERMISSION_DENIED',
      message: /adopt/,
    });
    await assert.rejects(it.api.createKey({ spec: 'P-384', backings: [{ provider: 'b', ref: 'legacy' }] }), {
      code: 'INVALID_ARGUMENT',
      message: /its spec is `P-256`/,
    });
    await assert.rejects(it.api.createKey({ spec: 'P-256', backings: [{ provider: 'b', ref: 'nothing' }] }), {
      code: 'KEY_NOT_FOUND',
    });
    await assert.rejects(
      it.as('crypto-user').createKey({ spec: 'P-256', backings: [{ provider: 'b', ref: 'legacy' }] }),
      {
        code: 'PERMISSION_DENIED',
      },
    );
  });
});

suite('who may use which provider', () => {
  test('is what its configuration says: another tenant is told that there is none', async (t) => {
    const it = await world(t, {}, { a: { tenants: ['other'] } });
    await assert.rejects(it.api.createKey({ spec: 'P-256', backings: [{ provider: 'a' }] }), {
      code: 'INVALID_ARGUMENT',
      message: /no provider `a` is configured; there are `software`, `b`, `c`/,
    });
    const other = it.of(principalOf(await it.tenant('other'), KEY_USERS));
    await other.createKey({ spec: 'P-256', backings: [{ provider: 'a' }] });
  });
});

suite('homes of a key that is there', () => {
  test('one more: what the keystore alone has encrypted opens still, and what comes next has both', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM' });
    const before = await it.api.encrypt({ key, plaintext: TEXT });
    const after = await it.api.addKeyBacking({ key, provider: 'a' });
    assert.deepEqual(after.versions[0]!.providers, ['software', 'a']);
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext: before.ciphertext })).plaintext), TEXT);
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    it.a.fault = failing('PROVIDER_UNAVAILABLE');
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
    it.a.fault = () => null;
    const { ciphertext: moved } = await it.api.rewrap({ key, ciphertext: before.ciphertext });
    await it.api.removeKeyBacking({ key, provider: 'software' });
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext: moved })).plaintext), TEXT);
    // What the keystore encrypted directly opens still, also after the keystore was a home again.
    const opens = async (): Promise<string> =>
      Buffer.from((await it.api.decrypt({ ciphertext: before.ciphertext })).plaintext).toString();
    assert.equal(await opens(), TEXT.toString());
    await it.api.addKeyBacking({ key, provider: 'software' });
    assert.equal(await opens(), TEXT.toString());
  });

  test('one less: it is called no more, though ciphertexts name it', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({
      spec: 'AES-256-GCM',
      backings: [{ provider: 'a' }, { provider: 'b' }],
    });
    const { ciphertext } = await it.api.encrypt({ key, plaintext: TEXT });
    await it.api.removeKeyBacking({ key, provider: 'a' });
    const calls = it.a.calls();
    assert.deepEqual(Buffer.from((await it.api.decrypt({ ciphertext })).plaintext), TEXT);
    assert.equal(it.a.calls(), calls);
    await assert.rejects(it.api.removeKeyBacking({ key, provider: 'b' }), { code: 'CONFLICT', message: /only home/ });
    await assert.rejects(it.api.removeKeyBacking({ key, provider: 'a' }), { code: 'NOT_FOUND' });
    const again = await it.api.addKeyBacking({ key, provider: 'a' });
    assert.deepEqual(
      again.versions[0]!.backings.map(({ status }) => status),
      ['removed', 'live', 'live'],
    );
  });

  test('a signing key of the keystore is copied into a home, and signs there the same', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'P-256' });
    await it.api.addKeyBacking({ key, provider: 'a' });
    await it.api.removeKeyBacking({ key, provider: 'software' });
    const { signature } = await it.api.sign({ key, message: TEXT });
    assert.equal((await it.api.verify({ key, message: TEXT, signature })).valid, true);
    assert.equal(it.a.calls('sign'), 1);
    await assert.rejects(it.api.addKeyBacking({ key, provider: 'b' }), {
      code: 'UNSUPPORTED',
      message: /give it away/,
    });
  });

  test('repair makes the key live wherever its group says', async (t) => {
    const it = await world(t);
    const { id: key } = await it.api.createKey({ spec: 'AES-256-GCM', group: 'three' });
    const same = await it.api.repairKeyBackings({ key });
    assert.deepEqual(same.versions[0]!.providers, ['a', 'b', 'c']);
  });
});

suite('a key that could not be made everywhere', () => {
  test('is not made: what was made is destroyed again, and the log has intent and outcome', async (t) => {
    const it = await world(t);
    it.c.fault = failing('PROVIDER_UNAVAILABLE', 'create');
    await assert.rejects(it.api.createKey({ spec: 'AES-256-GCM', group: 'three' }), { code: 'PROVIDER_UNAVAILABLE' });
    assert.equal(it.a.calls('destroy'), 1);
    assert.equal(it.c.calls('create'), 1, 'a key is never made twice');
    const { records } = await it.as('auditor').listAuditRecords({ operation: 'CreateKey', intents: true });
    assert.deepEqual(
      records.map(({ phase, outcome }) => [phase, outcome]),
      [
        ['outcome', 'PROVIDER_UNAVAILABLE'],
        ['intent', null],
      ],
    );
    assert.equal(records[0]!.requestId, records[1]!.requestId);
    assert.deepEqual(await it.services.cache.store.intents(), []);
  });

  test('is refused before any call where a provider cannot do it', async (t) => {
    const it = await world(t);
    const calls = it.a.calls();
    await assert.rejects(it.api.createKey({ spec: 'AES-256-GCM', group: 'nothing' }), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(it.api.createKey({ spec: 'AES-256-GCM', group: 'three', backings: [{ provider: 'a' }] }), {
      code: 'INVALID_ARGUMENT',
    });
    await assert.rejects(it.api.createKey({ spec: 'HMAC-SHA-256', group: 'three', siblings: true }), {
      code: 'INVALID_ARGUMENT',
    });
    await assert.rejects(it.api.createKey({ spec: 'P-256', origin: 'external', group: 'three' }), {
      code: 'INVALID_ARGUMENT',
    });
    assert.equal(it.a.calls(), calls);
  });
});

suite('a service that does not start', () => {
  test('closes its providers', async (t) => {
    const it = await world(t);
    const provider = new FakeProvider({ name: 'a', clock: it.clock, random: systemRandom });
    const config = commonConfig.parse({ name: 'a' });
    await assert.rejects(openTestService({ folder: it.folder, providers: [{ provider, config }] }), {
      code: 'STORE_UNAVAILABLE',
    });
    const options = { signal: new AbortController().signal, timeoutMs: 1000 };
    await assert.rejects(provider.resolve('any', options), { code: 'PROVIDER_UNAVAILABLE' });
  });
});
