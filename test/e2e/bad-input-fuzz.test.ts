/** Anything sent anywhere: no answer is a 5xx, none shows the inside, and each has its record. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import type { LogLevel } from '../../src/ports/log.ts';
import { ROUTE_NAMES, ROUTES, type Route } from '../../src/wire/index.ts';
import { startTestServer, type TestAnswer, type TestServer } from '../support/server.ts';
import { checkLog, readLog } from '../support/stored-log.ts';

const RUNS = 25;

let server: TestServer;
let names: string[];
const told: string[] = [];
const answered: TestAnswer[] = [];

before(async () => {
  const log = {
    write: (level: LogLevel, message: string, fields: object = {}) =>
      void (level === 'error' && told.push(`${message} ${JSON.stringify(fields)}`)),
  };
  server = await startTestServer({ config: 'limits: { changesPerSecond: 1000000 }', log });
  const keys = await Promise.all(
    (['AES-256-GCM', 'P-256', 'RSA-2048', 'HMAC-SHA-256', 'ML-KEM-512', 'X25519', 'Ed25519'] as const).map((spec) =>
      server.client.createKey({ spec, alias: `fuzz-${spec}` }),
    ),
  );
  const external = await server.client.createKey({ spec: 'AES-256-GCM', origin: 'external' });
  names = [...keys.flatMap(({ id, arn }) => [id, arn]), external.id, 'alias:fuzz-P-256', 'alias/fuzz-RSA-2048'];
});
after(() => server.stop());

describe('values that fit the schema, or nearly', () => {
  for (const name of ROUTE_NAMES) {
    test(name, async () => {
      const route: Route = ROUTES[name];
      const schema = z.toJSONSchema(route.input, { io: 'input' }) as Schema;
      await fc.assert(
        fc.asyncProperty(pathName(), valueOf(schema), async (inPath, value) => {
          await send(route, inPath, value);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

describe('any JSON at all', () => {
  for (const name of ROUTE_NAMES) {
    test(name, async () => {
      await fc.assert(
        fc.asyncProperty(pathName(), fc.jsonValue({ maxDepth: 4 }), async (inPath, value) => {
          await send(ROUTES[name], inPath, value);
        }),
        { numRuns: 10 },
      );
    });
  }
});

describe('any bytes at all', () => {
  const methods = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE');

  test('as a body', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ROUTE_NAMES), fc.uint8Array({ maxLength: 300 }), async (name, raw) => {
        const { method, path } = ROUTES[name];
        if (method === 'GET') return;
        check(await server.fetch(method, path.replace(/\{[a-z]+\}/, names[0]!), undefined, { raw }));
      }),
      { numRuns: 150 },
    );
  });

  test('as a path', async () => {
    const part = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'grapheme', maxLength: 10 }),
      fc.constantFrom('..', '.', '%2e%2e', '%00', '%', ':', '/', '//', '\\', 'v1', 'keys', ':encrypt', '?', '#', '*'),
    );
    await fc.assert(
      fc.asyncProperty(methods, fc.array(part, { maxLength: 5 }), fc.boolean(), async (method, parts, encoded) => {
        const text = parts.map((one) => (encoded ? encodeURIComponent(one) : encodeURI(one))).join('/');
        // Dots are taken out before a request is sent, and then it may be for another gateway.
        fc.pre(new URL(`/v1/${text}`, server.endpoint).pathname.startsWith('/v1/'));
        const answer = await server.fetch(method, `/v1/${text}`, method === 'GET' ? undefined : {});
        check(answer);
      }),
      { numRuns: 200 },
    );
  });

  test('as a query', async () => {
    const lists = ROUTE_NAMES.filter((name) => ROUTES[name].method === 'GET');
    const query = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc
        .dictionary(
          fc.constantFrom('limit', 'cursor', 'key', 'since', 'outcome', 'format', 'keyVersion', '__proto__', 'x'),
          fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom('1', '0', 'null', names?.[0] ?? 'x', 'YXVkaXQ6MQ')),
        )
        .map((fields) => new URLSearchParams(fields).toString()),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...lists), query, async (name, text) => {
        const path = ROUTES[name].path.replace(/\{[a-z]+\}/, encodeURIComponent(names[0]!));
        check(await server.fetch('GET', `${path}?${encodeURI(text).replaceAll('#', '%23')}`));
      }),
      { numRuns: 200 },
    );
  });

  test('as a header', async () => {
    const value = fc.string({ unit: fc.constantFrom(...Array.from(' abcXYZ019:/+=_-.,;"\'%')), maxLength: 100 });
    const header = fc.constantFrom(
      'authorization',
      'idempotency-key',
      'content-type',
      'accept',
      'x-request-id',
      'x-amz-target',
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(header, value), async (headers) => {
        const token = 'authorization' in headers ? null : server.token;
        check(await server.fetch('POST', '/v1/random', { bytes: 4 }, { token, headers: { ...headers } }));
      }),
      { numRuns: 150 },
    );
  });

  test('as a token', async () => {
    const token = fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 100 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, '')),
      fc
        .nat({ max: 69 })
        .map((at) => server.token.slice(0, at) + (server.token[at] === 'A' ? 'B' : 'A') + server.token.slice(at + 1)),
    );
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        const answer = await server.fetch('POST', '/v1/random', { bytes: 4 }, { token: text });
        assert.equal(answer.status, 401);
      }),
      { numRuns: 150 },
    );
  });
});

test('after all of this the server answers, its log is whole, and it has told of no error inside', async () => {
  assert.equal((await server.fetch('POST', '/v1/random', { bytes: 4 })).status, 200);
  assert.deepEqual(told, []);
  checkLog(server.folder);
  const recorded = new Set(readLog(server.folder).map(({ record }) => record['requestId'] as string));
  // Strangers may be counted together; everybody else has a record for each answer.
  for (const { status, headers } of answered.filter(({ status }) => status !== 401)) {
    assert.ok(recorded.has(headers.get('x-request-id')!), `an answer of ${status} has no record`);
  }
  assert.ok(answered.length > 1500);
});

async function send(route: Route, inPath: string, value: unknown): Promise<void> {
  const path = route.path.replace(/\{[a-z]+\}/, encodeURIComponent(inPath));
  const inQuery = route.method === 'GET' || route.method === 'DELETE';
  if (!inQuery) return check(await server.fetch(route.method, path, value));
  const pairs = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const query = new URLSearchParams(
    pairs.map(([name, field]) => [name, typeof field === 'string' ? field : JSON.stringify(field)]),
  ).toString();
  check(await server.fetch(route.method, `${path}?${query}`));
}

function check(answer: TestAnswer): void {
  const { status, headers, body } = answer;
  assert.ok(status < 500, `${status} ${JSON.stringify(body)}`);
  answered.push(answer);
  if (status < 400) return;
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.notEqual(body.code, 'INTERNAL');
  assert.ok(typeof body.detail === 'string' && body.detail.length > 0 && body.detail.length < 2000);
  assert.doesNotMatch(body.detail, /node_modules|\.ts:|\.js:|SQLITE|Cannot read|undefined/);
}

function pathName(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.nat().map((n) => names[n % names.length]!) },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 20 }) },
    { weight: 1, arbitrary: fc.constantFrom('alias:', 'arn:aws:kms:::key/', '__proto__', ' ', '%', '.', '..') },
  );
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly contentEncoding?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Values that fit a JSON Schema, with some that do not among them. */
function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  const fits = fitting(schema);
  return fc.oneof({ weight: 9, arbitrary: fits }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
}

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  // Keys that take long to make are tried elsewhere.
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum.filter((value) => !/RSA-[34]/.test(value)));
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valueOf));
  if (schema.contentEncoding === 'base64') {
    return fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString('base64'));
  }
  switch (schema.type) {
    case 'object': {
      if (schema.properties === undefined) return fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 });
      const fields = Object.entries(schema.properties).map(([name, field]) => [name, valueOf(field)] as const);
      return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
    }
    case 'array':
      return fc.array(valueOf(schema.items ?? {}), { maxLength: 4 });
    case 'integer':
    case 'number':
      return fc.oneof(
        fc.integer({ min: Math.max(schema.minimum ?? -5, -5), max: Math.min(schema.maximum ?? 100, 2000) }),
        fc.constantFrom(0, -1, 1, 2 ** 31, 2 ** 32, 2 ** 53, 1.5, 1e300),
      );
    case 'boolean':
      return fc.boolean();
    case 'string':
      return fc.oneof(
        fc.string({ maxLength: 30 }),
        fc.string({ unit: 'grapheme', maxLength: 10 }),
        fc.nat().map((n) => names[n % names.length]!),
        fc.constantFrom(
          '2026-01-31T12:00:00Z',
          '2999-12-31T23:59:60Z',
          'forbid (principal, action, resource);',
          'Encrypt',
        ),
      );
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}
