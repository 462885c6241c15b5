/**
 * The benchmark's results that the documentation stands on: the newest full run, the newest soak, and the figures that
 * were drawn. A quick look, or a run of a few parts, is nothing to plan by.
 *
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Run } from '../../bench/report.ts';

/** Rounds of a full run are at least as long; those of a quick one are a fraction of a second. */
const WINDOW_MS_MIN = 5000;
/** Parts that a run must have to be a full one. */
const CASES_MIN: readonly string[] = ['p256-sign', 'aes-encrypt-1k'];
const SCENARIOS_MIN: readonly string[] = ['steady'];

/** A run, and the page of it in bench/results. */
export interface Result {
  readonly run: Run;
  readonly page: string;
}

export interface Results {
  readonly full: Result | null;
  readonly soak: Result | null;
  /** File names in docs/images. */
  readonly figures: readonly string[];
}

export function readResults(root: string): Results {
  const newestFirst = globSync('bench/results/*.json', { cwd: root })
    .flatMap((path) => resultAt(root, path) ?? [])
    .toSorted((a, b) => b.run.at.localeCompare(a.run.at));
  return {
    full: newestFirst.find(({ run }) => isFull(run)) ?? null,
    soak: newestFirst.find(({ run }) => hasSlope(run)) ?? null,
    figures: globSync('docs/images/bench-*.svg', { cwd: root })
      .map((path) => basename(path))
      .toSorted(),
  };
}

/** Null for a result of the first benchmark, which had no scenarios. */
function resultAt(root: string, path: string): Result | null {
  const { scenarios, ...rest } = JSON.parse(readFileSync(join(root, path), 'utf8')) as Partial<Run>;
  if (scenarios === undefined) return null;
  const page = path.replace(/json$/, 'md');
  return { run: { ...rest, scenarios } as Run, page: existsSync(join(root, page)) ? page : path };
}

function isFull({ windowMs, cases, scenarios }: Run): boolean {
  const has = (parts: readonly { readonly name: string }[], wanted: readonly string[]): boolean =>
    wanted.every((part) => parts.some(({ name }) => name === part));
  return windowMs >= WINDOW_MS_MIN && has(cases, CASES_MIN) && has(scenarios, SCENARIOS_MIN);
}

/** A soak that was long enough to tell where memory stays. */
function hasSlope({ scenarios }: Run): boolean {
  return scenarios.some(({ name, figures }) => name === 'soak' && figures['mibPerHour'] !== undefined);
}
