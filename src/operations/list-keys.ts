/**
 * listKeys: the tenant's keys, in order of creation.
 *
 * @module
 */
import { isDestroyed } from '../model/state.ts';
import { cutPage, pageOf, type PageInput } from './cursor.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import type { Operation } from './operation.ts';

export interface ListKeysOutput {
  readonly keys: readonly KeyInfo[];
  readonly nextCursor: string | null;
}

export const listKeys: Operation<PageInput, ListKeysOutput> = {
  name: 'ListKeys',
  async run(scope, input) {
    scope.readTenant();
    const { cache } = scope.services;
    const found = await cache.store.keyIds(scope.principal.tenantId, pageOf('keys', input));
    const { page, nextCursor } = cutPage('keys', found, input, (id) => id);
    const keys: KeyInfo[] = [];
    for (const id of page) {
      const key = await cache.key(id);
      if (key === null || (scope.call.gateway === 'aws' && isDestroyed(key.key.state))) continue;
      keys.push(await keyInfo(scope, key));
    }
    return { output: { keys, nextCursor } };
  },
};
