import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findRoute } from '../../../src/gateways/rest/router.ts';
import { OPERATION_KEYS, OPERATIONS } from '../../../src/operations/index.ts';
import { USE_OPERATIONS, BATCH_OPERATIONS, READ_OPERATIONS } from '../../../src/model/operation.ts';
import { ROUTE_NAMES, ROUTES } from '../../../src/wire/index.ts';

const ID = '019a0000-0000-7000-8000-0000000000aa';
/** Names that a path may carry, encoded or, where URLs allow it, raw. */
const NAMES = [
  ID,
  `arn:aws:kms:us-east-1:123456789012:key/${ID}`,
  'alias:orders',
  'alias/a/b',
  'arn:aws:kms:r:1:alias/x',
];

test('there is a route for every operation that a caller can ask for, and for no other', () => {
  assert.deepEqual([...ROUTE_NAMES].toSorted(), [...OPERATION_KEYS].toSorted());
});

test('no two routes have the same method and path', () => {
  const places = ROUTE_NAMES.map((name) => `${ROUTES[name].method} ${ROUTES[name].path}`);
  assert.equal(new Set(places).size, places.length);
});

test('what uses or reads is no change, everything else is: an `Idempotency-Key` is for changes', () => {
  const still = new Set<string>([
    ...USE_OPERATIONS,
    ...Object.keys(BATCH_OPERATIONS),
    ...READ_OPERATIONS,
    'ListTokens',
    'ListTenants',
    'ListAuditRecords',
    'ListAlerts',
    'TestAlerts',
    'ReadAuditTree',
    'ExportAuditEntries',
    'GetAuditReceipt',
    'ExplainPolicy',
    'GetHealth',
    'GetMetrics',
  ]);
  for (const name of ROUTE_NAMES) assert.equal(ROUTES[name].changes, !still.has(OPERATIONS[name].name), name);
});

for (const name of ROUTE_NAMES) {
  const { method, path } = ROUTES[name];
  test(`${method} ${path} is found, with whatever its path names, encoded or raw`, () => {
    const match = /\{([A-Za-z]+)\}/.exec(path);
    if (match === null) {
      assert.deepEqual(findRoute(method, path), { name, named: {} });
      return;
    }
    const field = match[1]!;
    for (const value of NAMES) {
      for (const written of [encodeURIComponent(value), value]) {
        assert.deepEqual(findRoute(method, path.replace(match[0], written)), { name, named: { [field]: value } });
      }
    }
  });
}

test('any name, encoded, is found as it is, whatever stands in it: a verb, a slash, another route', () => {
  const value = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
    fc.constantFrom('x:encrypt', '/publicKey', 'x/policy', ':', '%', '%41', '..', 'a?b#c'),
  );
  fc.assert(
    fc.property(value, fc.constantFrom(...ROUTE_NAMES), (text, name) => {
      fc.pre(text.isWellFormed());
      const { method, path } = ROUTES[name];
      const match = /\{([A-Za-z]+)\}/.exec(path);
      if (match === null) return;
      const found = findRoute(method, path.replace(match[0], encodeURIComponent(text)));
      assert.deepEqual(found, { name, named: { [match[1]!]: text } });
    }),
    { numRuns: 1000 },
  );
});

test('any method and path either is a route, or none, or is refused as badly encoded', () => {
  const path = fc.oneof(
    fc.string().map((text) => `/v1/${text}`),
    fc
      .array(fc.constantFrom('keys', ':', 'encrypt', '/', 'x', '%', '%2', 'aliases', 'publicKey', '%ff'))
      .map((parts) => `/v1/${parts.join('')}`),
  );
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'TRACE'), path, (method, text) => {
      try {
        const found = findRoute(method, text);
        if (found !== null) assert.equal(ROUTES[found.name].method, method);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'INVALID_ARGUMENT');
      }
    }),
    { numRuns: 2000 },
  );
});
