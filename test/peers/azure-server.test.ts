/** The test server for Azure, through Microsoft's SDK without our adapter: that it is not lenient. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { ClientSecretCredential, WorkloadIdentityCredential } from '@azure/identity';
import { KeyClient, type EncryptParameters, type KeyClientOptions } from '@azure/keyvault-keys';
import { requirePeer } from '../../tools/peers/require.ts';
import { newAzure, type Azure } from '../support/azure.ts';

type Token = Awaited<ReturnType<ClientSecretCredential['getToken']>>;

const NEVER_AGAIN = { retryOptions: { maxRetries: 0 } };

describe('the test server for Azure', () => {
  let vault: Azure | null = null;
  let hsm: Azure | null = null;
  let agent: Agent;

  before(async (t) => {
    const openssl = await requirePeer(t as TestContext, 'openssl');
    if (openssl === null) return;
    vault = await newAzure(openssl.program);
    hsm = await newAzure(openssl.program, { managedHsm: true });
    agent = new Agent({ ca: [readFileSync(vault.caFile, 'utf8'), readFileSync(hsm.caFile, 'utf8')], keepAlive: true });
  });
  after(async () => {
    agent?.destroy();
    await vault?.close();
    await hsm?.close();
  });

  function credential({ server }: Azure, secret: string = server.clientSecret): ClientSecretCredential {
    const { tenantId, clientId, authorityHost } = server;
    return new ClientSecretCredential(tenantId, clientId, secret, {
      authorityHost,
      disableInstanceDiscovery: true,
      agent,
      ...NEVER_AGAIN,
    });
  }

  function client(azure: Azure, options: KeyClientOptions = {}, token?: () => string): KeyClient {
    const fixed = { getToken: async (): Promise<Token> => ({ token: token!(), expiresOnTimestamp: Date.now() + 1e6 }) };
    return new KeyClient(azure.server.vaultUrl, token === undefined ? credential(azure) : fixed, {
      serviceVersion: '7.6',
      disableChallengeResourceVerification: true,
      agent,
      ...NEVER_AGAIN,
      ...options,
    });
  }

  /** What the service refuses with: status, code, inner code. */
  async function refusal(promise: Promise<unknown>): Promise<readonly unknown[]> {
    const error = await promise.then(
      () => assert.fail('it was not refused'),
      (thrown: unknown) => thrown as { statusCode?: number; details?: any },
    );
    const { code, innerError } = error.details?.error ?? {};
    return [error.statusCode, code, ...(innerError === undefined ? [] : [innerError.code])];
  }

  const BAD = [400, 'BadParameter'];

  test('gives keys to who has a token, and none to who has not', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const { name, properties } = await client(vault).createKey('first', 'EC', { curve: 'P-256' });
    assert.equal(name, 'first');
    assert.match(properties.version ?? '', /^[0-9a-f]{32}$/);
    const { status, headers } = await import('node:https').then(
      ({ get }) =>
        new Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
          get(`${vault!.server.vaultUrl}/keys/first/?api-version=7.6`, { agent }, (response) => {
            response.resume();
            resolve({ status: response.statusCode, headers: response.headers });
          }).once('error', reject);
        }),
    );
    assert.equal(status, 401);
    assert.match(
      String(headers['www-authenticate']),
      /^Bearer authorization="https:\/\/.+", resource="https:\/\/vault\.azure\.net"$/,
    );
  });

  test('takes no token that is wrong in any one way', async (t) => {
    if (vault === null || hsm === null) return t.skip('openssl is missing');
    const { authority } = vault.server;
    const now = Math.floor(Date.now() / 1000);
    await client(vault, {}, () => authority.token()).createKey('tokens', 'EC');
    const wrong: Readonly<Record<string, () => string>> = {
      issuer: () => authority.token({ iss: 'https://sts.windows.net/other/' }),
      audience: () => authority.token({ aud: 'https://management.azure.com' }),
      tenant: () => authority.token({ tid: 'other' }),
      application: () => authority.token({ appid: 'other' }),
      expired: () => authority.token({ exp: now - 1 }),
      'not yet valid': () => authority.token({ nbf: now + 60 }),
      'of another authority': () => hsm!.server.authority.token({ aud: 'https://vault.azure.net' }),
      unsigned: () => authority.token().replace(/[^.]+$/, ''),
      changed: () =>
        authority.token().replace(/\.[^.]+\./, `.${Buffer.from('{"exp":9999999999}').toString('base64url')}.`),
      'no token': () => 'token',
    };
    for (const [what, token] of Object.entries(wrong))
      assert.deepEqual(await refusal(client(vault, {}, token).getKey('tokens')), [401, 'Unauthorized'], what);
  });

  test('gives no token for a wrong secret, application, tenant, resource or assertion', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const { server, folder } = vault;
    const scope = 'https://vault.azure.net/.default';
    const { tenantId, clientId, clientSecret, authorityHost } = server;
    const options = { authorityHost, disableInstanceDiscovery: true, agent, ...NEVER_AGAIN };
    await credential(vault).getToken(scope);
    await assert.rejects(credential(vault, 'wrong').getToken(scope), /AADSTS7000215/);
    await assert.rejects(credential(vault).getToken('https://other.example/.default'), /AADSTS70011/);
    await assert.rejects(
      new ClientSecretCredential(tenantId, 'other', clientSecret, options).getToken(scope),
      /AADSTS700016/,
    );
    await assert.rejects(new ClientSecretCredential('other', clientId, clientSecret, options).getToken(scope));
    const tokenFilePath = join(folder, 'assertion');
    const workload = (): WorkloadIdentityCredential =>
      new WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath, ...options });
    writeFileSync(tokenFilePath, server.authority.federatedToken());
    await workload().getToken(scope);
    for (const changes of [{ aud: 'other' }, { sub: 'other' }, { iss: 'other' }, { exp: 1 }]) {
      writeFileSync(tokenFilePath, server.authority.federatedToken(changes));
      await assert.rejects(workload().getToken(scope), /AADSTS700213/, JSON.stringify(changes));
    }
  });

  test('refuses other versions of the API, and whatever it does not know', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const keys = client(vault);
    await keys.createKey('strict', 'RSA');
    for (const serviceVersion of ['7.5', '2025-07-01', 'x'])
      assert.deepEqual(await refusal(client(vault, { serviceVersion }).getKey('strict')), BAD, serviceVersion);
    const extra: KeyClientOptions['additionalPolicies'] = [
      {
        position: 'perCall',
        policy: {
          name: 'extra',
          sendRequest: async (request, next) => {
            if (typeof request.body === 'string') request.body = request.body.replace('{', '{"surprise":1,');
            else request.url += '&surprise=1';
            return next(request);
          },
        },
      },
    ];
    const curious = client(vault, { additionalPolicies: extra });
    assert.deepEqual(await refusal(curious.createKey('strict', 'RSA')), BAD);
    assert.deepEqual(await refusal(curious.getKey('strict')), BAD);
  });

  test('makes only keys that the service has', async (t) => {
    if (vault === null || hsm === null) return t.skip('openssl is missing');
    const keys = client(vault);
    const modules = client(hsm);
    for (const wrong of [
      keys.createKey('wrong', 'oct-HSM'),
      keys.createKey('wrong', 'RSA', { keySize: 1024 }),
      keys.createKey('wrong', 'EC', { curve: 'P-192' }),
      keys.createKey('wrong', 'EC', { keySize: 256 }),
      keys.createKey('wrong', 'RSA', { keyOps: ['dance'] }),
      keys.createKey('wr_ong', 'RSA'),
      modules.createKey('wrong', 'RSA'),
      modules.createKey('wrong', 'oct-HSM', { keySize: 512 }),
    ])
      assert.deepEqual(await refusal(wrong), BAD);
  });

  test('signs digests of the right length, with an algorithm of the key, where `key_ops` allows it', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const keys = client(vault);
    await keys.createKey('signer', 'EC', { curve: 'P-384', keyOps: ['sign', 'verify'] });
    await keys.createKey('wrapper', 'RSA', { keyOps: ['wrapKey'] });
    const signer = keys.getCryptographyClient('signer', {
      keyVersion: (await keys.getKey('signer')).properties.version!,
    });
    const wrapper = keys.getCryptographyClient('wrapper', {
      keyVersion: (await keys.getKey('wrapper')).properties.version!,
    });
    const { result } = await signer.sign('ES384', randomBytes(48));
    assert.equal(result.length, 96);
    assert.deepEqual(await refusal(signer.sign('ES384', randomBytes(32))), BAD);
    assert.deepEqual(await refusal(signer.sign('ES256', randomBytes(32))), BAD);
    assert.deepEqual(await refusal(signer.sign('RS256', randomBytes(32))), BAD);
    await wrapper.wrapKey('RSA-OAEP-256', randomBytes(32));
    vault.server.denied.add('get');
    const blind = client(vault).getCryptographyClient('wrapper', {
      keyVersion: (wrapper as any).remoteProvider.version,
    });
    assert.deepEqual(await refusal(blind.unwrapKey('RSA-OAEP-256', randomBytes(256))), [
      403,
      'Forbidden',
      'KeyOperationForbidden',
    ]);
    vault.server.denied.clear();
  });

  test('AES-GCM has a nonce of the service and checks the additional data', async (t) => {
    if (hsm === null) return t.skip('openssl is missing');
    const keys = client(hsm);
    const { properties } = await keys.createKey('aes', 'oct-HSM', { keySize: 256 });
    const aes = keys.getCryptographyClient('aes', { keyVersion: properties.version! });
    const additionalAuthenticatedData = Buffer.from('context');
    const plaintext = Buffer.from('text');
    const sealed = await aes.encrypt({ algorithm: 'A256GCM', plaintext, additionalAuthenticatedData });
    assert.equal(sealed.iv?.length, 12);
    const { result: ciphertext, iv, authenticationTag } = sealed;
    const parts = { algorithm: 'A256GCM', ciphertext, iv, authenticationTag: authenticationTag! } as const;
    assert.deepEqual(Buffer.from((await aes.decrypt({ ...parts, additionalAuthenticatedData })).result), plaintext);
    assert.deepEqual(await refusal(aes.decrypt(parts)), BAD);
    assert.deepEqual(await refusal(aes.decrypt({ ...parts, additionalAuthenticatedData: Buffer.from('other') })), BAD);
    const ownNonce = { algorithm: 'A256GCM', plaintext, iv: randomBytes(12) } as EncryptParameters;
    assert.deepEqual(await refusal(aes.encrypt(ownNonce)), BAD);
    assert.deepEqual(await refusal(aes.encrypt({ algorithm: 'A128GCM', plaintext })), BAD);
  });

  test('a deleted key is gone, holds its name, and comes back with all versions', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const keys = client(vault);
    const first = await keys.createKey('mortal', 'EC');
    await keys.createKey('Mortal', 'EC');
    const deletion = await keys.beginDeleteKey('mortal', { intervalInMs: 10 });
    assert.deepEqual(await refusal(keys.createKey('mortal', 'EC')), [409, 'Conflict', 'ObjectIsBeingDeleted']);
    await deletion.pollUntilDone();
    assert.deepEqual(await refusal(keys.getKey('mortal')), [404, 'KeyNotFound']);
    assert.deepEqual(await refusal(keys.createKey('mortal', 'EC')), [409, 'Conflict', 'ObjectIsDeletedButRecoverable']);
    await (await keys.beginRecoverDeletedKey('mortal', { intervalInMs: 10 })).pollUntilDone();
    assert.equal((await keys.getKey('mortal', { version: first.properties.version! })).id, first.id);
    await (await keys.beginDeleteKey('mortal', { intervalInMs: 10 })).pollUntilDone();
    await keys.purgeDeletedKey('mortal');
    assert.deepEqual(await refusal(keys.getDeletedKey('mortal')), [404, 'KeyNotFound']);
  });

  test('a disabled, an expired and a future key are refused, each as far as Azure does', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const keys = client(vault);
    const hour = 3_600_000;
    const off = await keys.createKey('off', 'RSA', { enabled: false });
    const old = await keys.createKey('old', 'RSA', { expiresOn: new Date(Date.now() - hour) });
    const young = await keys.createKey('young', 'RSA', { notBefore: new Date(Date.now() + hour) });
    const refused = async (name: string, version: string | undefined, what: 'sign' | 'unwrap'): Promise<unknown> => {
      vault!.server.denied.add('get');
      const key = client(vault!).getCryptographyClient(name, { keyVersion: version! });
      const send =
        what === 'sign' ? key.sign('RS256', randomBytes(32)) : key.unwrapKey('RSA-OAEP-256', randomBytes(256));
      return refusal(send).finally(() => vault!.server.denied.clear());
    };
    assert.deepEqual(await refused('off', off.properties.version, 'sign'), [403, 'Forbidden', 'KeyDisabled']);
    assert.deepEqual(await refused('off', off.properties.version, 'unwrap'), [403, 'Forbidden', 'KeyDisabled']);
    assert.deepEqual(await refused('old', old.properties.version, 'sign'), [403, 'Forbidden', 'KeyExpired']);
    assert.deepEqual(await refused('old', old.properties.version, 'unwrap'), BAD);
    assert.deepEqual(await refused('young', young.properties.version, 'sign'), [403, 'Forbidden', 'KeyNotYetValid']);
  });

  test('an import is checked, and a backup that was changed is not restored', async (t) => {
    if (vault === null) return t.skip('openssl is missing');
    const keys = client(vault);
    const { x, y, d } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ format: 'jwk' });
    const part = (text: string | undefined): Buffer => Buffer.from(text!, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: part(x), y: part(y), d: part(d) } as const;
    await keys.importKey('imported', jwk);
    assert.deepEqual(await refusal(keys.importKey('wrong', { ...jwk, y: part(x) })), BAD);
    assert.deepEqual(await refusal(keys.importKey('wrong', { kty: 'EC', crv: 'P-256', x: part(x), y: part(y) })), BAD);
    const backup = Buffer.from((await keys.backupKey('imported'))!);
    assert.deepEqual(await refusal(keys.restoreKeyBackup(backup)), [409, 'Conflict', 'KeyAlreadyExists']);
    backup[backup.length - 1]! ^= 1;
    assert.deepEqual(await refusal(keys.restoreKeyBackup(backup)), BAD);
  });
});
