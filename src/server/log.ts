/**
 * The service's messages to its operator: one JSON line each on standard error, or a short line for a person.
 *
 * @module
 */
import type { Log, LogLevel } from '../ports/log.ts';

/** One JSON object a line, for collectors. */
export const jsonLog: Log = {
  write: (level, message, fields = {}) =>
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`),
};

const MARKS: Readonly<Record<LogLevel, string>> = { info: '·', warn: '!', error: '✗' };

/** For somebody who looks on. */
export const plainLog: Log = {
  write: (level, message, fields = {}) => {
    const rest = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
    process.stderr.write(`${[MARKS[level], message, ...rest].join(' ')}\n`);
  },
};
