/**
 * Messages exchanged with the official AWS Encryption SDK for JavaScript through its KMS keyring: at our AWS endpoint, where
 * the keys are Claviger's, and at moto, where they are an AWS home's.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test, type TestContext } from 'node:test';
import { AlgorithmSuiteIdentifier } from '@aws-crypto/client-node';
import { clavigerKeyring, discoveryKeyring, Envelope } from '../../src/envelope/index.ts';
import { openHomesKeyring } from '../../src/index.ts';
import { kmsKeyring, official, type Kms } from '../support/esdk.ts';
import { nativeClient, startMoto } from '../support/kms-servers.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { pairOf } from './aws-support.ts';

const CONTEXT = { table: 'orders', Zeile: '4711', Größe: 'groß' };
/** Around a frame of 4,096 bytes, and none and many. */
const SIZES = [0, 1, 4095, 4096, 4097, 100_000];

const {
  ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY: SUITE,
  ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384: SIGNED_SUITE,
} = AlgorithmSuiteIdentifier;

let server: TestServer;
let ours: Kms;
let key: string;
let accountId: string;

before(async () => {
  server = await startTestServer();
  ours = { endpoint: server.endpoint, region: server.region, credentials: pairOf(server) };
  const { arn } = await server.client.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
  key = arn;
  accountId = arn.split(':')[4]!;
});
after(() => server.stop());

suite('at our AWS endpoint', () => {
  test('what our keyring encrypts, the official KMS keyring opens, by its key and by discovery', async () => {
    const envelope = new Envelope({ keyring: clavigerKeyring(server.client, { key: 'alias:orders' }) });
    for (const size of SIZES) {
      const text = Buffer.alloc(size, 'x');
      const { message } = await envelope.encrypt(text, { context: CONTEXT, frameBytes: 4096 });
      for (const which of [{ keys: [key] }, { accountIds: [accountId] }]) {
        const { plaintext, messageHeader } = await official.decrypt(kmsKeyring(ours, which), message);
        assert.deepEqual(plaintext, text);
        assert.deepEqual({ ...messageHeader.encryptionContext }, CONTEXT);
      }
    }
  });

  test('what the official KMS keyring encrypts, ours opens, signed or not', async () => {
    const strict = new Envelope({ keyring: clavigerKeyring(server.client, { key }) });
    const found = new Envelope({ keyring: discoveryKeyring(server.client, { accountIds: [accountId] }) });
    for (const suiteId of [SUITE, SIGNED_SUITE]) {
      for (const size of SIZES) {
        const text = Buffer.alloc(size, 'y');
        const { result } = await official.encrypt(kmsKeyring(ours, { keys: [key] }), text, {
          encryptionContext: CONTEXT,
          frameLength: 4096,
          suiteId,
        });
        for (const envelope of [strict, found]) {
          const { plaintext, header } = await envelope.decrypt(result, { context: CONTEXT });
          assert.deepEqual(plaintext, text);
          assert.equal<number>(header.suite.id, suiteId);
        }
      }
    }
  });

  test('a message of two keys opens for the official keyring of either, in both directions', async () => {
    const { arn: second } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const keyring = clavigerKeyring(server.client, { keys: [key, second], wrapQuorum: 2 });
    const { message } = await new Envelope({ keyring }).encrypt(Buffer.from('two'), { context: CONTEXT });
    for (const one of [key, second]) {
      const { plaintext } = await official.decrypt(kmsKeyring(ours, { keys: [one] }), message);
      assert.equal(plaintext.toString(), 'two');
    }
    const { result } = await official.encrypt(kmsKeyring(ours, { keys: [key, second] }), 'both', {
      encryptionContext: CONTEXT,
    });
    for (const one of [key, second]) {
      const envelope = new Envelope({ keyring: clavigerKeyring(server.client, { key: one }) });
      assert.equal((await envelope.decrypt(result)).plaintext.toString(), 'both');
    }
  });

  test('a key that is disabled opens nothing, for them as for us', async () => {
    const { arn } = await server.client.createKey({ spec: 'AES-256-GCM' });
    const envelope = new Envelope({ keyring: clavigerKeyring(server.client, { key: arn }) });
    const { message } = await envelope.encrypt(Buffer.from('x'));
    await server.client.disableKey({ key: arn });
    await assert.rejects(envelope.decrypt(message), { code: 'KEY_DISABLED' });
    await assert.rejects(official.decrypt(kmsKeyring(ours, { keys: [arn] }), message), /[Dd]isabled/);
  });
});

suite('an AWS home, at moto', () => {
  test('the official KMS keyring opens at moto what our keyring of homes wrapped there, and the reverse', async (t: TestContext) => {
    const moto = await startMoto(t);
    if (moto === null) return;
    t.after(() => moto.stop());
    const kms = nativeClient(moto);
    const { KeyMetadata } = await kms.createKey({});
    const arn = KeyMetadata!.Arn!;
    await kms.createAlias({ AliasName: 'alias/orders', TargetKeyId: arn });
    const { endpoint, region, credentials } = moto;
    await using keyring = await openHomesKeyring({
      providers: [
        { name: 'aws', kind: 'aws-kms', region, endpoint, credentials: { ...credentials }, timeoutMs: 20_000 },
      ],
      keys: [
        { provider: 'aws', ref: 'alias/orders' },
        { service: server.client, key },
      ],
      wrapQuorum: 2,
      deadlineMs: 30_000,
    });
    const envelope = new Envelope({ keyring });
    for (const size of SIZES) {
      const text = Buffer.alloc(size, 'z');
      const { message, header } = await envelope.encrypt(text, { context: CONTEXT, frameBytes: 4096 });
      assert.deepEqual(
        header.encryptedDataKeys.map(({ providerId, providerInfo }) => [
          providerId,
          Buffer.from(providerInfo).toString(),
        ]),
        [
          ['aws-kms', arn],
          ['aws-kms', key],
        ],
      );
      for (const keyringOfTheirs of [kmsKeyring(moto, { keys: [arn] }), kmsKeyring(ours, { keys: [key] })]) {
        assert.deepEqual((await official.decrypt(keyringOfTheirs, message)).plaintext, text);
      }
      const { result } = await official.encrypt(kmsKeyring(moto, { keys: [arn] }), text, {
        encryptionContext: CONTEXT,
        frameLength: 4096,
      });
      assert.deepEqual((await envelope.decrypt(result, { context: CONTEXT })).plaintext, text);
    }
  });
});
