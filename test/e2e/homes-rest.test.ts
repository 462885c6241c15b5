/**
 * Keys with homes outside, over real HTTP: what answers and refusals say, who may do what, and what a configuration may be.
 *
 * Homes that fail are our own AWS KMS endpoint behind a proxy; the others are providers in memory.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ClavigerClient } from '../../src/client/index.ts';
import { createLog } from '../../src/server/log.ts';
import { runCli } from '../support/cli.ts';
import { startRegion, type TestRegion } from '../support/region.ts';
import { removeFolder, startTestServer, testFolder, type TestAnswer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const TEXT = Buffer.from('hello').toString('base64');
const UP = { kind: 'pass' } as const;
const DOWN = { kind: 'refuse' } as const;

let east: TestRegion;
let west: TestRegion;
let server: TestServer;
/** Somebody of the tenant `shop`, with every role there. */
let shop: ClavigerClient;
const logLines: string[] = [];
const folder = testFolder();

before(async () => {
  [east, west] = await Promise.all([startRegion('east', ', adopt: ["arn:aws:kms:*"]'), startRegion('west')]);
  mkdirSync(join(folder, 'policies'));
  writeFileSync(
    join(folder, 'policies', 'adoption.cedar'),
    `@id("legal-only")
@explain("only the legal department takes native keys over")
forbid (principal, action == Claviger::Action::"AdoptNativeKey", resource)
unless { principal.name == "legal" || principal.name == "development" };
`,
  );
  const config = `
policies: policies
limits: { changesPerSecond: 100000 }
providers:
${east.yaml}${west.yaml}
  - { name: one, kind: fake, adopt: ['*'] }
  - { name: two, kind: fake }
  - { name: three, kind: fake }
  - { name: of-shop, kind: fake, adopt: ['*'], tenants: [shop] }
groups:
  - { name: far, members: [east, west, software], wrapQuorum: 2, wrapGraceMs: 20000, deadlineMs: 30000 }
  - { name: signing, members: [east, west], deadlineMs: 30000 }
  - { name: near, members: [one, two, three], wrapQuorum: 2 }
  - { name: of-shop, members: [one, two], tenants: [shop] }
  - { name: half-of-shop, members: [one, of-shop] }
`;
  const logs = (['json', 'text'] as const).map((format) =>
    createLog({ format, level: 'info' }, (line) => void logLines.push(line)),
  );
  server = await startTestServer({
    folder,
    config,
    environment: { ...east.environment, ...west.environment },
    log: { write: (...said) => logs.forEach((log) => log.write(...said)) },
  });
  const { token } = await server.client.createTenant({ name: 'shop' });
  const officer = new ClavigerClient({ endpoint: server.endpoint, token });
  const roles = ['key-administrator', 'crypto-user'] as const;
  const made = await officer.createToken({ name: 'legal', roles });
  shop = new ClavigerClient({ endpoint: server.endpoint, token: made.token! });
});
after(async () => {
  await server.stop();
  await Promise.all([east.stop(), west.stop()]);
  removeFolder(folder);
});

async function post(path: string, body: object, options?: { token?: string }): Promise<TestAnswer> {
  return server.fetch('POST', `/v1/${path}`, body, options);
}

async function refused(answer: Promise<TestAnswer>, status: number, code: string, detail: RegExp): Promise<void> {
  const { status: given, body } = await answer;
  assert.deepEqual([given, body.code], [status, code], JSON.stringify(body));
  assert.match(body.detail as string, detail);
}

async function make(body: object): Promise<string> {
  const { status, body: key } = await post('keys', body);
  assert.equal(status, 201, JSON.stringify(key));
  return key.id as string;
}

/** Waits until both homes are called again. */
async function heal(): Promise<void> {
  await Promise.all([east.proxy.set(UP), west.proxy.set(UP)]);
  await until('both are called again', async () => {
    const { providers } = await server.client.getHealth();
    return providers.every(({ circuit }) => circuit === 'closed');
  });
}

suite('an answer', () => {
  test('names the homes that wrapped, in headers and in JSON', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'near' });
    const { headers, body } = await post(`keys/${key}:encrypt`, { plaintext: TEXT });
    assert.equal(headers.get('x-claviger-provider'), 'one,two,three');
    assert.equal(headers.get('x-claviger-failovers'), '');
    assert.deepEqual([body.provider, body.failovers, body.missingHomes], ['one,two,three', [], []]);
    const opened = await post(`keys/${key}:decrypt`, { ciphertext: body.ciphertext });
    assert.equal(opened.headers.get('x-claviger-provider'), 'one');
    assert.deepEqual([opened.body.plaintext, opened.body.provider], [TEXT, 'one']);
  });

  test('of a key in the built-in keystore alone says nothing of homes', async () => {
    const key = await make({ spec: 'AES-256-GCM', backings: [{ provider: 'software' }] });
    const { headers, body } = await post(`keys/${key}:encrypt`, { plaintext: TEXT });
    assert.equal(headers.get('x-claviger-provider'), null);
    assert.equal(headers.get('x-claviger-failovers'), null);
    assert.ok(!('provider' in body) && !('failovers' in body) && !('missingHomes' in body));
    assert.equal((await server.client.describeKey({ key })).homes, null);
  });

  test('of a batch names them once', async () => {
    const key = await make({ spec: 'P-256', group: 'signing' });
    const { headers, body } = await post(`keys/${key}:signBatch`, { items: [{ message: TEXT }, { message: TEXT }] });
    assert.equal(headers.get('x-claviger-provider'), 'east');
    assert.equal(body.results.length, 2);
  });

  test('says which home was to sign and did not', async () => {
    const key = await make({ spec: 'P-256', group: 'signing' });
    await east.proxy.set(DOWN);
    const { headers, body } = await post(`keys/${key}:sign`, { message: TEXT });
    assert.deepEqual([headers.get('x-claviger-provider'), headers.get('x-claviger-failovers')], ['west', 'east']);
    assert.deepEqual([body.provider, body.failovers], ['west', ['east']]);
    const { records } = await server.client.listAuditRecords({ operation: 'Sign', limit: 1 });
    assert.deepEqual([records[0]!.provider, records[0]!.failovers], ['west', ['east']]);
    assert.equal(
      (
        await server.client.verify({
          key,
          message: Buffer.from('hello'),
          signature: Buffer.from(body.signature as string, 'base64'),
        })
      ).valid,
      true,
    );
    await heal();
  });

  test('says which homes a ciphertext lacks, and rewrap completes it', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far' });
    await west.proxy.set(DOWN);
    const { body: short } = await post(`keys/${key}:encrypt`, { plaintext: TEXT });
    assert.deepEqual([short.provider, short.missingHomes], ['east,software', ['west']]);
    await refused(post(`keys/${key}:rewrap`, { ciphertext: short.ciphertext }), 503, 'ALL_BACKINGS_FAILED', /`west`/);
    await heal();
    const { headers, body: whole } = await post(`keys/${key}:rewrap`, { ciphertext: short.ciphertext });
    assert.deepEqual(whole.missingHomes, []);
    assert.match(headers.get('x-claviger-provider')!, /west/);
    assert.ok(whole.ciphertext.length > short.ciphertext.length);
    assert.deepEqual(
      (await post(`keys/${key}:rewrap`, { ciphertext: whole.ciphertext })).body.ciphertext,
      whole.ciphertext,
    );
    await east.proxy.set(DOWN);
    await server.client.removeKeyBacking({ key, provider: 'software' });
    const { body: opened } = await post(`keys/${key}:decrypt`, { ciphertext: whole.ciphertext });
    assert.deepEqual([opened.plaintext, opened.provider], [TEXT, 'west']);
    await heal();
  });

  test('of 503 says of each home why it did not answer', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far' });
    await Promise.all([east.proxy.set(DOWN), west.proxy.set(DOWN)]);
    await refused(
      post(`keys/${key}:encrypt`, { plaintext: TEXT }),
      503,
      'ALL_BACKINGS_FAILED',
      /wrapped by 2 of 3 homes.*`east`.*`west`/s,
    );
    await heal();
  });

  test('that describes a key has its homes, and the native keys behind them', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far', onHomeRefusal: 'quarantine' });
    const { body } = await server.fetch('GET', `/v1/keys/${key}`);
    assert.deepEqual(body.homes, {
      group: 'far',
      providers: ['east', 'west', 'software'],
      onHomeRefusal: 'quarantine',
      siblings: false,
    });
    const [first] = body.versions[0].backings;
    assert.deepEqual(first, { provider: 'east', ref: first.ref, adopted: false, status: 'live', refusal: null });
    const native = await east.server.client.describeKey({ key: first.ref });
    assert.deepEqual([native.spec, native.tags['claviger-key']], ['AES-256-GCM', key]);
  });

  test('of health tells officers and auditors each circuit, and the system scope its last error', async () => {
    await west.proxy.set(DOWN);
    const key = await make({ spec: 'AES-256-GCM', backings: [{ provider: 'east' }, { provider: 'software' }] });
    await post('keys', { spec: 'AES-256-GCM', backings: [{ provider: 'west' }] });
    const all = (await server.client.getHealth()).providers;
    assert.deepEqual(
      all.map(({ name }) => name),
      ['software', 'east', 'west', 'one', 'two', 'three', 'of-shop'],
    );
    assert.match(all.find(({ name }) => name === 'west')!.lastError!.message, /west.*cannot be reached/s);
    const auditor = (await (await server.clientWith('auditor')).getHealth()).providers;
    assert.ok(!auditor.some(({ name }) => name === 'of-shop'), 'a provider of another tenant is not there');
    assert.ok(auditor.every(({ lastError }) => lastError === null));
    assert.ok(key);
    await heal();
  });
});

suite('a refusal', () => {
  const invalid = (body: object, detail: RegExp): Promise<void> =>
    refused(post('keys', { spec: 'AES-256-GCM', ...body }), 400, 'INVALID_ARGUMENT', detail);

  test('of a provider or group that is not there says which there are', async () => {
    const there = '`software`, `east`, `west`, `one`, `two`, `three`';
    await invalid(
      { backings: [{ provider: 'nowhere' }] },
      new RegExp(`^no provider \`nowhere\` is configured; there are ${there}$`),
    );
    await invalid(
      { group: 'nowhere' },
      /^no provider group `nowhere` is configured; there are `far`, `signing`, `near`, `half-of-shop`$/,
    );
    const key = await make({ spec: 'AES-256-GCM' });
    await refused(
      post(`keys/${key}:addBacking`, { provider: 'nowhere' }),
      400,
      'INVALID_ARGUMENT',
      /no provider `nowhere`/,
    );
    await refused(post('providers/nowhere:clear', {}), 404, 'NOT_FOUND', /no provider `nowhere`/);
  });

  test('of homes that make no sense says why', async () => {
    await invalid({ backings: [] }, /`backings`/);
    await invalid({ backings: [{ provider: 'one', reference: 'x' }] }, /`backings.0`: there is no field `reference`/);
    await invalid({ backings: [{ provider: 'one' }], group: 'near' }, /not both/);
    await invalid({ backings: [{ provider: 'one' }, { provider: 'one' }] }, /names a provider twice/);
    await invalid({ backings: [{ provider: 'one', ref: 'a' }, { provider: 'one' }] }, /names a provider twice/);
    await invalid({ backings: [{ provider: 'software', ref: 'a' }] }, /no native keys to adopt/);
    await invalid({ group: 'near', origin: 'external' }, /imported into the built-in keystore/);
    await invalid({ siblings: true }, /name `backings` or a `group`/);
    await invalid({ onHomeRefusal: 'quarantine' }, /name `backings` or a `group`/);
    await invalid({ group: 'near', onHomeRefusal: 'ignore' }, /`onHomeRefusal`/);
  });

  test('of siblings is for every key that does not sign: two pairs would give two secrets', async () => {
    for (const spec of [
      { spec: 'AES-256-GCM' },
      { spec: 'HMAC-SHA-256' },
      { spec: 'P-256', usage: 'key-agreement' },
      { spec: 'RSA-2048', usage: 'encrypt-decrypt' },
      { spec: 'ML-KEM-768' },
    ]) {
      await invalid({ ...spec, group: 'near', siblings: true }, /only keys that sign have siblings/);
    }
  });

  test('of a native key names the provider, and what is wrong with the key', async () => {
    const key = await make({ spec: 'P-256', backings: [{ provider: 'one' }] });
    const { ref } = (await server.client.describeKey({ key })).versions[0]!.backings[0]!;
    const adopt = (spec: string, provider: string, name: string, usage?: string): Promise<TestAnswer> =>
      post('keys', { spec, usage, backings: [{ provider, ref: name }] });
    await refused(
      adopt('P-256', 'one', 'no-such-key'),
      404,
      'KEY_NOT_FOUND',
      /^provider `one` has no key `no-such-key`$/,
    );
    await refused(adopt('P-256', 'one', 'Not A Key'), 400, 'INVALID_ARGUMENT', /Not A Key/);
    await refused(adopt('P-384', 'one', ref), 400, 'INVALID_ARGUMENT', /its spec is `P-256`, not `P-384`/);
    await refused(adopt('P-256', 'one', ref, 'key-agreement'), 400, 'INVALID_ARGUMENT', /it is for `sign-verify`/);
    const other = await make({ spec: 'P-256', backings: [{ provider: 'two' }] });
    const { ref: unnamed } = (await server.client.describeKey({ key: other })).versions[0]!.backings[0]!;
    await refused(adopt('P-256', 'two', unnamed), 403, 'PERMISSION_DENIED', /`two` lets nobody adopt native keys/);
  });

  test('of a change of homes says what stands in the way', async () => {
    const key = await make({ spec: 'P-256', group: 'near' });
    const change = (verb: string, body: object): Promise<TestAnswer> => post(`keys/${key}:${verb}`, body);
    await refused(change('addBacking', { provider: 'one' }), 409, 'KEY_EXISTS', /lives in `one` already/);
    await refused(change('addBacking', { provider: 'east' }), 400, 'UNSUPPORTED', /do not give it away/);
    await refused(change('addBacking', {}), 400, 'INVALID_ARGUMENT', /`provider`/);
    await refused(change('removeBacking', { provider: 'east' }), 404, 'NOT_FOUND', /does not live in `east`/);
    await change('removeBacking', { provider: 'one' });
    await change('removeBacking', { provider: 'two' });
    await refused(change('removeBacking', { provider: 'three' }), 409, 'CONFLICT', /only home/);
    const plain = await make({ spec: 'P-256' });
    await refused(post(`keys/${plain}:repairBackings`, {}), 400, 'UNSUPPORTED', /add a home first/);
    await refused(post(`keys/${plain}:rewrap`, { ciphertext: TEXT }), 400, 'KEY_USAGE', /is for `sign-verify`/);
    const lone = await make({ spec: 'AES-256-GCM' });
    await refused(post(`keys/${lone}:rewrap`, { ciphertext: TEXT }), 400, 'UNSUPPORTED', /nothing is missing/);
  });

  test('by a home names the home, now and later, until it answers again', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far' });
    const { ciphertext } = (await post(`keys/${key}:encrypt`, { plaintext: TEXT })).body;
    const native = (await server.client.describeKey({ key })).versions[0]!.backings[1]!.ref;
    await west.server.client.disableKey({ key: native });
    await refused(
      post(`keys/${key}:encrypt`, { plaintext: TEXT }),
      409,
      'KEY_DISABLED',
      /^home `west` of key .* refuses it: provider `west` does not Encrypt: the key is disabled there$/,
    );
    const asked = east.proxy.requests + west.proxy.requests;
    await refused(
      post(`keys/${key}:decrypt`, { ciphertext }),
      409,
      'KEY_DISABLED',
      /^home `west` of key .* refuses it since 20.*; no other home is asked until it answers again$/,
    );
    assert.equal(east.proxy.requests + west.proxy.requests, asked, 'no home was asked');
    const { records } = await server.client.listAuditRecords({ operation: 'Encrypt', limit: 1 });
    assert.deepEqual([records[0]!.key, records[0]!.keyVersion, records[0]!.provider], [key, 1, 'west']);
    await west.server.client.enableKey({ key: native });
    await server.client.removeKeyBacking({ key, provider: 'west' });
    assert.equal(
      (await post(`keys/${key}:decrypt`, { ciphertext })).body.plaintext,
      TEXT,
      'a home that is gone refuses no more',
    );
  });

  test('by a home that is quarantined is shown with the key', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far', onHomeRefusal: 'quarantine' });
    const native = (await server.client.describeKey({ key })).versions[0]!.backings[0]!.ref;
    await east.server.client.disableKey({ key: native });
    await refused(post(`keys/${key}:encrypt`, { plaintext: TEXT }), 409, 'KEY_DISABLED', /home `east`/);
    const { body } = await post(`keys/${key}:encrypt`, { plaintext: TEXT });
    assert.deepEqual([body.provider, body.missingHomes], ['west,software', ['east']]);
    const [first] = (await server.client.describeKey({ key })).versions[0]!.backings;
    assert.deepEqual([first!.status, first!.refusal?.code], ['quarantined', 'KEY_DISABLED']);
  });
});

suite('roles', () => {
  test('that use keys change no homes, and those that manage keys complete no ciphertexts', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'near' });
    const user = await server.clientWith('crypto-user');
    const { ciphertext } = await user.encrypt({ key, plaintext: Buffer.from('x') });
    await user.rewrap({ key, ciphertext });
    for (const change of [
      user.addKeyBacking({ key, provider: 'software' }),
      user.removeKeyBacking({ key, provider: 'one' }),
      user.repairKeyBackings({ key }),
      user.createKey({ spec: 'AES-256-GCM', group: 'near' }),
    ]) {
      await assert.rejects(change, { code: 'PERMISSION_DENIED' });
    }
    const administrator = await server.clientWith('key-administrator');
    await administrator.addKeyBacking({ key, provider: 'software' });
    await assert.rejects(administrator.rewrap({ key, ciphertext }), { code: 'PERMISSION_DENIED' });
  });

  test('of officers reach a provider in the system scope only, and no others do', async () => {
    const { client, endpoint } = server;
    const made = await client.createToken({ name: 'operator', roles: ['security-officer'], systemScope: true });
    const operator = new ClavigerClient({ endpoint, token: made.token! });
    const cleared = await operator.clearProvider({ provider: 'west' });
    assert.deepEqual([cleared.name, cleared.circuit], ['west', 'closed']);
    for (const role of ['security-officer', 'key-administrator', 'crypto-user', 'auditor', 'approver']) {
      const other = await server.clientWith(role);
      await assert.rejects(other.clearProvider({ provider: 'west' }), { code: 'PERMISSION_DENIED' }, role);
    }
  });

  test('adopt native keys unless a policy of the operator forbids it, which forbids nothing else', async () => {
    const key = await make({ spec: 'P-256', backings: [{ provider: 'one' }] });
    const { ref } = (await server.client.describeKey({ key })).versions[0]!.backings[0]!;
    const administrator = await server.clientWith('key-administrator');
    const own = await administrator.createKey({ spec: 'P-256', backings: [{ provider: 'two' }] });
    const adopt = { spec: 'P-256', backings: [{ provider: 'one', ref }] } as const;
    await assert.rejects(administrator.createKey(adopt), {
      code: 'PERMISSION_DENIED',
      message: /may not AdoptNativeKey here/,
    });
    await assert.rejects(administrator.addKeyBacking({ key: own.id, provider: 'one', ref }), {
      code: 'PERMISSION_DENIED',
    });
    const { records } = await server.client.listAuditRecords({ outcome: 'PERMISSION_DENIED', limit: 1 });
    assert.deepEqual(records[0]!.policies, ['adoption/legal-only']);
    assert.ok((await server.client.createKey(adopt)).versions[0]!.backings[0]!.adopted);
  });
});

suite('the list of the log', () => {
  test('shows the intents of changes at homes on request only, over REST as on the command line', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'near' });
    const phases = (records: readonly { readonly phase: string }[]): readonly string[] =>
      records.map(({ phase }) => phase);
    const path = `/v1/audit/records?operation=CreateKey&key=${key}`;
    const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
    const args = ['audit', 'list', '--operation', 'CreateKey', '--key', key];
    for (const [query, flags, expected] of [
      ['', [], ['outcome']],
      ['&intents=false', [], ['outcome']],
      ['&intents=true', ['--intents'], ['outcome', 'intent']],
    ] as const) {
      const { status, body } = await server.fetch('GET', `${path}${query}`);
      assert.deepEqual([status, phases(body.records)], [200, expected]);
      const { stdout } = await runCli([...args, ...flags, '--json'], { env });
      assert.deepEqual(phases(JSON.parse(stdout).records), expected);
    }
    const { stdout } = await runCli([...args, '--intents'], { env });
    assert.match(stdout, /^INDEX .*\n\d+ .* CreateKey +OK .*\n\d+ .* CreateKey +intent /);
    const asked = await server.client.listAuditRecords({ operation: 'CreateKey', key, intents: true });
    assert.deepEqual(phases(asked.records), ['outcome', 'intent']);
  });
});

suite('tenants', () => {
  test('are told of a provider or group of others what they are told of one that does not exist', async () => {
    const answers = await Promise.all(
      ['of-shop', 'nowhere'].flatMap((name) => [
        post('keys', { spec: 'AES-256-GCM', group: name }),
        post('keys', { spec: 'AES-256-GCM', backings: [{ provider: name }] }),
      ]),
    );
    const [group, provider, noGroup, noProvider] = answers.map(({ status, body }) => ({
      status,
      code: body.code as string,
      detail: (body.detail as string).replaceAll(/of-shop|nowhere/g, '…'),
    }));
    assert.deepEqual(group, noGroup);
    assert.deepEqual(provider, noProvider);
    await shop.createKey({ spec: 'AES-256-GCM', group: 'of-shop' });
    await shop.createKey({ spec: 'AES-256-GCM', backings: [{ provider: 'of-shop' }] });
  });

  test('that may use a group need every member of it', async () => {
    await refused(
      post('keys', { spec: 'AES-256-GCM', group: 'half-of-shop' }),
      400,
      'INVALID_ARGUMENT',
      /no provider `of-shop` is configured/,
    );
    await shop.createKey({ spec: 'AES-256-GCM', group: 'half-of-shop' });
  });

  test('own a native key alone: the first that adopted or made it', async () => {
    const native = await east.server.client.createKey({ spec: 'P-256' });
    const backings = [{ provider: 'east', ref: native.arn }];
    await shop.createKey({ spec: 'P-256', backings });
    await shop.createKey({ spec: 'P-256', backings });
    const denied = { code: 'PERMISSION_DENIED', message: /belongs to another tenant/ };
    await assert.rejects(server.client.createKey({ spec: 'P-256', backings }), denied);
    const made = await server.client.createKey({ spec: 'P-256', backings: [{ provider: 'east' }] });
    const { ref } = made.versions[0]!.backings[0]!;
    await assert.rejects(shop.createKey({ spec: 'P-256', backings: [{ provider: 'east', ref }] }), denied);
  });

  test('adopt nothing where a provider says no patterns', async () => {
    const native = await west.server.client.createKey({ spec: 'P-256' });
    await assert.rejects(shop.createKey({ spec: 'P-256', backings: [{ provider: 'west', ref: native.arn }] }), {
      code: 'PERMISSION_DENIED',
      message: /provider `west` lets nobody adopt native keys/,
    });
  });

  test('get the same answer for a ciphertext of others as for noise, and no home is asked', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far' });
    const mine = await shop.createKey({ spec: 'AES-256-GCM', group: 'far' });
    const { ciphertext } = await server.client.encrypt({ key, plaintext: Buffer.from('x') });
    const noise = Buffer.from(ciphertext).fill(7, 3);
    const asked = east.proxy.requests + west.proxy.requests;
    const tell = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => assert.fail(),
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      );
    const told = await tell(shop.decrypt({ key: mine.id, ciphertext }));
    assert.equal(told, await tell(shop.decrypt({ key: mine.id, ciphertext: noise })));
    assert.match(await tell(shop.rewrap({ key: mine.id, ciphertext })), /^INVALID_CIPHERTEXT/);
    assert.equal(east.proxy.requests + west.proxy.requests, asked);
  });

  test('find wraps of one key worth nothing under another of theirs', async () => {
    const first = await server.client.createKey({ spec: 'AES-256-GCM', group: 'far' });
    const second = await server.client.createKey({ spec: 'AES-256-GCM', group: 'far' });
    const blobs = await Promise.all(
      [first, second].map(({ id }) => server.client.encrypt({ key: id, plaintext: Buffer.from('x') })),
    );
    const [one, two] = blobs.map(({ ciphertext }) => Buffer.from(ciphertext)) as [Buffer, Buffer];
    // The header names the key; what follows it is of the other.
    const mixed = Buffer.concat([one.subarray(0, 39), two.subarray(39)]);
    const asked = east.proxy.requests + west.proxy.requests;
    await assert.rejects(server.client.decrypt({ key: first.id, ciphertext: mixed }), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(east.proxy.requests + west.proxy.requests, asked, 'its seals are looked at before any call');
  });

  test('need a right on both keys to re-encrypt', async () => {
    const [from, to] = await Promise.all([1, 2].map(() => make({ spec: 'AES-256-GCM', group: 'near' })));
    const user = await server.clientWith('crypto-user');
    const { ciphertext } = await user.encrypt({ key: from!, plaintext: Buffer.from('x') });
    const move = (): Promise<unknown> => user.reEncrypt({ key: from!, ciphertext, destinationKey: to! });
    await move();
    for (const key of [from!, to!]) {
      const policy = 'forbid (principal, action == Claviger::Action::"ReEncrypt", resource);';
      await server.client.setKeyPolicy({ key, policy });
      await assert.rejects(move(), { code: 'PERMISSION_DENIED' });
      await server.client.setKeyPolicy({ key, policy: null });
    }
    await move();
  });

  test('move an alias between keys of one spec and usage, with a right on both', async () => {
    const [from, to, other] = await Promise.all([
      make({ spec: 'AES-256-GCM', group: 'near', alias: 'moving' }),
      make({ spec: 'AES-256-GCM' }),
      make({ spec: 'P-256', group: 'near' }),
    ]);
    const administrator = await server.clientWith('key-administrator');
    await assert.rejects(administrator.updateAlias({ name: 'moving', key: other }), { code: 'INVALID_ARGUMENT' });
    for (const key of [from, to]) {
      const policy = 'forbid (principal, action == Claviger::Action::"UpdateAlias", resource);';
      await server.client.setKeyPolicy({ key, policy });
      await assert.rejects(administrator.updateAlias({ name: 'moving', key: to }), { code: 'PERMISSION_DENIED' });
      await server.client.setKeyPolicy({ key, policy: null });
    }
    await administrator.updateAlias({ name: 'moving', key: to });
  });

  test('see the home of a key that was taken from them skipped, and not called', async () => {
    const own = testFolder();
    const config = (tenants: string): string =>
      `providers:\n${east.yaml.replace(' }\n', `${tenants} }\n`)}groups: [{ name: g, members: [software, east] }]`;
    const start = (tenants: string): Promise<TestServer> =>
      startTestServer({ folder: own, config: config(tenants), environment: east.environment });
    let again = await start('');
    const key = await again.client.createKey({ spec: 'AES-256-GCM', group: 'g' });
    const { ciphertext } = await again.client.encrypt({ key: key.id, plaintext: Buffer.from('x') });
    await again.stop();
    again = await start(', tenants: [somebody-else]');
    const asked = east.proxy.requests;
    const made = await again.client.encrypt({ key: key.id, plaintext: Buffer.from('x') });
    assert.deepEqual([made.provider, made.missingHomes], ['software', ['east']]);
    assert.equal(Buffer.from((await again.client.decrypt({ ciphertext })).plaintext).toString(), 'x');
    assert.equal(east.proxy.requests, asked);
    await again.stop();
    removeFolder(own);
  });
});

suite('credentials of a provider', () => {
  test('that it refuses quarantine it, whoever asks, until an operator has it called again', async () => {
    const own = await startRegion('north');
    const config = `providers:\n${own.yaml}groups: [{ name: g, members: [north, software] }]`;
    const one = await startTestServer({ config, environment: own.environment });
    const { id: key } = await one.client.createKey({ spec: 'AES-256-GCM', group: 'g' });
    const encrypt = (): Promise<{ readonly missingHomes?: readonly string[] | undefined }> =>
      one.client.encrypt({ key, plaintext: Buffer.from('x') });
    const pair = (await own.server.client.listTokens({ limit: 10 })).tokens.find(({ kind }) => kind === 'aws')!;
    await own.server.client.revokeToken({ id: pair.id });
    await assert.rejects(encrypt(), { code: 'PROVIDER_DENIED', message: /`north`: provider refused our credentials/ });
    const asked = own.proxy.requests;
    assert.deepEqual((await encrypt()).missingHomes, ['north'], 'the next request treats it as down');
    assert.equal(own.proxy.requests, asked, 'and it is not called');
    const circuit = async (): Promise<string> =>
      (await one.client.getHealth()).providers.find(({ name }) => name === 'north')!.circuit;
    assert.equal(await circuit(), 'quarantined');
    await until('an alert fires', async () =>
      (await one.client.listAlerts()).alerts.some(({ rule }) => rule === 'provider-denied'),
    );
    assert.equal((await one.client.clearProvider({ provider: 'north' })).circuit, 'closed');
    await assert.rejects(encrypt(), { code: 'PROVIDER_DENIED' }, 'nothing was set right');
    assert.equal(await circuit(), 'quarantined');
    await one.stop();
    await own.stop();
  });

  test('are in no log, no answer, no metric and no command that shows the configuration', async () => {
    const secrets = [...Object.values(east.environment), ...Object.values(west.environment)];
    await east.proxy.set({ kind: 'answer', status: 403, body: '{"__type":"AccessDeniedException"}' });
    const denied = await post('keys', { spec: 'AES-256-GCM', group: 'far' });
    assert.equal(denied.body.code, 'PROVIDER_DENIED');
    await server.client.clearProvider({ provider: 'east' });
    await Promise.all([east.proxy.set(DOWN), west.proxy.set(DOWN)]);
    const down = await post('keys', { spec: 'AES-256-GCM', group: 'far' });
    assert.equal(down.status, 503);
    const file = join(folder, 'shown.yaml');
    writeFileSync(file, `providers:\n${east.yaml}${west.yaml}store: { folder: shown }\n`);
    const env = { ...east.environment, ...west.environment };
    const shown = await Promise.all([
      runCli(['config', 'check', '--config', file, '--json'], { env }),
      runCli(['config', 'check', '--config', file], { env }),
      runCli(['doctor', '--config', file, '--json'], { env }),
      runCli(['dev', '--config', join(folder, 'none.yaml')], { env }),
    ]);
    assert.match(shown[0].stdout, /"secretAccessKey": "\(set\)"/);
    assert.match(shown[2].stdout, /cannot be reached/);
    const told = [
      logLines.join('\n'),
      JSON.stringify([denied.body, down.body]),
      JSON.stringify(await server.client.getHealth()),
      JSON.stringify(await server.client.listAlerts()),
      JSON.stringify(await server.client.listAuditRecords({ limit: 50, intents: true })),
      await server.client.getMetrics(),
      ...shown.map(({ stdout, stderr }) => stdout + stderr),
    ];
    for (const text of told) {
      assert.ok(text.length > 0);
      for (const secret of secrets) {
        for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
          assert.ok(!text.includes(form), text.slice(0, 200));
        }
      }
    }
    await server.client.clearProvider({ provider: 'east' });
    await heal();
  });
});

suite('the command line', () => {
  const run = (args: readonly string[], input?: Buffer): ReturnType<typeof runCli> =>
    runCli(args, {
      cwd: folder,
      env: { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token },
      ...(input === undefined ? {} : { input }),
    });

  test('shows where each version lives, and under which native key', async () => {
    const key = await make({ spec: 'P-256', group: 'near', siblings: true, onHomeRefusal: 'quarantine' });
    const { stdout } = await run(['keys', 'describe', key]);
    assert.match(stdout, /^homes +one, two, three \(group near\)$/m);
    assert.match(stdout, /^rules +each has a key pair of its own; one that refuses is taken out$/m);
    assert.match(stdout, new RegExp(`^two +1 +live +made here +claviger-${key}-v1-h2@1$`, 'm'));
  });

  test('completes a ciphertext, and says what is missing still', async () => {
    const key = await make({ spec: 'AES-256-GCM', group: 'far' });
    await west.proxy.set(DOWN);
    const { ciphertext } = await server.client.encrypt({ key, plaintext: Buffer.from('x') });
    await server.client.addKeyBacking({ key, provider: 'one' });
    const partly = await run(['rewrap'], Buffer.from(ciphertext));
    assert.match(partly.stderr, /^still missing: west; run it again later$/m);
    assert.ok(partly.bytes.length > ciphertext.length);
    await heal();
    const whole = await run(['rewrap'], partly.bytes);
    assert.equal(whole.stderr, '');
    assert.ok(whole.bytes.length > partly.bytes.length);
  });

  test('says what to do about a provider, and nothing that misleads', async () => {
    const unknown = await run(['keys', 'create', '--spec', 'P-256', '--backing', 'one=no-such-key']);
    assert.equal(unknown.code, 4);
    assert.match(unknown.stderr, /provider `one` has no key `no-such-key`/);
    assert.doesNotMatch(unknown.stderr, /keys list/);
    await west.proxy.set(DOWN);
    const down = await run(['keys', 'create', '--spec', 'P-256', '--backing', 'west']);
    assert.equal(down.code, 6);
    assert.match(down.stderr, /`claviger providers` shows how they do/);
    const shown = await run(['providers']);
    assert.match(shown.stdout, /^west +aws-kms .* PROVIDER_UNAVAILABLE: provider `west` .*$/m);
    const cleared = await run(['providers', 'clear', 'west', '--json']);
    assert.equal((JSON.parse(cleared.stdout) as { circuit: string }).circuit, 'closed');
    assert.equal((await run(['providers', 'clear', 'nowhere'])).code, 4);
    await heal();
  });
});

suite('a configuration', () => {
  const own = testFolder();
  after(() => removeFolder(own));
  const check = async (text: string, env: Record<string, string> = {}): Promise<string> => {
    writeFileSync(join(own, 'claviger.yaml'), text);
    const { code, stdout, stderr } = await runCli(['config', 'check', '--config', join(own, 'claviger.yaml')], { env });
    assert.equal(code, stderr === '' ? 0 : 1, stderr);
    return stderr === '' ? stdout : stderr;
  };

  test('tells every mistake with its path, and what is allowed there', async () => {
    const told = await check(`
providers:
  - { name: a, kind: azure }
  - { name: B, kind: fake }
  - { name: c, kind: fake, latency: 5, timeoutMs: 1 }
  - { name: d }
  - { kind: fake }
groups:
  - { name: g, members: [c, c] }
  - { name: h, members: [c], wrapQuorum: 2 }
  - { name: i, members: [c], balance: random }
`);
    for (const mistake of [
      '`providers.0.kind`: must be one of aws-kms, azure-key-vault, gcp-kms, vault-transit, pkcs11, pem, fake',
      '`providers.1.name`: must be 1 to 63 of a-z, 0-9 and -',
      '`providers.2.timeoutMs`: Too small: expected number to be >=10',
      '`providers.2`: there is no `latency`; there are kind, name, timeoutMs, attempts, maxConcurrent, breaker, tenants, adopt, latencyMs, bindsContext, destructionDays',
      '`providers.3.kind`: must be one of',
      '`providers.4.name`: is missing; expected string',
      '`groups.0.members`: must not name a provider twice',
      '`groups.1.wrapQuorum`: must not be more than there are `members`',
      '`groups.2.balance`: Invalid option: expected one of "order"|"least-latency"|"weighted"',
    ]) {
      assert.ok(told.includes(`  ${mistake}`), `${mistake}\n${told}`);
    }
  });

  test('has one name for one thing', async () => {
    const told = await check(`
providers: [{ name: software, kind: fake }, { name: b, kind: fake }, { name: b, kind: fake }]
groups: [{ name: g, members: [b] }, { name: g, members: [b] }]
`);
    assert.match(told, /`providers.0.name`: `software` is the built-in keystore; take another name/);
    assert.match(told, /`providers.2.name`: `b` is the name of number 1 already/);
    assert.match(told, /`groups.1.name`: `g` is the name of number 0 already/);
  });

  test('names members that are providers, and secrets by reference only', async () => {
    const told = await check(`
providers:
  - { name: b, kind: fake }
  - { name: c, kind: aws-kms, region: eu-west-1, credentials: { accessKeyId: x, secretAccessKey: hunter2hunter2 } }
groups:
  - { name: g, members: [software, b, nowhere], weights: { c: 1 } }
`);
    assert.match(told, /`groups.0.members.2`: there is no provider `nowhere`; there are software, b, c/);
    assert.match(told, /`groups.0.weights.c`: is none of the `members`/);
    assert.match(told, /`providers.1.credentials.secretAccessKey`: a secret is given as `\$\{NAME\}` or `file:PATH`/);
    assert.ok(!told.includes('hunter2'));
  });

  const withFiles = (folderOfFiles: string, caFile = 'ca.pem'): object => ({
    store: { folder: 'data' },
    providers: [
      {
        name: 'c',
        kind: 'aws-kms',
        region: 'eu-west-1',
        endpoint: 'https://127.0.0.1:1',
        credentials: { accessKeyId: 'x', secretAccessKey: `file:${folderOfFiles}/secret` },
        caFile: `${folderOfFiles}/${caFile}`,
      },
    ],
    groups: [{ name: 'g', members: ['c', 'software'], wrapQuorum: 2 }],
  });

  test('may be JSON, is named by CLAVIGER_CONFIG too, and its files are relative to it', async () => {
    const [inner, elsewhere] = [join(own, 'inner'), join(own, 'elsewhere')];
    for (const made of [inner, join(inner, 'files'), elsewhere]) mkdirSync(made);
    writeFileSync(join(inner, 'files', 'secret'), 'the-secret\n');
    const file = join(inner, 'claviger.json');
    writeFileSync(file, JSON.stringify(withFiles('files')));
    const run = (): ReturnType<typeof runCli> =>
      runCli(['config', 'check', '--json'], { cwd: elsewhere, env: { CLAVIGER_CONFIG: '../inner/claviger.json' } });
    const missing = await run();
    assert.equal(missing.code, 1);
    assert.ok(
      missing.stderr.includes(
        `\`providers.0.caFile\` needs \`${join(inner, 'files', 'ca.pem')}\``.replaceAll('"', '\\"'),
      ),
      missing.stderr,
    );
    writeFileSync(join(inner, 'files', 'ca.pem'), '');
    const { code, stdout, stderr } = await run();
    assert.equal(code, 0, stderr);
    const { config } = JSON.parse(stdout) as { config: any };
    assert.equal(config.providers[0].caFile, join(inner, 'files', 'ca.pem'));
    assert.equal(config.providers[0].credentials.secretAccessKey, '(set)');
    assert.equal(config.store.folder, join(inner, 'data'));
  });

  test('is shown with its providers and groups', async () => {
    mkdirSync(join(own, 'files'));
    writeFileSync(join(own, 'files', 'secret'), 'the-secret\n');
    writeFileSync(join(own, 'files', 'ca.pem'), '');
    const shown = await check(JSON.stringify(withFiles('files')));
    assert.match(shown, /^providers\s+c \(aws-kms\)$/m);
    assert.match(shown, /^groups\s+g \(2 of c, software\)$/m);
    assert.match(await check('region: eu-west-1'), /^providers\s+the built-in keystore alone$/m);
  });

  test('of a provider that cannot be opened stops the start, in one message', async () => {
    const config = { ...withFiles('files', 'none.pem'), listen: { port: 0 } };
    writeFileSync(join(own, 'start.yaml'), JSON.stringify(config));
    const { code, stderr } = await runCli(['dev', '--config', join(own, 'start.yaml')]);
    assert.equal(code, 1);
    assert.match(stderr, /cannot read `caFile` of provider `c`: ENOENT/);
  });
});
