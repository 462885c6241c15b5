import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutPage, pageOf, writeCursor } from '../../../src/operations/cursor.ts';

const BAD = { code: 'INVALID_ARGUMENT', reason: 'InvalidMarker' };

test('pages of any size give every item once, in order', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (names, limit) => {
        const items = names.toSorted();
        const found: string[] = [];
        let cursor: string | undefined;
        for (;;) {
          const asked = pageOf('things', { limit, cursor });
          const from = asked.after === null ? 0 : items.indexOf(asked.after) + 1;
          const { page, nextCursor } = cutPage(
            'things',
            items.slice(from, from + asked.limit),
            { limit },
            (item) => item,
          );
          assert.ok(page.length <= limit);
          found.push(...page);
          if (nextCursor === null) break;
          assert.equal(page.length, limit);
          cursor = nextCursor;
        }
        assert.deepEqual(found, items);
      },
    ),
  );
});

test('a cursor is read as it was written, for its own list only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (after) => {
      assert.equal(pageOf('keys', { cursor: writeCursor('keys', after) }).after, after);
      assert.throws(() => pageOf('aliases', { cursor: writeCursor('keys', after) }), BAD);
    }),
  );
});

test('any other text is refused in one way', () => {
  fc.assert(
    fc.property(fc.string(), (cursor) => {
      assert.throws(() => pageOf('keys', { cursor }), {
        ...BAD,
        message: 'the cursor is not one that this list gave; begin again without it',
      });
    }),
  );
});

test('a limit is from 1 to 1,000, and 100 where none is given', () => {
  assert.equal(pageOf('keys', {}).limit, 101);
  assert.equal(pageOf('keys', { limit: 1 }).limit, 2);
  assert.equal(pageOf('keys', { limit: 1000 }).limit, 1001);
  for (const limit of [0, 1001, -1, 1.5, Number.NaN, Infinity]) {
    assert.throws(() => pageOf('keys', { limit }), {
      code: 'INVALID_ARGUMENT',
      message: '`limit` must be from 1 to 1000',
    });
  }
});
