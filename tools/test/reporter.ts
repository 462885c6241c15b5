/**
 * A reporter of node:test that turns its events into ours, for the runner in main.ts.
 *
 * It writes to a file descriptor of its own: standard output belongs to the tests.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { TestEvent as NodeTestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';
import { EVENTS_FD, type EndEvent, type TestEvent } from './events.ts';

/** How node:test marks a test that failed only because something inside it did. */
const INNER_FAILURE = 'subtestsFailed';
/** And one that took too long. */
const LATE = 'testTimeoutFailure';

type EndData = Extract<NodeTestEvent, { type: 'test:pass' | 'test:fail' }>['data'];

// node:test loads a reporter by its default export.
// oxlint-disable-next-line import/no-default-export
export default async function* report(source: AsyncIterable<NodeTestEvent>): AsyncGenerator<string> {
  const names: string[] = [];
  for await (const event of source) {
    if (event.type === 'test:start') {
      names.length = event.data.nesting;
      names.push(event.data.name);
    } else if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { data } = event;
      send(endEvent(data, [...names.slice(0, data.nesting), data.name], event.type === 'test:fail'));
    } else if (event.type === 'test:summary' && event.data.file === undefined) {
      send({ kind: 'summary' });
    }
  }
  // Nothing for standard output.
  yield* [];
}

function endEvent(data: EndData, path: readonly string[], failed: boolean): EndEvent {
  const file = data.file ?? '';
  const excused = data.skip !== undefined || data.todo !== undefined;
  const mark = data.skip ?? data.todo;
  const failure = failed && !excused ? failureOf(data.details) : null;
  return {
    kind: 'end',
    file,
    path,
    nesting: data.nesting,
    outcome: excused ? 'skipped' : failed ? 'failed' : 'passed',
    of:
      data.nesting === 0 && basename(data.name) === basename(file)
        ? 'file'
        : data.details.type === 'suite'
          ? 'suite'
          : 'test',
    durationMs: data.details.duration_ms,
    late: failed && failureTypeOf(data.details) === LATE,
    ...(excused ? { reason: typeof mark === 'string' ? mark : data.todo === undefined ? '' : 'to do' } : {}),
    ...(failure === null ? {} : { error: failure }),
  };
}

function failureOf(details: EndData['details']): string | null {
  const { error } = details as { error?: Error };
  if (error === undefined) return 'it failed without an error';
  if (failureTypeOf(details) === INNER_FAILURE) return null;
  // node:test wraps what was thrown.
  const thrown = error.cause instanceof Error ? error.cause : error;
  return withoutRunner(inspect(thrown, { colors: false, depth: 5, maxStringLength: 20_000 }));
}

function failureTypeOf(details: EndData['details']): string | undefined {
  return (details as { error?: { failureType?: string } }).error?.failureType;
}

/** Frames of node:test itself say nothing about the failure. */
function withoutRunner(text: string): string {
  return text.replaceAll(/^\s+at .*\(?node:(?:internal\/test_runner\/|async_hooks:).*\n?/gmu, '');
}

function send(event: TestEvent): void {
  const fd = process.env[EVENTS_FD];
  if (fd === undefined) throw new Error(`this reporter serves tools/test/main.ts, which sets ${EVENTS_FD}`);
  const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
  for (let sent = 0; sent < bytes.length;) sent += writeSync(Number(fd), bytes, sent);
}
