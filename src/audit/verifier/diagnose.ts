/**
 * What became of the records, where the hash tiles are the tree that was signed and the records are not.
 *
 * @module
 */
import { finding, type Finding, type FindingKind } from './finding.ts';
import type { LogReader, Window } from './reader.ts';

export interface Stretch {
  /** Places whose record makes another leaf than the tiles have, in order. */
  readonly differing: readonly number[];
  /** Size of the log. */
  readonly size: number;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** False where the records after the first difference cannot be compared with their places any more. */
  readonly goesOn: boolean;
}

/** Tells a change from a removal, an insertion, a move and a cut. */
export async function diagnose(reader: LogReader, { differing, size }: Stretch): Promise<Diagnosis> {
  const [first] = differing as readonly [number, ...number[]];
  const window = await reader.window(first, size);
  const moved = movedOf(first, window);
  if (moved !== null) {
    const others = differing.slice(1).filter((index) => index < window.to && !moved.places.has(index));
    return { findings: [moved.finding, ...others.map(changed)], goesOn: true };
  }
  const lost = await lostOf(reader, first, window, size);
  if (lost !== null) return lost;
  const shifted = shiftOf(first, window);
  if (shifted !== null) return { findings: [shifted], goesOn: false };
  const gone = differing.slice(1).filter((index) => index >= window.to || window.records.has(index));
  return { findings: [first, ...gone].map(changed), goesOn: true };
}

function changed(index: number): Finding {
  return finding('record-changed', `record ${index} is not the one that was signed`, index);
}

/** The record that belongs here stands later, and the one that stands here belongs later. */
function movedOf(first: number, { records, leaves }: Window): { finding: Finding; places: ReadonlySet<number> } | null {
  const standsAt = placeOf(records, leaves.get(first), first);
  const belongsTo = placeOf(leaves, records.get(first), first);
  if (standsAt === null || belongsTo === null) return null;
  const last = Math.max(standsAt, belongsTo);
  const places = new Set(Array.from({ length: last - first + 1 }, (_, at) => first + at));
  const message =
    standsAt === belongsTo
      ? `records ${first} and ${standsAt} were swapped`
      : `record ${first} was moved: it stands at place ${standsAt}`;
  return {
    finding: finding('records-swapped', message, first),
    places: standsAt === belongsTo ? new Set([first, standsAt]) : places,
  };
}

/** There is nothing at the place. */
async function lostOf(
  reader: LogReader,
  first: number,
  { records, first: chunk }: Window,
  size: number,
): Promise<Diagnosis | null> {
  if (records.has(first)) return null;
  if (await reader.endsAt(first, size)) {
    return { findings: [finding('tail-cut', tailCut(first, size), first)], goesOn: false };
  }
  if (!chunk.hasEntries) {
    return { findings: [finding('missing-file', `there is no \`${chunk.entriesFile}\``, first)], goesOn: true };
  }
  const message = `record ${first} is missing from \`${chunk.entriesFile}\``;
  return { findings: [finding('record-removed', message, first)], goesOn: true };
}

/** What stands here belongs later, or what belongs here stands later. */
function shiftOf(first: number, { records, leaves, first: chunk }: Window): Finding | null {
  const belongsTo = placeOf(leaves, records.get(first), first);
  const claimed = chunk.claimed(first);
  const removed = belongsTo === null ? (claimed ?? 0) - first : belongsTo - first;
  if (removed > 0) return finding('record-removed', `${spanOf(first, removed)} removed`, first);
  const standsAt = placeOf(records, leaves.get(first), first);
  if (standsAt === null) return null;
  const count = standsAt - first;
  const what = count === 1 ? 'a record was' : `${count} records were`;
  return finding('record-inserted', `${what} inserted at place ${first}`, first);
}

export function tailCut(records: number, size: number): string {
  return `the tail was cut: the checkpoint signs ${size} records, and there are ${records}`;
}

function spanOf(first: number, count: number): string {
  return count === 1 ? `record ${first} was` : `records ${first} to ${first + count - 1} were`;
}

function placeOf(hashes: ReadonlyMap<number, Buffer>, wanted: Buffer | undefined, after: number): number | null {
  if (wanted === undefined) return null;
  for (const [index, found] of hashes) if (index > after && found.equals(wanted)) return index;
  return null;
}

/** What a record that claims another index than its place says, by the claims of its neighbours. */
export function orderOf(
  index: number,
  claimed: number,
  claimedAt: (index: number) => number | null,
  chunkTo: number,
): readonly [kind: FindingKind, message: string] {
  if (claimedAt(claimed) === index) {
    const [a, b] = [Math.min(index, claimed), Math.max(index, claimed)];
    return ['records-swapped', `records ${a} and ${b} were swapped`];
  }
  if (claimed < index) return ['record-inserted', `a record was inserted: record ${claimed} stands at place ${index}`];
  for (let at = index + 1; at < chunkTo; at++) {
    if (claimedAt(at) === index) return ['records-swapped', `record ${index} was moved: it stands at place ${at}`];
  }
  return ['record-removed', `${spanOf(index, claimed - index)} removed: record ${claimed} stands in place ${index}`];
}
