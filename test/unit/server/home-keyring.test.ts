/** A keyring over homes that a user of the library lists; native keys of real services stand in test/peers/esdk-homes.test.ts. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Envelope, rawRsaKeyring, type KeyService } from '../../../src/envelope/index.ts';
import { ClavigerError, openHomesKeyring, type HomesKeyringOptions } from '../../../src/index.ts';
import { openTestService } from '../../support/service.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const RSA = { namespace: 'example.org', name: 'recovery', publicKey };
const AES = { namespace: 'example.org', name: 'aes', key: randomBytes(32) };
const PEM = publicKey.export({ format: 'pem', type: 'spki' });
const TEXT = Buffer.from('one message, three homes');

test('a message has one entry for each listed home, opens where one is down, and at a recovery key alone', async (t) => {
  const service = await openTestService();
  t.after(() => service.remove());
  const { arn } = await service.api.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
  const down = { isDown: false };
  const flaky = flakyService(service.api, down);
  await using keyring = await openHomesKeyring({
    keys: [{ service: flaky, key: 'alias:orders' }, { rsa: { ...RSA, privateKey } }, { aes: AES }],
    wrapQuorum: 2,
  });
  const envelope = new Envelope({ keyring });
  const { message, header, missingHomes } = await envelope.encrypt(TEXT, { context: { a: 'b' } });
  assert.deepEqual(
    header.encryptedDataKeys.map(({ providerId }) => providerId),
    ['aws-kms', 'example.org', 'example.org'],
  );
  assert.equal(Buffer.from(header.encryptedDataKeys[0]!.providerInfo).toString(), arn);
  assert.deepEqual(missingHomes, []);

  down.isDown = true;
  assert.deepEqual((await envelope.decrypt(message)).plaintext, TEXT);
  const without = await envelope.encrypt(TEXT);
  assert.deepEqual(without.missingHomes, ['claviger:alias:orders']);
  const recovery = new Envelope({ keyring: rawRsaKeyring({ ...RSA, privateKey }) });
  for (const each of [message, without.message]) assert.deepEqual((await recovery.decrypt(each)).plaintext, TEXT);

  await service.api.disableKey({ key: arn });
  down.isDown = false;
  keyring.clear('claviger');
  await assert.rejects(envelope.encrypt(TEXT), { code: 'KEY_DISABLED' });
});

test('it tells how its homes are, and asks one again that was left alone', async () => {
  const down = { isDown: true };
  await using keyring = await openHomesKeyring({
    keys: [{ service: flakyService({} as KeyService, down), key: 'alias:orders', name: 'berlin' }, { aes: AES }],
  });
  const envelope = new Envelope({ keyring });
  for (let call = 0; call < 5; call += 1) await envelope.encrypt(TEXT);
  const states = (): readonly string[] => keyring.status().map(({ name, state }) => `${name} ${state}`);
  assert.deepEqual(states(), ['berlin open', 'aes closed']);
  assert.match(keyring.status()[0]!.lastError ?? '', /down/);
  keyring.clear('berlin');
  assert.deepEqual(states(), ['berlin closed', 'aes closed']);
  assert.throws(() => keyring.clear('paris'), { code: 'NOT_FOUND' });
});

test('what could never work is refused when it is opened, by its name', async () => {
  const service = {} as KeyService;
  const refused: readonly (readonly [options: HomesKeyringOptions, words: RegExp])[] = [
    [{ keys: [] }, /1 to 16 keys/],
    [{ keys: [{ aes: AES }], wrapQuorum: 2 }, /wrapQuorum/],
    [{ keys: [{ aes: AES }], balance: 'luck' as never }, /balance/],
    [{ keys: [{ aes: AES }], deadlineMs: 1 }, /deadlineMs/],
    [{ keys: [{ aes: AES }], quorum: 1 } as never, /quorum/],
    [{ keys: [{ provider: 'aws', ref: 'x' }] }, /no provider `aws` is listed; there is none/],
    [{ providers: [{ kind: 'aws-kms', name: 'aws' } as never], keys: [{ aes: AES }] }, /providers\.0\.region/],
    [{ keys: [{ aes: AES }, { rsa: { ...RSA, name: AES.name } }] }, /`aes` is the name of another home/],
    [
      {
        keys: [
          { service, key: 'a' },
          { service: {} as KeyService, key: 'b' },
        ],
      },
      /`claviger` is the name of another home/,
    ],
    [
      {
        providers: [{ kind: 'pem', name: 'old', keys: [{ name: 'k', pem: PEM }] }],
        keys: [{ provider: 'old', ref: 'k' }],
      },
      /give the key as `rsa`/,
    ],
  ];
  for (const [options, words] of refused) {
    await assert.rejects(openHomesKeyring(options), { code: 'INVALID_ARGUMENT', message: words });
  }
});

function flakyService(service: KeyService, down: { isDown: boolean }): KeyService {
  const asked = <I, O>(call: (input: I) => Promise<O>): ((input: I) => Promise<O>) => {
    return async (input) => {
      if (down.isDown) throw new ClavigerError('PROVIDER_UNAVAILABLE', 'it is down');
      return call(input);
    };
  };
  return {
    generateDataKey: asked((input) => service.generateDataKey(input)),
    encrypt: asked((input) => service.encrypt(input)),
    decrypt: asked((input) => service.decrypt(input)),
    describeKey: asked((input) => service.describeKey(input)),
  };
}
