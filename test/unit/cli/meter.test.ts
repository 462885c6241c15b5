import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { kindOf } from '../../../src/cli/files/kind.ts';
import { meter, meterText, sizeText } from '../../../src/cli/files/meter.ts';
import { processTerminal } from '../../../src/cli/terminal.ts';

const GIB = 1024 ** 3;

test('a bar shows share, bytes, rate and time left where the length is known', () => {
  assert.equal(
    meterText({ name: '`big`', bytes: GIB / 2, total: GIB, elapsedMs: 1000 }),
    '`big` [============>           ] 50 %  512.0 MiB of 1.0 GiB  512.0 MiB/s  1 s left',
  );
  assert.equal(
    meterText({ name: '`big`', bytes: GIB, total: GIB, elapsedMs: 2000 }),
    '`big` [========================] 100 %  1.0 GiB of 1.0 GiB  512.0 MiB/s  0 s left',
  );
});

test('of a stream, or a file that grew, it shows what there is to know', () => {
  assert.equal(
    meterText({ name: 'standard input', bytes: 2048, total: null, elapsedMs: 1000 }),
    'standard input  2.0 KiB  2.0 KiB/s',
  );
  assert.equal(meterText({ name: '`log`', bytes: 2048, total: 1024, elapsedMs: 0 }), '`log`  2.0 KiB  0 B/s');
});

test('sizes are of the unit in which they have one to four digits', () => {
  assert.deepEqual([0, 1023, 1024, 1_048_575, GIB].map(sizeText), ['0 B', '1023 B', '1.0 KiB', '1.0 MiB', '1.0 GiB']);
});

test('it is shown on a terminal only, and its line is gone at the end', async () => {
  for (const isTty of [false, true]) {
    const stream = new PassThrough();
    const told = meter({ ...processTerminal(), errors: { stream, isTty } }, 'x', 100);
    await new Promise((resolve) => setTimeout(resolve, 450));
    told.add(10);
    told.clear();
    stream.end();
    const shown = Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>)).toString();
    assert.equal(/x \[==> +\] 10 %/.test(shown), isTty);
    assert.equal(shown.endsWith('\r\u001B[2K'), isTty);
  }
});

test('kinds of files show in their first bytes, as bytes and as base64', () => {
  const kinds = (bytes: Buffer): readonly string[] => [kindOf(bytes), kindOf(Buffer.from(bytes.toString('base64')))];
  for (const hex of ['020478aabbcc', '020578aabbcc', '01800378aabb', '01800014aabb']) {
    assert.deepEqual(kinds(Buffer.from(hex, 'hex')), ['message', 'base64']);
  }
  for (const hex of ['c10101aabbcc', 'c10102aabbcc'])
    assert.deepEqual(kinds(Buffer.from(hex, 'hex')), ['blob', 'base64']);
  for (const other of [Buffer.alloc(0), Buffer.from([2]), Buffer.from('a plain text'), Buffer.from('020678', 'hex')]) {
    assert.deepEqual(kinds(other), ['other', 'other']);
  }
});
