/**
 * destroyKey: what the deletion date comes to. Run by a job, never by a caller.
 *
 * @module
 */
import { isCurrent } from '../model/key.ts';
import { ClavigerError } from '../errors.ts';
import { entity, type Change } from '../store/change.ts';
import { destroyHomes } from './home-keys.ts';
import type { KeyInfo } from './key-info.ts';
import { keyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';
import { puts, transitioned, type KeyInput } from './transition.ts';

const HOMES_DESTROYED = 'homes destroyed';

export const destroyKey: Operation<KeyInput, KeyInfo> = {
  name: 'DestroyKey',
  async run(scope, input) {
    const { cache, clock } = scope.services;
    const found = await scope.manageKey(input.key);
    const { key, versions } = found;
    if (key.deletionAt === null || key.deletionAt > clock.now()) {
      throw new ClavigerError('KEY_STATE', `key ${key.id} is not due for destruction`);
    }
    const backings = versions.flatMap((version) => version.backings).filter(isCurrent);
    if (key.homes !== null) {
      scope.note({ provider: [...new Set(backings.map(({ provider }) => provider))].join(',') });
      const kept = scope.done<readonly string[]>(HOMES_DESTROYED);
      if (kept === undefined) {
        return { outside: { name: HOMES_DESTROYED, work: () => destroyHomes(scope, backings) } };
      }
      // Adopted keys, and those of providers that are not configured any more, are still there: the record says so.
      scope.note({ missingHomes: kept });
    }
    const gone = transitioned(found, 'destroy');
    const after = {
      ...gone,
      key: { ...gone.key, deletionAt: null, materialPresent: false, rotation: null, published: false },
    };
    const aliases = await cache.store.aliases(key.tenantId, key.id, { after: null, limit: 100_000 });
    // One that was given to another key meanwhile is not dropped: this is decided again.
    scope.read.push(...aliases.map(({ tenantId, name }) => entity.alias(tenantId, name)));
    const drops = [
      ...versions.map(({ version }): Change => ({ drop: 'material', keyId: key.id, version })),
      ...aliases.map(({ tenantId, name }): Change => ({ drop: 'alias', tenantId, name })),
      { drop: 'importSlot', keyId: key.id } as const,
    ];
    return { output: await keyInfo(scope, after, { aliases: [] }), changes: [...puts(after), ...drops] };
  },
};
