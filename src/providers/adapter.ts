/**
 * What an adapter is to the registry: a kind of provider, the schema of its configuration, and how one is opened.
 *
 * An adapter loads its SDK when it is opened, not before: whoever has no provider of a kind needs none of its packages.
 *
 * @module
 */
import type { z } from 'zod';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Random } from '../ports/random.ts';
import type { CommonConfig } from './config.ts';
import type { Provider, ProviderKind } from './provider.ts';

/** What an adapter needs from outside. */
export interface ProviderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A kind of provider: what it is configured with, and how it is opened. */
export interface Adapter<C extends CommonConfig & { readonly kind: ProviderKind }> {
  readonly kind: C['kind'];
  readonly schema: z.ZodType<C>;
  /**
   * Opens a connection, without a call to the service where that can be: a service that is down is no reason not to
   * start.
   *
   * @throws PROVIDER_MISCONFIGURED where a package or a file is missing, with what to do
   */
  open(config: C, ports: ProviderPorts): Promise<Provider>;
}
