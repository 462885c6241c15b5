/**
 * A data key wrapped by every home of a key at once, so that any of them can give it back.
 *
 * It is done with as many wraps as the quorum asks for, and a little patience for the rest. A refusal by any home refuses
 * it all, whatever the others have said: a key that somebody disabled protects nothing more.
 *
 * @module
 */
import { ClavigerError, toClavigerError } from '../errors.ts';
import type { EncryptionContext } from '../model/encryption-context.ts';
import type { CallOptions, Made, WrapFacet } from '../providers/provider.ts';
import { allFailed, COME_BACK_MS, type GroupSettings, type Home } from './group.ts';
import { NotCalledError } from './guard.ts';
import { Stop } from './in-time.ts';
import { canceledBy, verdictOf } from './verdict.ts';

const OPERATION = 'wrap';

export interface Wrap<H extends Home = Home> {
  readonly home: H;
  readonly wrapped: Buffer;
  /** The native version that made it; null where the service does not say. */
  readonly version: string | null;
}

export interface Wraps<H extends Home = Home> {
  /** In the order of the homes; as many as the quorum at least. */
  readonly wraps: readonly Wrap<H>[];
  /** Homes without a wrap, and why. */
  readonly missing: readonly { readonly home: H; readonly error: ClavigerError }[];
}

/**
 * Wraps a data key under all homes.
 *
 * @param dataKey at most 64 bytes; the caller wipes it afterwards
 * @param context what each home's wrap is bound to
 * @throws what a home refuses with; ALL_BACKINGS_FAILED where fewer than the quorum have wrapped it; UNSUPPORTED, before
 *   any call, where a home does not wrap; CANCELED, or the signal's own reason
 */
export async function wrapEverywhere<H extends Home>(
  homes: readonly H[],
  dataKey: Uint8Array,
  context: (home: H) => EncryptionContext,
  settings: GroupSettings,
  signal: AbortSignal,
): Promise<Wraps<H>> {
  const facets = new Map(homes.map((home) => [home, facetOf(home)] as const));
  if (signal.aborted) throw canceledBy(signal);
  const deadlineMs = performance.now() + settings.deadlineMs;
  const wraps = new Map<H, Wrap<H>>();
  const errors = new Map<H, ClavigerError>();
  for (const home of homes) if (!home.guard.usable()) errors.set(home, home.guard.absence());
  const down = homes.filter((home) => errors.has(home) && home.guard.mayComeBack);
  const tooFew = (): boolean => homes.length - errors.size < settings.wrapQuorum;
  if (homes.length - errors.size + down.length < settings.wrapQuorum) {
    throw quorumMissed(homes, wraps, errors, settings);
  }

  using stop = new Stop(signal);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refused = (error: ClavigerError): void => {
    reject(error);
    stop.abort(error);
  };
  const within = { signal: stop.signal, deadlineMs, refused };
  let graceTimer: NodeJS.Timeout | null = null;

  const wrapped = (home: H, { value, version }: Made<Buffer>): void => {
    wraps.set(home, { home, wrapped: value, version });
    if (wraps.size + errors.size === homes.length) resolve();
    else if (wraps.size === settings.wrapQuorum) graceTimer = setTimeout(resolve, settings.wrapGraceMs);
  };
  const failed = (home: H, error: ClavigerError): void => {
    if (verdictOf(error) === 'refusal') return reject(error);
    errors.set(home, error);
    if (tooFew()) waitForDown();
    if (tooFew()) reject(quorumMissed(homes, wraps, errors, settings));
    else if (wraps.size + errors.size === homes.length) resolve();
  };
  const call = (home: H): Promise<Made<Buffer>> => {
    const work = (options: CallOptions): Promise<Made<Buffer>> =>
      facets.get(home)!.wrap(dataKey, context(home), options);
    return home.guard.call(OPERATION, true, work, within);
  };
  const start = (home: H, made: Promise<Made<Buffer>>): void => {
    made.then(
      (wrap) => wrapped(home, wrap),
      (thrown: unknown) => failed(home, toClavigerError(thrown)),
    );
  };
  /** Homes that were down count again, for as long as they are waited for; once in a request. */
  const waitForDown = (): void => {
    const untilMs = Math.min(deadlineMs, performance.now() + COME_BACK_MS);
    for (const home of down.splice(0)) {
      errors.delete(home);
      start(
        home,
        onceBack(home, () => call(home), untilMs, stop.signal),
      );
    }
  };

  for (const home of homes) if (!errors.has(home)) start(home, call(home));
  if (tooFew()) waitForDown();
  // Where a home that is up does not answer, one that was down may do so in what is left of the time.
  const late = (): void => {
    if (wraps.size < settings.wrapQuorum) waitForDown();
  };
  const downTimer = down.length === 0 ? null : setTimeout(late, settings.deadlineMs / 2);
  try {
    await promise;
  } finally {
    if (graceTimer !== null) clearTimeout(graceTimer);
    if (downTimer !== null) clearTimeout(downTimer);
    stop.abort(new ClavigerError('CANCELED', 'enough homes have answered'));
  }
  return {
    wraps: homes.flatMap((home) => wraps.get(home) ?? []),
    missing: homes
      .filter((home) => !wraps.has(home))
      .map((home) => ({ home, error: errors.get(home) ?? tooLate(home, settings) })),
  };
}

/** Calls a home that is down once it is back, if that is soon. */
async function onceBack<T>({ guard }: Home, call: () => Promise<T>, untilMs: number, signal: AbortSignal): Promise<T> {
  while (await guard.comesBack(untilMs, signal)) {
    try {
      return await call();
    } catch (error) {
      // Somebody else's call was first to find out.
      if (!(error instanceof NotCalledError)) throw error;
    }
  }
  throw guard.absence();
}

function facetOf({ guard, key }: Home): WrapFacet {
  if (key.wrap !== undefined) return key.wrap;
  throw new ClavigerError('UNSUPPORTED', `\`${guard.name}\` does not wrap data keys with this key`);
}

function tooLate({ guard }: Home, { wrapGraceMs }: GroupSettings): ClavigerError {
  const message = `\`${guard.name}\` had not answered ${wrapGraceMs} ms after enough other homes had`;
  return new ClavigerError('PROVIDER_TIMEOUT', message);
}

function quorumMissed(
  homes: readonly Home[],
  wraps: ReadonlyMap<Home, Wrap>,
  errors: ReadonlyMap<Home, ClavigerError>,
  { wrapQuorum }: GroupSettings,
): ClavigerError {
  const left = homes.length - errors.size;
  return allFailed(
    `a data key has to be wrapped by ${wrapQuorum} of ${homes.length} homes, and at most ${left} can`,
    homes.filter((home) => !wraps.has(home) && errors.has(home)).map((home) => [home, errors.get(home)!] as const),
  );
}
