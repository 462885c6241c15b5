/** A real Vault that is sealed, restarted, away, slow or a standby, and one that speaks TLS. */
import assert from 'node:assert/strict';
import { after, before, suite, test, type TestContext } from 'node:test';
import { ClavigerError } from '../../src/errors.ts';
import type { HomeKey, Provider } from '../../src/providers/provider.ts';
import { PEERS } from '../../tools/peers/index.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { startVaultServer, type VaultServer } from '../../tools/peers/vault-server.ts';
import { newAuthority } from '../support/certificates.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../support/fault-proxy.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { inTime, newToken, openTransit, refuses, startTransit, USE } from '../support/transit.ts';
import { until } from '../support/until.ts';

const MESSAGE = { message: Buffer.from('a') };

const folder = testFolder();
let server: VaultServer | null = null;
let proxy: FaultProxy;
let provider: Provider;
let key: HomeKey;

before(async () => {
  const paths = await findPeer(PEERS.vault);
  if (paths === null) return;
  server = await startTransit(paths, { parent: folder });
  await server.call('POST', 'transit/keys/key', { type: 'ecdsa-p256' });
  proxy = await startFaultProxy({ target: { port: server.port }, mode: 'http' });
  provider = await openTransit(server, await newToken(server, { policies: [USE] }), { address: proxy.url });
  key = provider.key('key@1', 'P-256');
});

after(async () => {
  await provider?.close();
  await proxy?.stop();
  await server?.stop();
  removeFolder(folder);
});

async function running(t: TestContext): Promise<VaultServer | null> {
  return (await requirePeer(t, 'vault')) === null ? null : server;
}

function sign(timeoutMs?: number): Promise<unknown> {
  return key.sign!('ECDSA_SHA_256', MESSAGE, inTime(timeoutMs));
}

suite('a Vault that is sealed', () => {
  test('is unavailable, says so when probed, and works again once it is unsealed', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    await sign();
    await vault.seal();
    const error = await refuses(sign(), 'PROVIDER_UNAVAILABLE', /sealed/);
    assert.equal(error.native?.code, '503');
    assert.equal(error.disposition, 'failover');
    const health = await provider.probe(inTime());
    assert.equal(health.ok, false);
    assert.match(health.detail, /sealed; unseal it/);
    await vault.unseal();
    await sign();
    assert.deepEqual(await provider.probe(inTime()), { ok: true, detail: 'version 1.13.1, active' });
  });

  test('one that was restarted works on, with the token that it gave before', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const direct = await openTransit(vault, await newToken(vault, { policies: [USE] }));
    await direct.describe('key@1', inTime());
    await vault.restart();
    await direct.describe('key@1', inTime());
    await sign();
    await direct.close();
  });
});

suite('a standby node', () => {
  test('works where it passes calls on, and is told apart where the active one is gone', async (t) => {
    const paths = await requirePeer(t, 'vault');
    if (paths === null) return;
    const active = await startTransit(paths, { parent: folder, raft: 'first' });
    t.after(active.stop);
    const standby = await startVaultServer(paths, { parent: folder, raft: active });
    t.after(standby.stop);
    const through = await openTransit(standby, await newToken(active));
    t.after(() => through.close());
    const made = await through.lifecycle!.create(
      { spec: 'P-256', usage: 'sign-verify', name: 'key', tags: {} },
      inTime(),
    );
    await through.key(made.ref, 'P-256').sign!('ECDSA_SHA_256', MESSAGE, inTime());
    assert.deepEqual(await through.probe(inTime()), { ok: true, detail: 'version 1.13.1, standby' });
    await active.stop();
    await refuses(through.describe(made.ref, inTime()), 'PROVIDER_UNAVAILABLE', /standby node/);
    const health = await through.probe(inTime());
    assert.equal(health.ok, false);
    assert.match(health.detail, /standby node and cannot reach the active one/);
  });
});

suite('a Vault that fails', () => {
  const faults: readonly (readonly [string, Fault, string])[] = [
    ['refuses connections', { kind: 'refuse' }, 'PROVIDER_UNAVAILABLE'],
    ['resets them', { kind: 'reset' }, 'PROVIDER_UNAVAILABLE'],
    ['cuts off its answer', { kind: 'cut', afterBytes: 20 }, 'PROVIDER_UNAVAILABLE'],
    ['never answers', { kind: 'stall' }, 'PROVIDER_TIMEOUT'],
    ['is too slow', { kind: 'delay', ms: 2000 }, 'PROVIDER_TIMEOUT'],
    ['has a quota', { kind: 'answer', status: 429, body: '{"errors":["rate limit quota exceeded"]}' }, 'THROTTLED'],
    ['fails inside', { kind: 'answer', status: 500, body: '{"errors":["internal error"]}' }, 'PROVIDER_UNAVAILABLE'],
    ['has a proxy before it that fails', { kind: 'answer', status: 502, body: '<html>' }, 'PROVIDER_UNAVAILABLE'],
    ['has no page there', { kind: 'answer', status: 200, body: '<html>hello' }, 'PROVIDER_UNAVAILABLE'],
  ];
  for (const [what, fault, code] of faults) {
    test(`and ${what} is ${code}, in time, after one call`, async (t) => {
      if ((await running(t)) === null) return;
      await sign();
      const { requests } = proxy;
      await proxy.set(fault);
      const startMs = performance.now();
      await refuses(sign(400), code);
      assert.ok(performance.now() - startMs < 1000);
      const whileFailing = proxy.requests - requests;
      await proxy.heal();
      // A connection that is kept may be reset before anything was asked.
      assert.ok(whileFailing <= 1 && (whileFailing === 1 || ['refuse', 'reset'].includes(fault.kind)));
      await until('it works again', () =>
        sign().then(
          () => true,
          () => false,
        ),
      );
    });
  }

  test('a caller who gives up is told so, or gets the error that was the reason', async (t) => {
    if ((await running(t)) === null) return;
    await proxy.set({ kind: 'stall' });
    t.after(() => proxy.heal());
    const codeAfter = async (reason: unknown): Promise<string> => {
      const caller = new AbortController();
      const options = { signal: caller.signal, timeoutMs: 5000 };
      const work = key.sign!('ECDSA_SHA_256', MESSAGE, options);
      setTimeout(() => caller.abort(reason), 50);
      const error = await work.catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ClavigerError);
      return error.code;
    };
    assert.equal(await codeAfter(undefined), 'CANCELED');
    assert.equal(
      await codeAfter(new ClavigerError('ALL_BACKINGS_FAILED', 'the whole call is over')),
      'ALL_BACKINGS_FAILED',
    );
    assert.equal(await codeAfter(new DOMException('late', 'TimeoutError')), 'PROVIDER_TIMEOUT');
    const { requests } = proxy;
    await refuses(key.sign!('ECDSA_SHA_256', MESSAGE, { signal: AbortSignal.abort(), timeoutMs: 100 }), 'CANCELED');
    assert.equal(proxy.requests, requests);
  });

  test('what Transit does not have is refused before any call', async (t) => {
    if ((await running(t)) === null) return;
    const { requests } = proxy;
    for (const spec of ['secp256k1', 'X25519', 'HMAC-SHA-224', 'ML-DSA-65', 'ML-KEM-768'] as const) {
      assert.throws(() => provider.key('key@1', spec), { code: 'UNSUPPORTED' });
    }
    await refuses(key.sign!('ECDSA_SHA_384', MESSAGE, inTime()), 'UNSUPPORTED');
    await refuses(key.sign!('ECDSA_SHA_256', { digest: Buffer.alloc(31) }, inTime()), 'INVALID_ARGUMENT');
    const ed25519 = provider.key('key@1', 'Ed25519');
    await refuses(ed25519.sign!('ED25519_SHA_512', { digest: Buffer.alloc(64) }, inTime()), 'UNSUPPORTED');
    await refuses(ed25519.sign!('ED25519_PH_SHA_512', { digest: Buffer.alloc(64) }, inTime()), 'UNSUPPORTED');
    const wanted = { spec: 'P-256', usage: 'key-agreement', name: 'a', tags: {} } as const;
    await refuses(provider.lifecycle!.create(wanted, inTime()), 'UNSUPPORTED');
    for (const reference of ['', 'a@', 'a@0', 'a@01', 'a/b@1', '../sys@1', 'a@1@2', 'a%2f@1', '-a@1', 'a b@1', 'é@1']) {
      assert.throws(() => provider.key(reference, 'P-256'), { code: 'INVALID_ARGUMENT' }, reference);
      await refuses(provider.describe(reference, inTime()), 'INVALID_ARGUMENT');
    }
    assert.equal(proxy.requests, requests);
  });
});

suite('TLS', () => {
  test('trusts the authorities of `caFile`, and no others', async (t) => {
    const paths = await requirePeer(t, 'vault');
    const openssl = await requirePeer(t, 'openssl');
    if (paths === null || openssl === null) return;
    const authority = newAuthority(openssl.program, folder, 'vault');
    const vault = await startTransit(paths, { parent: folder, tls: authority.issue('server') });
    t.after(vault.stop);
    const token = await newToken(vault);
    const trusting = await openTransit(vault, token, { caFile: authority.ca });
    t.after(() => trusting.close());
    assert.equal((await trusting.probe(inTime())).ok, true);
    const doubting = await openTransit(vault, token);
    await refuses(doubting.describe('key@1', inTime()), 'PROVIDER_UNAVAILABLE', /certificate is not trusted/);
    const elsewhere = newAuthority(openssl.program, folder, 'elsewhere');
    const wrong = await openTransit(vault, token, { caFile: elsewhere.ca });
    await refuses(wrong.describe('key@1', inTime()), 'PROVIDER_UNAVAILABLE', /certificate is not trusted/);
    const plain = await openTransit(vault, token, { address: `http://127.0.0.1:${vault.port}` });
    await refuses(plain.describe('key@1', inTime()), 'PROVIDER_MISCONFIGURED', /https/);
    await refuses(openTransit(vault, token, { caFile: `${folder}/missing.pem` }), 'PROVIDER_MISCONFIGURED', /caFile/);
  });
});
