/**
 * A key in words, for people.
 *
 * @module
 */
import type { KeyInfo } from '../../../operations/key-info.ts';
import { plain, record, shortTime, table } from '../../table.ts';

/** State, and what lies over it. */
export function stateWords({ state, deletionAt, materialPresent }: KeyInfo): string {
  if (deletionAt !== null) return `${state}, deleted on ${deletionAt.slice(0, 10)}`;
  return materialPresent || state.startsWith('Destroyed') ? state : `${state}, without material`;
}

/** A key in a few lines. */
export function keyWords(key: KeyInfo): string {
  const { rotation } = key;
  return record([
    ['key', key.id],
    ['arn', key.arn],
    ['aliases', key.aliases.map(plain).join(', ')],
    ['spec', key.spec],
    ['usage', key.usage],
    ['state', stateWords(key)],
    ['description', plain(key.description)],
    [
      'tags',
      Object.entries(key.tags)
        .map(([name, value]) => plain(`${name}=${value}`))
        .join(' '),
    ],
    ['algorithms', key.algorithms.join(', ')],
    ['origin', key.origin],
    ['created', `${shortTime(key.createdAt)} UTC`],
    ['rotation', rotation && `every ${rotation.periodDays} days, next on ${rotation.nextAt.slice(0, 10)}`],
    ['policy', key.hasPolicy ? 'has one of its own; `claviger policy get` shows it' : null],
    ['published', key.published ? 'in the JWKS of the tenant' : null],
    ['homes', homesWords(key)],
    ['rules', rulesWords(key)],
    ['version', key.primaryVersion === 0 ? null : String(key.primaryVersion)],
  ]);
}

/** What the rule of a key with homes outside says beyond the usual. */
function rulesWords({ homes }: KeyInfo): string | null {
  if (homes === null) return null;
  const rules = [
    homes.siblings ? 'each has a key pair of its own' : null,
    homes.onHomeRefusal === 'quarantine' ? 'one that refuses is taken out' : null,
  ];
  return rules.filter((rule) => rule !== null).join('; ') || null;
}

function homesWords({ homes, versions, primaryVersion }: KeyInfo): string | null {
  if (homes === null) return null;
  const { providers = homes.providers, refusal = null } =
    versions.find(({ version }) => version === primaryVersion) ?? {};
  const names = homes.group === null ? providers.join(', ') : `${providers.join(', ')} (group ${homes.group})`;
  if (refusal === null) return names;
  return `${names}; ${refusal.provider} refuses: ${refusal.code}, since ${shortTime(refusal.at)}`;
}

/** A key with all of its versions, and where each of them lives. */
export function wholeKeyWords(key: KeyInfo): string {
  if (key.versions.length === 0) return keyWords(key);
  const rows = key.versions.map(({ version, state, cause, createdAt, expiresAt, providers }) => [
    `${version}${version === key.primaryVersion ? '*' : ''}`,
    state,
    cause,
    shortTime(createdAt),
    shortTime(expiresAt),
    providers.join(', '),
  ]);
  const versions = table(['VERSION', 'STATE', 'CAUSE', 'CREATED', 'EXPIRES', 'HOMES'], rows);
  return [keyWords(key), versions, ...(key.homes === null ? [] : [nativeKeys(key)])].join('\n\n');
}

function nativeKeys({ versions }: KeyInfo): string {
  const rows = versions.flatMap(({ version, backings }) =>
    backings.map(({ provider, ref, adopted, status, refusal }) => [
      provider,
      String(version),
      refusal === null ? status : `${status}: ${refusal.code}, since ${shortTime(refusal.at)}`,
      adopted ? 'adopted' : 'made here',
      plain(ref),
    ]),
  );
  return table(['HOME', 'VERSION', 'STATUS', 'ORIGIN', 'NATIVE KEY'], rows);
}
