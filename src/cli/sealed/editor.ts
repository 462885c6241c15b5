/**
 * The editor of whoever sits at the terminal, as git finds and starts it.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { ClavigerError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';

const USUAL = 'vi';
/** Swap files, backups, undo files and remembered registers would outlive the file, elsewhere. */
const VIM_LEAVES_NOTHING = ['-n', '-i', 'NONE', '-c', 'set nobackup nowritebackup noundofile'];
const VIMS: ReadonlySet<string> = new Set(['vim', 'nvim', 'gvim', 'vim.basic', 'vim.tiny', 'vim.nox']);
const ENDING = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;
/** Keys of the terminal: while the editor has it, they are the editor's. */
const OF_EDITOR: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** While it is there, a signal that ends us cleans up first. */
export class Editor implements Disposable {
  readonly #terminal: Terminal;
  readonly #onSignal: (signal: NodeJS.Signals) => void;
  #running: ChildProcess | null = null;

  /** @param cleanUp called when a signal ends this process */
  constructor(terminal: Terminal, cleanUp: () => void) {
    this.#terminal = terminal;
    this.#onSignal = (signal) => {
      if (this.#running !== null && OF_EDITOR.has(signal)) return;
      this.#running?.kill('SIGTERM');
      cleanUp();
      process.exit(128 + constants.signals[signal]);
    };
    for (const signal of ENDING) process.on(signal, this.#onSignal);
  }

  /**
   * Opens a file and waits until the editor has ended.
   *
   * @throws INVALID_ARGUMENT where it cannot be started, or fails
   */
  async run(path: string): Promise<void> {
    const { CLAVIGER_TOKEN: _token, ...env } = this.#terminal.env;
    const command = env['VISUAL'] || env['EDITOR'] || USUAL;
    const [program, ...args] = commandLine(command, path);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const child = spawn(program!, args, { env, stdio: 'inherit' });
    this.#running = child;
    child.on('error', ({ code }: NodeJS.ErrnoException) => {
      reject(failed(command, code === 'ENOENT' ? 'there is no such program' : (code ?? 'it did not start')));
    });
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(failed(command, signal === null ? `it ended with exit code ${code}` : `${signal} ended it`));
    });
    try {
      await promise;
    } finally {
      this.#running = null;
    }
  }

  [Symbol.dispose](): void {
    for (const signal of ENDING) process.off(signal, this.#onSignal);
  }
}

/** What is more than the name of a program is a line of a shell, which lives on when the editor gets a Ctrl-C. */
function commandLine(command: string, path: string): readonly string[] {
  if (!/^[\w./+-]+$/.test(command)) return ['/bin/sh', '-c', `trap : INT QUIT; ${command} "$1"`, 'sh', path];
  return [command, ...(VIMS.has(basename(command)) ? VIM_LEAVES_NOTHING : []), path];
}

function failed(command: string, how: string): ClavigerError {
  return new ClavigerError(
    'INVALID_ARGUMENT',
    `the editor \`${command}\` failed: ${how}; nothing was changed. Set VISUAL or EDITOR to another`,
  );
}
