/**
 * Faults of a fake provider. They come in pairs: a call that failed and did nothing, and one that failed although it was
 * done, which look alike from outside.
 *
 * @module
 */
import type { ErrorCode } from '../../errors.ts';

export type FakeOperation =
  | 'resolve'
  | 'describe'
  | 'wrap'
  | 'unwrap'
  | 'rewrap'
  | 'generate'
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'mac'
  | 'agree'
  | 'decapsulate'
  | 'random'
  | 'create'
  | 'rotate'
  | 'set-enabled'
  | 'destroy'
  | 'restore'
  | 'import'
  | 'set-tags'
  | 'probe';

/** A call as it comes in. */
export interface FakeCall {
  readonly operation: FakeOperation;
  /** Reference of the key; null for calls without one. */
  readonly ref: string | null;
}

export type FakeFault =
  /** It answers with an error, and has done it or not. */
  | { readonly kind: 'fail'; readonly code: ErrorCode; readonly applied: boolean }
  /** It never answers, and has done it or not. */
  | { readonly kind: 'hang'; readonly applied: boolean }
  /** It answers after so many milliseconds more. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** It answers with other bytes than it should: the first bit is another. */
  | { readonly kind: 'corrupt' };
