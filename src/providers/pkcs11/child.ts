/**
 * A child process of ours with a socket to it: the only kind of process that loads a vendor's library.
 *
 * It sees nothing of the server but what programs need to run, and what the library needs.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Where programs and home folders are. A library's own needs come from its profile and the configuration. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TZ'] as const;

export interface Child {
  readonly process: ChildProcess;
  readonly socket: Socket;
  /** Standard error: a library may say why it ends. */
  readonly errors: Socket;
}

/** @param entry `main` serves a token, `ceremony` does one thing and ends */
export function spawnChild(entry: 'main' | 'ceremony', env: Readonly<Record<string, string>>): Child {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const file = fileURLToPath(new URL(`./host/${entry}.${extension}`, import.meta.url));
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...inherited(), ...env },
  });
  return { process: child, socket: child.stdio[3] as Socket, errors: child.stderr as Socket };
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
