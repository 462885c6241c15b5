/**
 * Requests to the AWS endpoint that must be refused, as bytes on a socket, signed by AWS's own signer and then spoiled:
 * each is told the exception that AWS's clients know, and stands in the audit log.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignatureV4 } from '@smithy/signature-v4';
import { AWS_OPERATIONS } from '../../src/gateways/aws-kms/operations.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { kmsClient, newKey, newPair, pairOf, type AwsPair } from './aws-support.ts';

const MINUTE_MS = 60_000;
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';
const NOBODY: AwsPair = { accessKeyId: 'CLAVAAAABBBBCCCCDDDD', secretAccessKey: 'x'.repeat(40) };

let server: TestServer;
let agent: Agent;

before(async () => {
  // Strangers are refused here by the dozen, and each refusal is looked up.
  server = await startTestServer({
    config: 'audit: { refusalsPerSecond: 1000 }\nlimits: { changesPerSecond: 10000 }\n',
  });
  agent = new Agent({ keepAlive: true });
});
after(async () => {
  agent.destroy();
  await server.stop();
});

/** Fields that an operation needs to come as far as another one, as JSON. */
const SENSIBLE: Readonly<Record<string, string>> = {
  Plaintext: '"AAAA"',
  CiphertextBlob: '"AAAA"',
  Message: '"AAAA"',
  Signature: '"AAAA"',
  Mac: '"AAAA"',
  SigningAlgorithm: '"ECDSA_SHA_256"',
  MacAlgorithm: '"HMAC_SHA_256"',
  ImportToken: '"AAAA"',
  EncryptedKeyMaterial: '"AAAA"',
  ExpirationModel: '"KEY_MATERIAL_EXPIRES"',
  ValidTo: '4102444800',
  WrappingAlgorithm: '"RSAES_OAEP_SHA_256"',
  WrappingKeySpec: '"RSA_2048"',
  KeyPairSpec: '"ECC_NIST_P256"',
  KeyAgreementAlgorithm: '"ECDH"',
  EncapsulationAlgorithm: '"ML_KEM"',
  PublicKey: '"AAAA"',
  SharedSecretCiphertextBlob: '"AAAA"',
  AliasName: '"alias/any"',
  Description: '"x"',
  Tags: '[]',
  TagKeys: '[]',
};

/** What node:crypto has, as the signer wants it. */
class Sha256 {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as Uint8Array);
  }
  update(data: unknown): void {
    this.#hash.update(data as Uint8Array);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

type Headers = Readonly<Record<string, string>>;

interface RawRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array;
}

interface SignOptions {
  readonly pair?: AwsPair;
  readonly target?: string | null;
  readonly body?: string | Uint8Array;
  readonly headers?: Headers;
  readonly offsetMs?: number;
  readonly region?: string;
  readonly service?: string;
  /** False leaves `x-amz-content-sha256` out, as the AWS CLI does. */
  readonly checksum?: boolean;
  readonly presign?: boolean;
}

/** A request as an SDK sends it. */
async function signed(options: SignOptions = {}): Promise<RawRequest> {
  const { pair = pairOf(server), target = 'TrentService.ListKeys', body = '{}', offsetMs = 0 } = options;
  const { hostname, port, host } = new URL(server.endpoint);
  const signer = new SignatureV4({
    credentials: pair,
    region: options.region ?? server.region,
    service: options.service ?? 'kms',
    sha256: Sha256,
    applyChecksum: options.checksum ?? true,
  });
  const unsigned = {
    method: 'POST',
    protocol: 'http:',
    hostname,
    port: Number(port),
    path: '/',
    query: {},
    headers: {
      host,
      'content-type': 'application/x-amz-json-1.1',
      ...(target === null ? {} : { 'x-amz-target': target }),
      ...options.headers,
    },
    body,
  };
  const signingDate = new Date(Date.now() + offsetMs);
  const { headers, query } = await (options.presign === true
    ? signer.presign(unsigned, { signingDate })
    : signer.sign(unsigned, { signingDate }));
  const entries = Object.entries((query ?? {}) as Record<string, string>);
  return { path: entries.length === 0 ? '/' : `/?${new URLSearchParams(entries).toString()}`, headers, body };
}

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Sends the bytes; `more` are headers as they stand, name and value in turn, and may repeat. */
function send({ path, headers, body }: RawRequest, more: readonly string[] = []): Promise<RawAnswer> {
  const { hostname, port } = new URL(server.endpoint);
  const raw = [...Object.entries(headers).flat(), ...more, 'content-length', String(Buffer.byteLength(body))];
  return new Promise((resolve, reject) => {
    const request = httpRequest({ agent, hostname, port, method: 'POST', path, headers: raw }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function without(request: RawRequest, name: string): RawRequest {
  return {
    ...request,
    headers: Object.fromEntries(Object.entries(request.headers).filter(([other]) => other !== name)),
  };
}

function withHeaders(request: RawRequest, headers: Headers): RawRequest {
  return { ...request, headers: { ...request.headers, ...headers } };
}

/** Asserts the exception, and that the log tells of the same request with this outcome; gives the record. */
async function refused(answer: RawAnswer, type: string, told: RegExp, outcome: string) {
  assert.equal(answer.status, 400, answer.text);
  assert.equal(answer.headers['content-type'], 'application/x-amz-json-1.1');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const body = JSON.parse(answer.text) as { readonly __type: string; readonly message: string };
  assert.deepEqual(Object.keys(body), ['__type', 'message']);
  assert.equal(body.__type, type, body.message);
  assert.match(body.message, told);
  const requestId = answer.headers['x-amzn-requestid'] as string;
  const { records } = await server.client.listAuditRecords({ requestId });
  assert.deepEqual(
    records.map((record) => record.outcome),
    [outcome],
  );
  return records[0]!;
}

suite('a request that is signed as it should be', () => {
  test('is answered, with a declared hash of its body and without', async () => {
    for (const checksum of [true, false]) {
      const request = await signed({ checksum });
      assert.equal('x-amz-content-sha256' in request.headers, checksum);
      const answer = await send(request);
      assert.equal(answer.status, 200, answer.text);
      const { records } = await server.client.listAuditRecords({
        requestId: answer.headers['x-amzn-requestid'] as string,
      });
      assert.deepEqual(
        records.map(({ operation, outcome }) => [operation, outcome]),
        [['ListKeys', 'OK']],
      );
    }
  });

  for (const minutes of [-4, 4]) {
    test(`is answered when the client's clock is ${minutes} minutes off`, async () => {
      assert.equal((await send(await signed({ offsetMs: minutes * MINUTE_MS }))).status, 200);
    });
  }

  test('is answered twice in one second, as AWS does', async () => {
    const request = await signed();
    assert.deepEqual([(await send(request)).status, (await send(request)).status], [200, 200]);
  });

  test('has an empty body where the operation has nothing to say', async () => {
    const { KeyId } = await newKey(kmsClient(server));
    const body = JSON.stringify({ KeyId });
    const answer = await send(await signed({ target: 'TrentService.DisableKey', body }));
    assert.deepEqual([answer.status, answer.text, answer.headers['content-length']], [200, '', '0']);
  });

  test('tells times as seconds since the epoch', async () => {
    const answer = await send(await signed({ target: 'TrentService.CreateKey' }));
    const { KeyMetadata } = JSON.parse(answer.text) as { KeyMetadata: { CreationDate: number } };
    assert.ok(Math.abs(KeyMetadata.CreationDate - Date.now() / 1000) < 60);
  });
});

/** Ways to fail at proving who calls: what to send, and what is told. */
const STRANGERS: Readonly<
  Record<string, readonly [(body: string) => Promise<RawRequest>, type: string, told: RegExp]>
> = {
  'no signature': [
    async (body) => without(await signed({ body }), 'authorization'),
    'MissingAuthenticationTokenException',
    /not signed; send `Authorization: AWS4-HMAC-SHA256/,
  ],
  'an unknown access key': [
    (body) => signed({ body, pair: NOBODY }),
    'UnrecognizedClientException',
    /check the access key id/,
  ],
  'a wrong secret': [
    (body) => signed({ body, pair: { ...pairOf(server), secretAccessKey: NOBODY.secretAccessKey } }),
    'InvalidSignatureException',
    /does not match .*check the secret access key/,
  ],
  'a changed body': [
    async (body) => ({ ...(await signed({ body })), body: `${body} ` }),
    'InvalidSignatureException',
    /`x-amz-content-sha256` is not the hash of the body/,
  ],
  'a changed body without a declared hash': [
    async (body) => ({ ...(await signed({ body, checksum: false })), body: `${body} ` }),
    'InvalidSignatureException',
    /does not match/,
  ],
  'another target than was signed': [
    async (body) => withHeaders(await signed({ body }), { 'x-amz-target': 'TrentService.DescribeKey' }),
    'InvalidSignatureException',
    /does not match/,
  ],
  'a clock that is 6 minutes slow': [
    (body) => signed({ body, offsetMs: -6 * MINUTE_MS }),
    'InvalidSignatureException',
    /signature expired: .*check the client's clock/,
  ],
  'a clock that is 6 minutes fast': [
    (body) => signed({ body, offsetMs: 6 * MINUTE_MS }),
    'InvalidSignatureException',
    /signature not yet current: .*check the client's clock/,
  ],
  'a target that is not signed': [
    async (body) => withHeaders(await signed({ body, target: null }), { 'x-amz-target': 'TrentService.ListKeys' }),
    'InvalidSignatureException',
    /`x-amz-target` was sent, but is not signed/,
  ],
  'no target': [
    (body) => signed({ body, target: null }),
    'InvalidSignatureException',
    /`x-amz-target` must be sent and signed/,
  ],
  'another header of AWS that is not signed': [
    async (body) => withHeaders(await signed({ body }), { 'x-amz-extra': '1' }),
    'InvalidSignatureException',
    /`x-amz-extra` was sent, but is not signed/,
  ],
  'a signature in the query': [
    (body) => signed({ body, presign: true }),
    'IncompleteSignatureException',
    /presigned requests are not taken/,
  ],
  'another region': [
    (body) => signed({ body, region: 'eu-west-9' }),
    'InvalidSignatureException',
    /region `us-east-1`, not `eu-west-9`; set the client's region/,
  ],
  'another service': [
    (body) => signed({ body, service: 's3' }),
    'InvalidSignatureException',
    /service `kms`, not `s3`/,
  ],
  'an unsigned payload': [
    (body) => signed({ body, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
    'InvalidSignatureException',
    /UNSIGNED-PAYLOAD` is not taken; sign the SHA-256/,
  ],
  'a session token': [
    (body) => signed({ body, headers: { 'x-amz-security-token': 'token' } }),
    'UnrecognizedClientException',
    /session tokens are not issued here/,
  ],
  'a signature of SigV4A': [
    async (body) => {
      const request = await signed({ body });
      const authorization = request.headers['authorization']!.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256');
      return withHeaders(request, { authorization });
    },
    'IncompleteSignatureException',
    /SigV4A .* is not taken/,
  ],
  'an API token': [
    async (body) => withHeaders(await signed({ body }), { authorization: `Bearer ${server.token}` }),
    'IncompleteSignatureException',
    /must begin with `AWS4-HMAC-SHA256`/,
  ],
  'an empty Authorization': [
    async (body) => withHeaders(await signed({ body }), { authorization: '' }),
    'IncompleteSignatureException',
    /must begin with/,
  ],
  'a signature without its credential': [
    async (body) => {
      const request = await signed({ body });
      const authorization = request.headers['authorization']!.replace(/Credential=[^,]*, /, '');
      return withHeaders(request, { authorization });
    },
    'IncompleteSignatureException',
    /needs exactly `Credential`, `SignedHeaders` and `Signature`/,
  ],
};

suite('a request that does not prove who sends it', () => {
  for (const [what, [make, type, told]] of Object.entries(STRANGERS)) {
    test(`with ${what} is refused`, async () => {
      const record = await refused(await send(await make('{}')), type, told, 'UNAUTHENTICATED');
      assert.equal(record.principal, undefined);
      assert.equal(record.tenant, undefined);
      assert.equal(record.source, '127.0.0.1');
    });
  }

  for (const name of ['authorization', 'x-amz-target', 'x-amz-date']) {
    test(`with the header ${name} twice is refused`, async () => {
      const request = await signed();
      const answer = await send(request, [name, request.headers[name]!]);
      const told = new RegExp(`\`${name}\` was sent more than once; send it once`);
      await refused(answer, 'IncompleteSignatureException', told, 'UNAUTHENTICATED');
    });
  }

  test('with a revoked access key is refused as with an unknown one', async () => {
    const made = await server.client.createToken({ name: 'gone', kind: 'aws', roles: ['crypto-user'] });
    const pair = { accessKeyId: made.accessKeyId!, secretAccessKey: made.secretAccessKey! };
    assert.equal((await send(await signed({ pair }))).status, 200);
    await server.client.revokeToken({ id: made.id });
    const answer = await send(await signed({ pair }));
    await refused(answer, 'UnrecognizedClientException', /check the access key id/, 'UNAUTHENTICATED');
    assert.equal(answer.text, (await send(await signed({ pair: NOBODY }))).text);
  });

  test('with an expired access key is told so, if the secret is right', async () => {
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const pair = await newPair(server, ['crypto-user'], { expiresAt });
    await sleep(1550);
    const answer = await send(await signed({ pair }));
    await refused(answer, 'ExpiredTokenException', /the access key expired at .*; make a new one/, 'UNAUTHENTICATED');
    const wrong = await send(await signed({ pair: { ...pair, secretAccessKey: NOBODY.secretAccessKey } }));
    await refused(wrong, 'InvalidSignatureException', /does not match/, 'UNAUTHENTICATED');
  });

  test('is told the same whether a key exists or not, whether the body makes sense or not', async () => {
    const kms = kmsClient(server);
    const { KeyId, Arn } = await newKey(kms);
    await kms.createAlias({ AliasName: 'alias/secret-project', TargetKeyId: KeyId });
    kms.destroy();
    const bodies = [
      ...[UNKNOWN_ID, KeyId, Arn, 'alias/secret-project'].map((id) => JSON.stringify({ KeyId: id })),
      '{',
      '',
    ];
    for (const [what, [make]] of Object.entries(STRANGERS)) {
      const answers = [];
      for (const body of bodies) {
        const { status, headers, text } = await send(await make(body));
        // The times of two requests may differ by a second.
        answers.push({ status, names: Object.keys(headers), text: text.replaceAll(/\d{8}T\d{6}Z/g, 'TIME') });
      }
      for (const answer of answers) assert.deepEqual(answer, answers[0], what);
    }
  });
});

suite('a request that makes no sense', () => {
  const deep = `{"KeyId":${'['.repeat(100)}${']'.repeat(100)}}`;
  const bodies: Readonly<Record<string, readonly [string | Uint8Array, RegExp]>> = {
    'no JSON': ['KeyId=1', /not valid JSON/],
    'half of its JSON': ['{"Limit": 1', /not valid JSON/],
    'a list': ['[]', /not a JSON object/],
    'a number': ['1', /not a JSON object/],
    null: ['null', /not a JSON object/],
    'invalid UTF-8': [Buffer.from('{"Marker":"\xff"}', 'latin1'), /not valid UTF-8/],
    'a body that is nested 100 deep': [deep, /nested deeper than 16/],
    'a body that is nested 500,000 deep': ['['.repeat(500_000), /not valid JSON/],
    'a field of a meaning of its own': ['{"__proto__": {"Limit": 1}}', /`__proto__`/],
  };
  for (const [what, [body, told]] of Object.entries(bodies)) {
    test(`because it has ${what} is refused`, async () => {
      const answer = await send(await signed({ body }));
      const record = await refused(answer, 'SerializationException', told, 'INVALID_ARGUMENT');
      assert.equal(record.operation, 'ListKeys');
      assert.match(record.principal ?? '', /^[0-9a-f-]{36}$/);
    });
  }

  test('an empty body is an empty object', async () => {
    assert.equal((await send(await signed({ body: '' }))).status, 200);
  });

  for (const target of [
    'TrentService.Nonsense',
    'TrentService.',
    'ListKeys',
    'DynamoDB_20120810.ListTables',
    'TrentService.constructor',
  ]) {
    test(`the target ${target} is no operation`, async () => {
      const answer = await send(await signed({ target }));
      await refused(answer, 'UnknownOperationException', /is no operation of AWS KMS/, 'INVALID_ARGUMENT');
    });
  }

  test('a wrong field is refused under the name of its operation, with the log telling which', async () => {
    const body = JSON.stringify({ Limit: 0 });
    const answer = await send(await signed({ body }));
    const record = await refused(answer, 'ValidationException', /`Limit`/, 'INVALID_ARGUMENT');
    assert.equal(record.operation, 'ListKeys');
  });

  test('an unknown key is refused, with the log telling which', async () => {
    const body = JSON.stringify({ KeyId: UNKNOWN_ID });
    const answer = await send(await signed({ target: 'TrentService.DescribeKey', body }));
    const record = await refused(answer, 'NotFoundException', /does not exist/, 'KEY_NOT_FOUND');
    assert.equal(record.operation, 'DescribeKey');
    assert.equal(record.resource, UNKNOWN_ID);
  });

  test('what is not supported is refused, and in the log', async () => {
    const answer = await send(await signed({ target: 'TrentService.CreateGrant' }));
    await refused(answer, 'UnsupportedOperationException', /`CreateGrant`/, 'UNSUPPORTED');
  });

  test('a body of more than 1 MiB is refused unread, signed or not', async () => {
    const body = `{"Marker":"${'x'.repeat(1024 * 1024)}"}`;
    for (const request of [await signed({ body }), without(await signed({ body }), 'authorization')]) {
      const record = await refused(
        await send(request),
        'LimitExceededException',
        /larger than 1048576 bytes/,
        'LIMIT_EXCEEDED',
      );
      assert.equal(record.principal, undefined);
    }
    const largest = await signed({ body: `{"Marker":"${'x'.repeat(1024 * 1024 - 13)}"}` });
    assert.equal(Buffer.byteLength(largest.body), 1024 * 1024);
    await refused(await send(largest), 'ValidationException', /`Marker`/, 'INVALID_ARGUMENT');
  });

  test('control characters and back quotes of a caller do not come back in messages', async () => {
    const body = JSON.stringify({ KeyId: 'x`\u0000\u001b[31m\u202e' });
    const answer = await send(await signed({ target: 'TrentService.DescribeKey', body }));
    const record = await refused(answer, 'NotFoundException', /^key `x'\?\?\[31m\?` does not exist$/, 'KEY_NOT_FOUND');
    assert.equal(record.operation, 'DescribeKey');
  });
});

suite('a field of any kind', () => {
  /** What a field may be set to, as JSON: of each type, at the edges of what is taken, and beyond. */
  const VALUES = [
    'null',
    'true',
    '0',
    '-1',
    '1e300',
    '1.5',
    '""',
    '"x"',
    '"AAAA"',
    '"\\u0000\\ud800"',
    '"arn:aws:kms:us-east-1:000000000000:alias/"',
    '[]',
    '[null]',
    '["x"]',
    '[{"TagKey":1}]',
    '[{"TagKey":"a","TagValue":"b"}]',
    '{}',
    '{"":""}',
    '{"a":1}',
    '{"length":-1,"toString":null}',
  ];

  test('is answered or refused, in every operation, and is never a mistake of ours', async () => {
    const kms = kmsClient(server);
    const keys = await Promise.all([
      newKey(kms),
      newKey(kms, { Origin: 'EXTERNAL' }),
      newKey(kms, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    ]);
    kms.destroy();
    let sent = 0;
    for (const [name, { schema }] of AWS_OPERATIONS) {
      const fields = Object.keys((schema as unknown as { readonly shape: object }).shape);
      for (const field of fields) {
        const others = fields.filter((other) => other !== field && other in SENSIBLE);
        const sensible = Object.fromEntries(others.map((other) => [other, SENSIBLE[other]!]));
        const answers = VALUES.map(async (value, index) => {
          const KeyId = JSON.stringify(keys[index % keys.length]!.KeyId);
          const given: Record<string, string> = { KeyId, ...sensible, [field]: value };
          const pairs = Object.entries(given).map(([key, json]) => `${JSON.stringify(key)}:${json}`);
          const body = `{${pairs.join(',')}}`;
          const { status, text } = await send(await signed({ target: `TrentService.${name}`, body }));
          assert.ok(status === 200 || status === 400, `${name} ${body}: ${text}`);
        });
        sent += (await Promise.all(answers)).length;
      }
    }
    assert.ok(sent > 2000);
  });
});

suite('other ways to ask', () => {
  test('only POST on / speaks the protocol of AWS', async () => {
    const { headers } = await signed();
    const answer = await fetch(`${server.endpoint}/`, { headers: { authorization: headers['authorization']! } });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  });
});

suite('a flood of strangers', () => {
  test('leaves few records, which count all of them', async () => {
    const flooded = await startTestServer();
    try {
      const url = `${flooded.endpoint}/`;
      const headers = { 'x-amz-target': 'TrentService.ListKeys' };
      const answers = await Promise.all(
        Array.from({ length: 200 }, () => fetch(url, { method: 'POST', headers, body: '{}' })),
      );
      for (const answer of answers) {
        assert.equal(answer.status, 400);
        assert.match(await answer.text(), /MissingAuthenticationTokenException/);
      }
      // What is only counted is written once a second.
      await sleep(1200);
      const { records } = await flooded.client.listAuditRecords({ outcome: 'UNAUTHENTICATED', limit: 1000 });
      const counted = records.reduce((sum, { aggregate }) => sum + (aggregate?.count ?? 1), 0);
      assert.equal(counted, 200);
      assert.ok(records.length <= 40, `${records.length} records`);
      const together = records.filter(({ aggregate }) => aggregate !== undefined);
      assert.ok(together.length >= 1);
      for (const { source } of together) assert.equal(source, '127.0.0.1');
    } finally {
      await flooded.stop();
    }
  });
});
