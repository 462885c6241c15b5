/**
 * Which server, and with which token: flags, then the environment, then a profile, then the development server of this
 * folder.
 *
 * A token is sent to the endpoint it was given with, or to one that the same person names; a token that was found is
 * never sent to an endpoint that came from elsewhere.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DEFAULT_PROFILE, DEV_PROFILE, readProfiles } from './profiles.ts';
import type { GlobalOptions } from './session.ts';
import type { Environment, Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const DEFAULT_FOLDER = 'claviger-data';
const DEV_CREDENTIALS_FILE = 'dev-credentials.json';

export interface Connection {
  readonly endpoint: string;
  readonly token: string;
  /** Where the token was found, in words. */
  readonly from: string;
}

const devCredentials = z.looseObject({ endpoint: z.string(), token: z.string() });

/** The folder that `claviger dev` uses here. */
export function dataFolder({ env, folder }: Pick<Terminal, 'env' | 'folder'>): string {
  return resolve(folder, env['CLAVIGER_DATA_DIR'] || DEFAULT_FOLDER);
}

/** @throws UsageError that says how to name a server */
export function findConnection(terminal: Terminal, options: GlobalOptions): Connection {
  const { env } = terminal;
  const wanted =
    options.endpoint ?? (options.profile === undefined ? env['CLAVIGER_ENDPOINT'] || undefined : undefined);
  const endpoint = wanted === undefined ? undefined : requireEndpoint(wanted);
  if (options.profile !== undefined) {
    const found = named(terminal, options.profile);
    return checked({ ...found, endpoint: endpoint ?? found.endpoint });
  }
  const token = env['CLAVIGER_TOKEN'] || undefined;
  if (token !== undefined) {
    const at = endpoint ?? kept(terminal, undefined).find(() => true)?.endpoint;
    if (at === undefined) {
      throw new UsageError('CLAVIGER_TOKEN is set, but no server: set CLAVIGER_ENDPOINT too, or use --endpoint');
    }
    return checked({ endpoint: at, token, from: 'the environment (CLAVIGER_TOKEN)' });
  }
  const match = kept(terminal, endpoint).find((one) => endpoint === undefined || sameEndpoint(one.endpoint, endpoint));
  if (match !== undefined) return checked(match);
  throw new UsageError(
    endpoint === undefined
      ? 'no server is known here: start one with `claviger dev`, run `claviger login`, or set CLAVIGER_ENDPOINT and CLAVIGER_TOKEN'
      : `no token is known for ${endpoint}: set CLAVIGER_TOKEN, or run \`claviger login --endpoint ${endpoint}\``,
  );
}

/** An endpoint without what does not belong to it. @throws UsageError */
export function requireEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '') {
    throw new UsageError(`\`${text}\` is not an endpoint; it looks like https://kms.example.com:8550`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** True where nobody between us and the server reads along. */
export function isPrivate(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === 'https:' || isHere(hostname);
}

/**
 * Credentials that were kept for later, in the order in which they are tried: the profile of CLAVIGER_PROFILE and no
 * other; or else the default profile, for a named endpoint the other profiles, the development server of this folder.
 */
function* kept(terminal: Terminal, endpoint: string | undefined): Generator<Connection> {
  const { env } = terminal;
  if (env['CLAVIGER_PROFILE']) {
    yield named(terminal, env['CLAVIGER_PROFILE']);
    return;
  }
  const { [DEFAULT_PROFILE]: usual, ...others } = readProfiles(env);
  if (usual !== undefined) yield ofProfile(DEFAULT_PROFILE, usual);
  if (endpoint !== undefined) for (const [name, profile] of Object.entries(others)) yield ofProfile(name, profile);
  const dev = findDev(terminal);
  if (dev !== null) yield dev;
}

function named(terminal: Terminal, profile: string): Connection {
  return profile === DEV_PROFILE ? requireDev(terminal) : requireProfile(terminal.env, profile);
}

function requireProfile(env: Environment, name: string): Connection {
  const profiles = readProfiles(env);
  const profile = profiles[name];
  if (profile !== undefined) return ofProfile(name, profile);
  const names = Object.keys(profiles);
  const there = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`;
  throw new UsageError(`there is no profile \`${name}\`, ${there}; run \`claviger login --profile ${name}\``);
}

function ofProfile(name: string, { endpoint, token }: { endpoint: string; token: string }): Connection {
  return { endpoint: requireEndpoint(endpoint), token, from: `the profile \`${name}\`` };
}

function requireDev(terminal: Terminal): Connection {
  const found = findDev(terminal);
  if (found !== null) return found;
  throw new UsageError(
    `there is no development server here: \`${devFile(terminal)}\` does not exist; run \`claviger dev\``,
  );
}

function devFile(terminal: Terminal): string {
  return join(dataFolder(terminal), DEV_CREDENTIALS_FILE);
}

/**
 * The development server of this folder. A folder can come from anybody: only a file of our own user is taken, and only
 * a server on this machine, so that a download cannot name the server that gets our plaintext.
 */
function findDev(terminal: Terminal): Connection | null {
  const file = devFile(terminal);
  let text: string;
  try {
    const { uid } = statSync(file);
    const own = process.getuid?.();
    if (own !== undefined && uid !== own) {
      throw new UsageError(
        `\`${file}\` belongs to another user and is not used; set CLAVIGER_ENDPOINT and CLAVIGER_TOKEN`,
      );
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError(`cannot read \`${file}\`: ${(error as Error).message}`);
  }
  const parsed = devCredentials.safeParse(parsedJson(text));
  if (!parsed.success) {
    throw new UsageError(`\`${file}\` is not in the expected form; remove it and start \`claviger dev\` again`);
  }
  const endpoint = requireEndpoint(parsed.data.endpoint);
  if (!isHere(new URL(endpoint).hostname)) {
    throw new UsageError(`\`${file}\` names ${endpoint}, which is not on this machine; say --endpoint or log in to it`);
  }
  return { endpoint, token: parsed.data.token, from: `\`${file}\`` };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function checked(connection: Connection): Connection {
  if (/^[\x21-\x7e]{1,4096}$/.test(connection.token)) return connection;
  throw new UsageError(`the token from ${connection.from} has characters that no token has; copy it again`);
}

function sameEndpoint(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A server that listens on every address answers on this machine, too. */
function isHere(hostname: string): boolean {
  return isLoopback(hostname) || hostname === '0.0.0.0' || hostname === '[::]';
}

/** True for a host that only this machine reaches. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(hostname);
}
