/**
 * Whether each provider of a configuration can be reached, takes our credentials, and can do what it is there for.
 *
 * @module
 */
import { systemRandom } from '../../crypto/random.ts';
import { toClavigerError, type ErrorCode } from '../../errors.ts';
import { systemClock } from '../../ports/clock.ts';
import { silentLog } from '../../ports/log.ts';
import { openProvider, type ProviderConfig } from '../../providers/registry.ts';
import type { Provider } from '../../providers/provider.ts';
import { configFile, serverConfig } from '../commands/server-config.ts';
import type { Terminal } from '../terminal.ts';
import { fail, ok, type Finding } from './finding.ts';

/** A service that takes longer to say that it is there does not serve. */
const PROBE_MS = 10_000;

/** What to do about an error of a provider. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  PROVIDER_DENIED: 'correct its credentials, or what they may do there; the guide of the provider has the policy',
  PROVIDER_MISCONFIGURED: 'correct its configuration, or install what is missing',
  PROVIDER_UNAVAILABLE: 'see whether its address is right and the service runs and is unsealed',
  PROVIDER_TIMEOUT: 'see whether a firewall or a proxy is in the way',
};

/** @param named configuration file of a server on this machine */
export async function checkProviders(terminal: Terminal, named: string | undefined): Promise<readonly Finding[]> {
  if (configFile(terminal, named) === undefined) return [];
  let configs: readonly ProviderConfig[];
  try {
    configs = serverConfig(terminal, named).providers;
  } catch {
    // The check of the configuration says what is wrong with it.
    return [];
  }
  return Promise.all(configs.map(checkProvider));
}

async function checkProvider(config: ProviderConfig): Promise<Finding> {
  const what = `provider ${config.name}`;
  let provider: Provider | null = null;
  try {
    provider = await openProvider(config, { clock: systemClock, random: systemRandom, log: silentLog });
    const { ok: well, detail } = await provider.probe({ signal: AbortSignal.timeout(PROBE_MS), timeoutMs: PROBE_MS });
    if (!well) return fail(what, `${config.kind}: ${detail}`, NEXT.PROVIDER_UNAVAILABLE!);
    return ok(what, `${config.kind}: ${detail}; ${abilities(provider)}`);
  } catch (thrown) {
    const { code, message } = toClavigerError(thrown);
    return fail(what, `${config.kind}: ${message}`, NEXT[code] ?? 'see the guide of the provider');
  } finally {
    await provider?.close();
  }
}

/** `wraps AES-256-GCM; signs P-256, P-384`. */
function abilities(provider: Provider): string {
  const words = { wrap: 'wraps', sign: 'signs', mac: 'authenticates', decrypt: 'decrypts', agree: 'agrees' } as const;
  const parts = (Object.keys(words) as (keyof typeof words)[]).flatMap((operation) => {
    const specs = provider.capabilities().filter((row) => row.operation === operation);
    return specs.length === 0 ? [] : [`${words[operation]} ${[...new Set(specs.map(({ spec }) => spec))].join(', ')}`];
  });
  return parts.length === 0 ? 'it can do nothing' : parts.join('; ');
}
