/**
 * Messages exchanged with the official AWS Encryption SDK for Python: through its KMS keyrings at our AWS endpoint, the
 * interface before them, and raw keys.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  clavigerKeyring,
  discoveryKeyring,
  Envelope,
  multiKeyring,
  rawAesKeyring,
  rawRsaKeyring,
  type Keyring,
} from '../../src/envelope/index.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { pythonDoes, serviceOf, type Job } from '../support/esdk.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { pairOf } from './aws-support.ts';

/** Names that sort otherwise by UTF-16 than by UTF-8, and by a language's rules. */
const CONTEXT = { table: 'orders', Zeile: '4711', '\u{10000}': 'a', '\uffff': 'b' };
/** Around a frame of 4,096 bytes, and none and many; one is enough where only the wrap differs. */
const SIZES = [0, 1, 4095, 4096, 4097, 100_000];
const ONE_SIZE = [5000];
const SUITES = ['AES_256_GCM_HKDF_SHA512_COMMIT_KEY', 'AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384'] as const;
const AES = { namespace: 'example.org', name: 'orders', key: randomBytes(32) };
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
const RSA = {
  namespace: 'example.org',
  name: 'recovery',
  publicKey: publicKey.export({ format: 'pem', type: 'spki' }),
  privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }),
};
const PADDINGS = {
  'oaep-sha1': 'OAEP_SHA1_MGF1',
  'oaep-sha256': 'OAEP_SHA256_MGF1',
  'oaep-sha384': 'OAEP_SHA384_MGF1',
  'oaep-sha512': 'OAEP_SHA512_MGF1',
  pkcs1: 'PKCS1',
} as const;

let server: TestServer;
/** A keyring of ours and the one of theirs that has the same key. */
let pairs: readonly {
  readonly name: string;
  readonly ours: Keyring;
  readonly theirs: object;
  readonly sizes?: readonly number[];
}[];

before(async () => {
  server = await startTestServer();
  const service = serviceOf({ endpoint: server.endpoint, region: server.region, credentials: pairOf(server) });
  const { arn: key } = await server.client.createKey({ spec: 'AES-256-GCM' });
  const claviger = clavigerKeyring(server.client, { key });
  const aes = { ...AES, kind: 'aes', key: AES.key.toString('base64') };
  const kms = { kind: 'kms', key, service };
  const discovery = { kind: 'discovery', accountIds: [key.split(':')[4]], service };
  const padded = (Object.keys(PADDINGS) as (keyof typeof PADDINGS)[]).map((padding) => ({
    name: `raw RSA, ${padding}`,
    ours: rawRsaKeyring({ ...RSA, padding }),
    theirs: { kind: 'rsa', ...RSA, padding: PADDINGS[padding] },
    sizes: ONE_SIZE,
  }));
  pairs = [
    { name: 'a key of Claviger', ours: claviger, theirs: kms },
    {
      name: 'a key of Claviger, older interface',
      ours: claviger,
      theirs: { kind: 'master-key-provider', key, service },
    },
    { name: 'discovery', ours: discoveryKeyring(server.client), theirs: discovery },
    { name: 'raw AES', ours: rawAesKeyring(AES), theirs: aes },
    ...padded,
    {
      name: 'several',
      ours: multiKeyring({ generator: claviger, children: [rawAesKeyring(AES)] }),
      theirs: { kind: 'multi', keyrings: [kms, aes] },
    },
  ];
});
after(() => server.stop());

test('what we encrypt, Python opens', async (t) => {
  const esdk = await requirePeer(t, 'esdk');
  if (esdk === null) return;
  const expected: { readonly name: string; readonly text: Buffer }[] = [];
  const jobs: Job[] = [];
  for (const { name, ours, theirs, sizes = SIZES } of pairs) {
    const sender = name === 'discovery' ? pairs[0]!.ours : ours;
    for (const size of sizes) {
      const text = randomBytes(size);
      const envelope = new Envelope({ keyring: sender });
      const { message } = await envelope.encrypt(text, { context: CONTEXT, frameBytes: 4096 });
      jobs.push({ do: 'decrypt', keyring: theirs, data: message });
      expected.push({ name: `${name}, ${size} bytes`, text });
    }
  }
  const answers = await pythonDoes(esdk, jobs);
  answers.forEach((answer, at) => {
    const { name, text } = expected[at]!;
    assert.ok('data' in answer, `${name}: ${JSON.stringify(answer)}`);
    assert.deepEqual(answer.data, text, name);
    assert.deepEqual(answer.context, CONTEXT, name);
  });
  assert.equal(answers.length, expected.length);
});

test('what Python encrypts, we open', async (t) => {
  const esdk = await requirePeer(t, 'esdk');
  if (esdk === null) return;
  const wanted = pairs
    .filter(({ name }) => name !== 'discovery')
    .flatMap(({ name, ours, theirs, sizes = SIZES }) =>
      SUITES.flatMap((suite) => sizes.map((size) => ({ name, ours, theirs, suite, text: randomBytes(size) }))),
    );
  const answers = await pythonDoes(
    esdk,
    wanted.map(({ theirs, suite, text }) => ({ do: 'encrypt', keyring: theirs, data: text, context: CONTEXT, suite })),
  );
  for (const [at, answer] of answers.entries()) {
    const { name, ours, suite, text } = wanted[at]!;
    assert.ok('data' in answer, `${name}: ${JSON.stringify(answer)}`);
    const { plaintext } = await new Envelope({ keyring: ours }).decrypt(answer.data, { context: CONTEXT });
    assert.deepEqual(plaintext, text, `${name}, ${suite}`);
  }
});

test('a message that was changed, Python refuses', async (t) => {
  const esdk = await requirePeer(t, 'esdk');
  if (esdk === null) return;
  const { ours, theirs } = pairs[0]!;
  const { message } = await new Envelope({ keyring: ours }).encrypt(Buffer.from('text'), { context: CONTEXT });
  message[message.length - 20]! ^= 1;
  const [answer] = await pythonDoes(esdk, [{ do: 'decrypt', keyring: theirs, data: message }]);
  assert.ok('error' in answer!, JSON.stringify(answer));
});
