/**
 * Readers of what stands on a command line: numbers, pairs, times. Commander tells their errors with the option's name.
 *
 * @module
 */
import { InvalidArgumentError, Option } from 'commander';
import { ENCRYPTION_ALGORITHMS, SIGNING_ALGORITHMS } from '../model/algorithm.ts';

/** `--algorithm`, for encryption. */
export function encryptionAlgorithmOption(flags = '--algorithm <algorithm>'): Option {
  return new Option(flags, 'for RSA keys').choices(Object.keys(ENCRYPTION_ALGORITHMS));
}

/** `--algorithm`, for signatures. */
export function signingAlgorithmOption(): Option {
  const what = 'signing algorithm; the preferred one of the key where it is not given';
  return new Option('--algorithm <algorithm>', what).choices(Object.keys(SIGNING_ALGORITHMS));
}

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

export const KEY_HELP = 'id, ARN or alias:NAME of the key';

/** A whole number within bounds. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** Collects `name=value` pairs; a name is given once. */
export function pair(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE.');
  const name = text.slice(0, at);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`\`${name}\` is given twice.`);
  return { ...before, [name]: text.slice(at + 1) };
}

/** An option that is given several times. */
export function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** `--context a=b c=d`, or one pair at a time. */
export function contextOption(flags = '--context <pairs...>', what = 'encryption context'): Option {
  return new Option(flags, `${what}, NAME=VALUE …; not secret, it stands in the log`).argParser(pair);
}

/** `--key-version 2`. */
export function keyVersionOption(what: string): Option {
  return new Option('--key-version <n>', what).argParser(integer(1, 0xffff_ffff));
}

/** A moment: ISO 8601, or so long from now, such as `30d`. */
export function momentAhead(text: string): string {
  return momentOf(text, 1);
}

/** A moment: ISO 8601, or so long ago, such as `1h`. */
export function momentAgo(text: string): string {
  return momentOf(text, -1);
}

function momentOf(text: string, direction: 1 | -1): string {
  const [, count, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined) {
    return new Date(Date.now() + direction * Number(count) * UNITS_MS.get(unit!)!).toISOString();
  }
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new InvalidArgumentError('It must be a time such as 2026-01-31T12:00:00Z, or 30m, 12h, 30d.');
}
