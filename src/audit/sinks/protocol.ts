/**
 * What the event loop and the thread of the sinks tell each other.
 *
 * @module
 */
import type { LogLevel } from '../../ports/log.ts';
import type { FollowStatus } from '../follow.ts';
import type { SinkOptions } from './options.ts';

export interface SinksStart {
  readonly sinks: readonly SinkOptions[];
  readonly databasePath: string;
  readonly logId: string;
  /** Records that are durable. */
  readonly size: number;
  /** Of this release. */
  readonly version: string;
}

export type ToSinks =
  | { readonly kind: 'size'; readonly size: number }
  | { readonly kind: 'kept'; readonly id: number; readonly error: string | null }
  | { readonly kind: 'stop'; readonly withinMs: number };

export type FromSinks =
  | { readonly kind: 'keep'; readonly id: number; readonly name: string; readonly position: number }
  | { readonly kind: 'status'; readonly statuses: readonly FollowStatus[] }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
