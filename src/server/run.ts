/**
 * `claviger dev` and `claviger serve`: a service and its HTTP server, from start to graceful stop.
 *
 * @module
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { ClavigerError } from '../errors.ts';
import { systemClock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { systemRandom } from '../crypto/random.ts';
import { fileUnseal, type Unseal } from '../seal/root-key.ts';
import { alertsSetup } from './alerts-config.ts';
import { ensureTenants, hasCredentials, issueFirstCredentials, type FirstCredentials } from './bootstrap.ts';
import { ROOT_KEY_FILE, unsealOf, type Config } from './config.ts';
import { startHttp, type HttpServer } from './http-server.ts';
import { openService, type OpenedService } from './open-service.ts';
import { groupSetups, openProviders } from './providers-config.ts';

export const DEV_CREDENTIALS_FILE = 'dev-credentials.json';
/**
 * Young generation of the threads that a server starts, in MiB: no less and no more. The writer thread keeps hardly
 * anything alive, so V8 would leave it at 1 MiB and collect every few groups; with this, a tenth of the processor time of a
 * request goes. Without an upper bound it goes to twice as much and back, by chance, which looks like a leak.
 */
const SEMI_SPACE_MIB = 16;
/**
 * V8 makes what has long lived so far old from the start, by the line of the program that makes it. It learns that while the server
 * starts, when everything lives on; after that, it is wrong about requests, which keep what they point to with them.
 */
const V8_FLAGS = [
  `--min-semi-space-size=${SEMI_SPACE_MIB}`,
  `--max-semi-space-size=${SEMI_SPACE_MIB}`,
  '--no-allocation-site-pretenuring',
];
/** How long a failed process still refuses in words before it ends. */
const FAILED_GRACE_MS = 3000;

export interface DevCredentials extends FirstCredentials {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
}

export interface RunningServer {
  readonly url: string;
  /** The first credentials, on the start that made them. */
  readonly first: FirstCredentials | null;
  readonly accountId: string;
  readonly unsealedBy: string;
  /** Resolves once the server has stopped, with the process's exit code. */
  readonly stopped: Promise<number>;
  stop(): void;
}

export interface RunOptions {
  readonly config: Config;
  readonly log: Log;
  readonly insecureHttp?: boolean;
}

/** A server for development: every role in one token, written beside the store. */
export async function runDev(options: RunOptions): Promise<RunningServer & { readonly credentialsFile: string }> {
  const { config } = options;
  const unseal =
    config.seal === undefined
      ? fileUnseal(join(config.store.folder, ROOT_KEY_FILE), systemRandom)
      : unsealOf(config.seal);
  const credentialsFile = join(config.store.folder, DEV_CREDENTIALS_FILE);
  const server = await run(options, unseal, true, (url, accountId, first) => {
    const kept = first ?? (JSON.parse(readFileSync(credentialsFile, 'utf8')) as DevCredentials);
    const { token, awsAccessKeyId, awsSecretAccessKey } = kept;
    writeCredentials(credentialsFile, {
      endpoint: url,
      token,
      awsAccessKeyId,
      awsSecretAccessKey,
      region: config.region,
      accountId,
    });
  });
  return { ...server, credentialsFile };
}

/**
 * A server for production.
 *
 * @throws INVALID_ARGUMENT without an explicit seal, and on any address but loopback without TLS
 */
export async function runServe(options: RunOptions): Promise<RunningServer> {
  const { seal } = options.config;
  if (seal === undefined) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'say where the root key is: set `seal` in the configuration, for instance\n' +
        '  seal:\n    kind: passphrase\n    path: /var/lib/claviger/root.key\n    passphrase: ${CLAVIGER_PASSPHRASE}',
    );
  }
  return run(options, unsealOf(seal), false, () => undefined);
}

async function run(
  { config, log, insecureHttp = false }: RunOptions,
  unseal: Unseal,
  dev: boolean,
  announce: (url: string, accountId: string, first: FirstCredentials | null) => void,
): Promise<RunningServer> {
  const { listen, tls = null, store, region, limits } = config;
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
  requireProtected(listen.address, tls !== null, insecureHttp);
  const stopped = Promise.withResolvers<number>();
  const providers = await openProviders(config.providers, { clock: systemClock, random: systemRandom, log });
  const opened = await openService({
    folder: store.folder,
    unseal,
    region,
    limits,
    singleRefusalsPerSecond: config.audit.refusalsPerSecond,
    logOrigin: config.audit.origin ?? null,
    auditRetentionDays: config.audit.retentionDays,
    sinks: config.audit.sinks,
    alerts: alertsSetup(config.alerts),
    keepers: config.audit,
    providers,
    groups: groupSetups(config.groups),
    policies: config.policies ?? null,
    allowConflictingRoles: dev,
    log,
    slowRequestMs: config.log.slowRequestMs,
    traces: config.telemetry.traces ?? null,
    // Callers are still told AUDIT_UNAVAILABLE for a moment; then the process ends, and its supervisor starts it anew.
    onFailure: () => void setTimeout(() => stopped.resolve(1), FAILED_GRACE_MS),
  });
  let http: HttpServer | null = null;
  try {
    const tenant = await ensureTenants(opened.services, config.tenants);
    const known = await hasCredentials(opened.services, tenant.id);
    const lost = dev && !existsSync(join(store.folder, DEV_CREDENTIALS_FILE));
    http = await startHttp(opened.services, {
      ...listen,
      tls: tls === null ? null : { ...tls, minVersion: `TLSv${tls.minVersion}` },
    });
    // Last of what can fail: credentials are shown once, so a start that fails must not have made any.
    const first = known && !lost ? null : await issueFirstCredentials(opened.services, tenant.id, dev);
    // What the first start itself did is nothing to be alarmed by.
    opened.services.alerts.start();
    opened.lock.announce(http.url);
    announce(http.url, tenant.accountId, first);
    const { url } = http;
    return {
      url,
      first,
      accountId: tenant.accountId,
      unsealedBy: unseal.description,
      stopped: stopped.promise,
      stop: once(() => void shutDown(http!, opened).then(() => stopped.resolve(0))),
    };
  } catch (error) {
    await http?.close();
    await opened.close();
    throw error;
  }
}

/** Nothing new is taken, everything taken is answered, everything answered is in the log. */
async function shutDown(http: HttpServer, opened: OpenedService): Promise<void> {
  await http.close();
  await opened.close();
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}

/** @throws INVALID_ARGUMENT where keys would go over a network in the clear */
function requireProtected(address: string, tls: boolean, insecureHttp: boolean): void {
  if (tls || insecureHttp || isLoopback(address)) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `${address} is not a loopback address, and \`tls\` is not configured: set it, or say --insecure-http where a proxy does TLS`,
  );
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** Written beside, on the disk, and then renamed: nobody reads half of it, not even after a power cut. */
function writeCredentials(file: string, credentials: DevCredentials): void {
  const beside = `${file}.new`;
  writeFileSync(beside, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(beside, file);
}
