/**
 * Every kind of provider that can be configured.
 *
 * @module
 */
import { z } from 'zod';
import { ClavigerError } from '../errors.ts';
import { fake, fakeConfig } from './fake/index.ts';
import type { Provider } from './provider.ts';
import type { ProviderPorts } from './registry.ts';

/** The one table of adapters, by kind. */
const ADAPTERS = { fake } as const;

export const providerConfig = z.discriminatedUnion('kind', [fakeConfig]);

export type ProviderConfig = z.output<typeof providerConfig>;

/**
 * Opens a configured provider.
 *
 * @throws PROVIDER_MISCONFIGURED
 */
export async function openProvider(config: ProviderConfig, ports: ProviderPorts): Promise<Provider> {
  const adapter = ADAPTERS[config.kind];
  try {
    return await adapter.open(config as never, ports);
  } catch (cause) {
    if (cause instanceof ClavigerError) throw cause;
    throw new ClavigerError(
      'PROVIDER_MISCONFIGURED',
      `cannot open provider \`${config.name}\`: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
