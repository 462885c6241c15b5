/**
 * configureAuditSinks: a change of where the log is sent stands in the log, above all a sink that was turned off. Run by
 * a job at each start, with what the configuration says.
 *
 * @module
 */
import { describeSink, type SinkOptions } from '../audit/sinks/options.ts';
import type { Operation } from './operation.ts';

export interface ConfigureAuditSinksInput {
  readonly sinks: readonly SinkOptions[];
}

export interface ConfigureAuditSinksOutput {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export const configureAuditSinks: Operation<ConfigureAuditSinksInput, ConfigureAuditSinksOutput> = {
  name: 'ConfigureAuditSinks',
  async run(scope, { sinks }) {
    scope.manageTenant();
    const before = keptSinks(await scope.services.cache.store.setting('audit-sinks'));
    const now = describedSinks(sinks);
    const output = differences(before, now);
    scope.note({ resource: inWords(output) });
    return {
      output,
      changes: [{ put: 'setting', name: 'audit-sinks', value: JSON.stringify(Object.fromEntries(now)) }],
    };
  },
};

/** Whether the sinks are other ones than those of the last start, so that there is something to record. */
export function sinksDiffer(kept: string | null, sinks: readonly SinkOptions[]): boolean {
  const { added, changed, removed } = differences(keptSinks(kept), describedSinks(sinks));
  return added.length + changed.length + removed.length > 0;
}

type Described = ReadonlyMap<string, string>;

function describedSinks(sinks: readonly SinkOptions[]): Described {
  return new Map(sinks.map((sink) => [sink.name, describeSink(sink)]));
}

function keptSinks(kept: string | null): Described {
  return new Map(Object.entries(JSON.parse(kept ?? '{}') as Record<string, string>));
}

function differences(before: Described, now: Described): ConfigureAuditSinksOutput {
  return {
    added: [...now.keys()].filter((name) => !before.has(name)),
    changed: [...now.keys()].filter((name) => before.has(name) && before.get(name) !== now.get(name)),
    removed: [...before.keys()].filter((name) => !now.has(name)),
  };
}

/** As the record has it: `added siem, archive; removed old`. */
function inWords(differences: ConfigureAuditSinksOutput): string {
  return Object.entries(differences as unknown as Record<string, readonly string[]>)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what} ${names.join(', ')}`)
    .join('; ');
}
