/**
 * What a check of `claviger doctor` found.
 *
 * @module
 */
export type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly level: Level;
  readonly name: string;
  readonly detail: string;
  /** What to do; null where nothing is to be done. */
  readonly next: string | null;
}

export function ok(name: string, detail: string): Finding {
  return { level: 'ok', name, detail, next: null };
}

export function warn(name: string, detail: string, next: string): Finding {
  return { level: 'warn', name, detail, next };
}

export function fail(name: string, detail: string, next: string): Finding {
  return { level: 'fail', name, detail, next };
}
