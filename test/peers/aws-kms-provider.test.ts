/**
 * The AWS KMS adapter against moto, local-kms and our own endpoint: what each of them has.
 *
 * What a server does wrong stands in its table of known faults, with a reason. The case runs there all the same and has to
 * fail, so that a fault that was mended is seen.
 */
import assert from 'node:assert/strict';
import {
  constants,
  createHmac,
  createPublicKey,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  hash,
  publicEncrypt,
} from 'node:crypto';
import { after, before, describe, test, type TestContext } from 'node:test';
import { generateMaterial } from '../../src/crypto/key-material.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { verify } from '../../src/crypto/verify.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { defaultUsage, specRow, type Spec, type Usage } from '../../src/model/spec.ts';
import { DIGEST_TYPES, KMS_SPECS, kmsAlgorithms, macBytes } from '../../src/providers/aws-kms/algorithms.ts';
import type { AwsKmsProvider } from '../../src/providers/aws-kms/index.ts';
import type { BackingInfo, HomeKey } from '../../src/providers/provider.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import {
  calling,
  nativeClient,
  openProvider,
  startLocalKms,
  startMoto,
  startOurs,
  type KmsServer,
} from '../support/kms-servers.ts';
import { muOf } from '../support/mu.ts';

interface Stage {
  readonly name: string;
  readonly start: (t: TestContext) => Promise<KmsServer | null>;
  /** Specs that the server can make keys of, by usage. */
  readonly has: (spec: Spec, usage: Usage) => boolean;
  /** Case → what the server does wrong or lacks. */
  readonly faults: Readonly<Record<string, string>>;
}

const NOT_IN_MOTO: ReadonlySet<string> = new Set(['ed25519', 'ml-dsa', 'ml-kem']);
const NOT_IN_LOCAL_KMS: ReadonlySet<string> = new Set([...NOT_IN_MOTO, 'hmac']);

const STAGES: readonly Stage[] = [
  {
    name: 'moto',
    start: startMoto,
    has: (spec, usage) => !NOT_IN_MOTO.has(specRow(spec).family) && usage !== 'key-agreement',
    faults: {
      "another key's wrap does not open":
        'answers AccessDeniedException, without a word, for a ciphertext of another key',
      'RSA-OAEP is RSA-OAEP': 'encrypts with AES where the key is RSA',
      'RSASSA_PSS signatures verify': 'salts are as long as the modulus allows',
      'digests are signed as they are': 'hashes a digest once more',
      'a key is not for what it is not for': 'encrypts with AES where the key is RSA, whatever it is for',
      'a disabled key refuses': 'does not enforce the states of keys',
      'a key that is pending deletion refuses': 'does not enforce the states of keys',
      'a key of material from outside': 'has no import',
    },
  },
  {
    name: 'local-kms',
    start: startLocalKms,
    has: (spec, usage) => !NOT_IN_LOCAL_KMS.has(specRow(spec).family) && usage !== 'key-agreement',
    faults: {
      'RSASSA_PSS signatures verify': 'salts are as long as the modulus allows',
      'digests are signed as they are': 'salts of RSASSA_PSS are as long as the modulus allows',
      'a destroyed key is pending deletion, and comes back disabled': 'CancelKeyDeletion leaves the key enabled',
      'a multi-Region key and its replica': 'has no multi-Region keys',
      'a key of material from outside':
        'wraps material for import under RSA_2048 alone, and AWS says to take the longest',
    },
  },
  {
    name: 'our own endpoint',
    start: startOurs,
    has: () => true,
    faults: {
      'a multi-Region key and its replica': 'refuses `MultiRegion` by name',
    },
  },
];

const CONTEXT = { tenant: 't1', purpose: 'Käse' };
const MESSAGE = Buffer.from('what is signed');
const NAME = 'claviger-0198b6d2';

for (const stage of STAGES) {
  describe(`the AWS KMS adapter at ${stage.name}`, () => {
    let server: KmsServer | null = null;
    let provider: AwsKmsProvider;
    const made = new Map<string, Promise<BackingInfo>>();

    before(async (t) => {
      server = await stage.start(t as TestContext);
      if (server !== null) provider = await openProvider(server);
    });
    after(async () => {
      await provider?.close();
      await server?.stop();
    });

    /** One key of each kind for all cases that leave it as it is. */
    function keyInfo(spec: Spec, usage: Usage = defaultUsage(spec)): Promise<BackingInfo> {
      const id = `${spec} ${usage}`;
      if (!made.has(id)) made.set(id, newKey(spec, usage));
      return made.get(id)!;
    }

    function newKey(spec: Spec, usage: Usage = defaultUsage(spec)): Promise<BackingInfo> {
      return provider.lifecycle.create({ spec, usage, name: NAME, tags: { team: 'blue' } }, calling());
    }

    async function keyOf(spec: Spec, usage?: Usage): Promise<HomeKey> {
      return provider.key((await keyInfo(spec, usage)).ref, spec);
    }

    function specsFor(usage: Usage): readonly Spec[] {
      return KMS_SPECS.filter((spec) => kmsAlgorithms(spec, usage).length > 0 && stage.has(spec, usage));
    }

    function claim(name: string, run: (t: TestContext) => Promise<unknown>): void {
      const fault = stage.faults[name];
      test(fault === undefined ? name : `${name} (known fault: ${fault})`, async (t) => {
        if (server === null) return t.skip(`${stage.name} is missing`);
        if (fault === undefined) return void (await run(t));
        await assert.rejects(run(t), `${stage.name} does it now: take it out of the table`);
      });
    }

    claim('a data key is wrapped and opened, each time anew', async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      for (const dataKey of [systemRandom.bytes(16), systemRandom.bytes(32), systemRandom.bytes(64)]) {
        const one = await wrap!.wrap(dataKey, CONTEXT, calling());
        const other = await wrap!.wrap(dataKey, CONTEXT, calling());
        assert.notDeepEqual(one.value, other.value);
        assert.equal(one.version, null);
        for (const { value } of [one, other]) {
          assert.deepEqual((await wrap!.unwrap(value, CONTEXT, calling())).value, dataKey);
        }
      }
      assert.equal(wrap!.bindsContext, true);
    });

    claim('a wrap without a context opens without one', async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      const { value } = await wrap!.wrap(MESSAGE, {}, calling());
      assert.deepEqual((await wrap!.unwrap(value, {}, calling())).value, MESSAGE);
      await assert.rejects(wrap!.unwrap(value, CONTEXT, calling()), { code: 'INVALID_CIPHERTEXT' });
    });

    claim('a wrap that was changed, cut or given another context does not open', async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      const { value } = await wrap!.wrap(systemRandom.bytes(32), CONTEXT, calling());
      const flipped = Buffer.from(value);
      flipped[flipped.length - 1]! ^= 1;
      const trials: [Uint8Array, Record<string, string>][] = [
        [flipped, CONTEXT],
        [value.subarray(0, -1), CONTEXT],
        [value.subarray(0, 8), CONTEXT],
        [value, {}],
        [value, { ...CONTEXT, tenant: 't2' }],
        [value, { ...CONTEXT, more: '' }],
      ];
      for (const [wrapped, context] of trials) {
        await assert.rejects(wrap!.unwrap(wrapped, context, calling()), { code: 'INVALID_CIPHERTEXT' });
      }
    });

    claim("another key's wrap does not open", async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      const other = provider.key((await newKey('AES-256-GCM')).ref, 'AES-256-GCM');
      const { value } = await other.wrap!.wrap(systemRandom.bytes(32), CONTEXT, calling());
      await assert.rejects(wrap!.unwrap(value, CONTEXT, calling()), { code: 'INVALID_CIPHERTEXT' });
    });

    claim("a rewrap is another wrap of the same data key, and never one of another key's", async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      const dataKey = systemRandom.bytes(32);
      const { value } = await wrap!.wrap(dataKey, CONTEXT, calling());
      const rewrapped = await wrap!.rewrap!(value, CONTEXT, calling());
      assert.notDeepEqual(rewrapped.value, value);
      assert.deepEqual((await wrap!.unwrap(rewrapped.value, CONTEXT, calling())).value, dataKey);
      await assert.rejects(wrap!.rewrap!(value, {}, calling()), { code: 'INVALID_CIPHERTEXT' });
      const other = provider.key((await newKey('AES-256-GCM')).ref, 'AES-256-GCM');
      const foreign = await other.wrap!.wrap(dataKey, CONTEXT, calling());
      await assert.rejects(wrap!.rewrap!(foreign.value, CONTEXT, calling()), { code: 'INVALID_CIPHERTEXT' });
    });

    claim('a data key that the service makes opens again', async () => {
      const { wrap } = await keyOf('AES-256-GCM');
      for (const bytes of [1, 16, 32, 64, 1024]) {
        const { value } = await wrap!.generate!(bytes, CONTEXT, calling());
        assert.equal(value.plaintext.length, bytes);
        assert.deepEqual((await wrap!.unwrap(value.wrapped, CONTEXT, calling())).value, value.plaintext);
      }
    });

    claim('the cipher of the service takes up to 4,096 bytes', async () => {
      const { cipher } = await keyOf('AES-256-GCM');
      for (const bytes of [1, 4096]) {
        const plaintext = systemRandom.bytes(bytes);
        const { value } = await cipher!.encrypt('SYMMETRIC_DEFAULT', plaintext, CONTEXT, calling());
        assert.deepEqual((await cipher!.decrypt('SYMMETRIC_DEFAULT', value, CONTEXT, calling())).value, plaintext);
      }
    });

    claim('RSA-OAEP is RSA-OAEP', async () => {
      for (const spec of ['RSA-2048', 'RSA-3072', 'RSA-4096'] as const) {
        const { publicKey } = await keyInfo(spec, 'encrypt-decrypt');
        const { cipher, wrap } = await keyOf(spec, 'encrypt-decrypt');
        const key = createPublicKey({ key: publicKey!, format: 'der', type: 'spki' });
        for (const [algorithm, oaepHash] of [
          ['RSAES_OAEP_SHA_1', 'sha1'],
          ['RSAES_OAEP_SHA_256', 'sha256'],
        ] as const) {
          const padding = constants.RSA_PKCS1_OAEP_PADDING;
          const foreign = publicEncrypt({ key, padding, oaepHash }, MESSAGE);
          assert.deepEqual((await cipher!.decrypt(algorithm, foreign, {}, calling())).value, MESSAGE);
          const own = await cipher!.encrypt(algorithm, MESSAGE, {}, calling());
          assert.deepEqual((await cipher!.decrypt(algorithm, own.value, {}, calling())).value, MESSAGE);
          foreign[20]! ^= 1;
          await assert.rejects(cipher!.decrypt(algorithm, foreign, {}, calling()), { code: 'INVALID_CIPHERTEXT' });
        }
        assert.equal(wrap!.bindsContext, false);
        const { value } = await wrap!.wrap(MESSAGE, CONTEXT, calling());
        assert.deepEqual((await wrap!.unwrap(value, {}, calling())).value, MESSAGE);
      }
    });

    for (const padding of ['RSASSA_PSS', 'RSASSA_PKCS1_V1_5', 'ECDSA', 'ED25519', 'ML_DSA']) {
      claim(`${padding} signatures verify`, (t) => signatures(t, padding, 'message'));
    }
    claim('digests are signed as they are', (t) => signatures(t, '', 'digest'));

    /** Signs with every algorithm of a kind; node:crypto and another implementation verify. */
    async function signatures(t: TestContext, kind: string, as: 'message' | 'digest'): Promise<void> {
      const python = await requirePeer(t, 'python');
      if (python === null) return;
      const requests: VerifierRequest[] = [];
      for (const spec of specsFor('sign-verify')) {
        const { publicKey } = await keyInfo(spec, 'sign-verify');
        const { sign } = await keyOf(spec, 'sign-verify');
        for (const algorithm of kmsAlgorithms(spec, 'sign-verify') as readonly SigningAlgorithmName[]) {
          if (!algorithm.startsWith(kind) || (as === 'digest' && !DIGEST_TYPES.has(algorithm))) continue;
          const input = as === 'message' ? { message: MESSAGE } : { digest: digestOf(algorithm, publicKey!) };
          const { value: signature } = await sign!(algorithm, input, calling());
          assert.ok(await verify(spec, publicKey!, algorithm, { message: MESSAGE }, signature), `${spec} ${algorithm}`);
          requests.push({
            alg: algorithm,
            publicKeySpkiBase64: publicKey!.toString('base64'),
            messageBase64: MESSAGE.toString('base64'),
            signatureBase64: signature.toString('base64'),
          });
        }
      }
      const answers = await askVerifier(python.verifier, requests);
      assert.deepEqual(
        answers.map(({ valid, error }) => error ?? valid),
        requests.map(() => true),
      );
      t.diagnostic(`${requests.length} signatures verified by node:crypto and Python`);
    }

    claim('MACs are as long as their hash, and differ by message', async () => {
      for (const spec of specsFor('mac')) {
        const { mac } = await keyOf(spec);
        for (const algorithm of kmsAlgorithms(spec, 'mac') as ('HMAC_SHA_256' | 'HMAC_SHA_512')[]) {
          const { value } = await mac!(algorithm, MESSAGE, calling());
          assert.equal(value.length, macBytes(algorithm));
          assert.deepEqual((await mac!(algorithm, MESSAGE, calling())).value, value);
          assert.notDeepEqual((await mac!(algorithm, Buffer.from('other'), calling())).value, value);
        }
      }
    });

    claim('both sides of an agreement have the same secret', async () => {
      for (const spec of specsFor('key-agreement')) {
        const { publicKey } = await keyInfo(spec, 'key-agreement');
        const { agree } = await keyOf(spec, 'key-agreement');
        const ours = generateKeyPairSync('ec', { namedCurve: specRow(spec).curve! });
        const peer = ours.publicKey.export({ format: 'der', type: 'spki' });
        const secret = diffieHellman({
          privateKey: ours.privateKey,
          publicKey: createPublicKey({ key: publicKey!, format: 'der', type: 'spki' }),
        });
        assert.deepEqual((await agree!(peer, calling())).value, secret);
      }
    });

    claim('an encapsulated secret comes out as it went in', async () => {
      for (const spec of specsFor('kem')) {
        const { publicKey } = await keyInfo(spec);
        const { decapsulate } = await keyOf(spec);
        const { ciphertext, sharedKey } = encapsulate(
          createPublicKey({ key: publicKey!, format: 'der', type: 'spki' }),
        );
        assert.deepEqual((await decapsulate!(ciphertext, calling())).value, sharedKey);
        await assert.rejects(decapsulate!(ciphertext.subarray(1), calling()), { code: 'INVALID_CIPHERTEXT' });
      }
    });

    claim('random bytes', async () => {
      for (const bytes of [1, 32, 1024]) {
        const one = await provider.random(bytes, calling());
        assert.equal(one.length, bytes);
        if (bytes > 1) assert.notDeepEqual(await provider.random(bytes, calling()), one);
      }
      await assert.rejects(provider.random(1025, calling()), { code: 'INVALID_ARGUMENT' });
    });

    claim('a key is described as what it was made to be', async () => {
      const all = (['encrypt-decrypt', 'sign-verify', 'mac', 'key-agreement', 'kem'] as const).flatMap((usage) =>
        specsFor(usage).map((spec) => [spec, usage] as const),
      );
      for (const [spec, usage] of all) {
        const info = await keyInfo(spec, usage);
        assert.match(info.ref, /^arn:aws:kms:[a-z0-9-]+:\d{12}:key\/[0-9a-f-]{36}$/);
        assert.deepEqual(await provider.describe(info.ref, calling()), info);
        const { publicKey, claims, ...rest } = info;
        assert.deepEqual(rest, {
          ref: info.ref,
          nativeId: info.ref,
          version: null,
          spec,
          usage,
          state: 'enabled',
          protection: 'software',
          origin: 'provider',
        });
        const { family } = specRow(spec);
        assert.equal(publicKey === null, family === 'aes' || family === 'hmac');
        assert.deepEqual([claims['keyState'], claims['origin']], ['Enabled', 'AWS_KMS']);
      }
    });

    claim('aliases, ids and ARNs resolve to the key ARN', async () => {
      const native = nativeClient(server!);
      const { ref } = await keyInfo('AES-256-GCM');
      await native.createAlias({ AliasName: 'alias/home/one', TargetKeyId: ref.split('/').at(-1)! });
      const aliasArn = ref.replace(/:key\/.*/, ':alias/home/one');
      for (const reference of [ref, ref.split('/').at(-1)!, 'alias/home/one', aliasArn]) {
        assert.equal(await provider.resolve(reference, calling()), ref);
      }
      native.destroy();
    });

    claim('what is not there is not found, and what is no reference is refused', async () => {
      const { ref } = await keyInfo('AES-256-GCM');
      const none = ref.replace(/key\/.*/, 'key/0198b6d2-0000-4000-8000-000000000000');
      for (const reference of [none, 'alias/none', ref.replace(/:key\/.*/, ':alias/none')]) {
        await assert.rejects(provider.resolve(reference, calling()), { code: 'KEY_NOT_FOUND' });
      }
      await assert.rejects(provider.describe(none, calling()), { code: 'KEY_NOT_FOUND' });
      const { wrap } = provider.key(none, 'AES-256-GCM');
      await assert.rejects(wrap!.wrap(MESSAGE, {}, calling()), { code: 'KEY_NOT_FOUND' });
    });

    claim('a key is made with its tags and name, and given more', async () => {
      const native = nativeClient(server!);
      const { ref } = await newKey('AES-256-GCM');
      await provider.lifecycle.setTags(ref, { team: 'red', stage: 'test' }, calling());
      const { Tags } = await native.listResourceTags({ KeyId: ref });
      assert.deepEqual(Object.fromEntries(Tags!.map(({ TagKey, TagValue }) => [TagKey, TagValue])), {
        'claviger-name': NAME,
        team: 'red',
        stage: 'test',
      });
      native.destroy();
    });

    claim('a disabled key refuses', async () => {
      const { ref } = await newKey('AES-256-GCM');
      const { wrap } = provider.key(ref, 'AES-256-GCM');
      const { value } = await wrap!.wrap(MESSAGE, {}, calling());
      await provider.lifecycle.setEnabled(ref, false, calling());
      assert.equal((await provider.describe(ref, calling())).state, 'disabled');
      await assert.rejects(wrap!.wrap(MESSAGE, {}, calling()), { code: 'KEY_DISABLED' });
      await assert.rejects(wrap!.unwrap(value, {}, calling()), { code: 'KEY_DISABLED' });
    });

    claim('a key that is enabled again works again', async () => {
      const { ref } = await newKey('AES-256-GCM');
      await provider.lifecycle.setEnabled(ref, false, calling());
      await provider.lifecycle.setEnabled(ref, true, calling());
      assert.equal((await provider.describe(ref, calling())).state, 'enabled');
      const { wrap } = provider.key(ref, 'AES-256-GCM');
      const { value } = await wrap!.wrap(MESSAGE, {}, calling());
      assert.deepEqual((await wrap!.unwrap(value, {}, calling())).value, MESSAGE);
    });

    claim('a disabled signing key is described, with its public key or without', async () => {
      const { ref } = await newKey('P-256');
      await provider.lifecycle.setEnabled(ref, false, calling());
      assert.equal((await provider.describe(ref, calling())).state, 'disabled');
    });

    claim('a destroyed key is pending deletion, and comes back disabled', async () => {
      const { ref } = await newKey('AES-256-GCM');
      const weekly = await openProvider(server!, { deletionDays: 7 });
      await weekly.lifecycle.destroy(ref, calling());
      const info = await provider.describe(ref, calling());
      assert.equal(info.state, 'pending-deletion');
      const days = (Date.parse(info.claims['deletionAt']!) - Date.now()) / 86_400_000;
      assert.ok(days > 5.9 && days < 7.1, `in ${days} days`);
      await provider.lifecycle.restore(ref, calling());
      assert.equal((await provider.describe(ref, calling())).state, 'disabled');
      await weekly.close();
    });

    claim('a key that is pending deletion refuses', async () => {
      const { ref } = await newKey('AES-256-GCM');
      await provider.lifecycle.destroy(ref, calling());
      const { wrap } = provider.key(ref, 'AES-256-GCM');
      await assert.rejects(wrap!.wrap(MESSAGE, {}, calling()), { code: 'KEY_STATE' });
      await assert.rejects(provider.lifecycle.setEnabled(ref, true, calling()), { code: 'KEY_STATE' });
    });

    claim('a key is not for what it is not for', async () => {
      const { cipher } = await keyOf('RSA-2048', 'sign-verify');
      await assert.rejects(cipher!.encrypt('RSAES_OAEP_SHA_256', MESSAGE, {}, calling()), { code: 'KEY_USAGE' });
    });

    claim('a key of material from outside', async () => {
      for (const spec of KMS_SPECS.filter((name) => name !== 'RSA-3072' && !name.startsWith('ML-KEM'))) {
        const usage = defaultUsage(spec);
        const { privateMaterial, publicKey } = await generateMaterial(spec, systemRandom);
        using material = privateMaterial;
        const wanted = { spec, usage, name: NAME, tags: {} };
        const info = await provider.lifecycle.importMaterial(wanted, material.reveal(), calling());
        assert.deepEqual([info.spec, info.usage, info.state, info.origin], [spec, usage, 'enabled', 'external']);
        assert.deepEqual(info.publicKey, publicKey);
        const key = provider.key(info.ref, spec);
        if (usage === 'sign-verify') {
          const algorithm = kmsAlgorithms(spec, usage)[0] as SigningAlgorithmName;
          const { value } = await key.sign!(algorithm, { message: MESSAGE }, calling());
          assert.ok(await verify(spec, publicKey!, algorithm, { message: MESSAGE }, value));
        }
        if (usage === 'mac') {
          const algorithm = kmsAlgorithms(spec, usage)[0] as 'HMAC_SHA_256';
          const { value } = await key.mac!(algorithm, MESSAGE, calling());
          const digest = `sha${algorithm.slice(-3)}`;
          assert.deepEqual(value, createHmac(digest, material.reveal()).update(MESSAGE).digest());
        }
      }
    });

    claim('material of another spec is refused before a key is made', async () => {
      const native = nativeClient(server!);
      const count = async (): Promise<number> => (await native.listKeys({ Limit: 1000 })).Keys!.length;
      const before = await count();
      const wanted = { spec: 'P-256', usage: 'sign-verify', name: NAME, tags: {} } as const;
      await assert.rejects(provider.lifecycle.importMaterial(wanted, systemRandom.bytes(32), calling()), {
        code: 'INVALID_ARGUMENT',
        reason: 'IncorrectKeyMaterial',
      });
      assert.equal(await count(), before);
      native.destroy();
    });

    claim('a multi-Region key and its replica', async () => {
      const there = 'us-west-2';
      const regions = await openProvider(server!, { multiRegion: true });
      const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: NAME, tags: {} } as const;
      const { ref, claims } = await regions.lifecycle.create(wanted, calling());
      assert.match(ref, /:key\/mrk-/);
      assert.equal(claims['multiRegion'], 'primary');
      const replica = await regions.lifecycle.replicate(ref, there, calling());
      assert.equal(replica, ref.replace(server!.region, there));
      const primary = await regions.describe(ref, calling());
      assert.equal(primary.claims['replicas'], replica);
      const far = await openProvider({ ...server!, region: there });
      const info = await far.describe(replica, calling());
      assert.deepEqual([info.claims['multiRegion'], info.claims['primaryKey']], ['replica', ref]);
      await far.close();
      await regions.close();
    });

    claim('a probe says that the service answers', async () => {
      const { ok, detail } = await provider.probe(calling());
      assert.ok(ok, detail);
      assert.match(detail, new RegExp(`AWS KMS in .${server!.region}. answers`));
    });
  });
}

/** What is given in place of the message: its hash, or mu. */
function digestOf(algorithm: SigningAlgorithmName, publicKey: Buffer): Buffer {
  const { hash: name } = SIGNING_ALGORITHMS[algorithm];
  return name === null ? muOf(publicKey, MESSAGE) : hash(name, MESSAGE, 'buffer');
}
