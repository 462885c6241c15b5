/**
 * A Vault with Transit as our guide sets it up, and providers over it.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock, type Clock } from '../../src/ports/clock.ts';
import { silentLog, type Log } from '../../src/ports/log.ts';
import { ClavigerError } from '../../src/errors.ts';
import { vaultTransit } from '../../src/providers/vault-transit/index.ts';
import { vaultTransitSchema } from '../../src/providers/vault-transit/config.ts';
import type { CallOptions, Provider } from '../../src/providers/provider.ts';
import { startVaultServer, type VaultServer, type VaultServerOptions } from '../../tools/peers/vault-server.ts';
import type { VaultPaths } from '../../tools/peers/vault.ts';
import { ROOT } from '../../tools/run.ts';

const GUIDE = join(ROOT, 'docs/guides/providers/vault-transit.md');
/** Names of the policies, as the guide gives them. */
export const USE = 'claviger-use';
export const MANAGE = 'claviger-manage';

/** What every call here is given. */
export function inTime(timeoutMs = 10_000): CallOptions {
  return { signal: AbortSignal.timeout(timeoutMs + 1000), timeoutMs };
}

/** Starts a Vault with Transit at `transit` and the policies of the guide. */
export async function startTransit(vault: VaultPaths, options: VaultServerOptions): Promise<VaultServer> {
  const server = await startVaultServer(vault, options);
  await server.call('POST', 'sys/mounts/transit', { type: 'transit' });
  for (const [name, policy] of guidePolicies()) await server.call('POST', `sys/policies/acl/${name}`, { policy });
  return server;
}

/** The policies that stand in the guide, by the file that each is written to there. */
export function guidePolicies(): ReadonlyMap<string, string> {
  const guide = readFileSync(GUIDE, 'utf8');
  const policies = new Map<string, string>();
  for (const [, text = ''] of guide.matchAll(/^```hcl\n(.*?)^```$/gms)) {
    const name = /^# ([a-z-]+)\.hcl/.exec(text)?.[1];
    if (name !== undefined) policies.set(name, text);
  }
  if (!policies.has(USE) || !policies.has(MANAGE)) throw new Error(`${GUIDE} does not have both policies`);
  return policies;
}

export interface TokenWish {
  readonly policies?: readonly string[];
  readonly [field: string]: unknown;
}

/** A token of these policies alone. */
export async function newToken(server: VaultServer, wish: TokenWish = {}): Promise<string> {
  const { policies = [USE, MANAGE], ...more } = wish;
  const input = { policies, no_default_policy: true, ttl: '1h', ...more };
  return (await server.call('POST', 'auth/token/create', input)).auth!.client_token;
}

/** What a call was refused with. */
export async function refuses(work: Promise<unknown>, code: string, message?: RegExp): Promise<ClavigerError> {
  const error = await work.then(
    () => assert.fail(`it was not refused with ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClavigerError, String(error));
  assert.equal(error.code, code, error.message);
  if (message !== undefined) assert.match(error.message, message);
  return error;
}

export interface TransitWish {
  readonly address?: string;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly [field: string]: unknown;
}

/** A provider over the server, with the token or the `auth` that is given. */
export async function openTransit(
  server: VaultServer,
  auth: string | object,
  wish: TransitWish = {},
): Promise<Provider> {
  const { log = silentLog, clock = systemClock, ...more } = wish;
  const config = vaultTransitSchema.parse({
    name: 'vault',
    kind: 'vault-transit',
    address: server.address,
    auth: typeof auth === 'string' ? { kind: 'token', token: auth } : auth,
    ...more,
  });
  return vaultTransit.open(config, { clock, random: systemRandom, log });
}
