/**
 * What an operation is: one function from input to effect, run by `execute` and by nothing else.
 *
 * @module
 */
import type { Proof } from '../auth/authenticator.ts';
import type { ErrorCode } from '../errors.ts';
import type { OperationName } from '../model/operation.ts';
import type { Span } from '../ports/tracing.ts';
import type { ThreadSignature } from '../providers/key-handle.ts';
import type { Change } from '../store/change.ts';
import type { Scope } from './scope.ts';

/** Where a call came in. */
export type GatewayName = 'rest' | 'aws' | 'library' | 'job';

/** One call, as a gateway hands it over. */
export interface Call {
  readonly proof: Proof;
  readonly gateway: GatewayName;
  /** Address of the caller; null in-process. */
  readonly source: string | null;
  /** UUID version 7, always made by us. */
  readonly requestId: string;
  /** When the call came, by `monotonicMs`. */
  readonly startedMs: number;
  /** True to be told what would happen: all checks run, nothing else does. */
  readonly dryRun: boolean;
  readonly idempotency: Idempotency | null;
  /** The span that the call is in; null where it is not traced. */
  readonly trace: Span | null;
}

/** A caller's wish that a repeat of this change changes nothing. */
export interface Idempotency {
  readonly key: string;
  readonly route: string;
  /** SHA-256 of the request. */
  readonly requestHash: Uint8Array;
  /** The answer as the gateway sends it, to be kept for a repeat. */
  readonly encode: (output: never) => string;
}

/**
 * What an operation came to. `changes` commit in one transaction with the record; `signs` are made by the writer
 * thread, and `finish` turns them into the output. `output` and `finish` run no checks: everything was decided.
 */
export type Effect<O> =
  | {
      readonly output: O;
      readonly changes?: readonly Change[];
      /** What the record calls it where the answer is a finding, such as a signature that does not verify. */
      readonly outcome?: ErrorCode;
    }
  | { readonly signs: readonly ThreadSignature[]; readonly finish: (signatures: readonly Buffer[]) => O }
  | { readonly outside: OutsideWork };

/**
 * A change outside our own store, such as a key made at a provider. Its intent is recorded first, then it is done, then
 * the operation runs again: it finds what was done with `scope.done`, checks all anew, and its effect is the outcome.
 */
export interface OutsideWork {
  /** What `scope.done` is asked by. */
  readonly name: string;
  /**
   * Commits with the intent, before the work begins: where nobody may come upon what is being done, such as the key that
   * is being destroyed.
   */
  readonly first?: readonly Change[];
  /** Runs once. What it throws is the outcome. */
  readonly work: () => Promise<unknown>;
  /** Takes back what was done, as far as it can, where the operation is refused after all. */
  readonly undo?: (done: unknown) => Promise<void>;
}

export interface Operation<I, O> {
  readonly name: OperationName;
  /** True where the output holds a secret, which is never kept for a repeat; the id that a repeat is told instead. */
  readonly createdId?: (output: O) => string;
  /** Decides and works. It may run again where what it read changed meanwhile. */
  run(scope: Scope, input: I): Effect<O> | Promise<Effect<O>>;
}
