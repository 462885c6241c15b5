/**
 * Files that are being written: whatever ends the command before they are whole, a signal too, they are removed.
 *
 * @module
 */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import type { Terminal } from '../terminal.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @example using unfinished = new Unfinished(terminal); */
export class Unfinished implements Disposable {
  readonly #paths = new Set<string>();
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    process.on('exit', this.#removeAll);
  }

  add(path: string): void {
    this.#paths.add(path);
  }

  /** It has its name now, or is gone. */
  delete(path: string): void {
    this.#paths.delete(path);
  }

  [Symbol.dispose](): void {
    this.#removeAll();
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('exit', this.#removeAll);
  }

  readonly #removeAll = (): void => {
    for (const path of this.#paths) rmSync(path, { force: true });
    this.#paths.clear();
  };

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#removeAll();
    this.#terminal.say(
      `${this.#terminal.errors.isTty ? '\r\u001B[2K' : ''}claviger: interrupted; nothing unfinished is left`,
    );
    process.exit(128 + constants.signals[signal]);
  };
}
