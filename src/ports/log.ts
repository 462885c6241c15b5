/**
 * The service's own messages to its operator: one JSON line each. The audit log is something else.
 *
 * @module
 */

export type LogLevel = 'info' | 'warn' | 'error';

export interface Log {
  write(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export const silentLog: Log = { write: () => undefined };
