/**
 * A group of homes of one key: its settings, in which order its homes are asked, and what is said where none answered.
 *
 * @module
 */
import { ClavigerError, homeWords } from '../errors.ts';
import type { HomeKey } from '../providers/provider.ts';
import type { Guard, Guarded } from './guard.ts';

/** One home of a key: the native key, and the guard of its provider. */
export interface Home {
  readonly guard: Guard<Guarded>;
  readonly key: HomeKey;
  /** Share of the calls where they are balanced by weight; 1 where it is not given, 0 to be asked after all others. */
  readonly weight?: number;
}

export interface GroupSettings {
  /** Wraps that an envelope has at least. */
  readonly wrapQuorum: number;
  /** How long the others are waited for once there are so many. */
  readonly wrapGraceMs: number;
  /** Of a request, with all of its calls. */
  readonly deadlineMs: number;
  readonly balance: 'order' | 'least-latency' | 'weighted';
  /** After so many milliseconds without an answer a second home is asked as well; null: never. */
  readonly hedgeMs: number | null;
}

/** How homes work together where nothing else is said. */
export const DEFAULT_GROUP: GroupSettings = {
  wrapQuorum: 1,
  wrapGraceMs: 250,
  deadlineMs: 5000,
  balance: 'order',
  hedgeMs: null,
};

/** How long a request waits for a home that is down, where no other is left. */
export const COME_BACK_MS = 250;

/** Usable homes by how eagerly they are asked; a sort keeps the order among equals. */
const EAGERNESS = { ready: 0, throttled: 1, 'on-trial': 2 } as const;

/** Sorts homes by the smallest figure first. */
const BALANCES: Readonly<Record<GroupSettings['balance'], ((home: Home) => number) | null>> = {
  order: null,
  'least-latency': (home) => home.guard.expectedWaitMs,
  // Exponential draws with the weights as rates: each home comes first as often as its weight says, and so on down.
  weighted: ({ guard, weight = 1 }) => (weight === 0 ? Number.POSITIVE_INFINITY : -Math.log(1 - guard.draw()) / weight),
};

/** All homes in the order in which they would be asked if each were well. */
export function balanced<H extends Home>(homes: readonly H[], balance: GroupSettings['balance']): readonly H[] {
  const figureOf = BALANCES[balance];
  if (figureOf === null || homes.length < 2) return homes;
  return homes
    .map((home) => ({ home, figure: figureOf(home) }))
    .toSorted((a, b) => (a.figure < b.figure ? -1 : Number(a.figure > b.figure)))
    .map(({ home }) => home);
}

/** Those of them that may be asked now: the ready, then the throttled, then those whose circuit is due for a trial. */
export function turnsOf<H extends Home>(homes: readonly H[]): readonly H[] {
  return homes
    .filter(({ guard }) => guard.usable())
    .toSorted((a, b) => EAGERNESS[a.guard.readiness] - EAGERNESS[b.guard.readiness]);
}

/**
 * ALL_BACKINGS_FAILED, with each home and why; more than callers are told is in its `causes`.
 *
 * @param what happened, such as `no home of the key answered`
 */
export function allFailed(what: string, causes: Iterable<readonly [home: Home, error: ClavigerError]>): ClavigerError {
  const list = Array.from(causes, ([{ guard }, error]) => ({ provider: guard.name, error }));
  const words = list.map(({ provider, error }) => homeWords(provider, error));
  return new ClavigerError('ALL_BACKINGS_FAILED', [what, words.join('; ')].filter(Boolean).join(': '), {
    causes: list,
  });
}
