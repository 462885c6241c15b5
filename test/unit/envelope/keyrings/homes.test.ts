/** Keyrings over homes: keys of providers that fail on command, keys of a service in this process, and both together. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test, type TestContext } from 'node:test';
import { ClavigerClient } from '../../../../src/client/index.ts';
import { ClavigerError, type ErrorCode } from '../../../../src/errors.ts';
import { clavigerKeyring, discoveryKeyring, HomesKeyring } from '../../../../src/envelope/keyrings/index.ts';
import { serviceGuard, serviceHome } from '../../../../src/envelope/keyrings/claviger.ts';
import type { KeyHome } from '../../../../src/envelope/keyrings/homes.ts';
import type { KeyService } from '../../../../src/envelope/key-service.ts';
import { NativeKey } from '../../../../src/envelope/keyrings/native.ts';
import { Claviger } from '../../../../src/index.ts';
import { systemClock } from '../../../../src/ports/clock.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { FakeProvider } from '../../../../src/providers/fake/index.ts';
import { Guard } from '../../../../src/resilience/index.ts';
import { failing, GROUP, GUARD, hanging, patient } from '../../../support/homes.ts';
import { changed, opened, textOf, unwrapRequest, wrapped, wrapRequest } from '../../../support/keyrings.ts';
import { removeFolder, testFolder } from '../../../support/server.ts';
import { until } from '../../../support/until.ts';

interface Native extends KeyHome {
  readonly fake: FakeProvider;
  readonly ref: string;
}

/** A key of a provider in memory; with its spec given, nothing is asked beforehand. */
async function native(name: string, isGiven = true): Promise<Native> {
  const fake = new FakeProvider({ name, clock: systemClock, random: systemRandom });
  const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: `key-of-${name}`, tags: {} } as const;
  const { ref } = await fake.lifecycle.create(wanted, patient());
  const guard = new Guard(fake, { ...GUARD, attempts: 1 }, { clock: systemClock, random: systemRandom });
  const key = new NativeKey(fake, isGiven ? { ref, spec: 'AES-256-GCM' } : { ref });
  return { name, guard, key, fake, ref };
}

async function three(): Promise<readonly [Native, Native, Native]> {
  return [await native('a'), await native('b'), await native('c')];
}

/** Counts calls of these operations. */
function counting(fake: FakeProvider, operation: string): { count: number } {
  const counted = { count: 0 };
  const { fault } = fake;
  fake.fault = (call) => {
    if (call.operation === operation) counted.count += 1;
    return fault?.(call) ?? null;
  };
  return counted;
}

suite('homes', () => {
  test('each home has one entry, and any of them opens it', async () => {
    const homes = await three();
    const { hex, entries, missing } = await wrapped(new HomesKeyring(homes, GROUP));
    assert.deepEqual(
      entries.map((entry) => [entry.providerId, textOf(entry)]),
      homes.map(({ ref }) => ['claviger:fake', ref]),
    );
    assert.deepEqual(missing, []);
    for (const home of homes) assert.equal(await opened(new HomesKeyring([home], GROUP), entries), hex);
  });

  test('a home that is down is missing from what is wrapped, and passed over when it is opened', async () => {
    const homes = await three();
    const keyring = new HomesKeyring(homes, GROUP);
    const before = await wrapped(keyring);
    homes[0].fake.fault = failing('PROVIDER_UNAVAILABLE');
    const { hex, entries, missing } = await wrapped(keyring);
    assert.deepEqual(missing, ['a']);
    assert.equal(entries.length, 2);
    assert.equal(await opened(keyring, entries), hex);
    assert.equal(await opened(keyring, before.entries), before.hex);
  });

  test('fewer wraps than the quorum refuse, and so do no homes that answer', async () => {
    const homes = await three();
    const keyring = new HomesKeyring(homes, { ...GROUP, wrapQuorum: 3 });
    const { entries } = await wrapped(keyring);
    homes[1].fake.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(keyring.wrap(wrapRequest()), { code: 'ALL_BACKINGS_FAILED' });
    for (const { fake } of homes) fake.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code: 'ALL_BACKINGS_FAILED' });
  });

  test('a slow home is waited for as long as the grace says', async () => {
    const homes = await three();
    homes[2].fake.fault = hanging();
    const { entries, missing } = await wrapped(new HomesKeyring(homes, { ...GROUP, wrapGraceMs: 5 }));
    assert.deepEqual([entries.length, missing], [2, ['c']]);
  });

  for (const code of ['KEY_DISABLED', 'PERMISSION_DENIED', 'KEY_STATE'] as const satisfies readonly ErrorCode[]) {
    test(`${code} of one home is passed on, and no other home works around it`, async () => {
      const homes = await three();
      const keyring = new HomesKeyring(homes, GROUP);
      const { entries } = await wrapped(keyring);
      homes[0].fake.fault = failing(code);
      await assert.rejects(keyring.wrap(wrapRequest()), { code });
      const others = homes.slice(1).map(({ fake }) => counting(fake, 'unwrap'));
      await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code });
      assert.deepEqual(
        others.map(({ count }) => count),
        [0, 0],
      );
    });
  }

  test('only what names its own keys is opened, and nothing is asked for the rest', async () => {
    const [a, b] = await three();
    const { entries } = await wrapped(new HomesKeyring([b], GROUP));
    const calls = [counting(a.fake, 'unwrap'), counting(a.fake, 'describe')];
    const keyring = new HomesKeyring([a], GROUP);
    const foreign = [
      ...entries,
      { ...entries[0]!, providerId: 'aws-kms' },
      { ...entries[0]!, providerInfo: Buffer.from(`${a.ref}0`) },
      { ...entries[0]!, providerInfo: Buffer.from([0xff, 0xfe]) },
      { ...entries[0]!, providerInfo: Buffer.from('') },
      { ...entries[0]!, providerId: 'claviger:pem', providerInfo: Buffer.from(a.ref) },
    ];
    // A version that cannot be one of the key is no reason to ask for it.
    foreign[2] = { ...entries[0]!, providerInfo: Buffer.from(a.ref.replace(/@.*/, '@0')) };
    await assert.rejects(keyring.unwrap(unwrapRequest(foreign)), { code: 'INVALID_CIPHERTEXT' });
    assert.deepEqual(
      calls.map(({ count }) => count),
      [0, 0],
    );
  });

  test('two homes that call their keys alike are told apart by what opens', async () => {
    const [a, b] = [await native('a'), await native('b')];
    // The same reference at both: two Vaults with a key of one name.
    const same = { ...b, key: new NativeKey(b.fake, { ref: b.ref, spec: 'AES-256-GCM' }) };
    const { hex, entries } = await wrapped(new HomesKeyring([b], GROUP));
    const misnamed = { ...a, key: { ...liar(a), mayHaveMade: () => true } };
    assert.equal(await opened(new HomesKeyring([misnamed, same], GROUP), entries), hex);
  });

  test('a wrap that was changed, or was made for another context, opens at no home', async () => {
    const homes = await three();
    const keyring = new HomesKeyring(homes, GROUP);
    const { hex, entries } = await wrapped(keyring);
    const refused = { code: 'INVALID_CIPHERTEXT' };
    await assert.rejects(keyring.unwrap(unwrapRequest(entries.map(changed))), refused);
    await assert.rejects(keyring.unwrap(unwrapRequest(entries, { context: {} })), refused);
    await assert.rejects(keyring.unwrap(unwrapRequest(entries, { bytes: 16 })), refused);
    assert.equal(await opened(keyring, [changed(entries[0]!), entries[1]!]), hex);
    // Swapped between homes.
    const [first, second] = entries as [(typeof entries)[number], (typeof entries)[number]];
    const swapped = [
      { ...first, ciphertext: second.ciphertext },
      { ...second, ciphertext: first.ciphertext },
    ];
    await assert.rejects(keyring.unwrap(unwrapRequest(swapped)), refused);
  });

  test('of entries that name one key, no more than four are tried', async () => {
    const home = await native('a');
    const keyring = new HomesKeyring([home], GROUP);
    const { hex, entries } = await wrapped(keyring);
    const bad = changed(entries[0]!);
    const calls = counting(home.fake, 'unwrap');
    await assert.rejects(keyring.unwrap(unwrapRequest(Array.from({ length: 16 }, () => bad))), {
      code: 'INVALID_CIPHERTEXT',
    });
    assert.equal(calls.count, 4);
    assert.equal(await opened(keyring, [bad, entries[0]!]), hex);
  });

  test('a key that was rotated at its home opens what its earlier version wrapped', async () => {
    const home = await native('a');
    const { hex, entries } = await wrapped(new HomesKeyring([home], GROUP));
    const { ref } = await home.fake.lifecycle.rotate!(home.ref, patient());
    assert.notEqual(ref, home.ref);
    const newer = { ...home, key: new NativeKey(home.fake, { ref, spec: 'AES-256-GCM' }) };
    assert.equal(await opened(new HomesKeyring([newer], GROUP), entries), hex);
  });

  test('what a reference stands for is asked once, and not while the home is down', async () => {
    const home = await native('a', false);
    const described = counting(home.fake, 'describe');
    const keyring = new HomesKeyring([home], GROUP);
    const { fault } = home.fake;
    home.fake.fault = failing('PROVIDER_UNAVAILABLE');
    await assert.rejects(keyring.wrap(wrapRequest()), { code: 'ALL_BACKINGS_FAILED' });
    home.fake.fault = fault;
    const { hex, entries } = await wrapped(keyring);
    assert.equal(await opened(keyring, entries), hex);
    await wrapped(keyring);
    assert.equal(described.count, 1);
  });

  test('what a slower home gives after a hedge is wiped', async () => {
    const [a, b] = await three();
    const keyring = new HomesKeyring([a, b], { ...GROUP, hedgeMs: 1 });
    const { hex, entries } = await wrapped(keyring);
    const late: Buffer[] = [];
    const slow = Promise.withResolvers<void>();
    const behind = {
      ...a,
      key: {
        ...liar(a),
        unwrap: async (...[given, bytes, context]: Parameters<typeof a.key.unwrap>) => {
          await slow.promise;
          const unwrapped = await a.key.unwrap(given, bytes, context, patient());
          late.push(unwrapped!.dataKey);
          return unwrapped;
        },
      },
    };
    assert.equal(await opened(new HomesKeyring([behind, b], { ...GROUP, hedgeMs: 1 }), entries), hex);
    slow.resolve();
    await until('the slower home has answered', () => late.length > 0);
    assert.deepEqual(late, [Buffer.alloc(32)]);
  });

  test('whoever gives up is told so at once', async () => {
    const homes = await three();
    for (const { fake } of homes) fake.fault = hanging();
    const gone = new AbortController();
    const asking = new HomesKeyring(homes, GROUP).wrap(wrapRequest({ signal: gone.signal }));
    gone.abort(new ClavigerError('CANCELED', 'the user left'));
    await assert.rejects(asking, { code: 'CANCELED', message: 'the user left' });
  });

  test('no key, seventeen keys, and a quorum out of reach are refused when the keyring is made', async () => {
    const home = await native('a');
    const invalid = { code: 'INVALID_ARGUMENT' };
    assert.throws(() => new HomesKeyring([]), invalid);
    assert.throws(() => new HomesKeyring(Array.from({ length: 17 }, () => home)), invalid);
    assert.throws(() => new HomesKeyring([home], { wrapQuorum: 2 }), invalid);
    assert.throws(() => new HomesKeyring([home], { wrapQuorum: 0 }), invalid);
    assert.throws(() => new NativeKey(home.fake, { ref: 'no reference', spec: 'AES-256-GCM' }), invalid);
    assert.throws(() => new NativeKey(home.fake, { ref: home.ref, spec: 'P-256' }), { code: 'UNSUPPORTED' });
  });
});

/** The methods of a home's key, to be replaced one by one. */
function liar({ key }: Native): KeyHome['key'] {
  return {
    mayHaveMade: (entry) => key.mayHaveMade(entry),
    wrap: (...request) => key.wrap(...request),
    unwrap: (...request) => key.unwrap(...request),
  };
}

suite('keys of a service', () => {
  test('a message names the key by its ARN as AWS does, and the blob opens under its context alone', async (t) => {
    const claviger = await service(t);
    const { arn, id } = await claviger.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
    for (const name of [arn, id, 'alias:orders']) {
      const keyring = clavigerKeyring(claviger, { key: name });
      const { hex, entries } = await wrapped(keyring);
      assert.deepEqual(
        entries.map((entry) => [entry.providerId, textOf(entry)]),
        [['aws-kms', arn]],
      );
      assert.equal(await opened(keyring, entries), hex);
      assert.equal(await opened(clavigerKeyring(claviger, { key: arn }), entries), hex);
      assert.equal(await opened(discoveryKeyring(claviger), entries), hex);
      await assert.rejects(keyring.unwrap(unwrapRequest(entries, { context: {} })), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('with several keys any of them opens it, whatever has become of the others', async (t) => {
    const claviger = await service(t);
    const [one, two] = [await newKey(claviger), await newKey(claviger)];
    const keyring = clavigerKeyring(claviger, { keys: [one, two], wrapQuorum: 2 });
    const { hex, entries } = await wrapped(keyring);
    assert.equal(entries.length, 2);
    await claviger.disableKey({ key: one });
    assert.equal(await opened(clavigerKeyring(claviger, { key: two }), entries), hex);
    await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code: 'KEY_DISABLED' });
    await assert.rejects(keyring.wrap(wrapRequest()), { code: 'KEY_DISABLED' });
  });

  test('a strict keyring opens nothing of other keys, and asks nobody', async (t) => {
    const claviger = await service(t);
    const [own, other] = [await newKey(claviger), await newKey(claviger)];
    const { entries } = await wrapped(clavigerKeyring(claviger, { key: other }));
    const asked: string[] = [];
    const watched = watching(claviger, (name) => asked.push(name));
    const keyring = clavigerKeyring(watched, { key: own });
    await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code: 'INVALID_CIPHERTEXT' });
    assert.deepEqual(asked, []);
    // An entry that claims to be of this key, with a blob of another.
    const claimed = [{ ...entries[0]!, providerInfo: Buffer.from(own) }];
    await assert.rejects(keyring.unwrap(unwrapRequest(claimed)), { code: 'INVALID_CIPHERTEXT' });
  });

  test('an alias stands for its first key for as long as the keyring lives', async (t) => {
    const claviger = await service(t);
    const { arn } = await claviger.createKey({ spec: 'AES-256-GCM', alias: 'moving' });
    const keyring = clavigerKeyring(claviger, { key: 'alias:moving' });
    const before = await wrapped(keyring);
    await claviger.updateAlias({ name: 'moving', key: await newKey(claviger) });
    const after = await wrapped(keyring);
    assert.deepEqual([...before.entries, ...after.entries].map(textOf), [arn, arn]);
  });

  test('a service that is down is a home that is down, and refusals are refusals', async (t) => {
    const claviger = await service(t);
    const key = await newKey(claviger);
    const spare = await native('spare');
    const stop = { code: null as ErrorCode | null };
    const flaky = watching(claviger, () => {
      if (stop.code !== null) throw new ClavigerError(stop.code, 'as the test wants it');
    });
    const home = serviceHome(serviceGuard(flaky, { attempts: 1 }), { service: flaky, key });
    const keyring = new HomesKeyring([home, spare], GROUP);
    const before = await wrapped(keyring);
    for (const code of [
      'PROVIDER_UNAVAILABLE',
      'ALL_BACKINGS_FAILED',
      'SEALED',
      'AUDIT_UNAVAILABLE',
      'THROTTLED',
    ] as const) {
      stop.code = code;
      const { missing } = await wrapped(keyring);
      assert.deepEqual(missing, [`claviger:${key}`], code);
      assert.equal(await opened(keyring, before.entries), before.hex, code);
      home.guard.clear();
    }
    for (const code of ['PERMISSION_DENIED', 'UNAUTHENTICATED', 'KEY_STATE'] as const) {
      stop.code = code;
      await assert.rejects(keyring.unwrap(unwrapRequest(before.entries)), { code });
    }
  });

  test('a proxy that says that the server is away is a home that is down', async () => {
    const spare = await native('spare');
    const page = async (): Promise<Response> => new Response('<h1>503 Service Unavailable</h1>', { status: 503 });
    const client = new ClavigerClient({ endpoint: 'http://127.0.0.1:1', token: 'clv_x', fetch: page });
    const home = serviceHome(serviceGuard(client, { attempts: 1 }), { service: client, key: 'alias:orders' });
    const { missing } = await wrapped(new HomesKeyring([home, spare], GROUP));
    assert.deepEqual(missing, ['claviger:alias:orders']);
  });

  test('what answers in the name of another key is not believed, and its data key is wiped', async (t) => {
    const claviger = await service(t);
    const [key, other] = [await newKey(claviger), await newKey(claviger)];
    const plaintext = randomBytes(32);
    const lying: KeyService = {
      ...watching(claviger, () => undefined),
      encrypt: async (input) => ({ ...(await claviger.encrypt(input)), arn: other }),
      decrypt: async () => ({ arn: other, keyId: '', keyVersion: 1, plaintext }),
    };
    const { entries } = await wrapped(clavigerKeyring(claviger, { key }));
    const keyring = clavigerKeyring(lying, { key, attempts: 1 });
    await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code: 'PROVIDER_INTEGRITY' });
    await assert.rejects(keyring.wrap(wrapRequest()), { code: 'PROVIDER_INTEGRITY' });
    assert.deepEqual(plaintext, Buffer.alloc(32));
  });

  test('homes that the key itself lacks are told as missing', async (t) => {
    const claviger = await service(t);
    const key = await newKey(claviger);
    const partial: KeyService = {
      ...watching(claviger, () => undefined),
      encrypt: async (input) => ({ ...(await claviger.encrypt(input)), missingHomes: ['vault'] }),
    };
    const { missing } = await wrapped(clavigerKeyring(partial, { key }));
    assert.deepEqual(missing, [`claviger:${key}/vault`]);
  });

  test('neither `key` nor `keys`, both, or an empty name are refused', () => {
    const invalid = { code: 'INVALID_ARGUMENT' };
    const nobody = {} as KeyService;
    assert.throws(() => clavigerKeyring(nobody, {}), invalid);
    assert.throws(() => clavigerKeyring(nobody, { keys: [] }), invalid);
    assert.throws(() => clavigerKeyring(nobody, { key: 'a', keys: ['b'] }), invalid);
    assert.throws(() => clavigerKeyring(nobody, { key: '' }), invalid);
  });
});

suite('discovery', () => {
  test('opens what the filter admits, and asks nobody for the rest', async (t) => {
    const claviger = await service(t);
    const key = await newKey(claviger);
    const [, , , region, accountId] = key.split(':') as [string, string, string, string, string];
    const { hex, entries } = await wrapped(clavigerKeyring(claviger, { key }));
    assert.equal(
      await opened(discoveryKeyring(claviger, { accountIds: [accountId], regions: [region] }), entries),
      hex,
    );
    const asked: string[] = [];
    const watched = watching(claviger, (name) => asked.push(name));
    for (const filter of [{ accountIds: ['000000000000'] }, { regions: ['mars-1'] }, { partition: 'aws-cn' }]) {
      const keyring = discoveryKeyring(watched, filter);
      await assert.rejects(keyring.unwrap(unwrapRequest(entries)), { code: 'INVALID_CIPHERTEXT' });
    }
    const unnamed = ['', 'alias/orders', `${key}/x`, key.replace(':key/', ':alias/'), 'x'.repeat(3000)];
    const odd = unnamed.map((text) => ({ ...entries[0]!, providerInfo: Buffer.from(text) }));
    const others = [{ ...entries[0]!, providerId: 'claviger:fake' }, ...odd];
    await assert.rejects(discoveryKeyring(watched).unwrap(unwrapRequest(others)), { code: 'INVALID_CIPHERTEXT' });
    assert.deepEqual(asked, []);
  });

  test('passes over keys that are not the caller’s, says where one was denied, and stops at one that is disabled', async (t) => {
    const claviger = await service(t);
    const [one, two] = [await newKey(claviger), await newKey(claviger)];
    const { hex, entries } = await wrapped(clavigerKeyring(claviger, { keys: [one, two], wrapQuorum: 2 }));
    const gone = { ...entries[0]!, providerInfo: Buffer.from(one.replace(/[0-9a-f]{4}$/, '0000')) };
    assert.equal(await opened(discoveryKeyring(claviger), [gone, entries[1]!]), hex);
    const denied = watching(claviger, (name, key) => {
      if (key === one) throw new ClavigerError('PERMISSION_DENIED', 'not you');
    });
    assert.equal(await opened(discoveryKeyring(denied), entries), hex);
    await assert.rejects(discoveryKeyring(denied).unwrap(unwrapRequest([entries[0]!])), { code: 'PERMISSION_DENIED' });
    await claviger.disableKey({ key: one });
    await assert.rejects(discoveryKeyring(claviger).unwrap(unwrapRequest(entries)), { code: 'KEY_DISABLED' });
  });

  test('asks for four entries of a message at most', async (t) => {
    const claviger = await service(t);
    const key = await newKey(claviger);
    const { entries } = await wrapped(clavigerKeyring(claviger, { key }));
    let asked = 0;
    const keyring = discoveryKeyring(watching(claviger, () => void (asked += 1)));
    const many = Array.from({ length: 16 }, () => changed(entries[0]!));
    await assert.rejects(keyring.unwrap(unwrapRequest(many)), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(asked, 4);
  });

  test('encrypts nothing, and refuses a filter that admits nothing', async () => {
    const nobody = {} as KeyService;
    await assert.rejects(discoveryKeyring(nobody).wrap(wrapRequest()), { code: 'UNSUPPORTED' });
    for (const filter of [{ accountIds: [] }, { regions: [] }, { accountIds: ['12'] }]) {
      assert.throws(() => discoveryKeyring(nobody, filter), { code: 'INVALID_ARGUMENT' });
    }
  });
});

async function service(t: TestContext): Promise<Claviger> {
  const folder = testFolder();
  const claviger = await Claviger.open({
    folder,
    principal: { name: 'test', roles: ['key-administrator', 'crypto-user'] },
  });
  t.after(async () => {
    await claviger.close();
    removeFolder(folder);
  });
  return claviger;
}

/** The ARN of a fresh key. */
async function newKey(claviger: Claviger): Promise<string> {
  return (await claviger.createKey({ spec: 'AES-256-GCM' })).arn;
}

/** A service of which every call is told first. */
function watching(service: Claviger, tell: (name: string, key: string | undefined) => void): KeyService {
  return {
    generateDataKey: async (input) => {
      tell('generateDataKey', input.key);
      return service.generateDataKey(input);
    },
    encrypt: async (input) => {
      tell('encrypt', input.key);
      return service.encrypt(input);
    },
    decrypt: async (input) => {
      tell('decrypt', input.key);
      return service.decrypt(input);
    },
    describeKey: async (input) => {
      tell('describeKey', input.key);
      return service.describeKey(input);
    },
  };
}
