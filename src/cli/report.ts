/**
 * How a command that failed tells it: one message, what to do next, and the exit code.
 *
 * @module
 */
import { CommanderError } from 'commander';
import { ClavigerError, type ErrorCode } from '../errors.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { InterruptedError } from './prompt.ts';
import { StartError } from './start-error.ts';
import { plain } from './table.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

interface Report {
  readonly code: string;
  readonly message: string;
  readonly next: string | null;
  readonly requestId?: string;
}

/** What to do after an error of the server that does not say it itself. */
const NEXT: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNAUTHENTICATED: 'run `claviger login`, or set CLAVIGER_TOKEN to a token that is valid',
  PERMISSION_DENIED: '`claviger policy explain ACTION --key KEY` tells which policy decides',
  KEY_NOT_FOUND: '`claviger keys list` shows the keys; an alias is written alias:NAME',
  INVALID_CIPHERTEXT: 'decrypt with the --context that it was encrypted with',
  KEY_DISABLED: '`claviger keys enable KEY` lets it be used again',
  THROTTLED: 'try again in a second',
  PROVIDER_UNAVAILABLE: 'start a server with `claviger dev`, or find out more with `claviger doctor`',
  SEALED: 'look at the messages of the server; `claviger doctor` tells more',
  AUDIT_UNAVAILABLE: 'look at the messages of the server; `claviger doctor` tells more',
  STORE_UNAVAILABLE: 'look at the messages of the server; `claviger doctor` tells more',
};

/** Tells an error on standard error, as JSON where that is asked for; gives the exit code. */
export function report(terminal: Terminal, thrown: unknown, json: boolean): number {
  // Help and version were printed by commander.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const told = reportOf(thrown);
  if (json) terminal.say(JSON.stringify({ error: told }));
  else tell(terminal, told);
  if (thrown instanceof Error && terminal.env['CLAVIGER_DEBUG']) terminal.say(thrown.stack ?? '');
  return exitCode(thrown);
}

function tell(terminal: Terminal, { message, next, requestId }: Report): void {
  terminal.say(`${terminal.styled('red', 'claviger:', 'errors')} ${message.split('\n').map(plain).join('\n')}`);
  if (next !== null) terminal.say(`  ${next}`);
  if (requestId !== undefined) terminal.say(terminal.styled('dim', `  request ${requestId}`, 'errors'));
}

function reportOf(thrown: unknown): Report {
  if (thrown instanceof UsageError) return usage(thrown);
  if (thrown instanceof InterruptedError) return { code: 'INTERRUPTED', message: thrown.message, next: null };
  if (thrown instanceof StartError) return { code: codeOf(thrown.cause), message: thrown.message, next: null };
  if (!(thrown instanceof ClavigerError)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { code: 'INTERNAL', message, next: 'set CLAVIGER_DEBUG=1 to see where it comes from' };
  }
  const { code, message, cause } = thrown;
  const requestId = (cause as { requestId?: string } | undefined)?.requestId;
  const next = nextOf(thrown, requestId !== undefined);
  return { code, message, next, ...(requestId === undefined ? {} : { requestId }) };
}

/** What a home says is about its own key or connection: what we would say of ours misleads. */
const OF_A_HOME = /\b(?:provider|home) `/;

function nextOf({ code, message }: ClavigerError, answered: boolean): string | null {
  // Many messages say it themselves.
  if (message.includes('`claviger ') || message.includes('version control')) return null;
  if (answered && /^(?:PROVIDER_|ALL_BACKINGS_)/.test(code)) return '`claviger providers` shows how they do';
  return OF_A_HOME.test(message) ? null : (NEXT[code] ?? null);
}

function codeOf(cause: unknown): string {
  return cause instanceof ClavigerError ? cause.code : 'INTERNAL';
}

function usage({ message, command }: UsageError): Report {
  return {
    code: 'USAGE',
    message: message.replace(/^error: /, ''),
    next: command === null ? null : `\`${command} --help\` shows how`,
  };
}

function exitCode(thrown: unknown): number {
  if (thrown instanceof UsageError) return EXIT.usage;
  if (thrown instanceof InterruptedError) return EXIT.interrupted;
  return thrown instanceof ClavigerError ? exitCodeOf(thrown.code) : EXIT.failed;
}
