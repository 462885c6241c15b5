/**
 * A SoftHSM token of a test's own: its configuration, its folder, its PIN; and `pkcs11-tool` as an independent client.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Log } from '../../src/ports/log.ts';
import { pkcs11Schema, type Pkcs11Config } from '../../src/providers/pkcs11/config.ts';
import { openPkcs11 } from '../../src/providers/pkcs11/open.ts';
import { PROFILES, type Profile } from '../../src/providers/pkcs11/profiles.ts';
import type { Pkcs11Provider } from '../../src/providers/pkcs11/provider.ts';
import type { CallOptions } from '../../src/providers/provider.ts';
import type { SoftHsmPaths } from '../../tools/peers/softhsm.ts';
import { mustRun } from '../../tools/run.ts';

export const TOKEN_LABEL = 'test-token';
/** A machine that is busy with other tests takes its time. */
const READY_MS_MAX = 60_000;
export const SO_PIN = 'so-pin-1234';

export interface SoftHsm {
  readonly folder: string;
  readonly tokens: string;
  readonly pin: string;
  readonly env: { readonly SOFTHSM2_CONF: string };
  /** What `pkcs11-tool` prints, with this token and its PIN. */
  tool(...args: readonly string[]): Promise<string>;
  /** Initialises a token with the label; there may be more with it. */
  init(label?: string): Promise<void>;
  /** The configuration of a provider on it. */
  config(more?: object): Pkcs11Config;
  remove(): void;
}

export interface Told {
  readonly log: Log;
  readonly lines: readonly string[];
}

export async function newSoftHsm(paths: SoftHsmPaths): Promise<SoftHsm> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-softhsm-'));
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens);
  const conf = join(folder, 'softhsm2.conf');
  writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const env = { SOFTHSM2_CONF: conf };
  const pin = `pin-${systemRandom.bytes(6).toString('hex')}`;
  const softHsm: SoftHsm = {
    folder,
    tokens,
    pin,
    env,
    tool: async (...args) => {
      const usual = ['--module', paths.library, '--token-label', TOKEN_LABEL, '--login', '--pin', pin];
      return (await mustRun(paths.tool, [...usual, ...args], { env })).stdout;
    },
    init: async (label = TOKEN_LABEL) => {
      await mustRun(paths.util, ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', SO_PIN], {
        env,
      });
    },
    config: (more = {}) =>
      pkcs11Schema.parse({
        kind: 'pkcs11',
        name: 'hsm-test',
        profile: 'softhsm',
        library: paths.library,
        tokenLabel: TOKEN_LABEL,
        pin,
        env,
        ...more,
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  await softHsm.init();
  return softHsm;
}

/** What is told to the operator. */
export function listener(): Told {
  const lines: string[] = [];
  return {
    lines,
    log: { write: (level, message, fields) => void lines.push(`${level} ${message} ${JSON.stringify(fields)}`) },
  };
}

export function openOn(
  config: Pkcs11Config,
  told: Told = listener(),
  changed: Partial<Profile> = {},
): Promise<Pkcs11Provider> {
  const profile = { ...PROFILES[config.profile], ...changed };
  const ports = { clock: systemClock, random: systemRandom, log: told.log };
  return openPkcs11(config, ports, { profile, readyWaitMs: READY_MS_MAX });
}

export function within(timeoutMs: number): CallOptions {
  return { signal: new AbortController().signal, timeoutMs };
}

/** Calls of a function in what the spy of OpenSC wrote. */
export function spiedCalls(file: string, name: string): number {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(`: ${name}`)).length;
}
