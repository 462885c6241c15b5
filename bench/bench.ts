/**
 * What a scenario works with: servers of its own, and loads that it can run side by side.
 *
 * @module
 */
import type { ServerProcess } from './children.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import type { Point } from './stats.ts';

export interface Bench {
  /** Starts a fresh server; it is stopped after the scenario. */
  readonly serve: (env?: Readonly<Record<string, string>>) => Promise<ServerProcess>;
  readonly load: (order: LoadOrder) => Promise<LoadResult>;
  /** One line about how far it is. */
  readonly say: (line: string) => void;
  /** Times each thing is measured. */
  readonly rounds: number;
  readonly windowMs: number;
  readonly warmUpMs: number;
  /** Of the load that keeps as many busy as it can. */
  readonly connections: number;
  /** The file system with the store. */
  readonly folder: string;
  /** Length of the soak. */
  readonly soakMs: number;
}

export interface Scenario {
  readonly title: string;
  /** About how long it takes, for `--help`. */
  readonly takes: string;
  /** True for what runs only when it is named. */
  readonly onRequest?: boolean;
  readonly run: (bench: Bench) => Promise<ScenarioResult>;
}

export interface ScenarioResult {
  /** By name, with the unit at its end. */
  readonly figures: Readonly<Record<string, number>>;
  /** What went wrong, in words; there must be none. */
  readonly failures: readonly string[];
  /** Something over time: minutes, and the figure of the name. */
  readonly series?: Readonly<Record<string, readonly Point[]>>;
}
