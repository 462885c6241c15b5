import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NORMALIZERS, type NormalizerName } from '../../../../src/envelope/fields/normalize.ts';

const SAME: Readonly<Record<NormalizerName, readonly (readonly string[])[]>> = {
  none: [['a']],
  trim: [['é', ' e\u0301\n']],
  case: [
    ['Straße', 'STRASSE', 'strasse'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος', 'Σίσυφοσ'],
    ['ＡＢＣ', 'abc'],
    ['ﬁn', 'FIN'],
  ],
  email: [
    ['Ada@Example.ORG', ' ada@example.org '],
    ['ada@bücher.example', 'ADA@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['not an address', 'Not An Address'],
  ],
  phone: [
    ['+49 (0)170 / 123-45.67', '0049 170 1234567', '+491701234567'],
    ['0170 123', '0170123'],
    ['+1 (415) 555-2671 x12', '+14155552671X12'],
    ['＋４９ １７０', '+49170'],
  ],
};
const DIFFERENT: Readonly<Record<NormalizerName, readonly (readonly [string, string])[]>> = {
  none: [
    ['a', 'A'],
    ['a', 'a '],
  ],
  trim: [
    ['a', 'A'],
    ['a b', 'ab'],
  ],
  case: [
    ['a', 'b'],
    ['resume', 'résumé'],
  ],
  email: [
    ['a.b@x.org', 'ab@x.org'],
    ['a+tag@x.org', 'a@x.org'],
    ['a@x.org', 'a@y.org'],
  ],
  // A national number and the international one of the same telephone: nobody can tell without knowing the country.
  phone: [
    ['0170 123', '+49170123'],
    ['+49170', '49170'],
  ],
};

for (const name of Object.keys(NORMALIZERS) as NormalizerName[]) {
  test(`\`${name}\` makes equal what it says, and leaves different what differs`, () => {
    for (const group of SAME[name]) {
      assert.equal(new Set(group.map((text) => NORMALIZERS[name](text))).size, 1, group.join(' | '));
    }
    for (const [a, b] of DIFFERENT[name]) assert.notEqual(NORMALIZERS[name](a), NORMALIZERS[name](b), `${a} | ${b}`);
  });
}

test('to normalise twice is to normalise once', () => {
  for (const name of ['trim', 'case', 'email', 'phone'] as const) {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
        (text) => {
          const once = NORMALIZERS[name](text);
          assert.equal(NORMALIZERS[name](once), once);
        },
      ),
    );
  }
});
