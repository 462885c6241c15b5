/**
 * Providers and groups in the configuration file, and how they are opened.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError } from '../errors.ts';
import type { GroupSetup, ProviderSetup } from '../operations/homes.ts';
import { providerName } from '../providers/config.ts';
import { openProvider, providerConfig, type ProviderConfig } from '../providers/registry.ts';
import type { ProviderPorts } from '../providers/adapter.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import { DEFAULT_GROUP } from '../resilience/index.ts';
import { HOMES_MAX } from '../envelope/ciphertext.ts';
import { LIMITS_DEFAULT, LIMITS_MAX } from '../envelope/data-key-cache.ts';

const BALANCES = ['order', 'least-latency', 'weighted'] as const;
const ms = z.int().min(0).max(600_000);

const groupSettings = {
  wrapQuorum: z
    .int()
    .min(1)
    .max(HOMES_MAX)
    .default(DEFAULT_GROUP.wrapQuorum)
    .describe('Homes that must have wrapped a data key before anything is answered.'),
  wrapGraceMs: ms
    .default(DEFAULT_GROUP.wrapGraceMs)
    .describe('Milliseconds that the homes beyond the quorum are waited for.'),
  deadlineMs: ms
    .min(10)
    .default(DEFAULT_GROUP.deadlineMs)
    .describe('Milliseconds after which a request ends, whatever was tried.'),
  balance: z
    .enum(BALANCES)
    .default(DEFAULT_GROUP.balance)
    .describe('Which home is asked first: the first of `members`, the quickest, or by `weights`.'),
  hedgeMs: ms
    .min(1)
    .optional()
    .describe('Milliseconds after which a second home is asked as well, where asking twice does no harm.'),
} as const;

/** How the homes of a keyring work together: as those of a group. */
export const keyringSettings = z.strictObject(groupSettings);

const dataKeyCache = z.strictObject({
  ttlMs: z
    .int()
    .min(1)
    .max(LIMITS_MAX.ttlMs)
    .describe('Milliseconds until a data key is wiped: for so long a refusal of a home, made there, may go unseen.'),
  messagesMax: z
    .int()
    .min(1)
    .max(LIMITS_MAX.messagesMax)
    .default(LIMITS_DEFAULT.messagesMax)
    .describe('Ciphertexts under one data key.'),
  bytesMax: z
    .int()
    .min(1)
    .max(LIMITS_MAX.bytesMax)
    .default(LIMITS_DEFAULT.bytesMax)
    .describe('Bytes of plaintext under one data key.'),
  entriesMax: z
    .int()
    .min(1)
    .max(LIMITS_MAX.entriesMax)
    .default(LIMITS_DEFAULT.entriesMax)
    .describe('Data keys at a time; the one that was used longest ago goes first.'),
});

const group = z
  .strictObject({
    name: providerName.describe('Name of the group; keys keep it, so it stays the same.'),
    members: z
      .array(providerName)
      .min(1)
      .max(HOMES_MAX)
      .refine((names) => new Set(names).size === names.length, 'must not name a provider twice')
      .describe('Providers that a key of the group lives in; `software` is the built-in keystore.'),
    wrapQuorum: groupSettings.wrapQuorum,
    wrapGraceMs: groupSettings.wrapGraceMs,
    deadlineMs: groupSettings.deadlineMs,
    balance: groupSettings.balance,
    weights: z
      .record(providerName, z.number().min(0).max(1000))
      .default({})
      .describe('Share of the requests of each member, for `balance: weighted`; 1 where none is given.'),
    hedgeMs: groupSettings.hedgeMs,
    dataKeyCache: dataKeyCache
      .optional()
      .describe('Remembers data keys, so that not every request calls the homes; none where it is not given.'),
    tenants: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Names of the tenants that may use it; all where it is not given.'),
  })
  .refine(({ members, wrapQuorum }) => wrapQuorum <= members.length, {
    path: ['wrapQuorum'],
    message: 'must not be more than there are `members`',
  });

/** Told at the second of two that have one name. */
function requireNames(list: readonly { readonly name: string }[], context: z.RefinementCtx, taken = ''): void {
  list.forEach(({ name }, at) => {
    const before = list.findIndex((other) => other.name === name);
    const message =
      name === taken
        ? `\`${name}\` is the built-in keystore; take another name`
        : before < at
          ? `\`${name}\` is the name of number ${before} already`
          : null;
    if (message !== null) context.addIssue({ code: 'custom', path: [at, 'name'], message });
  });
}

export const providersSchema = z
  .array(providerConfig)
  .superRefine((list, context) => requireNames(list, context, SOFTWARE_PROVIDER_NAME))
  .default([])
  .describe('Services and devices that keys live in, beside the built-in keystore.');

export const groupsSchema = z
  .array(group)
  .superRefine((list, context) => requireNames(list, context))
  .default([])
  .describe('Providers that keys live in together.');

export type GroupConfig = z.output<typeof group>;

/** A provider as the library's user writes it: the fields of the configuration, secrets as they are. */
export type ProviderInput = NonNullable<z.input<typeof providersSchema>>[number];
export type GroupInput = NonNullable<z.input<typeof groupsSchema>>[number];

const homesSchema = z.strictObject({ providers: providersSchema, groups: groupsSchema });

/**
 * Opens the providers of the library's user; files are relative to the current folder.
 *
 * @throws INVALID_ARGUMENT that names each mistake by its path; PROVIDER_MISCONFIGURED
 */
export async function openHomes(
  homes: z.input<typeof homesSchema>,
  ports: ProviderPorts,
): Promise<{ readonly providers: readonly ProviderSetup[]; readonly groups: readonly GroupSetup[] }> {
  const { success, data, error } = homesSchema.safeParse(homes);
  const mistakes = success
    ? groupMistakes(data.providers, data.groups)
    : error.issues.map(({ path, message }) => `\`${path.join('.')}\`: ${message}`);
  if (!success || mistakes.length > 0) throw new ClavigerError('INVALID_ARGUMENT', mistakes.join('; '));
  return { providers: await openProviders(data.providers, ports), groups: groupSetups(data.groups) };
}

/** Mistakes of the groups that only the providers show: each a line, with its path. */
export function groupMistakes(
  providers: readonly { readonly name: string }[],
  groups: readonly GroupConfig[],
): readonly string[] {
  const known = new Set([SOFTWARE_PROVIDER_NAME, ...providers.map(({ name }) => name)]);
  return groups.flatMap(({ members, weights }, at) => [
    ...members.flatMap((name, index) =>
      known.has(name)
        ? []
        : [`\`groups.${at}.members.${index}\`: there is no provider \`${name}\`; there are ${[...known].join(', ')}`],
    ),
    ...Object.keys(weights).flatMap((name) =>
      members.includes(name) ? [] : [`\`groups.${at}.weights.${name}\`: is none of the \`members\``],
    ),
  ]);
}

export function groupSetups(groups: readonly GroupConfig[]): readonly GroupSetup[] {
  return groups.map(({ name, members, weights, tenants, hedgeMs, dataKeyCache, ...settings }) => {
    const { wrapQuorum, wrapGraceMs, deadlineMs, balance } = settings;
    return {
      name,
      members,
      weights,
      tenants: tenants ?? null,
      settings: { wrapQuorum, wrapGraceMs, deadlineMs, balance, hedgeMs: hedgeMs ?? null },
      ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
    };
  });
}

/**
 * Opens every provider, or none.
 *
 * @throws PROVIDER_MISCONFIGURED
 */
export async function openProviders(
  configs: readonly ProviderConfig[],
  ports: ProviderPorts,
): Promise<readonly ProviderSetup[]> {
  const opened: ProviderSetup[] = [];
  try {
    for (const config of configs) opened.push({ provider: await openProvider(config, ports), config });
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map(({ provider }) => provider.close()));
    throw error;
  }
}
