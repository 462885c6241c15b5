import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel } from '../../../src/ports/log.ts';
import { createLog, LOG_LEVELS, type LogOptions } from '../../../src/server/log.ts';

function written(options: LogOptions, ...lines: readonly [LogLevel, string, Record<string, unknown>?][]): string[] {
  const output: string[] = [];
  const log = createLog(options, (line) => output.push(line));
  for (const [level, message, fields] of lines) log.write(level, message, fields);
  return output;
}

test('JSON lines have time, level, message and the fields, one object a line', () => {
  const [line] = written({ format: 'json', level: 'info' }, ['warn', 'two\nlines', { requestId: 'r1', durationMs: 5 }]);
  assert.match(line!, /^\{.*\}\n$/);
  const { time, ...rest } = JSON.parse(line!) as { time: string };
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, { level: 'warn', message: 'two\nlines', requestId: 'r1', durationMs: 5 });
});

test('text lines are short, with a mark for the level', () => {
  assert.deepEqual(written({ format: 'text', level: 'info' }, ['error', 'broken', { requestId: 'r1' }]), [
    '✗ broken requestId=r1\n',
  ]);
});

for (const [position, level] of LOG_LEVELS.entries()) {
  test(`at the level ${level} nothing is written that is less grave`, () => {
    const lines = written({ format: 'text', level }, ...LOG_LEVELS.map((of): [LogLevel, string] => [of, of]));
    assert.deepEqual(
      lines.map((line) => line.trim().split(' ')[1]),
      LOG_LEVELS.slice(position),
    );
  });
}
