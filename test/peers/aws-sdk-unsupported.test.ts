/** What AWS has and we do not, dry runs, and requests that make no sense: each refused by its name. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { GetKeyLastUsageCommand, type KMS } from '@aws-sdk/client-kms';
import { startTestServer, type TestServer } from '../support/server.ts';
import { bytesOf, kmsClient, newKey, refuses } from './aws-support.ts';

let server: TestServer;
let kms: KMS;
let KeyId: string;
let signing: string;
let mac: string;

before(async () => {
  server = await startTestServer();
  kms = kmsClient(server);
  ({ KeyId } = await newKey(kms));
  ({ KeyId: signing } = await newKey(kms, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }));
  ({ KeyId: mac } = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }));
});
after(async () => {
  kms.destroy();
  await server.stop();
});

suite('operations that AWS has and we do not', () => {
  const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
    ConnectCustomKeyStore: () => kms.connectCustomKeyStore({ CustomKeyStoreId: 'cks-1' }),
    CreateCustomKeyStore: () => kms.createCustomKeyStore({ CustomKeyStoreName: 'store' }),
    DeleteCustomKeyStore: () => kms.deleteCustomKeyStore({ CustomKeyStoreId: 'cks-1' }),
    DescribeCustomKeyStores: () => kms.describeCustomKeyStores({}),
    DisconnectCustomKeyStore: () => kms.disconnectCustomKeyStore({ CustomKeyStoreId: 'cks-1' }),
    UpdateCustomKeyStore: () => kms.updateCustomKeyStore({ CustomKeyStoreId: 'cks-1' }),
    CreateGrant: () => kms.createGrant({ KeyId, GranteePrincipal: 'arn:aws:iam::1:user/a', Operations: ['Encrypt'] }),
    ListGrants: () => kms.listGrants({ KeyId }),
    ListRetirableGrants: () => kms.listRetirableGrants({ RetiringPrincipal: 'arn:aws:iam::1:user/a' }),
    RetireGrant: () => kms.retireGrant({ KeyId, GrantId: '1' }),
    RevokeGrant: () => kms.revokeGrant({ KeyId, GrantId: '1' }),
    ReplicateKey: () => kms.replicateKey({ KeyId, ReplicaRegion: 'eu-west-1' }),
    UpdatePrimaryRegion: () => kms.updatePrimaryRegion({ KeyId, PrimaryRegion: 'eu-west-1' }),
    GetKeyLastUsage: () => kms.send(new GetKeyLastUsageCommand({ KeyId })),
  };
  for (const [name, call] of Object.entries(CALLS)) {
    test(`${name} is refused by its name`, () =>
      refuses(call(), 'UnsupportedOperationException', new RegExp(`\`${name}\` is not supported here`)));
  }

  test('every operation of the SDK is answered or refused by its name', async () => {
    const { AWS_OPERATIONS, UNSUPPORTED_OPERATIONS } = await import('../../src/gateways/aws-kms/operations.ts');
    const sdk = await import('@aws-sdk/client-kms');
    const names = Object.keys(sdk)
      .filter((name) => /^[A-Z]\w+Command$/.test(name))
      .map((name) => name.slice(0, -'Command'.length));
    assert.ok(names.length >= 55);
    const known = new Set([...AWS_OPERATIONS.keys(), ...UNSUPPORTED_OPERATIONS]);
    assert.deepEqual(
      names.filter((name) => !known.has(name)),
      [],
    );
  });
});

suite('fields that AWS honours and we do not', () => {
  const Plaintext = bytesOf('x');
  const Recipient = { KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256', AttestationDocument: bytesOf('x') } as const;

  test('a Recipient is refused by name, rather than given the plaintext', async () => {
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
    const calls = [
      kms.decrypt({ CiphertextBlob, Recipient }),
      kms.generateDataKey({ KeyId, KeySpec: 'AES_256', Recipient }),
      kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256', Recipient }),
      kms.generateRandom({ NumberOfBytes: 1, Recipient }),
    ];
    const told = /`Recipient` is not supported here/;
    await Promise.all(calls.map((call) => refuses(call, 'UnsupportedOperationException', told)));
  });

  test('grant tokens are refused by name', async () => {
    const GrantTokens = ['token'];
    await refuses(kms.encrypt({ KeyId, Plaintext, GrantTokens }), 'UnsupportedOperationException', /`GrantTokens`/);
    await refuses(kms.describeKey({ KeyId, GrantTokens }), 'UnsupportedOperationException', /`GrantTokens`/);
    assert.ok((await kms.encrypt({ KeyId, Plaintext, GrantTokens: [] })).CiphertextBlob);
  });

  for (const [field, input] of [
    ['MultiRegion', { MultiRegion: true }],
    ['CustomKeyStoreId', { CustomKeyStoreId: 'cks-1' }],
    ['XksKeyId', { XksKeyId: '1' }],
    ['Origin', { Origin: 'AWS_CLOUDHSM' }],
    ['Origin', { Origin: 'EXTERNAL_KEY_STORE' }],
  ] as const) {
    test(`CreateKey refuses ${JSON.stringify(input)} by name`, () =>
      refuses(kms.createKey(input), 'UnsupportedOperationException', new RegExp(`\`${field}\``)));
  }

  test('CreateKey takes the values that are the default anyway', async () => {
    const made = await newKey(kms, { MultiRegion: false, BypassPolicyLockoutSafetyCheck: false, Origin: 'AWS_KMS' });
    assert.equal(made.MultiRegion, false);
  });

  test('all key material in the list of rotations, and ignoring a ciphertext, are refused by name', async () => {
    const listed = kms.listKeyRotations({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' });
    await refuses(listed, 'UnsupportedOperationException', /`IncludeKeyMaterial`/);
    const dry = kms.decrypt({ KeyId, DryRun: true, DryRunModifiers: ['IGNORE_CIPHERTEXT'] });
    await refuses(dry, 'UnsupportedOperationException', /`DryRunModifiers`/);
  });

  test('fields that nobody knows are ignored, for newer SDKs send more', async () => {
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, Invented: 'field' } as never);
    assert.ok(CiphertextBlob);
  });
});

suite('DryRun', () => {
  const DryRun = true;
  const Message = bytesOf('x');

  test('what would succeed is told so, and does nothing', async () => {
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Message });
    const { Signature } = await kms.sign({ KeyId: signing, Message, SigningAlgorithm: 'ECDSA_SHA_256' });
    const { Mac } = await kms.generateMac({ KeyId: mac, Message, MacAlgorithm: 'HMAC_SHA_256' });
    const calls = [
      kms.encrypt({ KeyId, Plaintext: Message, DryRun }),
      kms.decrypt({ CiphertextBlob, DryRun }),
      kms.reEncrypt({ CiphertextBlob, DestinationKeyId: KeyId, DryRun }),
      kms.generateDataKey({ KeyId, KeySpec: 'AES_256', DryRun }),
      kms.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: 'AES_256', DryRun }),
      kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256', DryRun }),
      kms.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec: 'ECC_NIST_P256', DryRun }),
      kms.sign({ KeyId: signing, Message, SigningAlgorithm: 'ECDSA_SHA_256', DryRun }),
      kms.verify({ KeyId: signing, Message, SigningAlgorithm: 'ECDSA_SHA_256', Signature, DryRun }),
      kms.generateMac({ KeyId: mac, Message, MacAlgorithm: 'HMAC_SHA_256', DryRun }),
      kms.verifyMac({ KeyId: mac, Message, MacAlgorithm: 'HMAC_SHA_256', Mac, DryRun }),
    ];
    await Promise.all(calls.map((call) => refuses(call, 'DryRunOperationException', /would have succeeded/)));
  });

  test('what would be refused is refused as it would be', async () => {
    const off = await newKey(kms);
    await kms.disableKey({ KeyId: off.KeyId });
    await refuses(kms.encrypt({ KeyId: off.KeyId, Plaintext: Message, DryRun }), 'DisabledException');
    await refuses(kms.encrypt({ KeyId: signing, Plaintext: Message, DryRun }), 'InvalidKeyUsageException');
    const unknown = '01900000-0000-7000-8000-000000000000';
    await refuses(kms.encrypt({ KeyId: unknown, Plaintext: Message, DryRun }), 'NotFoundException');
    await refuses(kms.decrypt({ CiphertextBlob: bytesOf('noise'), DryRun }), 'InvalidCiphertextException');
    await refuses(kms.generateDataKey({ KeyId, DryRun }), 'ValidationException');
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: Message });
    const wrong = CiphertextBlob!.with(60, CiphertextBlob![60]! ^ 1);
    await refuses(kms.decrypt({ KeyId, CiphertextBlob: wrong, DryRun }), 'InvalidCiphertextException');
    const sha384 = 'ECDSA_SHA_384';
    await refuses(kms.sign({ KeyId: signing, Message, SigningAlgorithm: sha384, DryRun }), 'InvalidKeyUsageException');
    const digest = { KeyId: signing, Message, MessageType: 'DIGEST', SigningAlgorithm: 'ECDSA_SHA_256' } as const;
    await refuses(kms.sign({ ...digest, DryRun }), 'ValidationException', /1 bytes/);
    const verify = { KeyId: signing, Message, SigningAlgorithm: 'ECDSA_SHA_256', Signature: Message } as const;
    await refuses(kms.verify({ ...verify, DryRun }), 'KMSInvalidSignatureException');
    const unverified = { KeyId: mac, Message, Mac: Message, MacAlgorithm: 'HMAC_SHA_256' } as const;
    await refuses(kms.verifyMac({ ...unverified, DryRun }), 'KMSInvalidMacException');
  });

  test('a dry run that is false is none', async () => {
    assert.ok((await kms.encrypt({ KeyId, Plaintext: Message, DryRun: false })).CiphertextBlob);
  });
});

suite('requests that make no sense', () => {
  const CALLS: readonly (readonly [string, RegExp, () => Promise<unknown>])[] = [
    ['a missing key', /`KeyId`/, () => kms.encrypt({ Plaintext: bytesOf('x') } as never)],
    ['an empty key', /`KeyId`/, () => kms.describeKey({ KeyId: '' })],
    ['a key name of 2,049 characters', /`KeyId`/, () => kms.describeKey({ KeyId: 'x'.repeat(2049) })],
    ['a missing plaintext', /`Plaintext`/, () => kms.encrypt({ KeyId } as never)],
    ['a missing ciphertext', /`CiphertextBlob`/, () => kms.decrypt({ KeyId })],
    ['a ciphertext of 6,145 bytes', /`CiphertextBlob`/, () => kms.decrypt({ CiphertextBlob: new Uint8Array(6145) })],
    ['a missing algorithm', /`SigningAlgorithm`/, () => kms.sign({ KeyId: signing, Message: bytesOf('x') } as never)],
    ['an unknown key spec', /`KeySpec`/, () => kms.createKey({ KeySpec: 'RSA_1024' as never })],
    ['a spec of the China regions', /`KeySpec`/, () => kms.createKey({ KeySpec: 'SM2', KeyUsage: 'SIGN_VERIFY' })],
    ['an unknown usage', /`KeyUsage`/, () => kms.createKey({ KeyUsage: 'WRAP' as never })],
    ['an unknown origin', /`Origin`/, () => kms.createKey({ Origin: 'ELSEWHERE' as never })],
    [
      'an unknown encryption algorithm',
      /`EncryptionAlgorithm`/,
      () => kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionAlgorithm: 'SM2PKE' }),
    ],
    [
      'a context that is no map of strings',
      /`EncryptionContext\.a`/,
      () => kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionContext: { a: 1 } as never }),
    ],
    [
      'a context that is too long',
      /encryption context/,
      () => kms.encrypt({ KeyId, Plaintext: bytesOf('x'), EncryptionContext: { a: 'x'.repeat(8193) } }),
    ],
    ['a missing alias name', /`AliasName`/, () => kms.createAlias({ TargetKeyId: KeyId } as never)],
    ['tags that are no list', /`Tags`/, () => kms.tagResource({ KeyId } as never)],
    ['a missing description', /`Description`/, () => kms.updateKeyDescription({ KeyId } as never)],
  ];
  for (const [what, told, call] of CALLS) {
    test(`${what} is refused, and named`, () => refuses(call(), 'ValidationException', told));
  }
});
