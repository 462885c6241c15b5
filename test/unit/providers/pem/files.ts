/**
 * Key files made by openssl, in every form that people have.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS } from '../../../../tools/peers/index.ts';
import { findPeer } from '../../../../tools/peers/peer.ts';
import type { Log, LogLevel } from '../../../../src/ports/log.ts';
import type { ProviderPorts } from '../../../../src/providers/adapter.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { systemClock } from '../../../../src/ports/clock.ts';
import { pem } from '../../../../src/providers/pem/index.ts';
import type { PemProvider } from '../../../../src/providers/pem/provider.ts';
import type { CallOptions } from '../../../../src/providers/provider.ts';

export const PASSPHRASE = 'correct horse battery staple';

/** Runs openssl in a folder; each argument is one word. */
export class KeyFiles {
  readonly folder: string;
  readonly #openssl: string | null;

  /** @param openssl path of the program; null where it is not there, and tests are skipped */
  constructor(folder: string, openssl: string | null) {
    this.folder = folder;
    this.#openssl = openssl;
  }

  run(...args: readonly string[]): void {
    if (this.#openssl !== null) execFileSync(this.#openssl, args, { cwd: this.folder, stdio: 'pipe' });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  text(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }
}

/** A folder for key files of openssl. */
export async function openKeyFiles(folder: string): Promise<KeyFiles> {
  return new KeyFiles(folder, (await findPeer(PEERS.openssl))?.program ?? null);
}

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
}

export interface Opened {
  readonly provider: PemProvider;
  readonly lines: readonly LogLine[];
}

export function portsWith(log: Log): ProviderPorts {
  return { clock: systemClock, random: systemRandom, log };
}

/** A provider with these keys, as a configuration gives them, and what it has logged. */
export async function openPem(...keys: readonly object[]): Promise<Opened> {
  const lines: LogLine[] = [];
  const config = pem.schema.parse({ kind: 'pem', name: 'old', keys });
  const provider = await pem.open(
    config,
    portsWith({ write: (level, message) => void lines.push({ level, message }) }),
  );
  return { provider: provider as PemProvider, lines };
}

export function options(): CallOptions {
  return { signal: AbortSignal.timeout(30_000), timeoutMs: 30_000 };
}
