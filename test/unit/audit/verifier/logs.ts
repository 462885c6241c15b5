/**
 * Logs in memory, and what the verifier says of them.
 *
 * @module
 */
import { parseVerifierKey, verifyLog, type LogReport, type LogSource } from '../../../../src/audit/verifier/index.ts';
import type { VerifyOptions } from '../../../../src/audit/verifier/verify-log.ts';
import {
  fixtureFiles,
  fixtureKey,
  fixtureRecords,
  type FixtureKey,
  type FixtureRecord,
  type Files,
  type LogOptions,
} from '../../../support/log-fixture.ts';

export function memorySource(files: Files): LogSource {
  return {
    name: 'memory',
    live: false,
    read: (path) => Promise.resolve(files.get(path) ?? null),
    checkpoints: () => {
      const bytes = files.get('checkpoints');
      if (bytes === undefined) return Promise.resolve(null);
      const lines = bytes.toString().split('\n').filter(Boolean);
      return Promise.resolve(
        (async function* () {
          for (const line of lines) yield await Promise.resolve(line);
        })(),
      );
    },
  };
}

export interface TestLog {
  readonly key: FixtureKey;
  readonly records: FixtureRecord[];
  readonly files: Files;
}

const made = new Map<string, TestLog>();

/** A log that is whole, with checkpoints at some sizes below its own; a copy of its own for each test. */
export function wholeLog(options: LogOptions = {}, earlier: readonly number[] = []): TestLog {
  const name = JSON.stringify([options, earlier]);
  let log = made.get(name);
  if (log === undefined) {
    const key = fixtureKey();
    const records = fixtureRecords(options);
    log = { key, records, files: fixtureFiles(records, key, [...earlier, records.length]) };
    made.set(name, log);
  }
  return { key: log.key, records: structuredClone(log.records), files: new Map(log.files) };
}

export function check(
  { key, files }: Pick<TestLog, 'key' | 'files'>,
  options: Partial<VerifyOptions> = {},
): Promise<LogReport> {
  return verifyLog(memorySource(files), { key: parseVerifierKey(key.vkey), ...options });
}

/** Kind and index of the first finding. */
export async function firstFinding(
  log: Pick<TestLog, 'key' | 'files'>,
  options: Partial<VerifyOptions> = {},
): Promise<readonly [kind: string, index: number | null, message: string] | null> {
  const { findings } = await check(log, options);
  const [first] = findings;
  return first === undefined ? null : [first.kind, first.index, first.message];
}
