/**
 * What operations work with: the composition root puts it together once.
 *
 * @module
 */
import type { Alerts } from '../audit/alerts/index.ts';
import type { CheckpointKeepers } from '../audit/keepers.ts';
import type { Ledger } from '../audit/ledger.ts';
import type { SinkHost } from '../audit/sinks/host.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Random } from '../ports/random.ts';
import type { PolicyEngine } from '../policy/engine.ts';
import type { SoftwareProvider } from '../providers/software/index.ts';
import type { Keyring } from '../seal/keyring.ts';
import type { StoreCache } from '../store/cache.ts';
import type { Homes } from './homes.ts';
import type { RateLimiter } from './limits.ts';
import type { Observer } from './observer.ts';
import type { RefusalThrottle } from './refusals.ts';

export interface Services {
  readonly cache: StoreCache;
  readonly ledger: Ledger;
  /** Witnesses and copies of the log's checkpoints. */
  readonly keepers: CheckpointKeepers;
  readonly keyring: Keyring;
  readonly policy: PolicyEngine;
  readonly authenticator: Authenticator;
  readonly software: SoftwareProvider;
  readonly homes: Homes;
  readonly limiter: RateLimiter;
  readonly refusals: RefusalThrottle;
  /** Where the log is sent as well. */
  readonly sinks: SinkHost;
  readonly alerts: Alerts;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly random: Random;
  /** A new id for a request that has just come. */
  requestId(): string;
  readonly log: Log;
  /** Of this release. */
  readonly version: string;
  /** Stands in ARNs and in SigV4 scopes. */
  readonly region: string;
  /** By which the log's checkpoints are verified: `origin+keyid+key`. */
  readonly logKey: string;
  /** Days for which what records commit to is kept at least. */
  readonly auditRetentionDays: number;
  /** True in development only: roles that conflict may be held together. */
  readonly allowConflictingRoles: boolean;
}
