import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { Claviger, type OpenOptions } from '../../src/index.ts';
import { removeFolder, testFolder } from '../support/server.ts';

const folder = testFolder();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let claviger: Claviger;

before(async () => {
  claviger = await Claviger.open({
    folder,
    principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
  });
});
after(async () => {
  await claviger.close();
  removeFolder(folder);
});

test('policy and log hold in-process too', async () => {
  const auditor = claviger.as({ name: 'auditor', roles: ['auditor'] });
  await assert.rejects(auditor.createKey({ spec: 'P-256' }), { code: 'PERMISSION_DENIED' });
  const { records } = await auditor.listAuditRecords({ outcome: 'PERMISSION_DENIED' });
  assert.equal(records[0]!.operation, 'CreateKey');
  assert.equal(records[0]!.principal, 'library/auditor');
});

test('roles that conflict are refused in-process as well', async () => {
  assert.throws(() => claviger.as({ name: 'both', roles: ['security-officer', 'crypto-user'] }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('a folder has one owner', async () => {
  await assert.rejects(Claviger.open({ folder, principal: { name: 'second', roles: ['auditor'] } }), {
    code: 'STORE_UNAVAILABLE',
    message: /in use by another process/,
  });
});

test('what was made is there when the folder is opened again, and only with its root key', async () => {
  const other = testFolder();
  const open = (rootKey?: string): Promise<Claviger> =>
    Claviger.open({
      folder: other,
      principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] },
      ...(rootKey === undefined ? {} : { rootKey }),
    });
  const first = await open();
  const { id } = await first.createKey({ spec: 'AES-256-GCM' });
  const { ciphertext } = await first.encrypt({ key: id, plaintext: bytes('kept') });
  await first.close();
  const second = await open();
  assert.deepEqual((await second.decrypt({ ciphertext })).plaintext, Buffer.from('kept'));
  await second.close();
  await assert.rejects(open(`${other}/another.key`), { code: 'SEALED', message: /root key is missing/ });
  removeFolder(other);
});

test('close answers what is under way, takes nothing more, and may be called again', async () => {
  const other = testFolder();
  const shop = { name: 'shop', roles: ['key-administrator', 'crypto-user'] } as const;
  const first = await Claviger.open({ folder: other, principal: shop });
  const { id } = await first.createKey({ spec: 'P-256' });
  const { id: slow } = await first.createKey({ spec: 'RSA-2048' });
  const second = first.as(shop);
  const message = bytes('hello');
  const asked = Promise.all([
    ...Array.from({ length: 20 }, () => first.sign({ key: id, message })),
    ...Array.from({ length: 20 }, () => second.sign({ key: slow, message })),
  ]);
  const closed = Promise.all([first.close(), second.close()]);
  await assert.rejects(second.sign({ key: id, message }), { code: 'AUDIT_UNAVAILABLE', message: /is closed/ });
  assert.equal((await asked).length, 40);
  await closed;
  await first.close();
  removeFolder(other);
});

suite('keys with homes outside', () => {
  const principal = { name: 'shop', roles: ['key-administrator', 'crypto-user'] } as const;
  const open = (homes: Partial<OpenOptions>): Promise<Claviger> => Claviger.open({ folder: own, principal, ...homes });
  let own: string;
  beforeEach(() => {
    own = testFolder();
  });
  afterEach(() => removeFolder(own));

  test('are made in providers and groups that the program gives, and say who did the work', async () => {
    await using library = await open({
      providers: [
        { name: 'one', kind: 'fake' },
        { name: 'two', kind: 'fake', latencyMs: 1 },
      ],
      groups: [{ name: 'both', members: ['one', 'two'], wrapQuorum: 2 }],
    });
    const { id: key, homes } = await library.createKey({ spec: 'AES-256-GCM', group: 'both' });
    assert.deepEqual(homes?.providers, ['one', 'two']);
    const { ciphertext, provider, missingHomes } = await library.encrypt({ key, plaintext: bytes('x') });
    assert.deepEqual([provider, missingHomes], ['one,two', []]);
    assert.deepEqual((await library.decrypt({ ciphertext })).provider, 'one');
  });

  test('are not made where a provider or group could never work: each mistake is named', async () => {
    await assert.rejects(open({ providers: [{ name: 'A', kind: 'fake' }] }), {
      code: 'INVALID_ARGUMENT',
      message: /`providers.0.name`: must be 1 to 63/,
    });
    await assert.rejects(open({ groups: [{ name: 'g', members: ['nowhere'] }] }), {
      code: 'INVALID_ARGUMENT',
      message: /`groups.0.members.0`: there is no provider `nowhere`/,
    });
    const away = {
      name: 'a',
      kind: 'aws-kms',
      region: 'eu-west-1',
      ambient: true,
      caFile: 'no-such-file.pem',
    } as const;
    await assert.rejects(open({ providers: [away] }), { code: 'PROVIDER_MISCONFIGURED', message: /no-such-file/ });
    await using library = await open({});
    assert.ok(library, 'the folder is free');
  });
});
