/**
 * The service's messages to its operator, on standard error: one JSON object a line for collectors, or a short line for
 * a person.
 *
 * @module
 */
import type { Log, LogLevel } from '../ports/log.ts';

export const LOG_FORMATS = ['json', 'text'] as const;
/** From the least grave. */
export const LOG_LEVELS = ['info', 'warn', 'error'] as const satisfies readonly LogLevel[];

export interface LogOptions {
  readonly format: (typeof LOG_FORMATS)[number];
  /** What is less grave is not written. */
  readonly level: LogLevel;
}

type Fields = Readonly<Record<string, unknown>>;

export function createLog({ format, level }: LogOptions, write: (line: string) => void = toStandardError): Log {
  const lineOf = format === 'json' ? jsonLine : textLine;
  const least = LOG_LEVELS.indexOf(level);
  return {
    write: (of, message, fields = {}) => {
      if (LOG_LEVELS.indexOf(of) >= least) write(`${lineOf(of, message, fields)}\n`);
    },
  };
}

function jsonLine(level: LogLevel, message: string, fields: Fields): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...fields });
}

const MARKS: Readonly<Record<LogLevel, string>> = { info: '·', warn: '!', error: '✗' };

function textLine(level: LogLevel, message: string, fields: Fields): string {
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
  return [MARKS[level], message, ...rest].join(' ');
}

function toStandardError(line: string): void {
  process.stderr.write(line);
}
