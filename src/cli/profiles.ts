/**
 * Profiles: endpoints and tokens that `claviger login` keeps, in a file that only its owner reads.
 *
 * @module
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ClavigerError } from '../errors.ts';
import type { Environment } from './terminal.ts';
import { UsageError } from './usage-error.ts';

export const DEFAULT_PROFILE = 'default';
/** Always the development server of this folder; nobody logs in to it. */
export const DEV_PROFILE = 'dev';
const PROFILE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

const profile = z.object({ endpoint: z.string(), token: z.string() });
const profilesFile = z.object({ profiles: z.record(z.string(), profile) });

export type Profile = z.output<typeof profile>;
export type Profiles = Readonly<Record<string, Profile>>;

/** `$XDG_CONFIG_HOME/claviger/profiles.json`, or under `~/.config`. */
export function profilesPath(env: Environment): string {
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config');
  return join(home, 'claviger', 'profiles.json');
}

/** Every profile by its name; none where there is no file. */
export function readProfiles(env: Environment): Profiles {
  const path = profilesPath(env);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `cannot read the profiles in \`${path}\`: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  try {
    return Object.assign(Object.create(null) as object, profilesFile.parse(JSON.parse(text)).profiles);
  } catch (cause) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the profiles in \`${path}\` are not in the expected form; remove that file and log in again`,
      { cause },
    );
  }
}

/** Written beside and renamed, so that nobody reads half of it; mode 0600, for tokens stand in it. */
export function writeProfiles(env: Environment, profiles: Profiles): void {
  const path = profilesPath(env);
  const beside = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, `${JSON.stringify({ profiles }, null, 2)}\n`, { mode: 0o600 });
    chmodSync(beside, 0o600);
    renameSync(beside, path);
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `cannot write \`${path}\`: ${(cause as Error).message}`, { cause });
  }
}

/** @throws UsageError */
export function requireProfileName(name: string): string {
  if (name === DEV_PROFILE) {
    throw new UsageError('the profile `dev` is always the development server of this folder; choose another name');
  }
  if (PROFILE_NAME.test(name)) return name;
  throw new UsageError('a profile has a name of 1 to 64 letters, digits, `.`, `_` and `-`');
}
