/** What a server answers is believed only as far as it can be what was asked for. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { ErrorCode } from '../../../../src/errors.ts';
import type { Provider } from '../../../../src/providers/provider.ts';
import { vaultTransit } from '../../../../src/providers/vault-transit/index.ts';
import { vaultTransitSchema } from '../../../../src/providers/vault-transit/config.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { systemClock } from '../../../../src/ports/clock.ts';
import { silentLog } from '../../../../src/ports/log.ts';
import { startReceiver, type Receiver } from '../../../support/receiver.ts';
import { inTime, refuses } from '../../../support/transit.ts';

const LOOKUP = '/v1/auth/token/lookup-self';

let server: Receiver;
let provider: Provider;
/** What is answered to the call that a test is about. */
let answer: { readonly status: number; readonly headers?: Record<string, string>; readonly body: string };

before(async () => {
  server = await startReceiver();
  server.answer = ({ path }) =>
    path === LOOKUP ? { status: 200, body: '{"data":{"ttl":0,"renewable":false}}' } : answer;
  const config = vaultTransitSchema.parse({
    name: 'vault',
    kind: 'vault-transit',
    address: `http://127.0.0.1:${server.port}`,
    namespace: 'team/one',
    auth: { kind: 'token', token: 'hvs.token' },
  });
  provider = await vaultTransit.open(config, { clock: systemClock, random: systemRandom, log: silentLog });
});

after(async () => {
  await provider.close();
  await server.stop();
});

function data(fields: object, more: object = {}): void {
  answer = { status: 200, body: JSON.stringify({ data: fields, ...more }) };
}

function refusal(status: number, ...errors: readonly string[]): void {
  answer = { status, body: JSON.stringify({ errors }) };
}

const vaultText = (bytes: number, version = 1): string =>
  `vault:v${version}:${Buffer.alloc(bytes, 7).toString('base64')}`;
const wrap = (): Promise<unknown> =>
  provider.key('key@1', 'AES-256-GCM').wrap!.wrap(Buffer.alloc(32), { a: 'b' }, inTime());
const unwrap = (): Promise<unknown> =>
  provider.key('key@1', 'AES-256-GCM').wrap!.unwrap(Buffer.from(vaultText(60)), { a: 'b' }, inTime());
const sign = (spec: 'P-256' | 'RSA-2048' | 'Ed25519'): Promise<unknown> => {
  const algorithm = (
    { 'P-256': 'ECDSA_SHA_256', 'RSA-2048': 'RSASSA_PSS_SHA_256', Ed25519: 'ED25519_SHA_512' } as const
  )[spec];
  return provider.key('key@1', spec).sign!(algorithm, { message: Buffer.from('a') }, inTime());
};
const mac = (): Promise<unknown> =>
  provider.key('key@1', 'HMAC-SHA-256').mac!('HMAC_SHA_256', Buffer.from('a'), inTime());
const describe = (): Promise<unknown> => provider.describe('key@1', inTime());

async function isWrong(work: Promise<unknown>): Promise<void> {
  const error = await refuses(work, 'PROVIDER_INTEGRITY', /its answer is wrong/);
  assert.equal(error.native?.code, 'integrity');
}

async function isNone(work: Promise<unknown>): Promise<void> {
  const error = await refuses(work, 'PROVIDER_UNAVAILABLE', /it has not answered/);
  assert.equal(error.native?.code, 'unreadable');
}

suite('an answer', () => {
  test('carries the token, the namespace and the parameters of the request', async () => {
    data({ ciphertext: vaultText(60) });
    server.received.length = 0;
    await wrap();
    const { path, headers, body } = server.received.find(({ path }) => path !== LOOKUP)!;
    assert.equal(path, '/v1/transit/encrypt/key');
    assert.equal(headers['x-vault-token'], 'hvs.token');
    assert.equal(headers['x-vault-namespace'], 'team/one');
    assert.equal(headers['x-vault-request'], 'true');
    assert.deepEqual(JSON.parse(body.toString()), {
      plaintext: Buffer.alloc(32).toString('base64'),
      associated_data: Buffer.from('0000000100000001610000000162', 'hex').toString('base64'),
      key_version: 1,
      type: 'none-is-made-here',
    });
  });

  test('of another version, of no version or of another length is not taken', async () => {
    for (const ciphertext of [vaultText(60, 2), vaultText(59), vaultText(61), 'vault:v1:!', 'AAAA', '']) {
      data({ ciphertext });
      await isWrong(wrap());
    }
    for (const [spec, bytes] of [
      ['RSA-2048', 255],
      ['RSA-2048', 257],
      ['Ed25519', 63],
      ['P-256', 64],
    ] as const) {
      data({ signature: vaultText(bytes) });
      await isWrong(sign(spec));
    }
    data({ signature: vaultText(64, 3) });
    await isWrong(sign('Ed25519'));
    for (const bytes of [0, 31, 33]) {
      data({ hmac: vaultText(bytes) });
      await isWrong(mac());
    }
  });

  test('to an unwrap is a data key, or the wrap does not open', async () => {
    data({ plaintext: 'AAA' });
    await isWrong(unwrap());
    for (const plaintext of ['', Buffer.alloc(65).toString('base64')]) {
      data({ plaintext });
      await refuses(unwrap(), 'INVALID_CIPHERTEXT');
    }
  });

  test('that ignored a parameter is refused: what it made is not bound to its context', async () => {
    const warnings = ['Endpoint ignored these unrecognized parameters: [associated_data]'];
    data({ ciphertext: vaultText(60) }, { warnings });
    await refuses(wrap(), 'PROVIDER_MISCONFIGURED', /1\.13/);
    data({ ciphertext: vaultText(60) }, { warnings: ['something else'] });
    await wrap();
  });

  test('that is no JSON, no object or endless is none', async () => {
    for (const body of [
      '',
      'null',
      '[]',
      '"text"',
      '{"data":null}',
      '{"data":[]}',
      '<html>',
      '{"data":{"ciphertext":1}}',
    ]) {
      answer = { status: 200, body };
      await isNone(wrap());
    }
    answer = { status: 200, body: 'x'.repeat(5 * 1024 * 1024) };
    await isNone(wrap());
  });

  test('that leads elsewhere is not followed, for the token would go along', async () => {
    const elsewhere = await startReceiver();
    answer = { status: 307, headers: { location: elsewhere.url }, body: '' };
    await refuses(wrap(), 'PROVIDER_UNAVAILABLE', /standby/);
    assert.equal(elsewhere.received.length, 0);
    await elsewhere.stop();
  });

  test('about another key, or with a public key of another type, is not taken', async () => {
    const key = { name: 'key', type: 'ecdsa-p256', latest_version: 1 };
    data({ ...key, name: 'other' });
    await isWrong(describe());
    const spki = (curve: string): string =>
      generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'pem', type: 'spki' });
    for (const pem of [spki('P-384'), 'nonsense', '']) {
      data({ ...key, keys: { 1: { public_key: pem } } });
      await isWrong(describe());
    }
    data({ ...key, keys: { 1: 1_700_000_000 } });
    await isWrong(describe());
    data({ ...key, type: 'ed25519', keys: { 1: { public_key: 'AAAA' } } });
    await isWrong(describe());
    data({ ...key, keys: { 1: { public_key: spki('P-256') } } });
    await describe();
    for (const version of [0, -1, 1.5, '1']) {
      data({ ...key, latest_version: version });
      await isNone(describe());
    }
  });
});

suite('a refusal', () => {
  const rows: readonly (readonly [number, string, ErrorCode])[] = [
    [503, 'Vault is sealed', 'PROVIDER_UNAVAILABLE'],
    [503, 'OpenBao is sealed', 'PROVIDER_UNAVAILABLE'],
    [500, 'local node not active but active cluster node not found', 'PROVIDER_UNAVAILABLE'],
    [429, 'request path "transit/": rate limit quota exceeded', 'THROTTLED'],
    [403, '1 error occurred:\n\t* permission denied\n\n', 'PROVIDER_DENIED'],
    [404, 'no handler for route "other/encrypt/key". route entry not found.', 'PROVIDER_MISCONFIGURED'],
    [405, '1 error occurred:\n\t* unsupported operation\n\n', 'PROVIDER_MISCONFIGURED'],
    [413, 'http: request body too large', 'LIMIT_EXCEEDED'],
    [400, 'invalid ciphertext: no prefix', 'INVALID_CIPHERTEXT'],
    [400, 'cipher: message authentication failed', 'INVALID_CIPHERTEXT'],
    [
      500,
      '1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n',
      'INVALID_CIPHERTEXT',
    ],
    [400, 'encryption key not found', 'KEY_NOT_FOUND'],
    [400, 'signing key not found', 'KEY_NOT_FOUND'],
    [400, 'unknown key type none-is-made-here', 'KEY_NOT_FOUND'],
    [400, 'unknown key type ecdsa-p521', 'UNSUPPORTED'],
    [400, 'requested version for encryption is higher than the latest key version', 'KEY_NOT_FOUND'],
    [400, 'requested version for encryption is less than the minimum encryption key version', 'KEY_STATE'],
    [400, 'ciphertext or signature version is disallowed by policy (too old)', 'KEY_STATE'],
    [500, '1 error occurred:\n\t* no such key version\n\n', 'KEY_STATE'],
    [400, 'key type hmac does not support signing', 'KEY_USAGE'],
    [404, '', 'KEY_NOT_FOUND'],
    [500, 'something inside', 'PROVIDER_UNAVAILABLE'],
    [502, '', 'PROVIDER_UNAVAILABLE'],
    [400, 'something that nobody foresaw', 'INVALID_ARGUMENT'],
  ];
  for (const [status, words, code] of rows) {
    test(`of ${status} \`${words.trim().split('\n').at(-1)!.trim()}\` is ${code}`, async () => {
      refusal(status, words);
      const error = await refuses(wrap(), code);
      assert.deepEqual(error.native, { provider: 'vault', code: String(status), requestId: null });
      // The words are the operator's, not the caller's.
      assert.ok((error.cause as Error).message.startsWith(`${status}: `));
      if (words.length > 8) assert.ok(!error.message.includes(words));
    });
  }
});
