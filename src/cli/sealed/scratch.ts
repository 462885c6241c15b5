/**
 * A folder for a plaintext that an editor works on: in memory where the system has a place for that, for its owner only,
 * and gone afterwards, whatever ends the work.
 *
 * What can still be told is wiped and removed by ourselves. Should this process be killed, a small second one, which waits
 * for nothing but that, removes the folder.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../terminal.ts';

const ENDS_WITH_US = 'read -r _; rm -rf -- "$1"';
const OWNER_ONLY = 0o600;
/** tmpfs and ramfs, by their numbers of statfs(2). */
const IN_MEMORY: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6]);

export class Scratch implements Disposable {
  readonly folder: string;
  /** False where it is on a disk: what is wiped there may be kept below. */
  readonly inMemory: boolean;
  readonly #guard: ChildProcess;

  constructor(env: Environment) {
    const places = [env['XDG_RUNTIME_DIR'], '/dev/shm', tmpdir()].filter(isWritable);
    const memory = places.find(isMemory);
    this.inMemory = memory !== undefined;
    this.folder = mkdtempSync(join(memory ?? places[0] ?? tmpdir(), 'claviger-edit-'));
    // Before there is anything to see. In a session of its own: what ends us by the terminal does not end it.
    this.#guard = spawn('/bin/sh', ['-c', ENDS_WITH_US, 'sh', this.folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    });
    this.#guard.on('error', () => undefined);
    this.#guard.stdin!.on('error', () => undefined);
    this.#guard.unref();
  }

  /** Writes a new file for its owner; gives its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: OWNER_ONLY, flag: 'wx' });
    return path;
  }

  /** Overwrites and removes all that is there, with whatever the editor left beside it. */
  [Symbol.dispose](): void {
    for (const entry of readdirSync(this.folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) wipe(join(entry.parentPath, entry.name));
    }
    rmSync(this.folder, { recursive: true, force: true });
    this.#guard.stdin!.end();
  }
}

function isWritable(folder: string | undefined): folder is string {
  if (folder === undefined || folder === '') return false;
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isMemory(folder: string): boolean {
  return IN_MEMORY.has(statfsSync(folder).type);
}

function wipe(path: string): void {
  try {
    const file = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    const { size } = fstatSync(file);
    const zeros = Buffer.alloc(64 * 1024);
    for (let at = 0; at < size; at += zeros.length) writeSync(file, zeros, 0, Math.min(zeros.length, size - at), at);
    fsyncSync(file);
    closeSync(file);
  } catch {
    // It is removed all the same.
  }
}
