/**
 * The public keys that a tenant has published, as a JWK set (RFC 7517). Public: who verifies needs no account.
 *
 * @module
 */
import { publicKeyJwk, thumbprint } from '../../crypto/key-material.ts';
import { isUuid } from '../../model/ids.ts';
import type { KeyWithVersions } from '../../model/key.ts';
import { publicKeysOf } from '../../operations/handles.ts';
import type { Services } from '../../operations/services.ts';

/** Keys of one set; a relying party reads all of it. */
const PUBLISHED_KEYS_MAX = 100;

/** JOSE's name of the algorithm that a spec signs with, where it is the only one. */
const JOSE_ALGORITHMS: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  secp256k1: 'ES256K',
  Ed25519: 'EdDSA',
  'ML-DSA-44': 'ML-DSA-44',
  'ML-DSA-65': 'ML-DSA-65',
  'ML-DSA-87': 'ML-DSA-87',
};

/** The JWK set of a tenant, named by its id or name; an empty one where there is no such tenant. */
export async function jwksOfTenant({ cache }: Services, id: string): Promise<{ readonly keys: readonly object[] }> {
  const tenant = isUuid(id) ? await cache.tenant(id) : await cache.store.tenantByName(id);
  const ids = tenant === null ? [] : await cache.store.publishedKeyIds(tenant.id, PUBLISHED_KEYS_MAX);
  const found = await Promise.all(ids.map(async (keyId) => cache.key(keyId)));
  return { keys: found.filter((key) => key !== null).flatMap(jwksOf) };
}

/** Every version whose signatures are to be believed, with each of its siblings. */
function jwksOf({ key, versions }: KeyWithVersions): readonly object[] {
  const believed = key.state === 'Active' || key.state === 'Suspended' || key.state === 'Deactivated';
  if (!believed || key.deletionAt !== null) return [];
  return versions
    .filter(({ state, publicKey }) => publicKey !== null && state !== 'Compromised')
    .flatMap(publicKeysOf)
    .map((publicKey) => {
      const jwk = publicKeyJwk(publicKey);
      const alg = JOSE_ALGORITHMS[key.spec];
      return { ...jwk, kid: thumbprint(jwk), use: 'sig', ...(alg === undefined ? {} : { alg }) };
    });
}
