/**
 * From what an operator says of a sink to the sink.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import { silentLog, type Log } from '../../ports/log.ts';
import { CLOUDWATCH_PACKAGE, CloudwatchSink } from './cloudwatch.ts';
import { FileSink } from './file.ts';
import { KAFKA_PACKAGE, KafkaSink } from './kafka.ts';
import type { SinkFilter, SinkKind, SinkOptions } from './options.ts';
import { OtlpSink } from './otlp.ts';
import type { Sink } from './sink.ts';
import { SyslogSink } from './syslog.ts';
import { WebhookSink } from './webhook.ts';
import type { FollowedRecord } from '../follow.ts';

export interface SinkWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly hostname: string;
  readonly pid: number;
  /** Of this release. */
  readonly version: string;
}

const SINKS: { readonly [Kind in SinkKind]: (options: never, world: SinkWorld) => Sink } = {
  file: (options: SinkOptions & { kind: 'file' }, { clock }) => new FileSink(options, clock),
  syslog: (options: SinkOptions & { kind: 'syslog' }, world) => new SyslogSink(options, world, world.clock),
  webhook: (options: SinkOptions & { kind: 'webhook' }, { clock }) => new WebhookSink(options, clock),
  otlp: (options: SinkOptions & { kind: 'otlp' }, world) => new OtlpSink(options, world, world.clock, world.log),
  cloudwatch: (options: SinkOptions & { kind: 'cloudwatch' }, { log }) => new CloudwatchSink(options, log),
  kafka: (options: SinkOptions & { kind: 'kafka' }) => new KafkaSink(options),
};

/** Clients of others, which are loaded only where such a sink is configured. */
const PACKAGES: { readonly [Kind in SinkKind]?: string } = { cloudwatch: CLOUDWATCH_PACKAGE, kafka: KAFKA_PACKAGE };

/** For a sink that is only made to see whether it can be. */
const NOWHERE: SinkWorld = { clock: systemClock, log: silentLog, hostname: '', pid: 0, version: '' };

/** @throws INVALID_ARGUMENT where the options make no sense; nothing is reached yet */
export function openSink(options: SinkOptions, world: SinkWorld): Sink {
  return SINKS[options.kind](options as never, world);
}

/**
 * Refuses sinks that could never work, before anything starts.
 *
 * @throws INVALID_ARGUMENT for a name that stands twice, an address or secret that is none, a package that is missing
 */
export function requireSinks(sinks: readonly SinkOptions[]): void {
  const names = new Set<string>();
  for (const options of sinks) {
    const { name, kind } = options;
    if (names.has(name)) throw new ClavigerError('INVALID_ARGUMENT', `two sinks have the name \`${name}\``);
    names.add(name);
    const packageName = PACKAGES[kind];
    if (packageName !== undefined) requirePackage(packageName, name);
    openSink(options, NOWHERE);
  }
}

function requirePackage(packageName: string, sink: string): void {
  try {
    import.meta.resolve(packageName);
  } catch (cause) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the sink \`${sink}\` needs the package ${packageName}; run \`npm install ${packageName}\``,
      { cause },
    );
  }
}

/** Whether a sink with this filter is given a record. */
export function passes(filter: SinkFilter | undefined, { record }: FollowedRecord): boolean {
  if (filter === undefined) return true;
  const { outcomes, operations } = filter;
  if (outcomes !== undefined && (record.outcome === null || !outcomes.includes(record.outcome))) return false;
  return operations === undefined || (record.operation !== undefined && operations.includes(record.operation));
}
