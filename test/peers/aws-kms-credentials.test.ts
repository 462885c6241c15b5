/**
 * Who the AWS KMS adapter is: what happens with credentials that are refused, where credentials come from, and that they
 * come from nowhere else. Our own endpoint checks signatures, which no imitation does; moto has STS.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { NO_CONTEXT } from '../../src/model/encryption-context.ts';
import type { AwsKmsProvider } from '../../src/providers/aws-kms/index.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { newAuthority } from '../support/certificates.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { calling, openProvider, startMoto, type KmsServer } from '../support/kms-servers.ts';
import { freePort, startReceiver } from '../support/receiver.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { newPair } from './aws-support.ts';

const WANTED = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'claviger-1', tags: {} } as const;
const MESSAGE = Buffer.from('message');

describe('credentials of the AWS KMS adapter', () => {
  const folder = testFolder();
  const environment = { ...process.env };
  let server: TestServer;
  let good: { readonly accessKeyId: string; readonly secretAccessKey: string };
  const open: AwsKmsProvider[] = [];

  before(async () => {
    server = await startTestServer();
    good = { accessKeyId: server.awsAccessKeyId, secretAccessKey: server.awsSecretAccessKey };
  });
  afterEach(async () => {
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    for (const provider of open.splice(0)) await provider.close();
  });
  after(async () => {
    await server.stop();
    removeFolder(folder);
  });

  async function provider(more: object): Promise<AwsKmsProvider> {
    const { endpoint, region } = server;
    const made = await openProvider({ endpoint, region, credentials: undefined as never }, more);
    open.push(made);
    return made;
  }

  test('a wrong secret and an unknown key id are refused as ours, and a probe says so', async () => {
    for (const credentials of [
      { ...good, secretAccessKey: 'wrong' },
      { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'wrong' },
    ]) {
      const wrong = await provider({ credentials });
      await assert.rejects(wrong.lifecycle.create(WANTED, calling()), { code: 'PROVIDER_DENIED' });
      const { ok, detail } = await wrong.probe(calling());
      assert.equal(ok, false);
      assert.match(detail, /our credentials are refused.*(?:Exception)/);
    }
  });

  test('credentials that may not do it are refused, and recognised all the same', async () => {
    const pair = await newPair(server, ['auditor']);
    const auditor = await provider({ credentials: pair });
    await assert.rejects(auditor.lifecycle.create(WANTED, calling()), (error: any) => {
      assert.deepEqual([error.code, error.native.code], ['PROVIDER_DENIED', 'AccessDeniedException']);
      return true;
    });
    assert.equal((await auditor.probe(calling())).ok, true);
  });

  test('a clock that is wrong is no wrong credential, and is right the next time', async () => {
    const proxy = await startFaultProxy({ target: { port: Number(new URL(server.endpoint).port) }, mode: 'http' });
    const { region } = server;
    const late = await openProvider({ endpoint: proxy.url, region, credentials: good });
    open.push(late);
    // To the client, an answer of tomorrow is the proof that its own clock is slow.
    const tomorrow = new Date(Date.now() + 24 * 60 * 60 * 1000).toUTCString();
    const body = JSON.stringify({ __type: 'InvalidSignatureException', message: 'Signature expired' });
    await proxy.set({ kind: 'answer', status: 400, headers: { date: tomorrow }, body }, { times: 1 });
    // The second has the time of tomorrow, of which our own endpoint says the same.
    for (const what of ['told by the proxy', 'told by the server']) {
      await assert.rejects(late.lifecycle.create(WANTED, calling()), { code: 'PROVIDER_UNAVAILABLE' }, what);
    }
    assert.equal((await late.lifecycle.create(WANTED, calling())).state, 'enabled');
    await proxy.stop();
  });

  test('an answer without an end is not read to its end, and one that was cut is none', async () => {
    const proxy = await startFaultProxy({ target: { port: Number(new URL(server.endpoint).port) }, mode: 'http' });
    const { region } = server;
    const fed = await openProvider({ endpoint: proxy.url, region, credentials: good });
    open.push(fed);
    for (const status of [200, 400]) {
      await proxy.set({ kind: 'answer', status, body: `{"__type":"${'x'.repeat(10_000_000)}"}` });
      await assert.rejects(fed.lifecycle.create(WANTED, calling()), { code: 'PROVIDER_UNAVAILABLE' });
    }
    const { ref } = await (await provider({ credentials: good })).lifecycle.create(WANTED, calling());
    // A refusal that was cut is not known: it is no answer.
    await proxy.set({ kind: 'cut', afterBytes: 10 });
    const none = ref.replace(/.{12}$/, '000000000000');
    await assert.rejects(fed.describe(none, calling()), { code: 'PROVIDER_UNAVAILABLE' });
    await proxy.heal();
    await assert.rejects(fed.describe(none, calling()), { code: 'KEY_NOT_FOUND' });
    assert.equal((await fed.lifecycle.create(WANTED, calling())).state, 'enabled');
    await proxy.stop();
  });

  test('nothing that lies about is used, unless the configuration says so', async () => {
    const receiver = await startReceiver();
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKIAAMBIENT',
      AWS_SECRET_ACCESS_KEY: 'ambient',
      AWS_SESSION_TOKEN: 'ambient',
      AWS_PROFILE: 'ambient',
      AWS_REGION: 'us-west-2',
      AWS_ENDPOINT_URL: receiver.url,
      AWS_ENDPOINT_URL_KMS: receiver.url,
      AWS_USE_FIPS_ENDPOINT: 'true',
      AWS_USE_DUALSTACK_ENDPOINT: 'true',
      AWS_MAX_ATTEMPTS: '9',
      HTTP_PROXY: receiver.url,
      HTTPS_PROXY: receiver.url,
      AWS_CONFIG_FILE: join(folder, 'none'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    });
    const own = await provider({ credentials: good });
    const { ref } = await own.lifecycle.create(WANTED, calling());
    assert.match(ref, new RegExp(`^arn:aws:kms:${server.region}:`));
    // A region that is not there: the name of its host is nobody's.
    const aws = await openProvider({ endpoint: undefined as never, region: 'xx-none-1', credentials: good });
    open.push(aws);
    await assert.rejects(aws.resolve('alias/x', calling(2000)), (error: any) =>
      ['PROVIDER_UNAVAILABLE', 'PROVIDER_TIMEOUT'].includes(error.code),
    );
    assert.deepEqual(receiver.received, []);
    await receiver.stop();
  });

  test('the environment is used where the configuration says so', async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: good.accessKeyId, AWS_SECRET_ACCESS_KEY: good.secretAccessKey });
    const ambient = await provider({ ambient: true });
    assert.equal((await ambient.lifecycle.create(WANTED, calling())).state, 'enabled');
  });

  test('a profile is used by its name; one that is not there is a fault of the configuration', async () => {
    const file = join(folder, 'credentials');
    writeFileSync(
      file,
      `[main]\naws_access_key_id = ${good.accessKeyId}\naws_secret_access_key = ${good.secretAccessKey}\n`,
    );
    Object.assign(process.env, { AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: join(folder, 'none') });
    const main = await provider({ profile: 'main' });
    assert.equal((await main.lifecycle.create(WANTED, calling())).state, 'enabled');
    const none = await provider({ profile: 'none' });
    await assert.rejects(none.lifecycle.create(WANTED, calling()), { code: 'PROVIDER_MISCONFIGURED' });
  });

  test('a server of an authority of its own is believed with its file, and not without', async (t) => {
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const authority = newAuthority(openssl.program, folder, 'private');
    const { certificate, key } = authority.issue('kms');
    const tls = await startTestServer({ config: `tls: { certificate: ${certificate}, key: ${key} }` });
    const { region, endpoint } = tls;
    const credentials = { accessKeyId: tls.awsAccessKeyId, secretAccessKey: tls.awsSecretAccessKey };
    const withFile = await openProvider({ endpoint, region, credentials }, { caFile: authority.ca });
    const without = await openProvider({ endpoint, region, credentials });
    open.push(withFile, without);
    assert.equal((await withFile.lifecycle.create(WANTED, calling())).state, 'enabled');
    await assert.rejects(without.lifecycle.create(WANTED, calling()), (error: any) => {
      assert.equal(error.code, 'PROVIDER_UNAVAILABLE');
      assert.match(error.native.code, /CERT|SIGNATURE/);
      return true;
    });
    await assert.rejects(openProvider({ endpoint, region, credentials }, { caFile: join(folder, 'none.pem') }), {
      code: 'PROVIDER_MISCONFIGURED',
      message: /^cannot read `caFile` of provider `aws-main`: ENOENT/,
    });
    await tls.stop();
  });
});

describe('a role that the AWS KMS adapter takes on', () => {
  const assumeRole = {
    roleArn: 'arn:aws:iam::123456789012:role/claviger',
    externalId: 'external-1',
    sessionName: 'claviger-test',
  };
  let moto: KmsServer | null = null;
  let sts: FaultProxy;
  let kms: FaultProxy;

  before(async (t) => {
    moto = await startMoto(t as TestContext);
    if (moto === null) return;
    sts = await startFaultProxy({ target: { port: moto.port }, mode: 'http' });
    kms = await startFaultProxy({ target: { port: moto.port }, mode: 'http' });
  });
  after(async () => {
    await sts?.stop();
    await kms?.stop();
    await moto?.stop();
  });

  function asRole(more: object = {}): Promise<AwsKmsProvider> {
    return openProvider({ ...moto!, endpoint: kms.url }, { assumeRole: { ...assumeRole, endpoint: sts.url }, ...more });
  }

  test('gives the credentials of the calls, and is asked for once', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    const headers: IncomingHttpHeaders[] = [];
    await kms.set({ kind: 'pass' }, { where: (request) => headers.push(request.headers) > 0 });
    const before = sts.requests;
    const provider = await asRole();
    const { ref } = await provider.lifecycle.create(WANTED, calling());
    const { wrap } = provider.key(ref, 'AES-256-GCM');
    await Promise.all(Array.from({ length: 20 }, () => wrap!.wrap(MESSAGE, NO_CONTEXT, calling())));
    assert.equal(sts.requests, before + 1);
    assert.equal(headers.length, 21);
    for (const { authorization, 'x-amz-security-token': token } of headers) {
      assert.match(authorization!, /Credential=ASIA/);
      assert.ok(typeof token === 'string' && token.length > 10);
    }
    await provider.close();
    await kms.heal();
  });

  const troubles = [
    ['is refused', { kind: 'answer', status: 403, body: stsError('AccessDenied') }, 'PROVIDER_DENIED'],
    ['is throttled', { kind: 'answer', status: 400, body: stsError('Throttling') }, 'THROTTLED'],
    ['fails', { kind: 'answer', status: 500, body: stsError('InternalFailure') }, 'PROVIDER_UNAVAILABLE'],
    ['is reset', { kind: 'reset' }, 'PROVIDER_UNAVAILABLE'],
    ['never answers', { kind: 'stall' }, 'PROVIDER_TIMEOUT'],
  ] as const;
  for (const [what, fault, code] of troubles) {
    test(`and that STS ${what} ends the call in time, with ${code}, and only this one`, async (t) => {
      if (moto === null) return t.skip('moto is missing');
      await sts.set(fault);
      const provider = await asRole({ timeoutMs: 1000 });
      const calls = kms.requests;
      await assert.rejects(provider.lifecycle.create(WANTED, calling(500)), { code });
      assert.equal(kms.requests, calls);
      await sts.heal();
      assert.equal((await provider.lifecycle.create(WANTED, calling())).state, 'enabled');
      await provider.close();
    });
  }

  test('and an STS that is not there is an outage', async (t) => {
    if (moto === null) return t.skip('moto is missing');
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const provider = await openProvider(moto, { assumeRole: { ...assumeRole, endpoint } });
    await assert.rejects(provider.lifecycle.create(WANTED, calling()), { code: 'PROVIDER_UNAVAILABLE' });
    await provider.close();
  });
});

function stsError(code: string): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`;
}
