/**
 * What a command works with: the terminal, the options that all commands have, and a client of the server.
 *
 * @module
 */
import { ClavigerClient } from '../client/index.ts';
import { encodeBytes } from '../wire/index.ts';
import { findConnection, type Connection } from './connection.ts';
import type { Terminal } from './terminal.ts';

export interface GlobalOptions {
  readonly json?: boolean;
  readonly profile?: string;
  readonly endpoint?: string;
}

export class Session {
  readonly terminal: Terminal;
  readonly json: boolean;
  readonly options: GlobalOptions;

  constructor(terminal: Terminal, options: GlobalOptions) {
    this.terminal = terminal;
    this.options = options;
    this.json = options.json ?? false;
  }

  /** @throws UsageError where no endpoint or token is to be found */
  connection(): Connection {
    return findConnection(this.terminal, this.options);
  }

  client(): ClavigerClient {
    return new ClavigerClient(this.connection());
  }

  /** The API's answer as JSON where that is asked for, in words otherwise. */
  answer(output: object, inWords: () => string): void {
    this.terminal.print(this.json ? jsonOf(output) : inWords());
  }
}

/** An answer as the API gives it: bytes in base64. */
export function jsonOf(output: object): string {
  return JSON.stringify(encodeBytes(output), null, 2);
}

/** As `jsonOf`, on one line. */
export function jsonLineOf(output: object): string {
  return JSON.stringify(encodeBytes(output));
}
