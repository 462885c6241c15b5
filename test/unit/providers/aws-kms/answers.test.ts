/** What is asked of AWS's client, and which answers are not believed: a client that answers as a test says. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { ClavigerError, type ErrorCode } from '../../../../src/errors.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import type { Spec } from '../../../../src/model/spec.ts';
import { systemClock } from '../../../../src/ports/clock.ts';
import type { KmsClient } from '../../../../src/providers/aws-kms/client.ts';
import { AwsKmsProvider, awsKmsSchema } from '../../../../src/providers/aws-kms/index.ts';
import type { CallOptions, HomeKey } from '../../../../src/providers/provider.ts';

const REGION = 'eu-west-1';
const ID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const ARN = `arn:aws:kms:${REGION}:111122223333:key/${ID}`;
const OTHER = ARN.replace('1234abcd', 'ffffffff');
const MESSAGE = Buffer.from('message');
const CONTEXT = { tenant: 't1' };
const LONG: CallOptions = { signal: new AbortController().signal, timeoutMs: 60_000 };

interface Asked {
  readonly name: string;
  readonly input: any;
}

interface Scene {
  readonly provider: AwsKmsProvider;
  readonly asked: Asked[];
  readonly logged: string[];
}

/** @param answers to each call by its name; an error is thrown */
function scene(answers: Record<string, unknown>, more: object = {}): Scene {
  const asked: Asked[] = [];
  const logged: string[] = [];
  const client = new Proxy(
    {},
    {
      get: (_target, name: string) => (input: unknown) => {
        asked.push({ name, input });
        const answer = answers[name];
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? {});
      },
    },
  ) as KmsClient;
  const credentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'the-secret-itself' };
  const config = awsKmsSchema.parse({ name: 'aws-main', kind: 'aws-kms', region: REGION, credentials, ...more });
  const log = { write: (_level: string, message: string) => void logged.push(message) };
  return {
    provider: new AwsKmsProvider(client, config, { clock: systemClock, random: systemRandom, log }),
    asked,
    logged,
  };
}

function withKey(spec: Spec, answers: Record<string, unknown>, more: object = {}): Scene & { readonly key: HomeKey } {
  const made = scene(answers, more);
  return { ...made, key: made.provider.key(ARN, spec) };
}

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SPKI = p256.publicKey.export({ format: 'der', type: 'spki' });

describe('a call to AWS KMS', () => {
  test('names its key each time, has the context as pairs, and takes grant tokens', async () => {
    const wrapped = randomBytes(100);
    const { key, asked } = withKey(
      'AES-256-GCM',
      {
        encrypt: { KeyId: ARN, CiphertextBlob: wrapped },
        decrypt: { KeyId: ARN, Plaintext: MESSAGE, KeyMaterialId: 'm1' },
        reEncrypt: { KeyId: ARN, SourceKeyId: ARN, CiphertextBlob: wrapped, DestinationKeyMaterialId: 'm2' },
        generateDataKey: { KeyId: ARN, Plaintext: randomBytes(32), CiphertextBlob: wrapped, KeyMaterialId: 'm2' },
      },
      { grantTokens: ['one', 'two'] },
    );
    assert.equal((await key.wrap!.wrap(MESSAGE, CONTEXT, LONG)).version, null);
    assert.equal((await key.wrap!.unwrap(wrapped, CONTEXT, LONG)).version, 'm1');
    assert.equal((await key.wrap!.rewrap!(wrapped, CONTEXT, LONG)).version, 'm2');
    assert.equal((await key.wrap!.generate!(32, CONTEXT, LONG)).version, 'm2');
    const common = { KeyId: ARN, EncryptionContext: CONTEXT, GrantTokens: ['one', 'two'] };
    const symmetric = { EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
    assert.deepEqual(asked, [
      { name: 'encrypt', input: { ...common, ...symmetric, Plaintext: MESSAGE } },
      { name: 'decrypt', input: { ...common, ...symmetric, CiphertextBlob: wrapped } },
      {
        name: 'reEncrypt',
        input: {
          CiphertextBlob: wrapped,
          SourceKeyId: ARN,
          SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
          SourceEncryptionContext: CONTEXT,
          DestinationKeyId: ARN,
          DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
          DestinationEncryptionContext: CONTEXT,
          GrantTokens: ['one', 'two'],
        },
      },
      { name: 'generateDataKey', input: { ...common, NumberOfBytes: 32 } },
    ]);
  });

  test('takes grant tokens wherever AWS does', async () => {
    const secret = Buffer.alloc(32);
    const { provider, asked } = scene(
      {
        sign: { KeyId: ARN, Signature: Buffer.from('3006020101020101', 'hex') },
        generateMac: { KeyId: ARN, Mac: secret },
        deriveSharedSecret: { KeyId: ARN, SharedSecret: secret },
        decapsulate: { KeyId: ARN, SharedSecret: secret },
        describeKey: { KeyMetadata: { Arn: ARN, KeySpec: 'ECC_NIST_P256', KeyState: 'Enabled' } },
        getPublicKey: { KeyId: ARN, PublicKey: SPKI },
      },
      { grantTokens: ['one'] },
    );
    await provider.key(ARN, 'P-256').sign!('ECDSA_SHA_256', { message: MESSAGE }, LONG);
    await provider.key(ARN, 'HMAC-SHA-256').mac!('HMAC_SHA_256', MESSAGE, LONG);
    await provider.key(ARN, 'P-256').agree!(SPKI, LONG);
    await provider.key(ARN, 'ML-KEM-512').decapsulate!(Buffer.alloc(768), LONG);
    await provider.describe(ARN, LONG);
    assert.deepEqual(
      asked.map(({ name, input }) => [name, input.KeyId, input.GrantTokens]),
      ['sign', 'generateMac', 'deriveSharedSecret', 'decapsulate', 'describeKey', 'getPublicKey'].map((name) => [
        name,
        ARN,
        ['one'],
      ]),
    );
  });

  test('says whether it is of a message, a digest, or mu', async () => {
    const signature = { KeyId: ARN, Signature: Buffer.alloc(2420) };
    const { key, asked } = withKey('ML-DSA-44', { sign: signature });
    await key.sign!('ML_DSA_SHAKE_256', { message: MESSAGE }, LONG);
    await key.sign!('ML_DSA_SHAKE_256', { digest: Buffer.alloc(64) }, LONG);
    const rsa = withKey('RSA-2048', { sign: { KeyId: ARN, Signature: Buffer.alloc(256) } });
    await rsa.key.sign!('RSASSA_PSS_SHA_384', { digest: Buffer.alloc(48) }, LONG);
    const types = [...asked, ...rsa.asked].map(({ input }) => input.MessageType);
    assert.deepEqual(types, ['RAW', 'EXTERNAL_MU', 'DIGEST']);
  });

  test('is not made for what AWS does not take', async () => {
    const { provider, asked } = scene({});
    const aes = provider.key(ARN, 'AES-256-GCM');
    const rsa = provider.key(ARN, 'RSA-2048');
    const p256Key = provider.key(ARN, 'P-256');
    const ed25519 = provider.key(ARN, 'Ed25519');
    const hmac = provider.key(ARN, 'HMAC-SHA-256');
    const long = Buffer.alloc(4097);
    const refusals: readonly [what: string, call: () => Promise<unknown>, code: string][] = [
      ['a long data key', () => aes.wrap!.wrap(long, {}, LONG), 'INVALID_ARGUMENT'],
      ['no data key', () => aes.wrap!.wrap(Buffer.alloc(0), {}, LONG), 'INVALID_ARGUMENT'],
      [
        'a long text for RSA',
        () => rsa.cipher!.encrypt('RSAES_OAEP_SHA_256', Buffer.alloc(191), {}, LONG),
        'INVALID_ARGUMENT',
      ],
      [
        'a context with RSA',
        () => rsa.cipher!.encrypt('RSAES_OAEP_SHA_256', MESSAGE, CONTEXT, LONG),
        'INVALID_ARGUMENT',
      ],
      ['RSA with AES', () => aes.cipher!.encrypt('RSAES_OAEP_SHA_256', MESSAGE, {}, LONG), 'UNSUPPORTED'],
      ['an empty wrap', () => aes.wrap!.unwrap(Buffer.alloc(0), {}, LONG), 'INVALID_CIPHERTEXT'],
      ['a long wrap', () => aes.wrap!.unwrap(Buffer.alloc(6145), {}, LONG), 'INVALID_CIPHERTEXT'],
      [
        'a short RSA ciphertext',
        () => rsa.cipher!.decrypt('RSAES_OAEP_SHA_1', Buffer.alloc(255), {}, LONG),
        'INVALID_CIPHERTEXT',
      ],
      ['a long message', () => p256Key.sign!('ECDSA_SHA_256', { message: long }, LONG), 'INVALID_ARGUMENT'],
      ['a long digest', () => p256Key.sign!('ECDSA_SHA_256', { digest: Buffer.alloc(33) }, LONG), 'INVALID_ARGUMENT'],
      ['another curve', () => p256Key.sign!('ECDSA_SHA_384', { message: MESSAGE }, LONG), 'UNSUPPORTED'],
      ['Ed25519ph', () => ed25519.sign!('ED25519_PH_SHA_512', { digest: Buffer.alloc(64) }, LONG), 'UNSUPPORTED'],
      ['another MAC', () => hmac.mac!('HMAC_SHA_512', MESSAGE, LONG), 'UNSUPPORTED'],
      ['a peer of another curve', () => provider.key(ARN, 'P-384').agree!(SPKI, LONG), 'INVALID_ARGUMENT'],
      ['a peer that is noise', () => p256Key.agree!(MESSAGE, LONG), 'INVALID_ARGUMENT'],
      ['too many random bytes', () => provider.random(1025, LONG), 'INVALID_ARGUMENT'],
      ['half a byte', () => provider.random(0.5, LONG), 'INVALID_ARGUMENT'],
      ['a long generated key', () => aes.wrap!.generate!(1025, {}, LONG), 'INVALID_ARGUMENT'],
      ['another region', () => provider.resolve(ARN.replace(REGION, 'us-east-1'), LONG), 'INVALID_ARGUMENT'],
      ['an alias to describe', () => provider.describe('alias/orders', LONG), 'INVALID_ARGUMENT'],
      [
        'an X25519 key',
        () => provider.lifecycle.create({ spec: 'X25519', usage: 'key-agreement', name: 'n', tags: {} }, LONG),
        'UNSUPPORTED',
      ],
      [
        'a usage that the spec does not have',
        () => provider.lifecycle.create({ spec: 'Ed25519', usage: 'mac', name: 'n', tags: {} }, LONG),
        'UNSUPPORTED',
      ],
    ];
    for (const [what, call, code] of refusals) await assert.rejects(call(), { code }, what);
    assert.throws(() => provider.key(ARN, 'X25519'), { code: 'UNSUPPORTED' });
    assert.throws(() => provider.key('alias/orders', 'P-256'), { code: 'INVALID_ARGUMENT' });
    assert.deepEqual(asked, []);
  });
});

describe('an answer of AWS KMS', () => {
  const signature = Buffer.from('3006020101020101', 'hex');
  type Row = readonly [
    what: string,
    spec: Spec,
    answers: Record<string, unknown>,
    call: (key: HomeKey) => Promise<unknown>,
  ];
  const untrue: readonly Row[] = [
    [
      "of another's key",
      'AES-256-GCM',
      { encrypt: { KeyId: OTHER, CiphertextBlob: MESSAGE } },
      (key) => key.wrap!.wrap(MESSAGE, {}, LONG),
    ],
    [
      'with an endless ciphertext',
      'AES-256-GCM',
      { encrypt: { KeyId: ARN, CiphertextBlob: Buffer.alloc(6145) } },
      (key) => key.wrap!.wrap(MESSAGE, {}, LONG),
    ],
    [
      'to RSA of another length',
      'RSA-2048',
      { encrypt: { KeyId: ARN, CiphertextBlob: Buffer.alloc(255) } },
      (key) => key.wrap!.wrap(MESSAGE, {}, LONG),
    ],
    [
      'with a data key of another length',
      'AES-256-GCM',
      { generateDataKey: { KeyId: ARN, CiphertextBlob: MESSAGE, Plaintext: Buffer.alloc(16) } },
      (key) => key.wrap!.generate!(32, {}, LONG),
    ],
    [
      'with another key of the new wrap',
      'AES-256-GCM',
      { reEncrypt: { KeyId: OTHER, SourceKeyId: ARN, CiphertextBlob: MESSAGE } },
      (key) => key.wrap!.rewrap!(MESSAGE, {}, LONG),
    ],
    [
      'with a signature of another form',
      'P-256',
      { sign: { KeyId: ARN, Signature: Buffer.alloc(64, 1) } },
      (key) => key.sign!('ECDSA_SHA_256', { message: MESSAGE }, LONG),
    ],
    [
      "with another key's signature",
      'P-256',
      { sign: { KeyId: OTHER, Signature: signature } },
      (key) => key.sign!('ECDSA_SHA_256', { message: MESSAGE }, LONG),
    ],
    [
      'with a short MAC',
      'HMAC-SHA-256',
      { generateMac: { KeyId: ARN, Mac: Buffer.alloc(31) } },
      (key) => key.mac!('HMAC_SHA_256', MESSAGE, LONG),
    ],
    [
      'with a long secret',
      'P-256',
      { deriveSharedSecret: { KeyId: ARN, SharedSecret: Buffer.alloc(33) } },
      (key) => key.agree!(SPKI, LONG),
    ],
  ];
  const none: readonly Row[] = [
    [
      'without a key',
      'AES-256-GCM',
      { encrypt: { CiphertextBlob: MESSAGE } },
      (key) => key.wrap!.wrap(MESSAGE, {}, LONG),
    ],
    ['without a ciphertext', 'AES-256-GCM', { encrypt: { KeyId: ARN } }, (key) => key.wrap!.wrap(MESSAGE, {}, LONG)],
    [
      'to Decrypt without a key',
      'AES-256-GCM',
      { decrypt: { Plaintext: MESSAGE } },
      (key) => key.wrap!.unwrap(MESSAGE, {}, LONG),
    ],
    [
      'with a text for bytes',
      'P-256',
      { deriveSharedSecret: { KeyId: ARN, SharedSecret: 'x'.repeat(32) } },
      (key) => key.agree!(SPKI, LONG),
    ],
    [
      'without a KEM secret',
      'ML-KEM-512',
      { decapsulate: { KeyId: ARN } },
      (key) => key.decapsulate!(Buffer.alloc(768), LONG),
    ],
  ];
  const judged: readonly (readonly [code: ErrorCode, native: RegExp, claim: string, rows: readonly Row[]])[] = [
    ['PROVIDER_INTEGRITY', /^integrity: /, 'is not believed', untrue],
    ['PROVIDER_UNAVAILABLE', /^unreadable answer$/, 'is none', none],
  ];
  for (const [code, native, claim, rows] of judged) {
    for (const [what, spec, answers, call] of rows) {
      test(`${what} ${claim}`, async () => {
        const { key } = withKey(spec, answers);
        await assert.rejects(call(key), (error: ClavigerError) => {
          assert.equal(error.code, code);
          assert.match(error.native!.code!, native);
          return true;
        });
      });
    }
  }

  test('that opened a wrap with another key is the fault of the wrap', async () => {
    const { key } = withKey('AES-256-GCM', {
      decrypt: { KeyId: OTHER, Plaintext: MESSAGE },
      reEncrypt: { KeyId: ARN, SourceKeyId: OTHER, CiphertextBlob: MESSAGE },
    });
    await assert.rejects(key.wrap!.unwrap(MESSAGE, {}, LONG), { code: 'INVALID_CIPHERTEXT' });
    await assert.rejects(key.wrap!.rewrap!(MESSAGE, {}, LONG), { code: 'INVALID_CIPHERTEXT' });
  });

  test('may name the key by its id', async () => {
    const { key } = withKey('AES-256-GCM', { encrypt: { KeyId: ID, CiphertextBlob: MESSAGE } });
    assert.deepEqual((await key.wrap!.wrap(MESSAGE, {}, LONG)).value, MESSAGE);
  });

  test('that describes another key, or one of another region, is refused', async () => {
    const other = scene({ describeKey: { KeyMetadata: { Arn: OTHER, KeySpec: 'SYMMETRIC_DEFAULT' } } });
    await assert.rejects(other.provider.describe(ARN, LONG), { code: 'PROVIDER_INTEGRITY' });
    const account = ARN.replace('111122223333', '444455556666');
    const elsewhere = scene({ describeKey: { KeyMetadata: { Arn: account, KeySpec: 'SYMMETRIC_DEFAULT' } } });
    await assert.rejects(elsewhere.provider.describe(ARN, LONG), { code: 'KEY_NOT_FOUND' });
    for (const [metadata, code] of [
      [undefined, 'PROVIDER_UNAVAILABLE'],
      [{}, 'PROVIDER_UNAVAILABLE'],
      [{ Arn: ARN.replace(REGION, 'us-east-1') }, 'PROVIDER_INTEGRITY'],
      [{ Arn: 'alias/orders' }, 'PROVIDER_INTEGRITY'],
    ] as const) {
      const { provider } = scene({ describeKey: { KeyMetadata: metadata } });
      await assert.rejects(provider.resolve('alias/orders', LONG), { code });
    }
  });

  test('with a public key of another spec is not believed', async () => {
    const KeyMetadata = { Arn: ARN, KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY', KeyState: 'Enabled' };
    const { provider } = scene({ describeKey: { KeyMetadata }, getPublicKey: { KeyId: ARN, PublicKey: SPKI } });
    await assert.rejects(provider.describe(ARN, LONG), { code: 'PROVIDER_INTEGRITY' });
  });
});

describe('a description', () => {
  async function described(metadata: object, more: object = {}) {
    const KeyMetadata = { Arn: ARN, KeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT', ...metadata };
    const { provider } = scene({ describeKey: { KeyMetadata } }, more);
    return provider.describe(ARN, LONG);
  }

  test('has a state for each of AWS, and calls what it does not know unavailable', async () => {
    const states = {
      Enabled: 'enabled',
      Updating: 'enabled',
      Disabled: 'disabled',
      PendingDeletion: 'pending-deletion',
      PendingReplicaDeletion: 'pending-deletion',
      PendingImport: 'pending',
      Creating: 'pending',
      Unavailable: 'unavailable',
      SomethingNew: 'unavailable',
    };
    for (const [KeyState, state] of Object.entries(states)) {
      assert.equal((await described({ KeyState })).state, state, KeyState);
    }
  });

  test('of a multi-region key names what its replicas have in common, for they are one tenant’s', async () => {
    const arn = ARN.replace(/key\/.*/, 'key/mrk-0123456789abcdef0123456789abcdef');
    const KeyMetadata = { Arn: arn, KeySpec: 'SYMMETRIC_DEFAULT', KeyUsage: 'ENCRYPT_DECRYPT', KeyState: 'Enabled' };
    const { nativeId, copyOf } = await scene({ describeKey: { KeyMetadata } }).provider.describe(arn, LONG);
    const [, partition, , region, account] = arn.split(':');
    assert.equal(nativeId, arn);
    assert.equal(copyOf, `arn:${partition}:kms:*:${account}:key/mrk-0123456789abcdef0123456789abcdef`);
    assert.notEqual(region, '*');
    assert.equal((await described({ KeyState: 'Enabled' })).copyOf, undefined);
  });

  test('says in which hardware the key is, and claims none of somebody who is not AWS', async () => {
    const store = { CustomKeyStoreId: 'cks-1', CloudHsmClusterId: 'cluster-1' };
    const inHsm = await described({ Origin: 'AWS_CLOUDHSM', KeyState: 'Enabled', ...store });
    assert.deepEqual([inHsm.protection, inHsm.origin], ['hsm', 'provider']);
    assert.equal(inHsm.claims['customKeyStoreId'], 'cks-1');
    assert.equal(inHsm.claims['cloudHsmClusterId'], 'cluster-1');
    const outside = { Origin: 'EXTERNAL_KEY_STORE', CustomKeyStoreId: 'cks-2', XksKeyConfiguration: { Id: 'xks-1' } };
    const external = await described(outside, { endpoint: 'https://kms.example' });
    assert.deepEqual([external.protection, external.origin], ['external', 'external']);
    assert.equal(external.claims['externalKeyId'], 'xks-1');
    assert.equal((await described({ Origin: 'AWS_KMS' })).protection, 'hsm');
    const endpoints = { 'https://vpce-1.kms.eu-west-1.vpce.amazonaws.com': 'hsm', 'https://kms.example': 'software' };
    for (const [endpoint, protection] of Object.entries(endpoints)) {
      assert.equal((await described({ Origin: 'AWS_KMS' }, { endpoint })).protection, protection);
    }
  });

  test('has no spec and usage where AWS has what we do not', async () => {
    const info = await described({ KeySpec: 'SM2', KeyUsage: 'SOMETHING_NEW', KeyState: 'Enabled' });
    assert.deepEqual([info.spec, info.usage, info.publicKey], [null, null, null]);
  });

  test('names the material that is in use, when it ends, and the replicas', async () => {
    const info = await described({
      CurrentKeyMaterialId: 'm1',
      Origin: 'EXTERNAL',
      ValidTo: new Date(0),
      MultiRegionConfiguration: {
        MultiRegionKeyType: 'PRIMARY',
        PrimaryKey: { Arn: ARN, Region: REGION },
        ReplicaKeys: [{ Arn: `${OTHER}1` }, { Arn: `${OTHER}2` }],
      },
    });
    assert.equal(info.version, 'm1');
    assert.equal(info.origin, 'external');
    assert.equal(info.claims['materialExpiresAt'], '1970-01-01T00:00:00.000Z');
    assert.deepEqual([info.claims['multiRegion'], info.claims['primaryKey']], ['primary', ARN]);
    assert.equal(info.claims['replicas'], `${OTHER}1 ${OTHER}2`);
  });
});

describe('a key that is made', () => {
  const metadata = {
    Arn: ARN,
    KeySpec: 'ECC_NIST_P256',
    KeyUsage: 'SIGN_VERIFY',
    KeyState: 'Enabled',
    Origin: 'AWS_KMS',
  };
  const wanted = { spec: 'P-256', usage: 'sign-verify', name: 'claviger-1', tags: { team: 'blue' } } as const;

  test('has its name as a tag, and is for more than one Region where the configuration says so', async () => {
    const answers = { createKey: { KeyMetadata: metadata }, getPublicKey: { KeyId: ARN, PublicKey: SPKI } };
    const { provider, asked } = scene(answers, { multiRegion: true });
    assert.deepEqual((await provider.lifecycle.create(wanted, LONG)).publicKey, SPKI);
    assert.deepEqual(asked[0], {
      name: 'createKey',
      input: {
        KeySpec: 'ECC_NIST_P256',
        KeyUsage: 'SIGN_VERIFY',
        Origin: 'AWS_KMS',
        MultiRegion: true,
        Tags: [
          { TagKey: 'team', TagValue: 'blue' },
          { TagKey: 'claviger-name', TagValue: 'claviger-1' },
        ],
      },
    });
  });

  test('and cannot be read is named by the error, so that it is not lost', async () => {
    const denied = Object.assign(new Error('no'), {
      name: 'AccessDeniedException',
      $metadata: { httpStatusCode: 400 },
    });
    const { provider } = scene({ createKey: { KeyMetadata: metadata }, getPublicKey: denied });
    await assert.rejects(provider.lifecycle.create(wanted, LONG), {
      code: 'PROVIDER_DENIED',
      resource: ARN,
      message: new RegExp(`^key .${ARN}. was made, and then: `),
    });
  });

  test('and does not take its material is scheduled for deletion, with a word where that fails too', async () => {
    const failed = Object.assign(new Error('no'), { name: 'KMSInternalException', $metadata: { httpStatusCode: 500 } });
    const answers = { createKey: { KeyMetadata: metadata }, getParametersForImport: failed };
    const material = p256.privateKey.export({ format: 'der', type: 'pkcs8' });
    const one = scene({ ...answers, scheduleKeyDeletion: { KeyId: ARN } }, { deletionDays: 7 });
    await assert.rejects(one.provider.lifecycle.importMaterial(wanted, material, LONG), {
      code: 'PROVIDER_UNAVAILABLE',
    });
    assert.deepEqual(one.asked.at(-1), { name: 'scheduleKeyDeletion', input: { KeyId: ID, PendingWindowInDays: 7 } });
    assert.deepEqual(one.logged, []);
    const two = scene({ ...answers, scheduleKeyDeletion: failed });
    await assert.rejects(two.provider.lifecycle.importMaterial(wanted, material, LONG), {
      code: 'PROVIDER_UNAVAILABLE',
    });
    assert.match(two.logged.join(), /could not be scheduled for deletion/);
  });
});

describe('a call that does not end', () => {
  const never = { encrypt: new Promise(() => undefined) };

  test('ends with its time', async () => {
    const { key } = withKey('AES-256-GCM', never);
    const options = { signal: new AbortController().signal, timeoutMs: 20 };
    await assert.rejects(key.wrap!.wrap(MESSAGE, {}, options), { code: 'PROVIDER_TIMEOUT' });
  });

  test('ends with its caller, in his words where they are ours', async () => {
    const { key } = withKey('AES-256-GCM', never);
    for (const [reason, code] of [
      [undefined, 'CANCELED'],
      [new DOMException('over', 'TimeoutError'), 'PROVIDER_TIMEOUT'],
      [new ClavigerError('LIMIT_EXCEEDED', 'the group has no more time'), 'LIMIT_EXCEEDED'],
    ] as const) {
      const caller = new AbortController();
      const call = key.wrap!.wrap(MESSAGE, {}, { signal: caller.signal, timeoutMs: 60_000 });
      caller.abort(reason);
      await assert.rejects(call, { code });
    }
  });

  test('is not made where it was given up before, or the provider closed', async () => {
    const { provider, key, asked } = withKey('AES-256-GCM', never);
    const gone = { signal: AbortSignal.abort(), timeoutMs: 60_000 };
    await assert.rejects(key.wrap!.wrap(MESSAGE, {}, gone), { code: 'CANCELED' });
    await provider.close();
    await provider.close();
    await assert.rejects(key.wrap!.wrap(MESSAGE, {}, LONG), { code: 'PROVIDER_UNAVAILABLE' });
    assert.deepEqual(
      asked.map(({ name }) => name),
      ['destroy'],
    );
  });
});

describe('a probe', () => {
  const failing = (name: string, status: number): Error =>
    Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: status } });

  test('is content with being recognised', async () => {
    assert.deepEqual(await scene({ listKeys: { Keys: [] } }).provider.probe(LONG), {
      ok: true,
      detail: 'AWS KMS in `eu-west-1` answers, and takes our credentials',
    });
    const { ok } = await scene({ listKeys: failing('AccessDeniedException', 400) }).provider.probe(LONG);
    assert.equal(ok, true);
  });

  test('says what is wrong, and what AWS calls it', async () => {
    const { ok, detail } = await scene({ listKeys: failing('UnrecognizedClientException', 400) }).provider.probe(LONG);
    assert.deepEqual([ok, /UnrecognizedClientException/.test(detail)], [false, true]);
  });
});

test('a provider shows no secret', () => {
  const { provider } = scene({});
  const shown = inspect(provider, { depth: 10 }) + inspect(provider.key(ARN, 'AES-256-GCM'), { depth: 10 });
  assert.doesNotMatch(shown + JSON.stringify(provider), /the-secret-itself/);
});
