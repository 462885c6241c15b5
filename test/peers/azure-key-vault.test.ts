/** The adapter for Azure: keys, against the test server of tools/peers/azure/, through Microsoft's client. */
import assert from 'node:assert/strict';
import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  hash,
  randomBytes,
  verify,
  type KeyObject,
} from 'node:crypto';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { ClavigerError } from '../../src/errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { algorithmsOf, type Spec, type Usage } from '../../src/model/spec.ts';
import type { AzureKeyVaultProvider } from '../../src/providers/azure-key-vault/index.ts';
import type { BackingInfo } from '../../src/providers/provider.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { call, newAzure, type Azure } from '../support/azure.ts';

const INVALID = { code: 'INVALID_CIPHERTEXT' };
const SIGNING_SPECS = ['RSA-2048', 'RSA-3072', 'RSA-4096', 'P-256', 'P-384', 'P-521', 'secp256k1'] as const;

describe('the adapter for Azure', () => {
  let vault: Azure;
  let hsm: Azure;
  let keys: AzureKeyVaultProvider;
  let modules: AzureKeyVaultProvider;
  let there = false;
  let count = 0;

  before(async (t) => {
    const openssl = await requirePeer(t as TestContext, 'openssl');
    if (openssl === null) return;
    vault = await newAzure(openssl.program);
    hsm = await newAzure(openssl.program, { managedHsm: true });
    keys = await vault.provider();
    modules = await hsm.provider();
    there = true;
  });
  after(async () => {
    if (!there) return;
    await vault.close();
    await hsm.close();
  });

  function it(name: string, run: () => Promise<void>): void {
    test(name, async (t) => (there ? run() : t.skip('openssl is missing')));
  }

  function newName(): string {
    count += 1;
    return `key-${count}`;
  }

  async function create(provider: AzureKeyVaultProvider, spec: Spec, usage: Usage): Promise<BackingInfo> {
    return provider.lifecycle.create({ spec, usage, name: newName(), tags: { owner: 'tests' } }, call());
  }

  /** Requests that the vault got during this. */
  async function requests(azure: Azure, run: () => Promise<unknown>): Promise<number> {
    const before = azure.server.faults.calls;
    await run();
    return azure.server.faults.calls - before;
  }

  function publicKeyOf({ publicKey }: BackingInfo): KeyObject {
    return createPublicKey({ key: publicKey!, format: 'der', type: 'spki' });
  }

  describe('wrapping', () => {
    it('a vault wraps with RSA-OAEP-256, one request each way, and says that it binds no context', async () => {
      const made = await create(keys, 'AES-256-GCM', 'encrypt-decrypt');
      const { wrap } = keys.key(made.ref, 'AES-256-GCM');
      const dataKey = randomBytes(32);
      assert.equal(wrap!.bindsContext, false);
      assert.equal(await requests(vault, () => wrap!.wrap(dataKey, {}, call())), 1);
      const one = await wrap!.wrap(dataKey, {}, call());
      const two = await wrap!.wrap(dataKey, {}, call());
      assert.notDeepEqual(one.value, two.value);
      assert.equal(one.version, made.version);
      assert.equal(await requests(vault, () => wrap!.unwrap(one.value, {}, call())), 1);
      assert.deepEqual(await wrap!.unwrap(one.value, {}, call()), { value: dataKey, version: made.version });
    });

    it('the RSA key that only wraps is described as the AES key that it stands in for', async () => {
      const made = await create(await vault.provider({ wrapKeyBits: 2048 }), 'AES-256-GCM', 'encrypt-decrypt');
      assert.equal(made.spec, 'AES-256-GCM');
      assert.equal(made.usage, 'encrypt-decrypt');
      assert.equal(made.publicKey, null);
      assert.equal(made.claims['keyType'], 'RSA');
      assert.equal(made.claims['wrapsWith'], 'RSA-2048');
    });

    it('a Managed HSM wraps with AES-GCM and binds the context', async () => {
      const { ref } = await create(modules, 'AES-256-GCM', 'encrypt-decrypt');
      const { wrap } = modules.key(ref, 'AES-256-GCM');
      const dataKey = randomBytes(32);
      const { value } = await wrap!.wrap(dataKey, { tenant: 'a' }, call());
      assert.equal(wrap!.bindsContext, true);
      assert.equal(value.length, 12 + 16 + 32);
      assert.deepEqual((await wrap!.unwrap(value, { tenant: 'a' }, call())).value, dataKey);
      for (const context of [{}, { tenant: 'b' }, { tenant: 'a', more: '' }])
        await assert.rejects(wrap!.unwrap(value, context, call()), INVALID);
    });

    it('a Managed HSM wraps with AES-KW where that is configured, and takes only lengths that it has', async () => {
      const provider = await hsm.provider({ wrapAlgorithm: 'A256KW' });
      const { ref } = await create(provider, 'AES-256-GCM', 'encrypt-decrypt');
      const { wrap } = provider.key(ref, 'AES-256-GCM');
      const dataKey = randomBytes(32);
      const { value } = await wrap!.wrap(dataKey, {}, call());
      assert.equal(wrap!.bindsContext, false);
      assert.equal(value.length, 40);
      assert.deepEqual((await wrap!.unwrap(value, {}, call())).value, dataKey);
      await assert.rejects(wrap!.wrap(randomBytes(20), {}, call()), { code: 'INVALID_ARGUMENT' });
      const gcm = modules.key(ref, 'AES-256-GCM').wrap!;
      await assert.rejects(wrap!.unwrap((await gcm.wrap(dataKey, {}, call())).value, {}, call()), INVALID);
      await assert.rejects(gcm.unwrap(value, {}, call()), INVALID);
    });

    it('what was changed, cut or wrapped by another key does not open', async () => {
      for (const provider of [keys, modules]) {
        const [own, other] = await Promise.all([
          create(provider, 'AES-256-GCM', 'encrypt-decrypt'),
          create(provider, 'AES-256-GCM', 'encrypt-decrypt'),
        ]);
        const wrap = provider.key(own.ref, 'AES-256-GCM').wrap!;
        const { value } = await wrap.wrap(randomBytes(32), {}, call());
        const flipped = Buffer.from(value);
        flipped[value.length >> 1]! ^= 4;
        await assert.rejects(wrap.unwrap(flipped, {}, call()), INVALID);
        await assert.rejects(provider.key(other.ref, 'AES-256-GCM').wrap!.unwrap(value, {}, call()), INVALID);
        for (const bytes of [value.subarray(1), value.subarray(0, 20), Buffer.alloc(0), Buffer.alloc(5000)])
          await assert.rejects(wrap.unwrap(bytes, {}, call()), INVALID);
      }
    });

    it('a length that no wrap has is refused before any call, and so is an empty or long data key', async () => {
      const { ref } = await create(keys, 'AES-256-GCM', 'encrypt-decrypt');
      const { wrap } = keys.key(ref, 'AES-256-GCM');
      const asked = await requests(vault, async () => {
        await assert.rejects(wrap!.unwrap(randomBytes(257), {}, call()), INVALID);
        await assert.rejects(wrap!.wrap(randomBytes(65), {}, call()), { code: 'INVALID_ARGUMENT' });
        await assert.rejects(wrap!.wrap(Buffer.alloc(0), {}, call()), { code: 'INVALID_ARGUMENT' });
      });
      assert.equal(asked, 0);
    });
  });

  describe('signing', () => {
    function right(publicKey: KeyObject, name: SigningAlgorithmName, message: Buffer, signature: Buffer): boolean {
      const { scheme, hash: digest } = SIGNING_ALGORITHMS[name];
      const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
      return verify(digest, message, scheme === 'rsa-pss' ? { key: publicKey, ...pss } : publicKey, signature);
    }

    it('signs a message and its digest with every algorithm of every spec, in one request, in DER', async () => {
      for (const spec of SIGNING_SPECS) {
        const made = await create(keys, spec, 'sign-verify');
        const sign = keys.key(made.ref, spec).sign!;
        for (const name of algorithmsOf(spec, 'sign-verify') as readonly SigningAlgorithmName[]) {
          const message = randomBytes(100);
          const digest = hash(SIGNING_ALGORITHMS[name].hash!, message, 'buffer');
          for (const input of [{ message }, { digest }]) {
            const { value, version } = await sign(name, input, call());
            assert.equal(right(publicKeyOf(made), name, message, value), true, `${spec} ${name}`);
            assert.equal(version, made.version);
          }
          assert.equal(await requests(vault, () => sign(name, { message }, call())), 1);
        }
      }
    });

    it('an algorithm of another spec and a digest of another length are refused before any call', async () => {
      const { ref } = await create(keys, 'P-256', 'sign-verify');
      const sign = keys.key(ref, 'P-256').sign!;
      const asked = await requests(vault, async () => {
        await assert.rejects(sign('ECDSA_SHA_384', { message: randomBytes(1) }, call()), { code: 'KEY_USAGE' });
        await assert.rejects(sign('ECDSA_SHA_256', { digest: randomBytes(31) }, call()), { code: 'INVALID_ARGUMENT' });
      });
      assert.equal(asked, 0);
    });

    it('a key that is for encryption does not sign', async () => {
      const { ref } = await create(keys, 'RSA-2048', 'encrypt-decrypt');
      await assert.rejects(
        keys.key(ref, 'RSA-2048').sign!('RSASSA_PSS_SHA_256', { message: randomBytes(1) }, call()),
        ({ code, native }: ClavigerError) => code === 'KEY_USAGE' && native?.code === 'KeyOperationForbidden',
      );
    });
  });

  describe('encrypting', () => {
    it('RSA keys encrypt and decrypt with OAEP, up to what fits, and take no context', async () => {
      const { ref } = await create(keys, 'RSA-2048', 'encrypt-decrypt');
      const { cipher } = keys.key(ref, 'RSA-2048');
      for (const [name, max] of [
        ['RSAES_OAEP_SHA_256', 190],
        ['RSAES_OAEP_SHA_1', 214],
      ] as const) {
        for (const plaintext of [randomBytes(max), Buffer.alloc(0)]) {
          const { value } = await cipher!.encrypt(name, plaintext, {}, call());
          assert.deepEqual((await cipher!.decrypt(name, value, {}, call())).value, plaintext);
        }
        await assert.rejects(cipher!.encrypt(name, randomBytes(max + 1), {}, call()), { code: 'INVALID_ARGUMENT' });
      }
      await assert.rejects(cipher!.encrypt('RSAES_OAEP_SHA_256', randomBytes(1), { a: 'b' }, call()), {
        code: 'INVALID_ARGUMENT',
      });
      const { value } = await cipher!.encrypt('RSAES_OAEP_SHA_256', randomBytes(8), {}, call());
      await assert.rejects(cipher!.decrypt('RSAES_OAEP_SHA_1', value, {}, call()), INVALID);
    });

    it('AES keys of a Managed HSM encrypt under their context', async () => {
      const { ref } = await create(modules, 'AES-256-GCM', 'encrypt-decrypt');
      const { cipher } = modules.key(ref, 'AES-256-GCM');
      const plaintext = randomBytes(4096);
      const { value } = await cipher!.encrypt('SYMMETRIC_DEFAULT', plaintext, { a: 'b' }, call());
      assert.deepEqual((await cipher!.decrypt('SYMMETRIC_DEFAULT', value, { a: 'b' }, call())).value, plaintext);
      await assert.rejects(cipher!.decrypt('SYMMETRIC_DEFAULT', value, {}, call()), INVALID);
      await assert.rejects(cipher!.encrypt('RSAES_OAEP_SHA_1', plaintext, {}, call()), { code: 'UNSUPPORTED' });
    });

    it('a Managed HSM gives random bytes, a vault has none', async () => {
      assert.equal((await modules.random!(300, call())).length, 300);
      assert.equal(keys.random, undefined);
    });
  });

  describe('the life of a key', () => {
    it('a new key is described with its public host, which is not the address that is called', async () => {
      const made = await create(keys, 'P-256', 'sign-verify');
      const [name] = made.ref.split('/');
      assert.equal(made.nativeId, `https://${vault.server.publicHost}/keys/${name}`);
      assert.equal(made.origin, 'provider');
      assert.equal(made.protection, 'software');
      assert.deepEqual(await keys.describe(made.ref, call()), { ...made, origin: 'unknown' });
      assert.equal((await create(modules, 'P-256', 'sign-verify')).protection, 'hsm');
      const hardware = await vault.provider({ protection: 'hsm' });
      assert.equal((await create(hardware, 'RSA-2048', 'sign-verify')).protection, 'hsm');
    });

    it('a name that is taken is refused, not given a new version', async () => {
      const wanted = { spec: 'P-256', usage: 'sign-verify', name: newName(), tags: {} } as const;
      const made = await keys.lifecycle.create(wanted, call());
      await assert.rejects(keys.lifecycle.create(wanted, call()), { code: 'KEY_EXISTS' });
      assert.equal(await keys.resolve(wanted.name, call()), made.ref);
      await keys.lifecycle.destroy(made.ref, call());
      await assert.rejects(keys.lifecycle.create(wanted, call()), { code: 'KEY_STATE' });
    });

    it('a rotated key has a new version, and the old one still opens and verifies', async () => {
      const old = await create(keys, 'AES-256-GCM', 'encrypt-decrypt');
      const wrapped = await keys.key(old.ref, 'AES-256-GCM').wrap!.wrap(Buffer.alloc(32, 7), {}, call());
      const next = await keys.lifecycle.rotate(old.ref, call());
      assert.equal(next.nativeId, old.nativeId);
      assert.notEqual(next.version, old.version);
      assert.deepEqual(await keys.resolve(old.ref.split('/')[0]!, call()), next.ref);
      assert.equal(
        (await keys.key(next.ref, 'AES-256-GCM').wrap!.wrap(Buffer.alloc(32), {}, call())).version,
        next.version,
      );
      const opened = await keys.key(old.ref, 'AES-256-GCM').wrap!.unwrap(wrapped.value, {}, call());
      assert.deepEqual(opened, { value: Buffer.alloc(32, 7), version: old.version });
    });

    it('a rotation policy is set on new keys where one is configured', async () => {
      const provider = await vault.provider({ rotateEveryDays: 90 });
      const { ref } = await create(provider, 'P-256', 'sign-verify');
      assert.equal((await provider.describe(ref, call())).state, 'enabled');
    });

    it('a disabled key refuses with KEY_DISABLED after one request, until it is enabled again', async () => {
      const { ref } = await create(keys, 'AES-256-GCM', 'encrypt-decrypt');
      const wrap = keys.key(ref, 'AES-256-GCM').wrap!;
      const { value } = await wrap.wrap(Buffer.alloc(32), {}, call());
      await keys.lifecycle.setEnabled(ref, false, call());
      assert.equal((await keys.describe(ref, call())).state, 'disabled');
      for (const send of [() => wrap.wrap(Buffer.alloc(32), {}, call()), () => wrap.unwrap(value, {}, call())])
        assert.equal(await requests(vault, () => assert.rejects(send, { code: 'KEY_DISABLED' })), 1);
      await keys.lifecycle.setEnabled(ref, true, call());
      assert.equal((await wrap.unwrap(value, {}, call())).value.length, 32);
    });

    it('a destroyed key is soft-deleted: refused with KEY_STATE, described, and restored', async () => {
      const made = await create(keys, 'P-256', 'sign-verify');
      await keys.lifecycle.destroy(made.ref, call());
      await assert.rejects(keys.key(made.ref, 'P-256').sign!('ECDSA_SHA_256', { message: Buffer.alloc(1) }, call()), {
        code: 'KEY_STATE',
      });
      const gone = await keys.describe(made.ref, call());
      assert.equal(gone.state, 'pending-deletion');
      assert.equal(gone.nativeId, made.nativeId);
      assert.deepEqual(gone.publicKey, made.publicKey);
      assert.match(gone.claims['scheduledPurgeDate']!, /^\d{4}-/);
      await assert.rejects(keys.resolve(made.ref, call()), { code: 'KEY_STATE' });
      await keys.lifecycle.restore(made.ref, call());
      assert.equal((await keys.describe(made.ref, call())).state, 'enabled');
      await assert.rejects(keys.lifecycle.restore(made.ref, call()), { code: 'KEY_STATE' });
    });

    it('of several versions one is ended by itself, and the key with the last of them', async () => {
      const first = await create(keys, 'P-256', 'sign-verify');
      const second = await keys.lifecycle.rotate(first.ref, call());
      const sign = (ref: string): Promise<unknown> =>
        keys.key(ref, 'P-256').sign!('ECDSA_SHA_256', { message: Buffer.alloc(1) }, call());
      await keys.lifecycle.destroy(first.ref, call());
      assert.equal((await keys.describe(first.ref, call())).state, 'pending-deletion');
      await assert.rejects(sign(first.ref), { code: 'KEY_DISABLED' });
      await sign(second.ref);
      await keys.lifecycle.destroy(first.ref, call());
      await sign(second.ref);
      await keys.lifecycle.restore(first.ref, call());
      await sign(first.ref);
      await keys.lifecycle.destroy(second.ref, call());
      await sign(first.ref);
      await keys.lifecycle.destroy(first.ref, call());
      await assert.rejects(sign(first.ref), { code: 'KEY_STATE' });
      await assert.rejects(sign(second.ref), { code: 'KEY_STATE' });
      await keys.lifecycle.restore(first.ref, call());
      await sign(first.ref);
      assert.equal((await keys.describe(second.ref, call())).state, 'pending-deletion');
    });

    it('with `purge` a destroyed key is gone, and its name is free', async () => {
      const provider = await vault.provider({ purge: true });
      const wanted = { spec: 'P-256', usage: 'sign-verify', name: newName(), tags: {} } as const;
      const { ref } = await provider.lifecycle.create(wanted, call());
      await provider.lifecycle.destroy(ref, call());
      await assert.rejects(provider.describe(ref, call()), { code: 'KEY_NOT_FOUND' });
      await assert.rejects(provider.lifecycle.destroy(ref, call()), { code: 'KEY_NOT_FOUND' });
      const { ref: later } = await keys.lifecycle.create(wanted, call());
      await keys.lifecycle.destroy(later, call());
      await provider.lifecycle.destroy(later, call());
      await assert.rejects(provider.describe(later, call()), { code: 'KEY_NOT_FOUND' });
    });

    it('imports RSA and EC keys into vaults, and AES keys into Managed HSMs only', async () => {
      for (const [spec, pair] of [
        ['RSA-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
        ['P-256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' })],
        ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
      ] as const) {
        const material = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
        for (const provider of [keys, modules]) {
          const wanted = { spec, usage: 'sign-verify', name: newName(), tags: {} } as const;
          const made = await provider.lifecycle.importMaterial(wanted, material, call());
          assert.equal(made.origin, 'external');
          assert.equal(publicKeyOf(made).equals(pair.publicKey), true);
        }
      }
      const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: newName(), tags: {} } as const;
      await assert.rejects(keys.lifecycle.importMaterial(wanted, randomBytes(32), call()), { code: 'UNSUPPORTED' });
      const { ref } = await modules.lifecycle.importMaterial(wanted, randomBytes(32), call());
      const wrap = modules.key(ref, 'AES-256-GCM').wrap!;
      assert.equal(
        (await wrap.unwrap((await wrap.wrap(randomBytes(32), {}, call())).value, {}, call())).value.length,
        32,
      );
    });

    it('a backup brings a purged key back with its versions', async () => {
      const provider = await vault.provider({ purge: true });
      const first = await create(provider, 'P-256', 'sign-verify');
      await provider.lifecycle.rotate(first.ref, call());
      const backup = await provider.lifecycle.backup(first.ref, call());
      const second = await provider.resolve(first.ref.split('/')[0]!, call());
      await provider.lifecycle.destroy(first.ref, call());
      await provider.lifecycle.destroy(second, call());
      await assert.rejects(provider.describe(first.ref, call()), { code: 'KEY_NOT_FOUND' });
      assert.equal((await provider.lifecycle.restoreBackup(backup, call())).ref, second);
      assert.deepEqual((await provider.describe(second, call())).version, second.split('/')[1]);
    });

    it('tags are replaced, and too many are refused before any call', async () => {
      const { ref } = await create(keys, 'P-256', 'sign-verify');
      await keys.lifecycle.setTags(ref, { a: 'b' }, call());
      const many = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`t${index}`, '']));
      const refused = (): Promise<void> =>
        assert.rejects(keys.lifecycle.setTags(ref, many, call()), { code: 'INVALID_ARGUMENT' });
      assert.equal(await requests(vault, refused), 0);
    });
  });

  describe('references', () => {
    it('a URL with the public host or the configured address is taken, one of another vault is not', async () => {
      const { ref } = await create(keys, 'P-256', 'sign-verify');
      const [name, version] = ref.split('/');
      const { publicHost, vaultUrl } = vault.server;
      for (const text of [
        name!,
        ref,
        `https://${publicHost}/keys/${name}`,
        `https://${publicHost}/keys/${name}/${version}`,
        `${vaultUrl}/keys/${name}/${version}`,
      ])
        assert.equal(await keys.resolve(text, call()), ref);
      await assert.rejects(keys.resolve(`https://other.vault.azure.net/keys/${name}`, call()), {
        code: 'INVALID_ARGUMENT',
      });
    });

    it('a key or version that is not there is KEY_NOT_FOUND, everywhere', async () => {
      const { ref } = await create(keys, 'P-256', 'sign-verify');
      for (const missing of [`nowhere/${'0'.repeat(32)}`, ref.replace(/[^/]+$/, '0'.repeat(32))]) {
        const refused = { code: 'KEY_NOT_FOUND' };
        await assert.rejects(keys.resolve(missing, call()), refused);
        await assert.rejects(keys.describe(missing, call()), refused);
        await assert.rejects(keys.lifecycle.setEnabled(missing, true, call()), refused);
        await assert.rejects(keys.lifecycle.destroy(missing, call()), refused);
        const sign = keys.key(missing, 'P-256').sign!;
        await assert.rejects(sign('ECDSA_SHA_256', { message: Buffer.alloc(1) }, call()), refused);
      }
    });

    it('a spec that Azure does not have, and a reference that is none, are refused before any call', async () => {
      assert.throws(() => keys.key(`a/${'0'.repeat(32)}`, 'Ed25519'), { code: 'UNSUPPORTED' });
      assert.throws(() => keys.key('a', 'P-256'), { code: 'INVALID_ARGUMENT' });
    });
  });
});
