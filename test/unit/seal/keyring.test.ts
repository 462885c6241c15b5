import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../../src/crypto/random.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { Keyring, type SealPlace } from '../../../src/seal/keyring.ts';

const TENANTS = ['tenant-1', 'tenant-2'] as const;
const SECRET = Buffer.from('the material of a key, 32 bytes!');

/** A keyring, and another with the same root and store: what a restart makes of it. */
function keyrings(): { keyring: Keyring; restarted: Keyring; sealedKeys: Map<string, Uint8Array> } {
  const root = systemRandom.bytes(32);
  const sealedKeys = new Map<string, Uint8Array>();
  const made = (): Keyring =>
    new Keyring(new SecretBytes(Buffer.from(root)), systemRandom, async (id) => sealedKeys.get(id) ?? null);
  const keyring = made();
  for (const id of TENANTS) sealedKeys.set(id, keyring.newTenantKey(id));
  return { keyring, restarted: made(), sealedKeys };
}

const place = fc.record({
  purpose: fc.constantFrom('key-material', 'access-key-secret', 'import-key' as const),
  tenantId: fc.constantFrom(...TENANTS),
  id: fc.constantFrom('k1', 'k2', 'k', ''),
  version: fc.constantFrom(1, 2, 11),
});

test('a sealed value opens where it was put, after a restart too', async () => {
  const { keyring, restarted } = keyrings();
  await fc.assert(
    fc.asyncProperty(place, fc.uint8Array({ maxLength: 100 }), async (at, value) => {
      const sealed = await keyring.seal(at, value);
      for (const ring of [keyring, restarted]) {
        using opened = await ring.open(at, sealed);
        assert.deepEqual(new Uint8Array(opened.reveal()), value);
      }
    }),
  );
});

test('a sealed value opens nowhere else: not for another purpose, tenant, key or version', async () => {
  const { keyring } = keyrings();
  await fc.assert(
    fc.asyncProperty(place, place, async (from, to) => {
      fc.pre(!samePlace(from, to));
      const sealed = await keyring.seal(from, SECRET);
      await assert.rejects(keyring.open(to, sealed), { code: 'INTERNAL' });
    }),
    { numRuns: 300 },
  );
});

test('a tenant key that was moved to another tenant opens nothing', async () => {
  const { keyring, restarted, sealedKeys } = keyrings();
  const at = { purpose: 'key-material', tenantId: TENANTS[0], id: 'k1', version: 1 } as const;
  const sealed = await keyring.seal(at, SECRET);
  sealedKeys.set(TENANTS[1], sealedKeys.get(TENANTS[0])!);
  await assert.rejects(restarted.open({ ...at, tenantId: TENANTS[1] }, sealed), { code: 'INTERNAL' });
  await assert.rejects(restarted.seal({ ...at, tenantId: TENANTS[1] }, SECRET), { code: 'INTERNAL' });
});

test('a value of which any bit was changed, or that was cut, does not open, and the error shows nothing of it', async () => {
  const { keyring } = keyrings();
  const at = { purpose: 'key-material', tenantId: TENANTS[0], id: 'k1', version: 1 } as const;
  const sealed = await keyring.seal(at, SECRET);
  const wrong = [
    ...Array.from({ length: sealed.length }, (_, n) => sealed.with(n, sealed[n]! ^ (1 << (n % 8)))),
    ...Array.from({ length: sealed.length }, (_, n) => sealed.subarray(0, n)),
    Buffer.concat([sealed, Buffer.of(0)]),
  ];
  for (const changed of wrong) {
    await assert.rejects(keyring.open(at, changed), (error: Error & { code: string }) => {
      assert.equal(error.code, 'INTERNAL');
      assert.equal(error.message, 'a sealed value of the store does not open (key-material)');
      return true;
    });
  }
});

test('sealing the same twice gives two values', async () => {
  const { keyring } = keyrings();
  const at = { purpose: 'key-material', tenantId: TENANTS[0], id: 'k1', version: 1 } as const;
  assert.notDeepEqual(await keyring.seal(at, SECRET), await keyring.seal(at, SECRET));
});

test('a tenant without a key seals nothing', async () => {
  const { keyring } = keyrings();
  await assert.rejects(keyring.seal({ purpose: 'key-material', tenantId: 'none', id: '', version: 1 }, SECRET), {
    code: 'INTERNAL',
  });
});

test('the root check opens under the root that made it, and tells another by its refusal', () => {
  const { keyring, restarted } = keyrings();
  restarted.requireRoot(keyring.rootCheck());
  assert.throws(() => keyrings().keyring.requireRoot(keyring.rootCheck()), {
    code: 'SEALED',
    message: /does not open the store/,
  });
  for (const check of [Buffer.alloc(0), Buffer.alloc(48)])
    assert.throws(() => keyring.requireRoot(check), { code: 'SEALED' });
});

test('a fingerprint knows material again, after a restart too, and says nothing across tenants', async () => {
  const { keyring, restarted } = keyrings();
  const first = await keyring.fingerprint(TENANTS[0], SECRET);
  assert.deepEqual(await restarted.fingerprint(TENANTS[0], SECRET), first);
  assert.notDeepEqual(await keyring.fingerprint(TENANTS[1], SECRET), first);
  assert.notDeepEqual(await keyring.fingerprint(TENANTS[0], Buffer.alloc(32)), first);
});

test('the keyring keeps its root when the caller has zeroed it', async () => {
  const root = new SecretBytes(systemRandom.bytes(32));
  const keyring = new Keyring(root, systemRandom, async () => null);
  const check = keyring.rootCheck();
  root[Symbol.dispose]();
  keyring.requireRoot(check);
});

function samePlace(a: SealPlace, b: SealPlace): boolean {
  return a.purpose === b.purpose && a.tenantId === b.tenantId && a.id === b.id && a.version === b.version;
}
