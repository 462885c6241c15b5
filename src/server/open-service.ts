/**
 * The composition root: puts a service together on a data folder, and takes it apart again.
 *
 * @module
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Alerts, type AlertsOptions } from '../audit/alerts/index.ts';
import { Ledger } from '../audit/ledger.ts';
import type { CheckpointKeepers } from '../audit/keepers.ts';
import { verifierKey, type LogSigner } from '../audit/note.ts';
import { requireSinks } from '../audit/sinks/open.ts';
import { SinkHost } from '../audit/sinks/host.ts';
import type { SinkOptions } from '../audit/sinks/options.ts';
import { Authenticator } from '../auth/authenticator.ts';
import { systemRandom } from '../crypto/random.ts';
import { ClavigerError } from '../errors.ts';
import { concludeIntents, startDescribing } from '../jobs/homes.ts';
import { startLifecycle } from '../jobs/lifecycle.ts';
import { recordSinks } from '../jobs/audit-sinks.ts';
import { uuidV7 } from '../model/ids.ts';
import { SYSTEM_TENANT_NAME } from '../model/principal.ts';
import { aggregateDraft } from '../operations/execute.ts';
import { Homes, type GroupSetup, type ProviderSetup } from '../operations/homes.ts';
import { DEFAULT_RATE_LIMITS, RateLimiter, type RateLimits } from '../operations/limits.ts';
import { Observer, SLOW_REQUEST_MS } from '../operations/observer.ts';
import { RefusalThrottle } from '../operations/refusals.ts';
import type { Services } from '../operations/services.ts';
import { PolicyEngine } from '../policy/engine.ts';
import { systemClock, type Clock } from '../ports/clock.ts';
import { silentLog, type Log } from '../ports/log.ts';
import { inBlocks, type Random } from '../ports/random.ts';
import { commonConfig } from '../providers/config.ts';
import type { KeyHandle } from '../providers/key-handle.ts';
import { SOFTWARE_PROVIDER_NAME, SoftwareHome, SoftwareProvider } from '../providers/software/index.ts';
import { Keyring } from '../seal/keyring.ts';
import type { Unseal } from '../seal/root-key.ts';
import { StoreCache } from '../store/cache.ts';
import { databasePath, lockFolder, type FolderLock } from '../store/sqlite/open.ts';
import { SqliteReader } from '../store/sqlite/reader.ts';
import { alertsSchema, alertsSetup, type AlertsSetup } from './alerts-config.ts';
import { NO_KEEPERS, openKeepers, type KeepersConfig } from './checkpoint-keepers.ts';
import { openLogSigner, sealedSystemKey } from './log-key.ts';
import { homeEvents } from './home-events.ts';
import { readService } from './metrics/service.ts';
import { ServerMetrics } from './metrics/server-metrics.ts';
import { openTracer, type TracesConfig } from './tracing.ts';
import { VERSION } from './version.ts';

/** What records commit to is kept as long, where nothing else is configured. */
export const AUDIT_RETENTION_DAYS = 365;

/** The built-in keystore beside other homes: what other providers are by default. */
const SOFTWARE_HOME = commonConfig.parse({ name: SOFTWARE_PROVIDER_NAME });

/** A stop waits no longer for receivers; what they have not taken comes after the next start. */
const SINKS_STOP_MS = 5000;

export interface ServiceOptions {
  /** Data folder; made with mode 0700 where it does not exist. */
  readonly folder: string;
  readonly unseal: Unseal;
  readonly region: string;
  readonly limits?: RateLimits;
  /** Refused strangers of one address that get a record each within a second. */
  readonly singleRefusalsPerSecond?: number;
  /** Name that the log's checkpoints are signed with; null takes the one it was begun with. */
  readonly logOrigin?: string | null;
  /** Days for which what records commit to is kept at least; 365 where it is not given. */
  readonly auditRetentionDays?: number;
  /** Who is told of what the log shows; nobody where it is not given. They begin with `services.alerts.start()`. */
  readonly alerts?: AlertsSetup;
  /** Where the log is sent as well; nowhere where it is not given. */
  readonly sinks?: readonly SinkOptions[];
  /** Witnesses and copies of the log's checkpoints; none where it is not given. */
  readonly keepers?: KeepersConfig;
  /** Providers that keys live in, beside the built-in keystore; none where it is not given. The service closes them, also where it does not open. */
  readonly providers?: readonly ProviderSetup[];
  readonly groups?: readonly GroupSetup[];
  /** Folder of the operator's own Cedar policies. */
  readonly policies?: string | null;
  readonly allowConflictingRoles?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  /** Where traces go; without it, to an OpenTelemetry SDK that the program has registered, if there is one. */
  readonly traces?: TracesConfig | null;
  /** Requests that take longer are told in the log. */
  readonly slowRequestMs?: number;
  /** Told once when nothing can be recorded any more; the process should end. */
  readonly onFailure?: (reason: string) => void;
  /** False where the caller runs what falls due by itself. */
  readonly jobs?: boolean;
}

export interface OpenedService {
  readonly services: Services;
  readonly lock: FolderLock;
  /** Ends the jobs, waits for what is under way, and gives the folder back. */
  close(): Promise<void>;
}

/**
 * Opens a service.
 *
 * @throws STORE_UNAVAILABLE where another process has the folder, or a newer release wrote it; SEALED where the root
 * key is missing or another one
 */
export async function openService(options: ServiceOptions): Promise<OpenedService> {
  const { folder, clock = systemClock, random = systemRandom, log = silentLog, providers = [] } = options;
  let lock: FolderLock | null = null;
  try {
    makeFolder(folder);
    lock = lockFolder(folder);
    return await openLocked(options, lock, clock, random, log);
  } catch (error) {
    lock?.release();
    await Promise.allSettled(providers.map(({ provider }) => provider.close()));
    throw error;
  }
}

async function openLocked(
  options: ServiceOptions,
  lock: FolderLock,
  clock: Clock,
  random: Random,
  log: Log,
): Promise<OpenedService> {
  const { folder, region, limits = DEFAULT_RATE_LIMITS, onFailure = () => undefined } = options;
  const path = databasePath(folder);
  const { sinks: wantedSinks = [], auditRetentionDays = AUDIT_RETENTION_DAYS } = options;
  requireSinks(wantedSinks);
  const policy = PolicyEngine.load({ folder: options.policies ?? null });
  using root = await rootKey(options.unseal, path);
  const keyring = new Keyring(root, random, (tenantId) =>
    tenantId === SYSTEM_TENANT_NAME ? sealedSystemKey(reader) : reader.sealedTenantKey(tenantId),
  );
  const settings = { 'log-id': randomUUID(), 'root-check': keyring.rootCheck().toString('base64') };

  const changed = (entities: readonly string[]): void => {
    cache.drop(entities);
    for (const name of entities) {
      if (!name.startsWith('k:')) continue;
      const keyId = name.slice('k:'.length);
      software.forget(keyId);
      homes.forgetDataKeys(keyId);
    }
  };
  const failed = (reason: string): void => {
    log.write('error', 'the audit log failed; nothing is answered any more', { reason });
    alerts?.logFailed();
    onFailure(reason);
  };
  const tracer = await openTracer(options.traces ?? null);
  // A new store's first group is committed before there is anything to count it with.
  let counting: ServerMetrics | null = null;
  const committed = (jobs: number, commitMs: number): void => counting?.committed(jobs, commitMs);
  const ledger = await Ledger.open({ databasePath: path, settings }, { changed, committed, failed });
  const reader = new SqliteReader(path);
  let signer: LogSigner;
  let keepers: CheckpointKeepers;
  let alerts: Alerts | null = null;
  try {
    keyring.requireRoot(Buffer.from((await reader.setting('root-check')) ?? '', 'base64'));
    signer = await openLogSigner({ store: reader, ledger, keyring }, options.logOrigin ?? null);
    alerts = await openAlerts(options.alerts, {
      ledger,
      store: reader,
      clock,
      log,
      origin: signer.origin,
      retentionDays: auditRetentionDays,
    });
    const kept = { ledger, store: reader, logKey: verifierKey(signer), clock, log };
    keepers = await openKeepers(options.keepers ?? NO_KEEPERS, kept);
  } catch (error) {
    reader.close();
    await ledger.close();
    throw error;
  }
  ledger.signWith(signer);
  keepers.begin();
  const cache = new StoreCache(reader);
  const software = new SoftwareProvider({
    random,
    open: async ({ tenantId, keyId, version }) => {
      const sealed = await reader.sealedMaterial(keyId, version);
      if (sealed === null)
        throw new ClavigerError('KEY_STATE', `version ${version} of key ${keyId} has no key material`);
      return keyring.open({ purpose: 'key-material', tenantId, id: keyId, version }, sealed);
    },
    onForget: (keyHandleId) => ledger.forget(keyHandleId),
  });

  const home = new SoftwareHome(async (keyId, number) => {
    const found = await cache.key(keyId);
    const version = found?.versions.find((candidate) => candidate.version === number);
    if (found === null || version === undefined) return null;
    const { tenantId, spec, usage } = found.key;
    const load = (): KeyHandle | Promise<KeyHandle> => software.key({ tenantId, keyId, version: number, spec });
    return { spec, usage, publicKey: version.publicKey, load };
  }, random);
  const metrics = new ServerMetrics({ tenantName: async (id) => (await cache.tenant(id))?.name ?? id });
  counting = metrics;
  const homes = new Homes(
    [{ provider: home, config: SOFTWARE_HOME }, ...(options.providers ?? [])],
    options.groups ?? [],
    {
      clock,
      random,
      events: homeEvents(metrics, log, alerts),
      ...(options.clock === undefined ? {} : { cacheClock: clock }),
    },
  );

  const idRandom = inBlocks(random);
  const requestId = (): string => uuidV7(clock.now(), idRandom.bytes(10));
  const refusals = new RefusalThrottle(
    () => clock.now(),
    (counted) => {
      const draft = aggregateDraft(counted, requestId(), clock.now());
      const job = {
        decidedAt: ledger.seen,
        read: [],
        draft,
        outcome: 'UNAUTHENTICATED',
        changes: [],
        signs: [],
      } as const;
      // Nobody waits for it; a log that cannot be written has been told already.
      ledger.submit(job).catch(() => undefined);
    },
    options.singleRefusalsPerSecond,
  );
  const authenticator = new Authenticator({
    clock,
    region,
    credentials: {
      byId: (id) => cache.credential(id),
      byAccessKeyId: (id) => cache.credentialByAccessKey(id),
      openSecret: async ({ id, tenantId, verifier }) => {
        using secret = await keyring.open({ purpose: 'access-key-secret', tenantId, id, version: 1 }, verifier);
        return secret.reveal().toString();
      },
    },
  });
  const sinks = new SinkHost({ sinks: wantedSinks, databasePath: path, ledger, log, clock, version: VERSION });
  alerts.readLags(() => sinks.status());
  alerts.readKeepers(() => keepers.status());
  alerts.watchHomes(homes.guards.map(({ name }) => name));
  readService(metrics, { cache, ledger, keepers, software, homes, sinks, alerts, databasePath: path });
  const services: Services = {
    cache,
    ledger,
    keepers,
    keyring,
    policy,
    authenticator,
    software,
    homes,
    limiter: new RateLimiter(limits),
    refusals,
    alerts,
    sinks,
    observer: new Observer({ metrics, tracer, log, slowRequestMs: options.slowRequestMs ?? SLOW_REQUEST_MS }),
    clock,
    random,
    requestId,
    log,
    version: VERSION,
    region,
    logKey: verifierKey(signer),
    auditRetentionDays,
    allowConflictingRoles: options.allowConflictingRoles ?? false,
  };

  const close = async (): Promise<void> => {
    await stopJobs();
    refusals.flush();
    await alerts.stop();
    // Last of those that write: what was recorded until now is delivered too, where that goes well.
    await Promise.all([sinks.stop(SINKS_STOP_MS), keepers.finish()]);
    await homes.close();
    software.close();
    // The writer's connection is the last: closing it puts what is in the WAL into the database file.
    reader.close();
    await ledger.close();
    keyring[Symbol.dispose]();
    metrics.close();
    await tracer?.close();
    lock.release();
  };
  let stopJobs = async (): Promise<void> => undefined;
  try {
    await recordSinks(services, wantedSinks);
  } catch (error) {
    await close();
    throw error;
  }
  await concludeIntents(services);
  sinks.start();
  if (options.jobs !== false) {
    const stops = [startLifecycle(services), startDescribing(services)];
    stopJobs = async () => void (await Promise.all(stops.map((stop) => stop())));
  }
  return { services, lock, close };
}

/** The alerts of a service, ready to start. */
function openAlerts(
  given: AlertsSetup | undefined,
  parts: Pick<AlertsOptions, 'ledger' | 'store' | 'clock' | 'log' | 'origin' | 'retentionDays'>,
): Promise<Alerts> {
  const { rules, reminderMs, channels } = given ?? alertsSetup(alertsSchema.parse({}));
  return Alerts.open({ ...parts, rules, reminderMs, channels: channels(parts.clock) });
}

/**
 * Makes a data folder, and the folders above it. Step by step: Node's own way does not end below a virtual folder.
 *
 * @throws STORE_UNAVAILABLE where there is a file in the way, or no right to make it
 */
function makeFolder(folder: string): void {
  try {
    if (existsSync(folder) && statSync(folder).isDirectory()) return;
    const above = dirname(resolve(folder));
    if (above !== folder) makeFolder(above);
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if (cause instanceof ClavigerError) throw cause;
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `cannot make the data folder \`${folder}\`: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/** The root key; a new one only for a new store. */
async function rootKey(unseal: Unseal, path: string): ReturnType<Unseal['unseal']> {
  if (unseal.exists()) return unseal.unseal();
  if (!existsSync(path)) return unseal.create();
  throw new ClavigerError(
    'SEALED',
    `the store \`${path}\` has keys, but its root key is missing: ${unseal.description}`,
  );
}
