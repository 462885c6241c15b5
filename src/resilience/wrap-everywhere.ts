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
import { allFailed, type GroupSettings, type Home } from './group.ts';
import { Stop } from './in-time.ts';
import { canceledBy, verdictOf } from './verdict.ts';

const OPERATION = 'wrap';

export interface Wrap {
  readonly home: Home;
  readonly wrapped: Buffer;
  /** The native version that made it; null where the service does not say. */
  readonly version: string | null;
}

export interface Wraps {
  /** In the order of the homes; as many as the quorum at least. */
  readonly wraps: readonly Wrap[];
  /** Homes without a wrap, and why. */
  readonly missing: readonly { readonly home: Home; readonly error: ClavigerError }[];
}

/**
 * Wraps a data key under all homes.
 *
 * @param dataKey at most 64 bytes; the caller wipes it afterwards
 * @param context what each home's wrap is bound to
 * @throws what a home refuses with; ALL_BACKINGS_FAILED where fewer than the quorum have wrapped it; UNSUPPORTED, before
 *   any call, where a home does not wrap; CANCELED, or the signal's own reason
 */
export async function wrapEverywhere(
  homes: readonly Home[],
  dataKey: Uint8Array,
  context: (home: Home) => EncryptionContext,
  settings: GroupSettings,
  signal: AbortSignal,
): Promise<Wraps> {
  const facets = homes.map(facetOf);
  if (signal.aborted) throw canceledBy(signal);
  const deadlineMs = performance.now() + settings.deadlineMs;
  const wraps = new Map<Home, Wrap>();
  const errors = new Map<Home, ClavigerError>();
  for (const home of homes) if (!home.guard.usable()) errors.set(home, home.guard.absence());
  const tooFew = (): boolean => homes.length - errors.size < settings.wrapQuorum;
  if (tooFew()) throw quorumMissed(homes, wraps, errors, settings);

  using stop = new Stop(signal);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let graceTimer: NodeJS.Timeout | null = null;
  const refused = (error: ClavigerError): void => {
    reject(error);
    stop.abort(error);
  };
  const within = { signal: stop.signal, deadlineMs, refused };

  const wrapped = (home: Home, { value, version }: Made<Buffer>): void => {
    wraps.set(home, { home, wrapped: value, version });
    if (wraps.size + errors.size === homes.length) resolve();
    else if (wraps.size === settings.wrapQuorum) graceTimer = setTimeout(resolve, settings.wrapGraceMs);
  };
  const failed = (home: Home, error: ClavigerError): void => {
    if (verdictOf(error) === 'refusal') return reject(error);
    errors.set(home, error);
    if (tooFew()) reject(quorumMissed(homes, wraps, errors, settings));
    else if (wraps.size + errors.size === homes.length) resolve();
  };

  homes.forEach((home, at) => {
    if (errors.has(home)) return;
    const work = (options: CallOptions): Promise<Made<Buffer>> => facets[at]!.wrap(dataKey, context(home), options);
    home.guard.call(OPERATION, true, work, within).then(
      (made) => wrapped(home, made),
      (thrown: unknown) => failed(home, toClavigerError(thrown)),
    );
  });
  try {
    await promise;
  } finally {
    if (graceTimer !== null) clearTimeout(graceTimer);
    stop.abort(new ClavigerError('CANCELED', 'enough homes have answered'));
  }
  return {
    wraps: homes.flatMap((home) => wraps.get(home) ?? []),
    missing: homes
      .filter((home) => !wraps.has(home))
      .map((home) => ({ home, error: errors.get(home) ?? late(home, settings) })),
  };
}

function facetOf({ guard, key }: Home): WrapFacet {
  if (key.wrap !== undefined) return key.wrap;
  throw new ClavigerError('UNSUPPORTED', `\`${guard.name}\` does not wrap data keys with this key`);
}

function late({ guard }: Home, { wrapGraceMs }: GroupSettings): ClavigerError {
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
