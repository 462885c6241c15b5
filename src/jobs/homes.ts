/**
 * What the service looks after by itself where keys have homes outside: changes that a crash cut short, and homes that
 * refuse their keys without anybody having met the refusal.
 *
 * @module
 */
import { ClavigerError, toClavigerError, type ErrorCode } from '../errors.ts';
import { isCurrent, type Backing, type KeyVersion, type KeyWithVersions } from '../model/key.ts';
import { isDestroyed } from '../model/state.ts';
import { interruptedDraft } from '../operations/execute.ts';
import { noteRefusal } from '../operations/home-refusal.ts';
import type { Services } from '../operations/services.ts';
import type { BackingState } from '../providers/provider.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';

export const DESCRIBE_INTERVAL_MS = 60_000;
/** A description that takes longer is none. */
const DESCRIBE_DEADLINE_MS = 10_000;
const KEYS_AT_ONCE = 500;

/** State of a native key → how its home refuses; null where it does not. What is only unreachable is no refusal. */
const REFUSALS: Readonly<Record<BackingState, ErrorCode | null>> = {
  enabled: null,
  disabled: 'KEY_DISABLED',
  'pending-deletion': 'KEY_STATE',
  destroyed: 'KEY_STATE',
  pending: null,
  unavailable: null,
};

/** Gives every change outside the store that was cut short its outcome, `INTERRUPTED`; once, at the start. */
export async function concludeIntents({ cache, ledger, clock, log }: Services): Promise<void> {
  for (const intent of await cache.store.intents()) {
    const { requestId, operation, keyId, provider } = intent;
    log.write('warn', 'a change outside the store was cut short; look for what it may have left', {
      requestId,
      operation,
      ...(keyId === null ? {} : { keyId }),
      ...(provider === null ? {} : { provider }),
    });
    await ledger.submit({
      decidedAt: Number.MAX_SAFE_INTEGER,
      read: [],
      draft: interruptedDraft(intent, clock.now()),
      outcome: 'INTERRUPTED',
      changes: [{ drop: 'intent', requestId }],
      signs: [],
    });
  }
}

/** Describes the native keys of all versions with homes that were used, or refuse, and notes what has changed. */
export async function describeHomes(services: Services): Promise<void> {
  const isUsed = services.homes.takeUsed();
  for (let after: string | null = null; ;) {
    const ids: readonly string[] = await services.cache.store.keyIdsWithHomes({ after, limit: KEYS_AT_ONCE });
    for (const id of ids) {
      const found = await services.cache.key(id);
      for (const version of found?.versions ?? []) {
        if (isUsed(version) || refuses(version)) await describeVersion(services, found!, version);
      }
    }
    if (ids.length < KEYS_AT_ONCE) return;
    after = ids.at(-1)!;
  }
}

/** Runs `describeHomes` every minute; the returned function ends it, after what is under way. */
export function startDescribing(services: Services, intervalMs: number = DESCRIBE_INTERVAL_MS): () => Promise<void> {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= describeHomes(services)
      .catch((error: unknown) => services.log.write('error', 'homes were not described', { cause: String(error) }))
      .finally(() => {
        running = null;
      });
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

async function describeVersion(services: Services, { key }: KeyWithVersions, version: KeyVersion): Promise<void> {
  if (isDestroyed(version.state)) return;
  const answers = new Map<Backing, ErrorCode | 'unknown' | null>();
  for (const backing of version.backings) {
    if (!isCurrent(backing) || backing.provider === SOFTWARE_PROVIDER_NAME) continue;
    answers.set(backing, await refusalOf(services, backing));
  }
  const news = key.homes?.onHomeRefusal === 'quarantine' ? quarantineNews(answers) : refusalNews(version, answers);
  for (const { provider, code } of news) {
    await noteRefusal(services, key.tenantId, { key: key.id, keyVersion: version.version, provider, code });
  }
}

type Answers = ReadonlyMap<Backing, ErrorCode | 'unknown' | null>;

interface News {
  readonly provider: string;
  readonly code: ErrorCode | null;
}

function quarantineNews(answers: Answers): readonly News[] {
  return Array.from(answers).flatMap(([{ provider, quarantined }, code]) =>
    code === 'unknown' || code === (quarantined?.code ?? null) ? [] : { provider, code },
  );
}

/** One refusal is enough for a version: where the home that gave it answers again, another that refuses takes its place. */
function refusalNews({ refusal }: KeyVersion, answers: Answers): readonly News[] {
  const all = Array.from(answers, ([{ provider }, code]) => ({ provider, code }));
  const own = all.find(({ provider }) => provider === refusal?.provider)?.code ?? null;
  if (refusal !== null && own !== null) {
    return own === 'unknown' || own === refusal.code ? [] : [{ provider: refusal.provider, code: own }];
  }
  const refusing = all.find(({ code }) => code !== null && code !== 'unknown') as News | undefined;
  if (refusing !== undefined) return [refusing];
  return refusal === null ? [] : [{ provider: refusal.provider, code: null }];
}

/** How a home refuses its key now; `unknown` where it does not answer. */
async function refusalOf(services: Services, { provider, ref }: Backing): Promise<ErrorCode | 'unknown' | null> {
  const guard = services.homes.guards.find(({ name }) => name === provider);
  if (guard === undefined) return 'unknown';
  const within = {
    signal: new AbortController().signal,
    deadlineMs: performance.now() + DESCRIBE_DEADLINE_MS,
  };
  try {
    const { state } = await guard.call('describe', true, (options) => guard.provider.describe(ref, options), within);
    return REFUSALS[state];
  } catch (thrown) {
    const { code } = thrown instanceof ClavigerError ? thrown : toClavigerError(thrown);
    return code === 'KEY_DISABLED' || code === 'KEY_STATE' || code === 'KEY_NOT_FOUND' ? code : 'unknown';
  }
}

function refuses({ refusal, backings }: KeyVersion): boolean {
  return refusal !== null || backings.some(({ quarantined }) => quarantined !== undefined);
}
