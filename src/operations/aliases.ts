/**
 * createAlias, updateAlias, deleteAlias and listAliases.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { aliasArn, requireAliasName } from '../model/ids.ts';
import type { Alias, Key } from '../model/key.ts';
import { isDestroyed } from '../model/state.ts';
import { entity } from '../store/change.ts';
import { newAlias } from './create-key.ts';
import { cutPage, pageOf, type PageInput } from './cursor.ts';
import { isoTime } from './key-info.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export interface AliasInput {
  /** Without the `alias/` prefix. */
  readonly name: string;
}

export interface AliasKeyInput extends AliasInput {
  readonly key: string;
}

export interface AliasInfo {
  readonly name: string;
  readonly arn: string;
  readonly keyId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ListAliasesInput extends PageInput {
  readonly key?: string | undefined;
}

export interface ListAliasesOutput {
  readonly aliases: readonly AliasInfo[];
  readonly nextCursor: string | null;
}

export const createAlias: Operation<AliasKeyInput, AliasInfo> = {
  name: 'CreateAlias',
  async run(scope, { name, key: keyName }) {
    const { key } = await scope.manageKey(keyName);
    noteAlias(scope, name);
    requireLive(key);
    const alias = await newAlias(scope, requireAliasName(name), key.id, scope.services.clock.now());
    return { output: await aliasInfo(scope, alias), changes: [{ put: 'alias', alias }] };
  },
};

export const updateAlias: Operation<AliasKeyInput, AliasInfo> = {
  name: 'UpdateAlias',
  async run(scope, { name, key: keyName }) {
    const old = await existingAlias(scope, name);
    const { key: before } = await scope.readKey(old.keyId);
    const { key: after } = await scope.manageKey(keyName);
    noteAlias(scope, name);
    requireLive(after);
    if (before.spec !== after.spec || before.usage !== after.usage) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `alias \`${name}\` moves only between keys of one spec and usage: \`${before.spec}\` for \`${before.usage}\``,
      );
    }
    const alias = { ...old, keyId: after.id, updatedAt: scope.services.clock.now() };
    return { output: await aliasInfo(scope, alias), changes: [{ put: 'alias', alias }] };
  },
};

export const deleteAlias: Operation<AliasInput, Record<string, never>> = {
  name: 'DeleteAlias',
  async run(scope, { name }) {
    const alias = await existingAlias(scope, name);
    await scope.manageKey(alias.keyId);
    noteAlias(scope, name);
    return { output: {}, changes: [{ drop: 'alias', tenantId: alias.tenantId, name: alias.name }] };
  },
};

export const listAliases: Operation<ListAliasesInput, ListAliasesOutput> = {
  name: 'ListAliases',
  async run(scope, input) {
    const keyId = input.key === undefined ? null : (await scope.readKey(input.key)).key.id;
    if (keyId === null) scope.readTenant();
    const { store } = scope.services.cache;
    const found = await store.aliases(scope.principal.tenantId, keyId, pageOf('aliases', input));
    const { page, nextCursor } = cutPage('aliases', found, input, ({ name }) => name);
    return { output: { aliases: await Promise.all(page.map((alias) => aliasInfo(scope, alias))), nextCursor } };
  },
};

/** @throws NOT_FOUND */
async function existingAlias(scope: Scope, name: string): Promise<Alias> {
  noteAlias(scope, name);
  const { tenantId } = scope.principal;
  scope.read.push(entity.alias(tenantId, name));
  const alias = await scope.services.cache.alias(tenantId, requireAliasName(name));
  if (alias === null) throw new ClavigerError('NOT_FOUND', `alias \`${name}\` does not exist`);
  return alias;
}

function noteAlias(scope: Scope, name: string): void {
  scope.note({ resource: `alias/${name.slice(0, 256)}` });
}

function requireLive(key: Key): void {
  if (!isDestroyed(key.state) && key.deletionAt === null) return;
  throw new ClavigerError('KEY_STATE', `key ${key.id} is destroyed or pending deletion, so no alias may name it`);
}

async function aliasInfo(scope: Scope, alias: Alias): Promise<AliasInfo> {
  const { accountId } = await scope.tenant();
  return {
    name: alias.name,
    arn: aliasArn(scope.services.region, accountId, alias.name),
    keyId: alias.keyId,
    createdAt: isoTime(alias.createdAt),
    updatedAt: isoTime(alias.updatedAt),
  };
}
