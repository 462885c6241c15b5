/** The adapter for Azure: connection, sign-in and faults, against the test server of tools/peers/azure/. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { inspect } from 'node:util';
import { ClavigerError, type ErrorCode } from '../../src/errors.ts';
import type { AzureKeyVaultProvider } from '../../src/providers/azure-key-vault/index.ts';
import type { CallOptions } from '../../src/providers/provider.ts';
import { MSI_SECRET } from '../../tools/peers/azure/control.ts';
import { FAULTS, type Fault } from '../../tools/peers/azure/faults.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { call, newAzure, type Azure } from '../support/azure.ts';

const NAME = 'connection';
const SHORT_MS = 400;

describe('the connection to Azure', () => {
  let azure: Azure;
  let ref = '';
  let there = false;

  before(async (t) => {
    const openssl = await requirePeer(t as TestContext, 'openssl');
    if (openssl === null) return;
    azure = await newAzure(openssl.program);
    const provider = await azure.provider();
    const made = await provider.lifecycle.create(
      { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: NAME, tags: {} },
      call(),
    );
    ({ ref } = made);
    there = true;
  });
  after(async () => {
    if (there) await azure.close();
  });
  afterEach(() => {
    if (!there) return;
    const { faults, signInFaults, denied, authority } = azure.server;
    faults.heal();
    signInFaults.heal();
    denied.clear();
    authority.namesResource = true;
    authority.isRequired = true;
  });

  function it(name: string, run: () => Promise<void>): void {
    test(name, async (t) => (there ? run() : t.skip('openssl is missing')));
  }

  async function wrap(provider: AzureKeyVaultProvider, options: CallOptions = call()): Promise<Buffer> {
    return (await provider.key(ref, 'AES-256-GCM').wrap!.wrap(Buffer.alloc(32, 1), {}, options)).value;
  }

  async function unwrap(
    provider: AzureKeyVaultProvider,
    wrapped: Buffer,
    options: CallOptions = call(),
  ): Promise<Buffer> {
    return (await provider.key(ref, 'AES-256-GCM').wrap!.unwrap(wrapped, {}, options)).value;
  }

  /** A provider that is connected, and a wrap of its key. */
  async function connected(more?: Readonly<Record<string, unknown>>) {
    const provider = await azure.provider(more);
    return { provider, wrapped: await wrap(provider) };
  }

  describe('the first requests', () => {
    it('many first requests at the same time all succeed, with one sign-in', async () => {
      const provider = await azure.provider();
      const { signInFaults } = azure.server;
      const before = signInFaults.calls;
      const all = await Promise.all(Array.from({ length: 40 }, () => wrap(provider)));
      assert.equal(all.length, 40);
      // Discovery and one token.
      assert.equal(signInFaults.calls - before, 2);
    });

    it('a first answer that is late costs no request its body', async () => {
      const provider = await azure.provider();
      azure.server.faults.delayNext(1000);
      const first = wrap(provider);
      await setTimeout(50);
      await Promise.all([first, ...Array.from({ length: 10 }, () => wrap(provider))]);
    });

    it('a caller who gives up during the sign-in ends nobody else', async () => {
      const provider = await azure.provider();
      const impatient = wrap(provider, { signal: AbortSignal.timeout(1), timeoutMs: 1 });
      const patient = wrap(provider);
      await assert.rejects(impatient, { code: 'PROVIDER_TIMEOUT' });
      await patient;
    });

    it('a sign-in that stalls ends by itself, and the next one is well', async () => {
      const provider = await azure.provider({ timeoutMs: 50 });
      azure.server.signInFaults.set('stall', 1);
      await assert.rejects(wrap(provider, call(SHORT_MS)), { code: 'PROVIDER_TIMEOUT' });
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      await wrap(provider);
    });

    it('a sign-in that failed is tried anew by the next request, at once', async () => {
      const provider = await azure.provider();
      azure.server.signInFaults.set('fail');
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      azure.server.signInFaults.set('throttle');
      await assert.rejects(wrap(provider), { code: 'THROTTLED' });
      azure.server.signInFaults.set('reset');
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      azure.server.signInFaults.heal();
      await wrap(provider);
    });

    it('a vault that fails at first is asked again by the next request', async () => {
      const provider = await azure.provider();
      azure.server.faults.set('fail');
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      azure.server.faults.set('throttle');
      await assert.rejects(wrap(provider), { code: 'THROTTLED' });
      azure.server.faults.heal();
      await wrap(provider);
    });

    it('the right to list or read keys is not needed to use them', async () => {
      for (const action of ['list', 'get']) azure.server.denied.add(action);
      const provider = await azure.provider();
      await unwrap(provider, await wrap(provider));
    });
  });

  describe('faults', () => {
    const EXPECTED: Readonly<Record<Fault, ErrorCode>> = {
      throttle: 'THROTTLED',
      fail: 'PROVIDER_UNAVAILABLE',
      stall: 'PROVIDER_TIMEOUT',
      cut: 'PROVIDER_UNAVAILABLE',
      reset: 'PROVIDER_UNAVAILABLE',
      garbage: 'PROVIDER_UNAVAILABLE',
      nonsense: 'PROVIDER_UNAVAILABLE',
      corrupt: 'PROVIDER_INTEGRITY',
      'other-key': 'PROVIDER_INTEGRITY',
    };

    for (const fault of FAULTS) {
      it(`${fault} is ${EXPECTED[fault]}, after one request, and the next call is well`, async () => {
        const { provider, wrapped } = await connected();
        const { faults } = azure.server;
        faults.set(fault);
        const before = faults.calls;
        await assert.rejects(wrap(provider, call(SHORT_MS)), { code: EXPECTED[fault] });
        assert.equal(faults.calls - before, 1);
        faults.heal();
        assert.deepEqual(await unwrap(provider, wrapped), Buffer.alloc(32, 1));
      });
    }

    it('an answer that was cut or is garbage shows nothing of a data key in its error', async () => {
      const { provider, wrapped } = await connected();
      for (const fault of ['cut', 'garbage', 'corrupt'] as const) {
        azure.server.faults.set(fault);
        const error = await unwrap(provider, wrapped).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        if (fault !== 'corrupt') assert.ok(error instanceof ClavigerError);
        const shown = inspect(error, { depth: 20, showHidden: true });
        assert.equal(shown.includes(Buffer.alloc(32, 1).toString('base64url').slice(0, 12)), false);
        assert.equal(shown.includes('Bearer'), false);
      }
    });

    it('the signal of the caller ends a call, with the reason that it carries', async () => {
      const { provider } = await connected();
      azure.server.faults.set('stall');
      const own = new ClavigerError('ALL_BACKINGS_FAILED', 'somebody else was refused');
      for (const [reason, code] of [
        [own, 'ALL_BACKINGS_FAILED'],
        [undefined, 'CANCELED'],
      ] as const) {
        const controller = new AbortController();
        const pending = wrap(provider, { signal: controller.signal, timeoutMs: 1000 });
        void setTimeout(30).then(() => controller.abort(reason));
        await assert.rejects(pending, { code });
        await assert.rejects(wrap(provider, { signal: controller.signal, timeoutMs: 1000 }), { code });
      }
    });

    it('nobody who listens is PROVIDER_UNAVAILABLE', async () => {
      const provider = await azure.provider({ vaultUrl: 'https://127.0.0.1:9' });
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      const health = await provider.probe(call());
      assert.equal(health.ok, false);
      assert.match(health.detail, /does not answer \(ECONNREFUSED\)/);
    });
  });

  describe('credentials', () => {
    it('a token that the vault no longer takes is replaced, and the call succeeds', async () => {
      const { provider, wrapped } = await connected();
      azure.server.authority.expireTokens();
      const all = await Promise.all(Array.from({ length: 10 }, () => unwrap(provider, wrapped)));
      assert.equal(all.length, 10);
    });

    it('a token is replaced before it expires', async () => {
      const { authority } = azure.server;
      authority.tokenSeconds = 2;
      try {
        const { provider, wrapped } = await connected();
        for (const until = Date.now() + 3000; Date.now() < until;) await unwrap(provider, wrapped);
      } finally {
        authority.tokenSeconds = 3600;
      }
    });

    it('a wrong secret is PROVIDER_DENIED, and stands in no error', async () => {
      const { tenantId, clientId, authorityHost } = azure.server;
      const credential = { kind: 'client-secret', tenantId, clientId, authorityHost, clientSecret: 'hunter2-hunter2' };
      const provider = await azure.provider({ credential });
      const error = await wrap(provider).catch((thrown: unknown) => thrown as ClavigerError);
      assert.equal((error as ClavigerError).code, 'PROVIDER_DENIED');
      assert.equal((error as ClavigerError).native?.code, 'token 401');
      assert.equal(inspect(error, { depth: 20, showHidden: true }).includes('hunter2'), false);
      assert.equal(inspect(provider, { depth: 20, showHidden: false }).includes('hunter2'), false);
    });

    it('what our credentials may not do is PROVIDER_DENIED after one request', async () => {
      const { provider } = await connected();
      azure.server.denied.add('wrapkey');
      const { faults } = azure.server;
      const before = faults.calls;
      await assert.rejects(wrap(provider), ({ code, native }: ClavigerError) => {
        return code === 'PROVIDER_DENIED' && native?.code === 'ForbiddenByRbac' && native.requestId !== null;
      });
      assert.equal(faults.calls - before, 1);
    });

    it('a workload identity signs in with the token of its file, and reads it anew after a failure', async () => {
      const { tenantId, clientId, authorityHost, authority } = azure.server;
      const tokenFile = join(azure.folder, 'token');
      const credential = { kind: 'workload-identity', tenantId, clientId, authorityHost, tokenFile };
      const provider = await azure.provider({ credential });
      await assert.rejects(wrap(provider), { code: 'PROVIDER_MISCONFIGURED' });
      writeFileSync(tokenFile, authority.federatedToken({ sub: 'somebody else' }));
      await assert.rejects(wrap(provider), { code: 'PROVIDER_DENIED' });
      writeFileSync(tokenFile, authority.federatedToken());
      await wrap(provider);
    });

    it('a managed identity takes its token from the endpoint of the platform', async () => {
      process.env['IDENTITY_ENDPOINT'] = `${azure.server.controlUrl}/msi/token`;
      process.env['IDENTITY_HEADER'] = MSI_SECRET;
      try {
        await wrap(await azure.provider({ credential: { kind: 'managed-identity' } }));
      } finally {
        delete process.env['IDENTITY_ENDPOINT'];
        delete process.env['IDENTITY_HEADER'];
      }
    });

    it('the Azure CLI is asked for a token, and its refusal says what to do', async () => {
      const path = process.env['PATH'];
      const az = join(azure.folder, 'az');
      const answer = { accessToken: azure.server.authority.token(), expires_on: Math.floor(Date.now() / 1000) + 3600 };
      process.env['PATH'] = `${azure.folder}:${path}`;
      try {
        writeFileSync(az, `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`);
        chmodSync(az, 0o755);
        await wrap(await azure.provider({ credential: { kind: 'azure-cli' } }));
        writeFileSync(az, "#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n");
        const denied = await azure.provider({ credential: { kind: 'azure-cli' } });
        await assert.rejects(wrap(denied), ({ code, message }: ClavigerError) => {
          return code === 'PROVIDER_DENIED' && message.includes('az login');
        });
      } finally {
        process.env['PATH'] = path;
      }
    });
  });

  describe('whom we trust', () => {
    it('a server whose authority nobody named is not trusted', async () => {
      const provider = await azure.provider({ caFile: undefined });
      await assert.rejects(wrap(provider), ({ code, message }: ClavigerError) => {
        return code === 'PROVIDER_UNAVAILABLE' && message.includes('caFile');
      });
    });

    it('a `caFile` that is not there is PROVIDER_MISCONFIGURED at the start', async () => {
      await assert.rejects(azure.provider({ caFile: join(azure.folder, 'nowhere.pem') }), {
        code: 'PROVIDER_MISCONFIGURED',
      });
    });

    it('a challenge for another domain than that of the address is refused, and no token goes there', async () => {
      const provider = await azure.provider({ disableChallengeResourceVerification: false });
      const { signInFaults } = azure.server;
      const before = signInFaults.calls;
      await assert.rejects(wrap(provider), ({ code, message }: ClavigerError) => {
        return code === 'PROVIDER_MISCONFIGURED' && message.includes('disableChallengeResourceVerification');
      });
      assert.equal(signInFaults.calls, before);
    });

    it('under its public name a vault passes the verification', async () => {
      const { publicHost, vaultUrl } = azure.server;
      const provider = await azure.provider(
        { vaultUrl: `https://${publicHost}:${new URL(vaultUrl).port}`, disableChallengeResourceVerification: false },
        {
          lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
        },
      );
      await unwrap(provider, await wrap(provider));
    });

    it('a challenge without a resource is answered only where its verification is off', async () => {
      azure.server.authority.namesResource = false;
      await wrap(await azure.provider());
      const strict = await azure.provider({ disableChallengeResourceVerification: false });
      await assert.rejects(wrap(strict), { code: 'PROVIDER_DENIED' });
    });
  });

  it('a server that asks for no token gets none, and every request with its body', async () => {
    azure.server.authority.isRequired = false;
    const { signInFaults } = azure.server;
    const before = signInFaults.calls;
    for (const denied of [[], ['list']]) {
      for (const action of denied) azure.server.denied.add(action);
      const provider = await azure.provider();
      await Promise.all(Array.from({ length: 5 }, async () => unwrap(provider, await wrap(provider))));
    }
    assert.equal(signInFaults.calls, before);
  });

  describe('probe and close', () => {
    it('a probe says what answers, also where the keys may not be listed', async () => {
      const { provider } = await connected();
      assert.deepEqual(await provider.probe(call()), { ok: true, detail: `vault ${azure.server.vaultUrl} answers` });
      azure.server.denied.add('list');
      const { ok, detail } = await provider.probe(call());
      assert.equal(ok, true);
      assert.match(detail, /may not list keys/);
    });

    it('after a close, once or twice, calls are PROVIDER_UNAVAILABLE and nothing is asked', async () => {
      const { provider } = await connected();
      await provider.close();
      await provider.close();
      const before = azure.server.faults.calls;
      await assert.rejects(wrap(provider), { code: 'PROVIDER_UNAVAILABLE' });
      assert.equal(azure.server.faults.calls, before);
    });
  });

  it('the control port does what the object does', async () => {
    const { controlUrl, faults } = azure.server;
    const post = (path: string, body: object = {}): Promise<Response> =>
      fetch(controlUrl + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const { provider } = await connected();
    assert.equal((await post('/fault', { at: 'vault', fault: 'throttle', count: 1 })).status, 204);
    await assert.rejects(wrap(provider), { code: 'THROTTLED' });
    await wrap(provider);
    assert.equal((await post('/fault', { fault: 'dance' })).status, 400);
    const { vault } = (await (await fetch(`${controlUrl}/calls`)).json()) as { vault: number };
    assert.equal(vault, faults.calls);
  });
});
