/** The life of a key by AWS's JavaScript SDK: made, named, listed, disabled, rotated, tagged, deleted. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  AlreadyExistsException,
  KMSServiceException,
  NotFoundException,
  paginateListAliases,
  paginateListKeyRotations,
  paginateListKeys,
  paginateListResourceTags,
  type KMS,
  type KeySpec,
  type KeyUsageType,
} from '@aws-sdk/client-kms';
import { startTestServer, type TestServer } from '../support/server.ts';
import { bytesOf, fieldsOf, kmsClient, newKey, newPair, pairOf, refuses } from './aws-support.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

let server: TestServer;
let kms: KMS;

before(async () => {
  server = await startTestServer({ config: 'limits: { changesPerSecond: 10000 }\n' });
  kms = kmsClient(server);
});
after(async () => {
  kms.destroy();
  await server.stop();
});

/** Each spec with a usage, and the algorithms that its metadata lists. */
const SPECS: readonly (readonly [KeySpec, KeyUsageType, string, readonly string[]])[] = [
  ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT', 'EncryptionAlgorithms', ['SYMMETRIC_DEFAULT']],
  ...(['RSA_2048', 'RSA_3072', 'RSA_4096'] as const).flatMap((spec) => [
    [spec, 'ENCRYPT_DECRYPT', 'EncryptionAlgorithms', ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256']] as const,
    [
      spec,
      'SIGN_VERIFY',
      'SigningAlgorithms',
      ['PKCS1_V1_5', 'PSS'].flatMap((padding) => ['256', '384', '512'].map((bits) => `RSASSA_${padding}_SHA_${bits}`)),
    ] as const,
  ]),
  ...(['256', '384', '521'] as const).flatMap((curve) => [
    [
      `ECC_NIST_P${curve}`,
      'SIGN_VERIFY',
      'SigningAlgorithms',
      [`ECDSA_SHA_${curve === '521' ? '512' : curve}`],
    ] as const,
    [`ECC_NIST_P${curve}`, 'KEY_AGREEMENT', 'KeyAgreementAlgorithms', ['ECDH']] as const,
  ]),
  ['ECC_SECG_P256K1', 'SIGN_VERIFY', 'SigningAlgorithms', ['ECDSA_SHA_256']],
  ['ECC_NIST_EDWARDS25519', 'SIGN_VERIFY', 'SigningAlgorithms', ['ED25519_PH_SHA_512', 'ED25519_SHA_512']],
  ...(['224', '256', '384', '512'] as const).map(
    (bits) => [`HMAC_${bits}`, 'GENERATE_VERIFY_MAC', 'MacAlgorithms', [`HMAC_SHA_${bits}`]] as const,
  ),
  ...(['44', '65', '87'] as const).map(
    (level) => [`ML_DSA_${level}`, 'SIGN_VERIFY', 'SigningAlgorithms', ['ML_DSA_SHAKE_256']] as const,
  ),
  ...(['512', '768', '1024'] as const).map(
    (level) => [`ML_KEM_${level}`, 'ENCAPSULATE_DECAPSULATE', 'EncapsulationAlgorithms', ['ML_KEM']] as const,
  ),
];

suite('CreateKey and DescribeKey', () => {
  test('a key without any wish is a symmetric one, with the metadata that AWS documents', async () => {
    const start = Date.now();
    const made = await newKey(kms);
    const { KeyId, CreationDate, ...rest } = made;
    assert.match(KeyId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(CreationDate instanceof Date);
    assert.ok(CreationDate.getTime() >= start - 1000 && CreationDate.getTime() <= Date.now());
    assert.deepEqual(rest, {
      AWSAccountId: server.accountId,
      Arn: `arn:aws:kms:${server.region}:${server.accountId}:key/${KeyId}`,
      CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
      Description: '',
      Enabled: true,
      EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
      KeyManager: 'CUSTOMER',
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyState: 'Enabled',
      KeyUsage: 'ENCRYPT_DECRYPT',
      MultiRegion: false,
      Origin: 'AWS_KMS',
    });
    assert.deepEqual((await kms.describeKey({ KeyId })).KeyMetadata, made);
  });

  for (const [KeySpec, KeyUsage, field, algorithms] of SPECS) {
    test(`${KeySpec} for ${KeyUsage} can be made, and lists its algorithms`, async () => {
      const made = await newKey(kms, { KeySpec, KeyUsage });
      const described = (await kms.describeKey({ KeyId: made.Arn })).KeyMetadata!;
      assert.equal(described.KeySpec, KeySpec);
      assert.equal(described.KeyUsage, KeyUsage);
      assert.deepEqual([...((described as never)[field] as string[])].sort(), algorithms);
    });
  }

  test('the old name of KeySpec is understood, and not together with the new one', async () => {
    // As a variable, for the SDK marks the field as deprecated.
    const old = { ['CustomerMasterKeySpec' as string]: 'HMAC_256' };
    const { KeySpec } = await newKey(kms, { ...old, KeyUsage: 'GENERATE_VERIFY_MAC' });
    assert.equal(KeySpec, 'HMAC_256');
    const both = kms.createKey({ ...old, KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    await refuses(both, 'ValidationException', /`KeySpec` alone/);
  });

  for (const KeySpec of ['RSA_2048', 'ECC_NIST_P256', 'HMAC_256', 'ML_DSA_44'] as const) {
    test(`a key of spec ${KeySpec} is not made without its usage`, () =>
      refuses(kms.createKey({ KeySpec }), 'ValidationException', /`KeyUsage` is needed/));
  }

  test('a usage that the spec does not have is refused', async () => {
    await refuses(kms.createKey({ KeySpec: 'ECC_SECG_P256K1', KeyUsage: 'ENCRYPT_DECRYPT' }), 'ValidationException');
    await refuses(kms.createKey({ KeyUsage: 'SIGN_VERIFY' }), 'ValidationException', /cannot be used for/);
  });

  test('description and tags are kept', async () => {
    const Tags = [
      { TagKey: 'team', TagValue: 'payments' },
      { TagKey: 'empty', TagValue: '' },
    ];
    const { KeyId, Description } = await newKey(kms, { Description: 'orders — Bestellungen', Tags });
    assert.equal(Description, 'orders — Bestellungen');
    const listed = await kms.listResourceTags({ KeyId });
    assert.deepEqual(new Set(listed.Tags), new Set(Tags));
    assert.equal(listed.Truncated, false);
  });

  test('a description of more than 8,192 characters is refused', () =>
    refuses(kms.createKey({ Description: 'x'.repeat(8193) }), 'ValidationException', /`Description`/));
});

suite('names of a key', () => {
  test('id, ARN, alias and alias ARN name the same key', async () => {
    const { KeyId, Arn } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/names/one', TargetKeyId: KeyId });
    const aliasArn = `arn:aws:kms:${server.region}:${server.accountId}:alias/names/one`;
    const names = [KeyId, Arn, 'alias/names/one', aliasArn];
    const described = await Promise.all(names.map((name) => kms.describeKey({ KeyId: name })));
    assert.deepEqual(new Set(described.map(({ KeyMetadata }) => KeyMetadata!.Arn)), new Set([Arn]));
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('hello') });
    for (const name of names) {
      const opened = await kms.decrypt({ KeyId: name, CiphertextBlob });
      assert.deepEqual(opened.Plaintext, bytesOf('hello'));
      assert.equal(opened.KeyId, Arn);
    }
  });

  for (const [what, name] of [
    ['an unknown id', UNKNOWN_ID],
    ['what is no id', 'not-a-key'],
    ['an unknown alias', 'alias/unknown'],
    ['a multi-region id', 'mrk-d3b95762d3b95762d3b95762d3b95762'],
    ['the ARN of another region', `arn:aws:kms:ap-south-1:000000000000:key/${UNKNOWN_ID}`],
  ] as const) {
    test(`${what} is not found`, async () => {
      await refuses(kms.describeKey({ KeyId: name }), 'NotFoundException', /does not exist/);
      await refuses(kms.encrypt({ KeyId: name, Plaintext: bytesOf('x') }), 'NotFoundException');
    });
  }

  test('the ARN of a key of ours under another account or region is not found', async () => {
    const { Arn } = await newKey(kms);
    await refuses(kms.describeKey({ KeyId: Arn.replace(server.accountId, '000000000000') }), 'NotFoundException');
    await refuses(kms.describeKey({ KeyId: Arn.replace(server.region, 'eu-west-9') }), 'NotFoundException');
  });

  for (const arn of ['arn:aws:s3:::bucket', 'arn:aws:kms:us-east-1', `arn:aws:kms:us-east-1:1:key/${UNKNOWN_ID}`]) {
    test(`${arn} is no ARN of a key`, () => refuses(kms.describeKey({ KeyId: arn }), 'InvalidArnException', /key\/ID/));
  }

  test('the exceptions are the classes that the SDK exports', async () => {
    const { KeyId } = await newKey(kms);
    await assert.rejects(kms.describeKey({ KeyId: UNKNOWN_ID }), NotFoundException);
    await kms.createAlias({ AliasName: 'alias/classes', TargetKeyId: KeyId });
    const again = kms.createAlias({ AliasName: 'alias/classes', TargetKeyId: KeyId });
    await assert.rejects(again, (error) => {
      assert.ok(error instanceof AlreadyExistsException && error instanceof KMSServiceException);
      assert.equal(error.$fault, 'client');
      assert.equal(error.$metadata.httpStatusCode, 400);
      assert.match(error.$metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
      return true;
    });
  });
});

suite('another tenant', () => {
  let stranger: KMS;
  before(async () => {
    const tenant = await server.client.createTenant({ name: 'stranger' });
    stranger = kmsClient(server, await newPair(server, ['key-administrator', 'crypto-user'], { tenant: tenant.id }));
  });
  after(() => stranger.destroy());

  test('does not find our keys, and is told the same as of a key that does not exist', async () => {
    const { KeyId, Arn } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/ours', TargetKeyId: KeyId });
    const told = async (name: string): Promise<string> => {
      const refusal = await stranger.describeKey({ KeyId: name }).catch((error: Error) => error);
      assert.ok(refusal instanceof NotFoundException);
      return refusal.message.replace(name, 'NAME');
    };
    const unknown = await told(UNKNOWN_ID);
    for (const name of [KeyId, Arn, 'alias/ours']) assert.equal(await told(name), unknown);
  });

  test('cannot open our ciphertexts, which look like noise to it', async () => {
    const { KeyId } = await newKey(kms);
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('ours') });
    const noise = crypto.getRandomValues(new Uint8Array(CiphertextBlob!.length));
    const told = await Promise.all(
      [CiphertextBlob!, noise].map((blob) => stranger.decrypt({ CiphertextBlob: blob }).catch((error: Error) => error)),
    );
    const [ours, noises] = told as Error[];
    assert.equal(ours!.name, 'InvalidCiphertextException');
    assert.deepEqual([ours!.name, ours!.message], [noises!.name, noises!.message]);
  });

  test('has aliases and lists of its own', async () => {
    const { KeyId } = await newKey(stranger);
    await stranger.createAlias({ AliasName: 'alias/ours', TargetKeyId: KeyId });
    const { Keys } = await stranger.listKeys({});
    assert.deepEqual(
      Keys!.map((key) => key.KeyId),
      [KeyId],
    );
    const { Aliases } = await stranger.listAliases({});
    assert.deepEqual(
      Aliases!.map(({ AliasName, TargetKeyId }) => [AliasName, TargetKeyId]),
      [['alias/ours', KeyId]],
    );
  });
});

suite('rights', () => {
  test('who only manages keys may not use them, and the other way round', async () => {
    const [administrator, user] = await Promise.all(
      ['key-administrator', 'crypto-user'].map(async (role) => kmsClient(server, await newPair(server, [role]))),
    );
    const { KeyId } = await newKey(administrator!);
    await refuses(
      administrator!.encrypt({ KeyId, Plaintext: bytesOf('x') }),
      'AccessDeniedException',
      /may not Encrypt/,
    );
    await refuses(user!.createKey({}), 'AccessDeniedException', /may not CreateKey/);
    await refuses(user!.getKeyPolicy({ KeyId }), 'AccessDeniedException');
    assert.ok((await user!.encrypt({ KeyId, Plaintext: bytesOf('x') })).CiphertextBlob);
    for (const client of [administrator!, user!]) client.destroy();
  });
});

suite('ListKeys', () => {
  test('pages of two lead to all keys, each once', async () => {
    const made = new Set<string>();
    for (let count = 0; count < 5; count++) made.add((await newKey(kms)).KeyId);
    const listed: string[] = [];
    for await (const { Keys = [] } of paginateListKeys({ client: kms, pageSize: 2 }, {})) {
      assert.ok(Keys.length <= 2);
      for (const { KeyId, KeyArn } of Keys) {
        assert.equal(KeyArn, `arn:aws:kms:${server.region}:${server.accountId}:key/${KeyId}`);
        listed.push(KeyId!);
      }
    }
    assert.equal(new Set(listed).size, listed.length);
    assert.ok(made.isSubsetOf(new Set(listed)));
    const whole = await kms.listKeys({ Limit: 1000 });
    assert.deepEqual(
      whole.Keys!.map(({ KeyId }) => KeyId),
      listed,
    );
    assert.equal(whole.Truncated, false);
    assert.equal(whole.NextMarker, undefined);
  });

  test('the last page has no marker, the others have one', async () => {
    const first = await kms.listKeys({ Limit: 1 });
    assert.equal(first.Truncated, true);
    assert.match(first.NextMarker ?? '', /^[A-Za-z0-9_-]+$/);
  });

  test('a marker that no list gave is refused, and so is one of another list', async () => {
    await refuses(kms.listKeys({ Marker: 'nonsense' }), 'InvalidMarkerException', /begin again without it/);
    const { NextMarker } = await kms.listKeys({ Limit: 1 });
    await refuses(kms.listAliases({ Marker: NextMarker }), 'InvalidMarkerException');
  });

  for (const Limit of [0, 1001]) {
    test(`a limit of ${Limit} is refused`, () => refuses(kms.listKeys({ Limit }), 'ValidationException', /`Limit`/));
  }
});

suite('aliases', () => {
  test('an alias can be made, moved, listed and taken away, with empty answers', async () => {
    const [one, two] = [await newKey(kms), await newKey(kms)];
    const AliasName = 'alias/moving';
    assert.deepEqual(fieldsOf(await kms.createAlias({ AliasName, TargetKeyId: one.KeyId })), {});
    assert.deepEqual(fieldsOf(await kms.updateAlias({ AliasName, TargetKeyId: two.Arn })), {});
    assert.equal((await kms.describeKey({ KeyId: AliasName })).KeyMetadata!.KeyId, two.KeyId);
    const { Aliases } = await kms.listAliases({ KeyId: two.KeyId });
    assert.equal(Aliases!.length, 1);
    const { CreationDate, LastUpdatedDate, ...alias } = Aliases![0]!;
    assert.ok(CreationDate instanceof Date && LastUpdatedDate instanceof Date && LastUpdatedDate >= CreationDate);
    assert.deepEqual(alias, {
      AliasName,
      AliasArn: `arn:aws:kms:${server.region}:${server.accountId}:${AliasName}`,
      TargetKeyId: two.KeyId,
    });
    assert.deepEqual(fieldsOf(await kms.deleteAlias({ AliasName })), {});
    await refuses(kms.describeKey({ KeyId: AliasName }), 'NotFoundException');
  });

  test('pages of two lead to all aliases, each once', async () => {
    const { KeyId } = await newKey(kms);
    const names = ['a', 'b', 'c', 'd', 'e'].map((letter) => `alias/paged/${letter}`);
    for (const AliasName of names) await kms.createAlias({ AliasName, TargetKeyId: KeyId });
    const listed: string[] = [];
    for await (const { Aliases = [] } of paginateListAliases({ client: kms, pageSize: 2 }, { KeyId })) {
      assert.ok(Aliases.length <= 2);
      listed.push(...Aliases.map(({ AliasName }) => AliasName!));
    }
    assert.deepEqual(listed, names);
  });

  test('a name that is taken, unknown or malformed is refused', async () => {
    const { KeyId: TargetKeyId } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/taken', TargetKeyId });
    await refuses(kms.createAlias({ AliasName: 'alias/taken', TargetKeyId }), 'AlreadyExistsException', /`taken`/);
    await refuses(kms.updateAlias({ AliasName: 'alias/none', TargetKeyId }), 'NotFoundException', /`none`/);
    await refuses(kms.deleteAlias({ AliasName: 'alias/none' }), 'NotFoundException');
    for (const AliasName of ['taken', 'alias/aws/reserved', 'alias/with space', 'alias/', 'alias/schlüssel']) {
      await refuses(kms.createAlias({ AliasName, TargetKeyId }), 'InvalidAliasNameException');
    }
    await refuses(kms.createAlias({ AliasName: `alias/${'x'.repeat(251)}`, TargetKeyId }), 'ValidationException');
    await refuses(kms.createAlias({ AliasName: 'alias/free', TargetKeyId: UNKNOWN_ID }), 'NotFoundException');
  });

  test('an alias does not move to a key of another usage', async () => {
    const { KeyId } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/stays', TargetKeyId: KeyId });
    const other = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const moved = kms.updateAlias({ AliasName: 'alias/stays', TargetKeyId: other.KeyId });
    await refuses(moved, 'ValidationException', /one spec and usage/);
  });
});

suite('states', () => {
  test('a disabled key refuses use until it is enabled, and tells that it is disabled', async () => {
    const { KeyId } = await newKey(kms);
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x') });
    for (let times = 0; times < 2; times++) assert.deepEqual(fieldsOf(await kms.disableKey({ KeyId })), {});
    const { KeyState, Enabled } = (await kms.describeKey({ KeyId })).KeyMetadata!;
    assert.deepEqual([KeyState, Enabled], ['Disabled', false]);
    await refuses(kms.encrypt({ KeyId, Plaintext: bytesOf('x') }), 'DisabledException', /enable it first/);
    await refuses(kms.decrypt({ CiphertextBlob }), 'DisabledException');
    await refuses(kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }), 'DisabledException');
    await refuses(kms.enableKeyRotation({ KeyId }), 'DisabledException');
    await refuses(kms.rotateKeyOnDemand({ KeyId }), 'DisabledException');
    for (let times = 0; times < 2; times++) assert.deepEqual(fieldsOf(await kms.enableKey({ KeyId })), {});
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, bytesOf('x'));
  });

  test('a disabled key refuses signatures, their verification and its public key', async () => {
    const { KeyId } = await newKey(kms, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    await kms.disableKey({ KeyId });
    const input = { KeyId, Message: bytesOf('x'), SigningAlgorithm: 'ECDSA_SHA_256' } as const;
    await refuses(kms.sign(input), 'DisabledException');
    await refuses(kms.verify({ ...input, Signature: new Uint8Array(70) }), 'DisabledException');
    await refuses(kms.getPublicKey({ KeyId }), 'DisabledException');
  });

  test('a deletion waits, can be cancelled, and leaves the key disabled', async () => {
    const { KeyId, Arn } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/going', TargetKeyId: KeyId });
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: bytesOf('x') });
    const { DeletionDate, ...scheduled } = fieldsOf(await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }));
    assert.deepEqual(scheduled, { KeyId: Arn, KeyState: 'PendingDeletion', PendingWindowInDays: 7 });
    assert.ok(Math.abs(DeletionDate!.getTime() - Date.now() - 7 * DAY_MS) < 60_000);

    const described = (await kms.describeKey({ KeyId })).KeyMetadata!;
    assert.deepEqual([described.KeyState, described.Enabled], ['PendingDeletion', false]);
    assert.deepEqual(described.DeletionDate, DeletionDate);

    const refused: readonly (() => Promise<unknown>)[] = [
      () => kms.encrypt({ KeyId, Plaintext: bytesOf('x') }),
      () => kms.decrypt({ CiphertextBlob }),
      () => kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }),
      () => kms.enableKey({ KeyId }),
      () => kms.disableKey({ KeyId }),
      () => kms.scheduleKeyDeletion({ KeyId }),
      () => kms.enableKeyRotation({ KeyId }),
      () => kms.rotateKeyOnDemand({ KeyId }),
      () => kms.updateKeyDescription({ KeyId, Description: 'x' }),
      () => kms.tagResource({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
      () => kms.untagResource({ KeyId, TagKeys: ['a'] }),
      () => kms.createAlias({ AliasName: 'alias/late', TargetKeyId: KeyId }),
    ];
    for (const call of refused) await refuses(call(), 'KMSInvalidStateException');
    // What only reads works in every state, as AWS has it; so does taking an alias away.
    await kms.getKeyPolicy({ KeyId });
    await kms.listResourceTags({ KeyId });
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, false);
    await kms.deleteAlias({ AliasName: 'alias/going' });

    assert.deepEqual(fieldsOf(await kms.cancelKeyDeletion({ KeyId })), { KeyId: Arn });
    const kept = (await kms.describeKey({ KeyId })).KeyMetadata!;
    assert.deepEqual([kept.KeyState, kept.DeletionDate], ['Disabled', undefined]);
    await kms.enableKey({ KeyId });
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, bytesOf('x'));
    await refuses(kms.cancelKeyDeletion({ KeyId }), 'KMSInvalidStateException', /not pending deletion/);
  });

  test('the waiting period is 30 days where none is given, and between 7 and 30', async () => {
    const { KeyId } = await newKey(kms);
    for (const PendingWindowInDays of [6, 31]) {
      const call = kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays });
      await refuses(call, 'ValidationException', /`PendingWindowInDays`/);
    }
    const { DeletionDate, PendingWindowInDays } = await kms.scheduleKeyDeletion({ KeyId });
    assert.equal(PendingWindowInDays, 30);
    assert.ok(Math.abs(DeletionDate!.getTime() - Date.now() - 30 * DAY_MS) < 60_000);
  });

  test('states that AWS does not have show as Disabled, and cannot be enabled', async () => {
    const [retired, leaked] = [await newKey(kms), await newKey(kms)];
    const { CiphertextBlob } = await kms.encrypt({ KeyId: retired.KeyId, Plaintext: bytesOf('x') });
    await server.client.deactivateKey({ key: retired.KeyId });
    await server.client.compromiseKey({ key: leaked.KeyId });
    for (const { KeyId } of [retired, leaked]) {
      assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.KeyState, 'Disabled');
      await refuses(kms.enableKey({ KeyId }), 'KMSInvalidStateException');
      await refuses(kms.encrypt({ KeyId, Plaintext: bytesOf('x') }), 'KMSInvalidStateException');
    }
    assert.deepEqual((await kms.decrypt({ CiphertextBlob })).Plaintext, bytesOf('x'));
  });
});

suite('rotation', () => {
  test('a key rotates on demand, and opens what it encrypted before', async () => {
    const { KeyId, Arn } = await newKey(kms);
    const blobs: Uint8Array[] = [];
    for (const text of ['first', 'second', 'third']) {
      blobs.push((await kms.encrypt({ KeyId, Plaintext: bytesOf(text) })).CiphertextBlob!);
      assert.deepEqual(fieldsOf(await kms.rotateKeyOnDemand({ KeyId })), { KeyId });
    }
    const opened = await Promise.all(blobs.map((CiphertextBlob) => kms.decrypt({ CiphertextBlob, KeyId })));
    assert.deepEqual(
      opened.map(({ Plaintext }) => Buffer.from(Plaintext!).toString()),
      ['first', 'second', 'third'],
    );
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.Arn, Arn);

    const { Rotations, Truncated } = await kms.listKeyRotations({ KeyId, IncludeKeyMaterial: 'ROTATIONS_ONLY' });
    assert.equal(Truncated, false);
    assert.equal(Rotations!.length, 3);
    for (const rotation of Rotations!) {
      assert.equal(rotation.KeyId, KeyId);
      assert.equal(rotation.RotationType, 'ON_DEMAND');
      assert.ok(rotation.RotationDate instanceof Date);
    }
  });

  test('pages of two lead to all rotations, each once', async () => {
    const { KeyId } = await newKey(kms);
    for (let times = 0; times < 5; times++) await kms.rotateKeyOnDemand({ KeyId });
    const sizes: number[] = [];
    for await (const { Rotations } of paginateListKeyRotations({ client: kms, pageSize: 2 }, { KeyId })) {
      sizes.push(Rotations!.length);
    }
    assert.deepEqual(sizes, [2, 2, 1]);
    await refuses(kms.listKeyRotations({ KeyId, Marker: 'nonsense' }), 'InvalidMarkerException');
  });

  test('automatic rotation is switched on and off, with its period', async () => {
    const { KeyId, Arn } = await newKey(kms);
    assert.deepEqual(fieldsOf(await kms.getKeyRotationStatus({ KeyId })), { KeyId: Arn, KeyRotationEnabled: false });
    assert.deepEqual(fieldsOf(await kms.enableKeyRotation({ KeyId })), {});
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).RotationPeriodInDays, 365);
    await kms.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
    const { NextRotationDate, ...status } = fieldsOf(await kms.getKeyRotationStatus({ KeyId }));
    assert.deepEqual(status, { KeyId: Arn, KeyRotationEnabled: true, RotationPeriodInDays: 90 });
    assert.ok(Math.abs(NextRotationDate!.getTime() - Date.now() - 90 * DAY_MS) < 60_000);

    await kms.scheduleKeyDeletion({ KeyId });
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, false);
    await kms.cancelKeyDeletion({ KeyId });
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, true);
    await kms.enableKey({ KeyId });
    assert.deepEqual(fieldsOf(await kms.disableKeyRotation({ KeyId })), {});
    assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, false);
    for (const RotationPeriodInDays of [89, 2561]) {
      const call = kms.enableKeyRotation({ KeyId, RotationPeriodInDays });
      await refuses(call, 'ValidationException', /`RotationPeriodInDays`/);
    }
  });

  test('asymmetric and MAC keys do not rotate here', async () => {
    for (const [KeySpec, KeyUsage] of [
      ['ECC_NIST_P256', 'SIGN_VERIFY'],
      ['HMAC_256', 'GENERATE_VERIFY_MAC'],
    ] as const) {
      const { KeyId } = await newKey(kms, { KeySpec, KeyUsage });
      await refuses(kms.rotateKeyOnDemand({ KeyId }), 'UnsupportedOperationException', /not a symmetric/);
      await refuses(kms.enableKeyRotation({ KeyId }), 'UnsupportedOperationException');
      await refuses(kms.disableKeyRotation({ KeyId }), 'UnsupportedOperationException');
      assert.equal((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled, false);
    }
  });
});

suite('tags and description', () => {
  test('tags are set, replaced, listed by pages and taken away', async () => {
    const { KeyId } = await newKey(kms);
    const Tags = ['a', 'b', 'c', 'd', 'e'].map((TagKey) => ({ TagKey, TagValue: `${TagKey}1` }));
    assert.deepEqual(fieldsOf(await kms.tagResource({ KeyId, Tags })), {});
    await kms.tagResource({ KeyId, Tags: [{ TagKey: 'b', TagValue: 'new' }] });
    const listed: unknown[] = [];
    for await (const { Tags: page = [] } of paginateListResourceTags({ client: kms, pageSize: 2 }, { KeyId })) {
      assert.ok(page.length <= 2);
      listed.push(...page);
    }
    assert.deepEqual(listed, Tags.with(1, { TagKey: 'b', TagValue: 'new' }));
    assert.deepEqual(fieldsOf(await kms.untagResource({ KeyId, TagKeys: ['a', 'b', 'c', 'd', 'unknown'] })), {});
    assert.deepEqual((await kms.listResourceTags({ KeyId })).Tags, [{ TagKey: 'e', TagValue: 'e1' }]);
    await refuses(kms.listResourceTags({ KeyId, Marker: 'nonsense' }), 'InvalidMarkerException');
  });

  test('tags that AWS does not take are refused', async () => {
    const { KeyId } = await newKey(kms);
    for (const [TagKey, TagValue] of [
      ['aws:mine', ''],
      ['AWS:mine', ''],
      ['', 'x'],
      ['x'.repeat(129), ''],
      ['x', 'x'.repeat(257)],
    ] as const) {
      await refuses(kms.tagResource({ KeyId, Tags: [{ TagKey, TagValue }] }), 'TagException');
      await refuses(kms.createKey({ Tags: [{ TagKey, TagValue }] }), 'TagException');
    }
    const twice = [
      { TagKey: 'a', TagValue: '1' },
      { TagKey: 'a', TagValue: '2' },
    ];
    await refuses(kms.tagResource({ KeyId, Tags: twice }), 'TagException', /twice/);
  });

  test('the fifty-first tag is over the limit, also where they come one after the other', async () => {
    const tags = (count: number, from = 0) =>
      Array.from({ length: count }, (_, index) => ({ TagKey: `k${from + index}`, TagValue: '' }));
    // The SDK takes this exception for throttling and tries again, here as at AWS.
    const once = kmsClient(server, pairOf(server), { maxAttempts: 1 });
    await refuses(once.createKey({ Tags: tags(51) }), 'LimitExceededException', /at most 50 tags/);
    const { KeyId } = await newKey(kms, { Tags: tags(50) });
    await refuses(once.tagResource({ KeyId, Tags: tags(1, 50) }), 'LimitExceededException');
    once.destroy();
    await kms.tagResource({ KeyId, Tags: tags(50) });
  });

  test('the description can be changed', async () => {
    const { KeyId } = await newKey(kms, { Description: 'old' });
    assert.deepEqual(fieldsOf(await kms.updateKeyDescription({ KeyId, Description: 'new' })), {});
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.Description, 'new');
    await kms.updateKeyDescription({ KeyId, Description: '' });
    assert.equal((await kms.describeKey({ KeyId })).KeyMetadata!.Description, '');
  });
});

suite('key policies', () => {
  test('a key has the default policy of its account, and takes just that one', async () => {
    const { KeyId } = await newKey(kms);
    const { Policy, PolicyName } = await kms.getKeyPolicy({ KeyId, PolicyName: 'default' });
    assert.equal(PolicyName, 'default');
    assert.deepEqual(JSON.parse(Policy!), {
      Version: '2012-10-17',
      Id: 'key-default-1',
      Statement: [
        {
          Sid: 'Enable IAM User Permissions',
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${server.accountId}:root` },
          Action: 'kms:*',
          Resource: '*',
        },
      ],
    });
    const listed = await kms.listKeyPolicies({ KeyId });
    assert.deepEqual([listed.PolicyNames, listed.Truncated], [['default'], false]);
    assert.deepEqual(fieldsOf(await kms.putKeyPolicy({ KeyId, Policy: Policy! })), {});
    assert.equal((await newKey(kms, { Policy: Policy! })).KeyState, 'Enabled');
  });

  test('a policy that would not be enforced is refused, and so is what is no policy', async () => {
    const { KeyId } = await newKey(kms);
    const { Policy } = await kms.getKeyPolicy({ KeyId });
    const denying = Policy!.replace('"Allow"', '"Deny"');
    for (const wrong of [denying, '{}', 'null', '[]', '{"Statement": []}', 'not JSON']) {
      await refuses(kms.putKeyPolicy({ KeyId, Policy: wrong }), 'MalformedPolicyDocumentException');
      await refuses(kms.createKey({ Policy: wrong }), 'MalformedPolicyDocumentException');
    }
    await refuses(kms.getKeyPolicy({ KeyId, PolicyName: 'other' }), 'NotFoundException', /one policy/);
    await refuses(kms.putKeyPolicy({ KeyId, PolicyName: 'other', Policy: Policy! }), 'NotFoundException');
  });
});
