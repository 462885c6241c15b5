/** Bad input over REST: each gets its code, a detail that helps, no inside, and a record under its request id. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startTestServer, type FetchOptions, type TestAnswer, type TestServer } from '../support/server.ts';
import { readLog } from '../support/stored-log.ts';

let server: TestServer;
/** Keys by what they are for. */
const keys: Record<'aes' | 'p256' | 'ed25519' | 'rsa' | 'rsaSign' | 'hmac' | 'mldsa' | 'kem' | 'disabled', string> =
  {} as never;
let blob: string;

before(async () => {
  // Refused strangers are recorded one by one here; how they are counted together, audit-list.test.ts tries.
  server = await startTestServer({
    config: 'limits: { changesPerSecond: 1000000 }\naudit: { refusalsPerSecond: 1000 }',
  });
  const { client } = server;
  const made = async (spec: string, usage?: string): Promise<string> =>
    (await client.createKey({ spec: spec as never, usage: usage as never })).id;
  keys.aes = await made('AES-256-GCM');
  keys.p256 = await made('P-256');
  keys.ed25519 = await made('Ed25519');
  keys.rsa = await made('RSA-2048', 'encrypt-decrypt');
  keys.rsaSign = await made('RSA-2048');
  keys.hmac = await made('HMAC-SHA-256');
  keys.mldsa = await made('ML-DSA-44');
  keys.kem = await made('ML-KEM-512');
  keys.disabled = await made('AES-256-GCM');
  await client.disableKey({ key: keys.disabled });
  await client.createAlias({ name: 'taken', key: keys.aes });
  const encrypted = await server.fetch('POST', `/v1/keys/${keys.aes}:encrypt`, { plaintext: b64('hello') });
  blob = encrypted.body.ciphertext as string;
});
after(() => server.stop());

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path: string | (() => string);
  readonly body?: unknown;
  readonly options?: FetchOptions | (() => FetchOptions);
  readonly status: number;
  readonly code: string;
  readonly detail?: RegExp;
  readonly reason?: string;
  /** What the record calls the operation; absent where the request did not get as far as to name one. */
  readonly operation?: string;
}

function cases(title: string, all: readonly Case[]): void {
  describe(title, () => {
    for (const one of all) {
      test(one.name, async () => {
        const { method = 'POST', path, body, options = {}, status, code, detail, reason, operation } = one;
        const answer = await server.fetch(
          method,
          typeof path === 'string' ? path : path(),
          typeof body === 'function' ? (body as () => unknown)() : body,
          typeof options === 'function' ? options() : options,
        );
        assertProblem(answer, status, code);
        if (detail !== undefined) assert.match(answer.body.detail, detail);
        assert.equal(answer.body.reason, reason);
        assertRecorded(answer, code, operation);
      });
    }
  });
}

const on = (key: keyof typeof keys, verb: string) => (): string => `/v1/keys/${keys[key]}:${verb}`;
const BAD = { status: 400, code: 'INVALID_ARGUMENT' } as const;

cases('who calls', [
  {
    name: 'nobody: no credential',
    path: '/v1/random',
    body: { bytes: 1 },
    options: { token: null },
    status: 401,
    code: 'UNAUTHENTICATED',
    reason: 'MissingAuthentication',
    detail: /send `Authorization: Bearer TOKEN`/,
    operation: 'GenerateRandom',
  },
  ...(
    [
      ['an empty token', ''],
      ['some text', 'let-me-in'],
      ['a token of the right shape', `clv_${'A'.repeat(22)}_${'A'.repeat(43)}`],
      ['a very long token', 'x'.repeat(10_000)],
    ] as const
  ).map(([name, token]) => ({
    name: `somebody unknown: ${name}`,
    path: '/v1/random',
    body: { bytes: 1 },
    options: { token },
    status: 401,
    code: 'UNAUTHENTICATED',
    detail: /^the token is not valid; check that it was copied whole, or make a new one$/,
    operation: 'GenerateRandom',
  })),
  {
    name: 'somebody with the right token and a wrong scheme',
    path: '/v1/random',
    body: { bytes: 1 },
    options: () => ({ token: null, headers: { authorization: `Basic ${server.token}` } }),
    status: 401,
    code: 'UNAUTHENTICATED',
    operation: 'GenerateRandom',
  },
  {
    name: 'somebody with one character of the secret changed',
    path: '/v1/random',
    body: { bytes: 1 },
    options: () => ({
      token: server.token.slice(0, -2) + (server.token.at(-2) === 'A' ? 'B' : 'A') + server.token.at(-1),
    }),
    status: 401,
    code: 'UNAUTHENTICATED',
    operation: 'GenerateRandom',
  },
]);

describe('tokens that were good once', () => {
  test('an expired one is told that it has expired, to its holder only', async () => {
    const expiresAt = new Date(Date.now() + 600).toISOString();
    const { token } = await server.client.createToken({ name: 'short', roles: ['crypto-user'], expiresAt });
    const call = (text: string): Promise<TestAnswer> =>
      server.fetch('POST', '/v1/random', { bytes: 1 }, { token: text });
    assert.equal((await call(token!)).status, 200);
    while (Date.now() <= Date.parse(expiresAt)) await new Promise((resolve) => setTimeout(resolve, 20));
    const expired = await call(token!);
    assertProblem(expired, 401, 'UNAUTHENTICATED');
    assert.equal(expired.body.reason, 'ExpiredCredential');
    assert.match(expired.body.detail, new RegExp(`expired at ${expiresAt}; make a new one`));
    assertRecorded(expired, 'UNAUTHENTICATED', 'GenerateRandom');
    const wrong = await call(token!.slice(0, -5) + 'AAAAA');
    assert.equal(wrong.body.reason, undefined);
    assert.match(wrong.body.detail, /is not valid/);
  });

  test('a revoked one is like one that never was', async () => {
    const { token, id } = await server.client.createToken({ name: 'gone', roles: ['crypto-user'] });
    await server.client.revokeToken({ id });
    const revoked = await server.fetch('POST', '/v1/random', { bytes: 1 }, { token: token! });
    const never = await server.fetch(
      'POST',
      '/v1/random',
      { bytes: 1 },
      { token: `clv_${'A'.repeat(22)}_${'A'.repeat(43)}` },
    );
    assertProblem(revoked, 401, 'UNAUTHENTICATED');
    assert.equal(revoked.body.detail, never.body.detail);
    assertRecorded(revoked, 'UNAUTHENTICATED', 'GenerateRandom');
  });

  test('an AWS secret is no token', async () => {
    const answer = await server.fetch('POST', '/v1/random', { bytes: 1 }, { token: server.awsSecretAccessKey });
    assertProblem(answer, 401, 'UNAUTHENTICATED');
  });

  test('a refusal of who calls says how to prove oneself, in the header as well', async () => {
    const answer = await server.fetch('GET', '/v1/keys', undefined, { token: null });
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="claviger"');
  });
});

cases('which key', [
  ...[
    ['an unknown id', randomUUID()],
    ['an unknown alias', 'alias:nobody'],
    ['an alias with a slash', 'alias/no/body'],
    ['no kind of name', 'nobody'],
    ['an alias ARN of another account', 'arn:aws:kms:us-east-1:000000000000:alias/taken'],
    ['a key ARN of another region', 'arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-0000-0000-000000000000'],
    ['an upper-case id', randomUUID().toUpperCase()],
    ['text that is no ASCII', encodeURIComponent('ключ 🔑')],
    ['`__proto__`', '__proto__'],
    ['`constructor`', 'constructor'],
  ].map(([what, name]) => ({
    name: `a name that is ${what} names no key`,
    path: `/v1/keys/${name}:encrypt`,
    body: { plaintext: b64('hello') },
    status: 404,
    code: 'KEY_NOT_FOUND',
    detail: /^key `.*` does not exist$/,
    operation: 'Encrypt',
  })),
  ...[
    ['cut off', 'arn:aws:kms:us-east-1'],
    ['of another service', 'arn:aws:s3:us-east-1:000000000000:key/x'],
    ['with a short account', 'arn:aws:kms:us-east-1:123:key/x'],
  ].map(([what, name]) => ({
    name: `an ARN that is ${what} is no ARN`,
    path: `/v1/keys/${name}:encrypt`,
    body: { plaintext: b64('hello') },
    ...BAD,
    reason: 'InvalidArn',
    detail: /is not a key or alias ARN; it looks like arn:aws:kms:REGION:ACCOUNT:key\/ID/,
    operation: 'Encrypt',
  })),
  {
    name: 'a name of 513 characters is too long',
    path: `/v1/keys/${'x'.repeat(513)}:encrypt`,
    body: { plaintext: b64('hello') },
    ...BAD,
    detail: /too long/,
    operation: 'Encrypt',
  },
  {
    name: 'bad percent-encoding in a path',
    path: '/v1/keys/%zz:encrypt',
    body: { plaintext: b64('hello') },
    ...BAD,
    detail: /percent-encoded/,
  },
  {
    name: 'a path that is not UTF-8 once it is decoded',
    path: '/v1/keys/%ff%fe:encrypt',
    body: { plaintext: b64('hello') },
    ...BAD,
    detail: /percent-encoded/,
  },
]);

cases('wrong usage', [
  ...(
    [
      ['p256', 'encrypt', { plaintext: b64('a') }, 'Encrypt', /is for `sign-verify`, not for `encrypt-decrypt`/],
      ['aes', 'sign', { message: b64('a') }, 'Sign', /is for `encrypt-decrypt`, not for `sign-verify`/],
      ['rsaSign', 'decrypt', { ciphertext: b64('a') }, 'Decrypt', /not for `encrypt-decrypt`/],
      ['hmac', 'sign', { message: b64('a') }, 'Sign', /is for `mac`/],
      ['p256', 'generateMac', { message: b64('a') }, 'GenerateMac', /not for `mac`/],
      ['p256', 'deriveSharedSecret', { publicKey: b64('a') }, 'DeriveSharedSecret', /not for `key-agreement`/],
      ['aes', 'encapsulate', {}, 'Encapsulate', /not for `kem`/],
      ['rsa', 'generateDataKey', {}, 'GenerateDataKey', /data keys are made under symmetric keys/],
      ['rsa', 'generateDataKeyPair', { spec: 'P-256' }, 'GenerateDataKeyPair', /symmetric keys/],
      [
        'p256',
        'sign',
        { message: b64('a'), algorithm: 'ECDSA_SHA_512' },
        'Sign',
        /has no algorithm `ECDSA_SHA_512`: it has ECDSA_SHA_256/,
      ],
      ['aes', 'encrypt', { plaintext: b64('a'), algorithm: 'RSAES_OAEP_SHA_1' }, 'Encrypt', /has no algorithm/],
      ['hmac', 'generateMac', { message: b64('a'), algorithm: 'HMAC_SHA_512' }, 'GenerateMac', /has no algorithm/],
    ] as const
  ).map(([key, verb, body, operation, detail]) => ({
    name: `${verb} with the key ${key}${'algorithm' in body ? ` and ${body.algorithm}` : ''}`,
    path: on(key, verb),
    body,
    status: 400,
    code: 'KEY_USAGE',
    detail,
    operation,
  })),
  {
    name: 'publishing a key that has no public key',
    method: 'PATCH',
    path: () => `/v1/keys/${keys.aes}`,
    body: { published: true },
    status: 400,
    code: 'KEY_USAGE',
    detail: /nothing to publish/,
    operation: 'UpdateKey',
  },
  {
    name: 'the public key of a symmetric key',
    method: 'GET',
    path: () => `/v1/keys/${keys.aes}/publicKey`,
    status: 400,
    code: 'KEY_USAGE',
    detail: /has no public key/,
    operation: 'GetPublicKey',
  },
  {
    name: 'a key that is made for what its spec cannot',
    path: '/v1/keys',
    body: { spec: 'Ed25519', usage: 'encrypt-decrypt' },
    ...BAD,
    detail: /spec `Ed25519` cannot be used for `encrypt-decrypt`: it takes sign-verify/,
    operation: 'CreateKey',
  },
]);

cases('wrong state', [
  {
    name: 'a disabled key says that it is disabled, and what to do',
    path: on('disabled', 'encrypt'),
    body: { plaintext: b64('a') },
    status: 409,
    code: 'KEY_DISABLED',
    detail: /is disabled; enable it first/,
    operation: 'Encrypt',
  },
  {
    name: 'activating an active key',
    path: on('aes', 'activate'),
    body: {},
    status: 409,
    code: 'KEY_STATE',
    detail: /cannot activate key .*: state is `Active`/,
    operation: 'ActivateKey',
  },
  {
    name: 'taking back a deletion that was never asked for',
    path: on('aes', 'cancelDeletion'),
    status: 409,
    code: 'KEY_STATE',
    detail: /is not pending deletion/,
    operation: 'CancelKeyDeletion',
  },
]);

cases('ciphertexts and contexts', [
  {
    name: 'another context',
    path: on('aes', 'decrypt'),
    body: () => ({ ciphertext: blob, context: { a: '1' } }),
    status: 400,
    code: 'INVALID_CIPHERTEXT',
    operation: 'Decrypt',
  },
  {
    name: 'a ciphertext of no bytes',
    path: on('aes', 'decrypt'),
    body: { ciphertext: '' },
    status: 400,
    code: 'INVALID_CIPHERTEXT',
    operation: 'Decrypt',
  },
  {
    name: 'a context of 65 pairs',
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), context: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v'])) },
    ...BAD,
    detail: /at most 64 pairs/,
    operation: 'Encrypt',
  },
  {
    name: 'a context of 8,193 bytes',
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), context: { k: 'v'.repeat(8192) } },
    ...BAD,
    detail: /at most 8192 bytes/,
    operation: 'Encrypt',
  },
  {
    name: 'a context with an empty name',
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), context: { '': 'v' } },
    ...BAD,
    detail: /no empty names/,
    operation: 'Encrypt',
  },
  {
    name: 'a context with a lone surrogate',
    path: on('aes', 'encrypt'),
    options: () => ({ raw: `{"plaintext":"YQ==","context":{"a":"\\ud800"}}` }),
    ...BAD,
    detail: /well-formed Unicode/,
    operation: 'Encrypt',
  },
  ...(
    [
      ['a number', 1],
      ['null', null],
      ['a list', []],
    ] as const
  ).map(([what, value]) => ({
    name: `a context whose value is ${what}`,
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), context: { a: value } },
    ...BAD,
    detail: /`context.a`: expected string/,
    operation: 'Encrypt',
  })),
  {
    name: 'a context under an RSA key, which could not bind it',
    path: on('rsa', 'encrypt'),
    body: { plaintext: b64('a'), context: { a: '1' } },
    ...BAD,
    detail: /takes no encryption context: only symmetric keys bind one/,
    operation: 'Encrypt',
  },
  {
    name: 'an RSA ciphertext of the wrong length',
    path: on('rsa', 'decrypt'),
    body: { ciphertext: Buffer.alloc(255).toString('base64') },
    status: 400,
    code: 'INVALID_CIPHERTEXT',
    operation: 'Decrypt',
  },
  {
    name: 'a text that is too long for its RSA key',
    path: on('rsa', 'encrypt'),
    body: { plaintext: Buffer.alloc(191).toString('base64') },
    ...BAD,
    detail: /190/,
    operation: 'Encrypt',
  },
  {
    name: 'an encapsulation of the wrong length',
    path: on('kem', 'decapsulate'),
    body: { ciphertext: Buffer.alloc(767).toString('base64') },
    status: 400,
    code: 'INVALID_CIPHERTEXT',
    operation: 'Decapsulate',
  },
]);

cases('messages and digests', [
  {
    name: 'a plaintext of 4,097 bytes',
    path: on('aes', 'encrypt'),
    body: { plaintext: Buffer.alloc(4097).toString('base64') },
    ...BAD,
    detail: /`plaintext` has 4097 bytes, at most 4096 are taken; encrypt it under a data key/,
    operation: 'Encrypt',
  },
  {
    name: 'a message of 4,097 bytes to sign',
    path: on('p256', 'sign'),
    body: { message: Buffer.alloc(4097).toString('base64') },
    ...BAD,
    detail: /`message` has 4097 bytes, at most 4096 are taken; send its digest/,
    operation: 'Sign',
  },
  {
    name: 'a message of 4,097 bytes to verify',
    path: on('p256', 'verify'),
    body: { message: Buffer.alloc(4097).toString('base64'), signature: b64('a') },
    ...BAD,
    detail: /4097 bytes/,
    operation: 'Verify',
  },
  {
    name: 'a message of 4,097 bytes to MAC',
    path: on('hmac', 'generateMac'),
    body: { message: Buffer.alloc(4097).toString('base64') },
    ...BAD,
    detail: /4097 bytes/,
    operation: 'GenerateMac',
  },
  ...[0, 31, 33, 48, 64].map((length) => ({
    name: `a digest of ${length} bytes for ECDSA_SHA_256`,
    path: on('p256', 'sign'),
    body: { digest: Buffer.alloc(length).toString('base64') },
    ...BAD,
    detail: new RegExp(`\`digest\` has ${length} bytes, \`ECDSA_SHA_256\` takes 32`),
    operation: 'Sign',
  })),
  {
    name: 'a digest of 32 bytes for RSASSA_PSS_SHA_512',
    path: on('rsaSign', 'sign'),
    body: { digest: Buffer.alloc(32).toString('base64'), algorithm: 'RSASSA_PSS_SHA_512' },
    ...BAD,
    detail: /has 32 bytes, `RSASSA_PSS_SHA_512` takes 64/,
    operation: 'Sign',
  },
  {
    name: 'a mu of 63 bytes for ML-DSA',
    path: on('mldsa', 'sign'),
    body: { digest: Buffer.alloc(63).toString('base64') },
    ...BAD,
    detail: /takes 64/,
    operation: 'Sign',
  },
  {
    name: 'neither message nor digest',
    path: on('p256', 'sign'),
    body: {},
    ...BAD,
    detail: /give either `message` or `digest`/,
    operation: 'Sign',
  },
  {
    name: 'both message and digest',
    path: on('p256', 'sign'),
    body: { message: b64('a'), digest: Buffer.alloc(32).toString('base64') },
    ...BAD,
    detail: /give either `message` or `digest`/,
    operation: 'Sign',
  },
  {
    name: 'a digest for Ed25519, which signs messages',
    path: on('ed25519', 'sign'),
    body: { digest: Buffer.alloc(64).toString('base64') },
    ...BAD,
    detail: /signs the message itself; send `message`/,
    operation: 'Sign',
  },
  {
    name: 'a message for Ed25519ph, which signs digests',
    path: on('ed25519', 'sign'),
    body: { message: b64('a'), algorithm: 'ED25519_PH_SHA_512' },
    ...BAD,
    detail: /signs a digest; send `digest`/,
    operation: 'Sign',
  },
]);

cases('bodies', [
  ...(
    [
      ['no JSON', '{"plaintext":', /not valid JSON/],
      ['text after the JSON', '{} {}', /not valid JSON/],
      ['a byte-order mark', '\ufeff{}', /not valid JSON/],
      ['JSON with a comment', '{/* */}', /not valid JSON/],
      ['`NaN`', '{"bytes":NaN}', /not valid JSON/],
      ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /not valid UTF-8/],
      ['UTF-16', Buffer.from('{"bytes":1}', 'utf16le'), /not valid JSON/],
      ['17 deep', `{"bytes":${'['.repeat(16)}${']'.repeat(16)}}`, /nested deeper than 16/],
      ['a million deep', '['.repeat(1_000_000), /not valid JSON|nested deeper/],
      ['half a million deep, and closed', '['.repeat(500_000) + ']'.repeat(500_000), /nested deeper than 16/],
      ['with `__proto__`', '{"bytes":1,"__proto__":{"bytes":2}}', /cannot be named `__proto__`/],
      ['with `__proto__` within', '{"bytes":{"__proto__":1}}', /cannot be named `__proto__`/],
    ] as const
  ).map(([what, raw, detail]) => ({
    name: `a body that is ${what}`,
    path: '/v1/random',
    options: { raw },
    ...BAD,
    reason: 'Serialization',
    detail,
    operation: 'GenerateRandom',
  })),
  ...(
    [
      ['a list', '[]'],
      ['null', 'null'],
      ['a text', '"x"'],
      ['a number', '1'],
    ] as const
  ).map(([what, raw]) => ({
    name: `a body that is ${what}`,
    path: '/v1/random',
    options: { raw },
    ...BAD,
    detail: /expected object/,
    operation: 'GenerateRandom',
  })),
  {
    name: 'a body of more than 1 MiB',
    path: '/v1/random',
    options: { raw: Buffer.alloc(1024 * 1024 + 1, 0x20) },
    status: 413,
    code: 'LIMIT_EXCEEDED',
    reason: 'BodyTooLarge',
    detail: /larger than 1048576 bytes/,
  },
  {
    name: 'an unknown field',
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), contxt: { a: '1' } },
    ...BAD,
    detail: /^there is no field `contxt`$/,
    operation: 'Encrypt',
  },
  {
    name: 'an unknown field of an item',
    path: on('aes', 'encryptBatch'),
    body: { items: [{ plaintext: b64('a') }, { plaintext: b64('a'), more: 1 }] },
    ...BAD,
    detail: /^`items.1`: there is no field `more`$/,
    operation: 'EncryptBatch',
  },
  {
    name: 'a field of the path in the body',
    path: on('aes', 'encrypt'),
    body: { plaintext: b64('a'), key: 'x' },
    ...BAD,
    detail: /^there is no field `key`$/,
    operation: 'Encrypt',
  },
  {
    name: 'a missing field',
    path: on('aes', 'encrypt'),
    body: {},
    ...BAD,
    detail: /^`plaintext`: is missing; expected string$/,
    operation: 'Encrypt',
  },
  {
    name: 'many mistakes at once are named together',
    path: '/v1/keys',
    body: { spec: 'AES', alias: 1, description: [], tags: 'x' },
    ...BAD,
    detail: /`spec`.*`alias`.*`description`.*`tags`/,
    operation: 'CreateKey',
  },
  {
    name: 'an unknown spec is told which there are',
    path: '/v1/keys',
    body: { spec: 'AES_256' },
    ...BAD,
    detail: /`spec`: .*AES-256-GCM/,
    operation: 'CreateKey',
  },
  {
    name: 'a constructor’s name as a spec',
    path: '/v1/keys',
    body: { spec: 'constructor' },
    ...BAD,
    operation: 'CreateKey',
  },
  ...[
    ['with white space', 'aGVs bG8='],
    ['with a line break', 'aGVs\nbG8='],
    ['without its padding', 'aGVsbG8'],
    ['with too much padding', 'aGVsbG8=='],
    ['url-safe', '_-A='],
    ['with bits left over', 'aGVsbG9='],
    ['of one character', 'a'],
    ['with a foreign character', 'aGVs*bG8'],
  ].map(([what, plaintext]) => ({
    name: `base64 ${what}`,
    path: on('aes', 'encrypt'),
    body: { plaintext },
    ...BAD,
    detail: /`plaintext`: is not base64 with padding and without white space/,
    operation: 'Encrypt',
  })),
]);

cases('numbers and texts', [
  ...[0, -1, 2 ** 32, 1.5, 1e300, '1', null, true].map((keyVersion) => ({
    name: `the key version ${JSON.stringify(keyVersion)}`,
    path: on('p256', 'verify'),
    body: { message: b64('a'), signature: b64('a'), keyVersion },
    ...BAD,
    detail: /`keyVersion`/,
    operation: 'Verify',
  })),
  {
    name: 'a key version that the key does not have',
    path: on('p256', 'verify'),
    body: { message: b64('a'), signature: b64('a'), keyVersion: 0xffff_ffff },
    ...BAD,
    detail: /has no version 4294967295/,
    operation: 'Verify',
  },
  {
    name: 'a key version 0 in a query',
    method: 'GET',
    path: () => `/v1/keys/${keys.p256}/publicKey?keyVersion=0`,
    ...BAD,
    detail: /`keyVersion`/,
    operation: 'GetPublicKey',
  },
  ...[0, -1, 1025, 1.5, '16', 1e308, Number.MAX_SAFE_INTEGER].map((bytes) => ({
    name: `${JSON.stringify(bytes)} random bytes`,
    path: '/v1/random',
    body: { bytes },
    ...BAD,
    detail: /`bytes`/,
    operation: 'GenerateRandom',
  })),
  {
    name: 'a number that JSON can say and nobody can hold',
    path: '/v1/random',
    options: { raw: '{"bytes":1e999}' },
    ...BAD,
    detail: /`bytes`/,
    operation: 'GenerateRandom',
  },
  ...[6, 31, 0, -7].map((pendingWindowDays) => ({
    name: `a deletion window of ${pendingWindowDays} days`,
    path: on('aes', 'scheduleDeletion'),
    body: { pendingWindowDays },
    ...BAD,
    detail: /`pendingWindowDays` must be from 7 to 30/,
    operation: 'ScheduleKeyDeletion',
  })),
  ...[89, 2561, 0].map((periodDays) => ({
    name: `a rotation every ${periodDays} days`,
    path: on('aes', 'setRotation'),
    body: { periodDays },
    ...BAD,
    detail: /`periodDays` must be from 90 to 2560/,
    operation: 'SetKeyRotation',
  })),
  {
    name: 'data keys of 1,025 bytes',
    path: on('aes', 'generateDataKey'),
    body: { bytes: 1025 },
    ...BAD,
    detail: /`bytes`/,
    operation: 'GenerateDataKey',
  },
  {
    name: 'a data key with both `spec` and `bytes`',
    path: on('aes', 'generateDataKey'),
    body: { bytes: 32, spec: 'AES-256' },
    ...BAD,
    detail: /give either `spec` or `bytes`/,
    operation: 'GenerateDataKey',
  },
  {
    name: 'a data-key pair of a symmetric spec',
    path: on('aes', 'generateDataKeyPair'),
    body: { spec: 'AES-256-GCM' },
    ...BAD,
    detail: /is not the spec of a key pair/,
    operation: 'GenerateDataKeyPair',
  },
  {
    name: 'a description of 8,193 characters',
    method: 'PATCH',
    path: () => `/v1/keys/${keys.aes}`,
    body: { description: 'x'.repeat(8193) },
    ...BAD,
    detail: /`description`/,
    operation: 'UpdateKey',
  },
  {
    name: '51 tags',
    path: on('aes', 'tag'),
    body: { tags: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, ''])) },
    status: 400,
    code: 'LIMIT_EXCEEDED',
    detail: /at most 50 tags/,
    operation: 'TagKey',
  },
  ...(
    [
      ['an empty key', ''],
      ['a key of 129 characters', 'k'.repeat(129)],
      ['a reserved key', 'aws:x'],
    ] as const
  ).map(([what, tag]) => ({
    name: `a tag with ${what}`,
    path: on('aes', 'tag'),
    body: { tags: { [tag]: '1' } },
    ...BAD,
    reason: 'Tag',
    detail: /is not allowed: keys have 1 to 128 characters/,
    operation: 'TagKey',
  })),
  {
    name: 'a token that has expired before it is made',
    path: '/v1/tokens',
    body: { name: 'late', roles: ['auditor'], expiresAt: '2020-01-01T00:00:00Z' },
    ...BAD,
    detail: /`expiresAt` is in the past/,
    operation: 'CreateToken',
  },
  {
    name: 'a token with a time that is none',
    path: '/v1/tokens',
    body: { name: 'when', roles: ['auditor'], expiresAt: 'tomorrow' },
    ...BAD,
    detail: /`expiresAt`/,
    operation: 'CreateToken',
  },
  ...(
    [
      ['no name', ' '],
      ['a name of 129 characters', 'x'.repeat(129)],
    ] as const
  ).map(([what, name]) => ({
    name: `a token with ${what}`,
    path: '/v1/tokens',
    body: { name, roles: ['auditor'] },
    ...BAD,
    detail: /1 to 128 characters/,
    operation: 'CreateToken',
  })),
  {
    name: 'a token without roles',
    path: '/v1/tokens',
    body: { name: 'idle', roles: [] },
    ...BAD,
    detail: /`roles`/,
    operation: 'CreateToken',
  },
  {
    name: 'a role that is none',
    path: '/v1/tokens',
    body: { name: 'root', roles: ['root'] },
    ...BAD,
    detail: /`roles.0`/,
    operation: 'CreateToken',
  },
  ...['', 'UPPER', '-x', 'a b', 'x'.repeat(64), '../x'].map((name) => ({
    name: `a tenant called ${JSON.stringify(name)}`,
    path: '/v1/tenants',
    body: { name },
    ...BAD,
    detail: /1 to 63 of a-z, 0-9 and -/,
    operation: 'CreateTenant',
  })),
  {
    name: 'an account id of 11 digits',
    path: '/v1/tenants',
    body: { name: 'short', accountId: '12345678901' },
    ...BAD,
    detail: /12 digits/,
    operation: 'CreateTenant',
  },
  {
    name: 'a policy that is no Cedar',
    method: 'PUT',
    path: () => `/v1/keys/${keys.aes}/policy`,
    body: { policy: 'nonsense' },
    ...BAD,
    reason: 'MalformedPolicyDocument',
    operation: 'SetKeyPolicy',
  },
  {
    name: 'a policy that permits, on a key',
    method: 'PUT',
    path: () => `/v1/keys/${keys.aes}/policy`,
    body: { policy: 'permit (principal, action, resource);' },
    ...BAD,
    reason: 'MalformedPolicyDocument',
    operation: 'SetKeyPolicy',
  },
]);

cases('batches', [
  ...[0, 101].map((count) => ({
    name: `of ${count} items`,
    path: on('aes', 'encryptBatch'),
    body: { items: Array.from({ length: count }, () => ({ plaintext: b64('a') })) },
    ...BAD,
    detail: /`items`/,
    operation: 'EncryptBatch',
  })),
  {
    name: 'without items',
    path: on('p256', 'signBatch'),
    body: {},
    ...BAD,
    detail: /`items`/,
    operation: 'SignBatch',
  },
  {
    name: 'under a disabled key',
    path: on('disabled', 'encryptBatch'),
    body: { items: [{ plaintext: b64('a') }] },
    status: 409,
    code: 'KEY_DISABLED',
    operation: 'EncryptBatch',
  },
]);

cases('names that are taken, and aliases', [
  {
    name: 'a key with an alias that is taken',
    path: '/v1/keys',
    body: { spec: 'AES-256-GCM', alias: 'taken' },
    status: 409,
    code: 'KEY_EXISTS',
    detail: /alias `taken` exists already; update it, or choose another name/,
    operation: 'CreateKey',
  },
  {
    name: 'an alias that is taken',
    path: '/v1/aliases',
    body: () => ({ name: 'taken', key: keys.aes }),
    status: 409,
    code: 'KEY_EXISTS',
    operation: 'CreateAlias',
  },
  {
    name: 'an alias that is taken, with its prefix',
    path: '/v1/aliases',
    body: () => ({ name: 'alias/taken', key: keys.aes }),
    status: 409,
    code: 'KEY_EXISTS',
    operation: 'CreateAlias',
  },
  ...['', 'a b', 'ключ', 'x'.repeat(251), 'a:b', 'a\u0000b'].map((name) => ({
    name: `an alias called ${JSON.stringify(name.slice(0, 20))}`,
    path: '/v1/aliases',
    body: () => ({ name, key: keys.aes }),
    ...BAD,
    reason: 'InvalidAliasName',
    detail: /is not an alias name: use 1 to 250 of/,
    operation: 'CreateAlias',
  })),
  {
    name: 'an alias of AWS',
    path: '/v1/aliases',
    body: () => ({ name: 'aws/s3', key: keys.aes }),
    ...BAD,
    reason: 'InvalidAliasName',
    detail: /reserved/,
    operation: 'CreateAlias',
  },
  {
    name: 'an alias that moves to a key of another spec',
    method: 'PATCH',
    path: '/v1/aliases/taken',
    body: () => ({ key: keys.p256 }),
    ...BAD,
    detail: /moves only between keys of one spec and usage/,
    operation: 'UpdateAlias',
  },
  {
    name: 'an alias that is not there',
    method: 'DELETE',
    path: '/v1/aliases/nobody',
    status: 404,
    code: 'NOT_FOUND',
    detail: /alias `nobody` does not exist/,
    operation: 'DeleteAlias',
  },
  {
    name: 'a token that is not there',
    method: 'DELETE',
    path: `/v1/tokens/${randomUUID()}`,
    status: 404,
    code: 'NOT_FOUND',
    detail: /does not exist/,
    operation: 'RevokeToken',
  },
  {
    name: 'a token by a name that is no id',
    method: 'DELETE',
    path: '/v1/tokens/..%2f..%2fetc',
    status: 404,
    code: 'NOT_FOUND',
    operation: 'RevokeToken',
  },
  {
    name: 'a provider that is not there',
    path: '/v1/keys',
    body: { spec: 'AES-256-GCM', backings: [{ provider: 'aws-main' }] },
    ...BAD,
    detail: /no provider `aws-main` is configured; there is `software`/,
    operation: 'CreateKey',
  },
  {
    name: 'a group that is not there',
    path: '/v1/keys',
    body: { spec: 'AES-256-GCM', group: 'all' },
    ...BAD,
    detail: /no provider group `all` is configured/,
    operation: 'CreateKey',
  },
]);

cases('lists', [
  ...[
    ['text', 'not-a-cursor'],
    ['of another list', Buffer.from('tokens:x').toString('base64url')],
    ['empty', ''],
    ['not base64url', '****'],
  ].map(([what, cursor]) => ({
    name: `a cursor that is ${what}`,
    method: 'GET',
    path: `/v1/keys?cursor=${cursor}`,
    ...BAD,
    reason: 'InvalidMarker',
    detail: /is not one that this list gave; begin again without it/,
    operation: 'ListKeys',
  })),
  ...['NaN', '1e9', '-1', '1.5', '', ' 1', '99999999999999999999', '0x10'].map((after) => ({
    name: `a cursor of the log that was forged to say ${JSON.stringify(after)}`,
    method: 'GET',
    path: `/v1/audit/records?cursor=${Buffer.from(`audit:${after}`).toString('base64url')}`,
    ...BAD,
    reason: 'InvalidMarker',
    operation: 'ListAuditRecords',
  })),
  ...['0', '-1', '1001', '1.5', 'ten', '', '0x10', '1e2', ' 1', '01', '+1', '9'.repeat(17)].map((limit) => ({
    name: `a limit of ${JSON.stringify(limit)}`,
    method: 'GET',
    path: `/v1/keys?limit=${encodeURIComponent(limit)}`,
    ...BAD,
    detail: /`limit`/,
    operation: 'ListKeys',
  })),
  {
    name: 'a parameter that is given twice',
    method: 'GET',
    path: '/v1/keys?limit=1&limit=2',
    ...BAD,
    detail: /`limit` is given twice/,
    operation: 'ListKeys',
  },
  {
    name: 'a parameter that is unknown',
    method: 'GET',
    path: '/v1/keys?pageSize=1',
    ...BAD,
    detail: /^there is no field `pageSize`$/,
    operation: 'ListKeys',
  },
  {
    name: 'a parameter called `__proto__`',
    method: 'GET',
    path: '/v1/keys?__proto__=1',
    ...BAD,
    detail: /^there is no field `__proto__`$/,
    operation: 'ListKeys',
  },
  {
    name: 'a query where there is a body',
    path: '/v1/random?bytes=1',
    body: { bytes: 1 },
    ...BAD,
    detail: /takes no query parameters/,
    operation: 'GenerateRandom',
  },
  {
    name: 'a time that is none',
    method: 'GET',
    path: '/v1/audit/records?since=yesterday',
    ...BAD,
    detail: /`since`/,
    operation: 'ListAuditRecords',
  },
  ...['1', 'yes', ''].map((intents) => ({
    name: `a choice of ${JSON.stringify(intents)}, neither true nor false`,
    method: 'GET',
    path: `/v1/audit/records?intents=${intents}`,
    ...BAD,
    detail: /`intents`/,
    operation: 'ListAuditRecords',
  })),
]);

cases(
  'places',
  (
    [
      ['GET', '/v1/nothing'],
      ['GET', '/v1/'],
      ['POST', '/v1/keys/'],
      ['POST', '/v1/keys/x:frobnicate'],
      ['POST', '/v1/keys/x'],
      ['DELETE', '/v1/keys'],
      ['PUT', '/v1/keys'],
      ['PATCH', '/v1/random'],
      ['GET', '/v1/random'],
      ['DELETE', '/v1/keys/x'],
      ['GET', '/'],
      ['GET', '/v2/keys'],
      ['GET', '/favicon.ico'],
      ['GET', '/v1/../etc/passwd'],
      ['POST', '/docs'],
      ['OPTIONS', '/v1/keys'],
    ] as const
  ).map(([method, path]) => ({
    name: `${method} ${path}`,
    method,
    path,
    ...(method === 'GET' || method === 'DELETE' || method === 'OPTIONS' ? {} : { body: {} }),
    status: 404,
    code: 'NOT_FOUND',
    detail: /^there is no `[A-Z]+ \/.*`; \/openapi.json lists what there is$/,
  })),
);

describe('strangers', () => {
  test('learn nothing of what there is: an unknown path and a known one are refused alike', async () => {
    const [known, unknown] = await Promise.all(
      ['/v1/keys', '/v1/nothing'].map((path) => server.fetch('GET', path, undefined, { token: null })),
    );
    assert.deepEqual([known!.status, known!.body.code], [401, 'UNAUTHENTICATED']);
    assert.deepEqual(
      [unknown!.status, unknown!.body.code, unknown!.body.detail],
      [401, 'UNAUTHENTICATED', known!.body.detail],
    );
  });

  test('are refused before what they sent is judged', async () => {
    const answer = await server.fetch('POST', '/v1/keys', { spec: 'nonsense' }, { token: null });
    assertProblem(answer, 401, 'UNAUTHENTICATED');
  });
});

describe('HTTP itself', () => {
  test('a request that is no HTTP is answered 400 and closed, and the server goes on', async () => {
    for (const text of [
      'NONSENSE\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'POST /v1/random HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /v1/random HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n',
      `GET /v1/keys HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
      'GET /v1/keys HTTP/1.1\r\nhost: x\r\na: b\u0000c\r\n\r\n',
    ]) {
      const answer = await raw(text);
      assert.match(answer, /^HTTP\/1\.1 4\d\d |^$/, text.slice(0, 40));
    }
    assert.equal((await server.fetch('GET', '/livez')).status, 200);
  });

  test('a body that ends early is not acted upon', async () => {
    const before = readLog(server.folder).filter(({ record }) => record['operation'] === 'CreateKey').length;
    const body = '{"spec":"AES-256-GCM"}';
    const head =
      `POST /v1/keys HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length + 10}\r\n\r\n`;
    await raw(head + body, true);
    const after = readLog(server.folder).filter(({ record }) => record['operation'] === 'CreateKey').length;
    assert.equal(after, before);
  });

  test('callers that go away before their answer hurt nobody, and what they asked for is in the log', async () => {
    const before = readLog(server.folder).length;
    const calls = Array.from({ length: 60 }, async (_, n) => {
      const abort = new AbortController();
      const sent = fetch(`${server.endpoint}/v1/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ spec: n % 2 === 0 ? 'RSA-2048' : 'AES-256-GCM' }),
        signal: abort.signal,
      });
      setTimeout(() => abort.abort(), n % 20);
      return sent.then(
        ({ status }) => status,
        () => null,
      );
    });
    const answers = await Promise.all(calls);
    assert.ok(answers.includes(null), 'some went away');
    const { body } = await server.fetch('GET', '/v1/health');
    assert.equal(body.status, 'ok');
    // What was taken is made to the end; the last of it may still be on its way.
    const made = (): number =>
      readLog(server.folder)
        .slice(before)
        .filter(({ record }) => record['operation'] === 'CreateKey').length;
    while (made() < answers.filter((status) => status === 201).length) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('the log of refused requests shows no line break or control character of theirs', async () => {
    const answer = await server.fetch('POST', `/v1/keys/${encodeURIComponent('x\r\n{"fake":1}\u0007`')}:encrypt`, {
      plaintext: b64('a'),
    });
    assertProblem(answer, 404, 'KEY_NOT_FOUND');
    assert.equal(answer.body.detail, 'key `x??{"fake":1}?\'` does not exist');
  });

  /** Sends bytes as they are; gives what came back until the server closed, or until we do. */
  function raw(text: string, halfClose = false): Promise<string> {
    const { hostname, port } = new URL(server.endpoint);
    const socket = connect(Number(port), hostname);
    const { promise, resolve } = Promise.withResolvers<string>();
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
    socket.setTimeout(3000, () => socket.destroy());
    if (halfClose) socket.end(text);
    else socket.write(text, 'latin1');
    return promise;
  }
});

test('every refusal above left the server whole', async () => {
  assert.equal((await server.fetch('POST', '/v1/random', { bytes: 1 })).status, 200);
  assert.equal((await server.fetch('GET', '/readyz')).body, 'ready');
});

function assertProblem({ status, headers, body }: TestAnswer, expected: number, code: string): void {
  assert.deepEqual([status, body.code], [expected, code], body.detail as string);
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body.status, status);
  assert.equal(body.type, `urn:claviger:error:${code}`);
  assert.equal(body.requestId, headers.get('x-request-id'));
  const known = ['type', 'title', 'status', 'detail', 'code', 'reason', 'requestId'];
  assert.deepEqual(
    Object.keys(body).filter((name) => !known.includes(name)),
    [],
    'nothing of the inside',
  );
  assert.doesNotMatch(JSON.stringify(body), /\/src\/|node:|at \w+ \(|sqlite|stack/i);
  // Our words: lower case at the start, no final period.
  assert.doesNotMatch(body.detail, /\.$/);
}

function assertRecorded({ headers }: TestAnswer, code: string, operation: string | undefined): void {
  const requestId = headers.get('x-request-id');
  const found = readLog(server.folder).filter(({ record }) => record['requestId'] === requestId);
  assert.equal(found.length, 1, 'one record');
  const { record, index } = found[0]!;
  assert.equal(record['outcome'], code);
  assert.equal(record['operation'], operation);
  assert.ok(headers.get('x-claviger-audit')!.endsWith(`/${index}`));
}

function b64(text: string): string {
  return Buffer.from(text).toString('base64');
}
