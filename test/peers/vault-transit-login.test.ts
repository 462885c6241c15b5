/** Tokens, AppRole and Kubernetes logins to a real Vault: had, renewed, had anew, and denied. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../src/ports/log.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { PEERS } from '../../tools/peers/index.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import type { VaultServer } from '../../tools/peers/vault-server.ts';
import { newAuthority } from '../support/certificates.ts';
import { FakeClock } from '../support/clock.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { startTokenReview } from '../support/token-review.ts';
import { inTime, newToken, openTransit, refuses, startTransit, USE, type TransitWish } from '../support/transit.ts';
import { until } from '../support/until.ts';

const ACCOUNT = { namespace: 'kms', name: 'claviger', uid: '5f0e3a52-0000-4000-8000-000000000001' };

const folder = testFolder();
const opened: Provider[] = [];
let server: VaultServer | null = null;

before(async () => {
  const paths = await findPeer(PEERS.vault);
  if (paths === null) return;
  server = await startTransit(paths, { parent: folder });
  await server.call('POST', 'transit/keys/key', { type: 'ecdsa-p256' });
  await server.call('POST', 'sys/auth/approle', { type: 'approle' });
});

after(async () => {
  for (const provider of opened) await provider.close();
  await server?.stop();
  removeFolder(folder);
});

async function running(t: TestContext): Promise<VaultServer | null> {
  return (await requirePeer(t, 'vault')) === null ? null : server;
}

async function open(vault: VaultServer, auth: string | object, wish?: TransitWish): Promise<Provider> {
  const provider = await openTransit(vault, auth, wish);
  opened.push(provider);
  return provider;
}

function works(provider: Provider): Promise<unknown> {
  return provider.key('key@1', 'P-256').sign!('ECDSA_SHA_256', { message: Buffer.from('a') }, inTime());
}

/** An AppRole with the policy of the guide, and its credentials. */
async function newRole(vault: VaultServer, name: string, more: object = {}): Promise<object> {
  const role = `auth/approle/role/${name}`;
  await vault.call('POST', role, { token_policies: [USE], token_no_default_policy: true, token_ttl: '1h', ...more });
  const { data: id } = await vault.call('GET', `${role}/role-id`);
  const { data: secret } = await vault.call('POST', `${role}/secret-id`, {});
  return { kind: 'approle', roleId: id!['role_id'], secretId: secret!['secret_id'] };
}

/** Ends every token that the role has given. */
async function revokeAll(vault: VaultServer, mount: string): Promise<void> {
  await vault.call('POST', `sys/leases/revoke-prefix/auth/${mount}/login`, {});
}

function keptLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    write: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  };
}

suite('a token', () => {
  test('is renewed before it ends, as long as it can be', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const token = await newToken(vault, { policies: [USE], ttl: '2s' });
    const provider = await open(vault, token);
    for (let second = 0; second < 5; second++) {
      await works(provider);
      await sleep(1000);
    }
    const { data } = await vault.call('GET', 'auth/token/lookup-self', undefined, token);
    assert.ok((data!['last_renewal_time'] as number) > 0);
  });

  test('that cannot be renewed is warned of, and is good until it ends', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const log = keptLog();
    const provider = await open(vault, await newToken(vault, { ttl: '2s', renewable: false }), { log });
    await works(provider);
    assert.match(log.lines.join('\n'), /^warn .*cannot be renewed/m);
    await sleep(2500);
    await refuses(works(provider), 'PROVIDER_DENIED', /ended or was revoked/);
  });

  test('that is wrong or revoked is denied, and so is one whose policy does not let it', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const wrong = await open(vault, 'hvs.CAESIJnonsense');
    const denied = await refuses(works(wrong), 'PROVIDER_DENIED', /ended or was revoked/);
    assert.deepEqual(denied.native, { provider: 'vault', code: '403', requestId: null });
    assert.equal((await wrong.probe(inTime())).ok, false);

    const token = await newToken(vault);
    const provider = await open(vault, token);
    await works(provider);
    await vault.call('POST', 'auth/token/revoke', { token });
    await refuses(works(provider), 'PROVIDER_DENIED', /ended or was revoked/);

    await vault.call('POST', 'sys/policies/acl/looks', {
      policy: 'path "auth/token/lookup-self" { capabilities = ["read"] }',
    });
    const poor = await open(vault, await newToken(vault, { policies: ['looks'] }));
    await refuses(works(poor), 'PROVIDER_DENIED', /policy does not let us update `transit\/sign\/key`/);
  });

  test('and its words stand in no error', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const provider = await open(vault, 'hvs.verySecretToken');
    const error = await refuses(works(provider), 'PROVIDER_DENIED');
    assert.doesNotMatch(`${error.stack} ${String(error.cause)} ${JSON.stringify(error)}`, /verySecretToken/);
  });
});

suite('AppRole', () => {
  test('many callers share one login', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const provider = await open(vault, await newRole(vault, 'once', { secret_id_num_uses: 1 }));
    await Promise.all(Array.from({ length: 30 }, () => works(provider)));
  });

  test('is renewed, and logs in anew once renewing is over', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const provider = await open(vault, await newRole(vault, 'short', { token_ttl: '2s', token_max_ttl: '4s' }));
    for (let step = 0; step < 16; step++) {
      await works(provider);
      await sleep(500);
    }
  });

  test('logs in anew where its token was revoked', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const clock = new FakeClock();
    const provider = await open(vault, await newRole(vault, 'revoked'), { clock });
    await works(provider);
    clock.advance(60_000);
    await revokeAll(vault, 'approle');
    await Promise.all(Array.from({ length: 10 }, () => works(provider)));
  });

  test('does not log in again and again where a policy denies', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const auth = await newRole(vault, 'poor', { token_policies: ['none'], secret_id_num_uses: 2 });
    const clock = new FakeClock();
    const proxy = await startFaultProxy({ target: { port: vault.port }, mode: 'http' });
    t.after(() => proxy.stop());
    const provider = await open(vault, auth, { clock, address: proxy.url });
    for (let call = 0; call < 5; call++) await refuses(works(provider), 'PROVIDER_DENIED', /policy/);
    // One login, then a refused call and a look at the token for each.
    assert.equal(proxy.requests, 1 + 5 * 2);
  });

  test('whose secret id is used up is denied, and left alone for longer each time', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const auth = await newRole(vault, 'used-up', { secret_id_num_uses: 1, token_ttl: '1h' });
    const [clock, log] = [new FakeClock(), keptLog()];
    const proxy = await startFaultProxy({ target: { port: vault.port }, mode: 'http' });
    t.after(() => proxy.stop());
    const provider = await open(vault, auth, { clock, log, address: proxy.url });
    await works(provider);
    clock.advance(2 * 3_600_000);
    await refuses(works(provider), 'PROVIDER_DENIED', /denies the login/);
    for (const waitMs of [5_000, 10_000, 20_000]) {
      const { requests } = proxy;
      for (let call = 0; call < 3; call++) await refuses(works(provider), 'PROVIDER_DENIED');
      assert.equal(proxy.requests, requests, 'nothing was asked while it is left alone');
      clock.advance(waitMs);
      await refuses(works(provider), 'PROVIDER_DENIED');
      assert.equal(proxy.requests, requests + 1);
    }
    assert.equal(log.lines.filter((line) => line.startsWith('error')).length, 4);
    const { secretId } = auth as { secretId: string };
    assert.ok(!log.lines.join('').includes(secretId));
  });

  test('a login that hangs ends with the time of its caller, and the next one is well', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const proxy = await startFaultProxy({ target: { port: vault.port }, mode: 'http' });
    t.after(() => proxy.stop());
    const provider = await open(vault, await newRole(vault, 'hangs'), { address: proxy.url });
    await proxy.set({ kind: 'stall' });
    await refuses(provider.describe('key@1', inTime(200)), 'PROVIDER_TIMEOUT');
    const caller = new AbortController();
    const waiting = provider.describe('key@1', { signal: caller.signal, timeoutMs: 5000 });
    caller.abort();
    await refuses(waiting, 'CANCELED');
    await proxy.heal();
    await works(provider);
  });
});

suite('Kubernetes', () => {
  test("logs in with the pod's service account, and is denied where Kubernetes does not know it", async (t) => {
    const vault = await running(t);
    const openssl = await requirePeer(t, 'openssl');
    if (vault === null || openssl === null) return;
    const authority = newAuthority(openssl.program, folder, 'cluster');
    const reviewer = await startTokenReview(authority.issue('kubernetes'));
    t.after(() => reviewer.stop());
    await vault.call('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
    await vault.call('POST', 'auth/kubernetes/config', {
      kubernetes_host: reviewer.url,
      kubernetes_ca_cert: readFileSync(authority.ca, 'utf8'),
      disable_local_ca_jwt: true,
    });
    await vault.call('POST', 'auth/kubernetes/role/claviger', {
      bound_service_account_names: [ACCOUNT.name],
      bound_service_account_namespaces: [ACCOUNT.namespace],
      token_policies: [USE],
      token_ttl: '1h',
    });
    const jwtFile = join(folder, 'token');
    const first = reviewer.issue(ACCOUNT);
    writeFileSync(jwtFile, `${first}\n`);
    const clock = new FakeClock();
    const provider = await open(vault, { kind: 'kubernetes', role: 'claviger', jwtFile }, { clock });
    await Promise.all([works(provider), works(provider)]);
    assert.equal(reviewer.reviews, 1);

    // The pod's token was replaced, as Kubernetes does every hour, and the old one is void.
    reviewer.revoke(first);
    clock.advance(2 * 3_600_000);
    await refuses(works(provider), 'PROVIDER_DENIED', /`kubernetes` denies the login/);
    writeFileSync(jwtFile, reviewer.issue(ACCOUNT));
    clock.advance(60_000);
    await works(provider);

    const other = join(folder, 'other-token');
    writeFileSync(other, reviewer.issue({ ...ACCOUNT, name: 'somebody' }));
    const stranger = await open(vault, { kind: 'kubernetes', role: 'claviger', jwtFile: other });
    await refuses(works(stranger), 'PROVIDER_DENIED');
    const wrongRole = await open(vault, { kind: 'kubernetes', role: 'none', jwtFile });
    await refuses(works(wrongRole), 'PROVIDER_DENIED');
    const noFile = await open(vault, { kind: 'kubernetes', role: 'claviger', jwtFile: join(folder, 'missing') });
    await refuses(works(noFile), 'PROVIDER_MISCONFIGURED', /auth\.jwtFile/);
  });
});

suite('a provider that is closed', () => {
  test('renews nothing any more, refuses calls and can be closed again', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const token = await newToken(vault, { policies: [USE], ttl: '2s' });
    const provider = await openTransit(vault, token);
    await works(provider);
    await provider.close();
    await provider.close();
    await refuses(works(provider), 'PROVIDER_UNAVAILABLE', /closed/);
    await until('the token ends', () =>
      vault.call('GET', 'auth/token/lookup-self', undefined, token).then(
        () => false,
        () => true,
      ),
    );
  });
});
