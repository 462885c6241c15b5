/**
 * What a test process tells the runner, one JSON line each.
 *
 * @module
 */

/** A test, suite or file has ended. */
export interface EndEvent {
  readonly kind: 'end';
  readonly file: string;
  /** Names from the outermost suite inwards. */
  readonly path: readonly string[];
  readonly nesting: number;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** A suite, or a file that stands for itself because it registered no test. */
  readonly of: 'test' | 'suite' | 'file';
  readonly durationMs: number;
  /** It took longer than a test may. */
  readonly late: boolean;
  /** Why it was skipped; empty where no reason was given. */
  readonly reason?: string;
  /** The error in full. Absent where only something inside it failed, which has its own event. */
  readonly error?: string;
}

/** The process reached its end in order. */
export interface SummaryEvent {
  readonly kind: 'summary';
}

export type TestEvent = EndEvent | SummaryEvent;

/** Environment variable that names the file descriptor on which the reporter writes. */
export const EVENTS_FD = 'CLAVIGER_TEST_EVENTS_FD';
