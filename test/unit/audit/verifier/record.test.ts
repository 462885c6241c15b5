/** The one form of a record that the verifier takes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MalformedError } from '../../../../src/audit/verifier/finding.ts';
import { parseRecord } from '../../../../src/audit/verifier/record.ts';
import { fixtureRecords } from '../../../support/log-fixture.ts';

const ALL = fixtureRecords({ records: 60, redaction: { at: 50, from: 0, to: 10 } }).map(({ fields }) => fields);
const SINGLE = ALL[8]!;
const REDACTION = ALL[50]!;

const parse = (fields: object): unknown => parseRecord(Buffer.from(JSON.stringify(fields)));
const refused = (entry: string | object, message: RegExp): void => {
  const bytes = Buffer.from(typeof entry === 'string' ? entry : JSON.stringify(entry));
  assert.throws(
    () => parseRecord(bytes),
    (error) => error instanceof MalformedError && message.test(error.message),
    bytes.toString().slice(0, 200),
  );
};

describe('a record', () => {
  test('of every kind is read', () => {
    for (const fields of ALL) assert.deepEqual(parse(fields), fields);
  });

  test('may be an intent, which alone has no outcome', () => {
    parse({ ...SINGLE, phase: 'intent', outcome: null });
    refused({ ...SINGLE, outcome: null }, /an outcome that does not go with its phase/);
    refused({ ...SINGLE, phase: 'intent' }, /an outcome that does not go with its phase/);
  });

  test('with white space, an escape, or a field that is there twice is not in the canonical form', () => {
    const text = JSON.stringify(SINGLE);
    parseRecord(Buffer.from(text));
    for (const changed of [
      ` ${text}`,
      `${text}\n`,
      text.replace('{"v":1,', '{"v":1, '),
      text.replace('"Sign"', '"\\u0053ign"'),
      text.replace('"v":1', '"v":1.0'),
      text.replace('"index":8', '"index":8e0'),
      text.replace('"outcome":"OK"', '"outcome":"NO","outcome":"OK"'),
      text.replace('{"v":1', '{"v":2,"v":1'),
    ]) {
      assert.notEqual(changed, text);
      refused(changed, /not written in the canonical form/);
    }
  });

  test('with an unknown field, or fields in another order, is refused', () => {
    refused({ ...SINGLE, note: 'x' }, /a field `note`, which version 1 does not know/);
    refused(JSON.stringify(SINGLE).replace('{', '{"__proto__":1,'), /a field `__proto__`/);
    const { v, ...others } = SINGLE;
    refused({ ...others, v }, /`v` in another place/);
  });

  test('without a field that it must have is refused', () => {
    for (const name of ['v', 'logId', 'index', 'time', 'phase', 'outcome', 'requestId']) {
      const { [name]: _gone, ...others } = SINGLE;
      refused(others, new RegExp(`has no \`${name}\``));
    }
    for (const [name, message] of [
      ['tenant', /without the other/],
      ['principal', /without the other/],
      ['latencyUs', /both or none of `latencyUs` and `aggregate`/],
    ] as const) {
      const { [name]: _gone, ...others } = SINGLE;
      refused(others, message);
    }
  });

  test('with a value that is none is refused', () => {
    for (const [name, value] of [
      ['v', 2],
      ['v', '1'],
      ['logId', ''],
      ['index', -1],
      ['index', 1.5],
      ['index', '8'],
      ['index', 2 ** 53],
      ['time', '2026-01-31T12:00:00Z'],
      ['time', '2026-02-31T12:00:00.000Z'],
      ['time', 1769860800000],
      ['phase', 'later'],
      ['principal', 'token-1'],
      ['principal', 'AAAA'],
      ['source', null],
      ['keyVersion', null],
      ['policies', []],
      ['policies', 'crypto-user/use'],
      ['policies', [1]],
      ['outcome', ''],
      ['latencyUs', -1],
    ] as const) {
      refused({ ...SINGLE, [name]: value }, new RegExp(`has a \`${name}\` that is none`));
    }
  });

  test('of a batch has exactly count, failures and root', () => {
    const batch = ALL[10]!;
    const { count, failed, root } = batch['items'];
    for (const items of [
      null,
      [],
      { count, failed },
      { failed, count, root },
      { count, failed, root, more: 1 },
      { count, failed, root: 'x' },
    ]) {
      refused({ ...batch, items }, /has a `items` that is none/);
    }
  });

  test('of a redaction redacts what is before it, and nothing else does', () => {
    for (const redaction of [
      { from: 10, to: 10 },
      { from: 10, to: 9 },
      { from: 0, to: 51 },
    ]) {
      refused({ ...REDACTION, redaction }, /a range that is empty, or is not before it/);
    }
    refused({ ...REDACTION, redaction: { from: -1, to: 5 } }, /has a `redaction` that is none/);
    refused({ ...REDACTION, redaction: { to: 5, from: 1 } }, /has a `redaction` that is none/);
    refused({ ...REDACTION, operation: 'Sign' }, /not one of RedactAuditRecords/);
    refused({ ...REDACTION, outcome: 'PERMISSION_DENIED' }, /not one of RedactAuditRecords/);
  });

  test('that is no JSON object is refused', () => {
    for (const text of ['', 'null', '[]', '1', '"v"', '{', '{}{}']) refused(text, /./);
    assert.throws(() => parseRecord(Buffer.of(0x7b, 0xff, 0x7d)), /is not UTF-8/);
    assert.throws(() => parseRecord(Buffer.from(`\ufeff${JSON.stringify(SINGLE)}`)), MalformedError);
  });

  test('is refused, or read as it was, after any change of a byte', () => {
    const bytes = Buffer.from(JSON.stringify(SINGLE));
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        try {
          return JSON.stringify(parseRecord(changed)) === changed.toString();
        } catch (error) {
          return error instanceof MalformedError;
        }
      }),
      { numRuns: 500 },
    );
  });
});
