import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createPublicKey, verify } from 'node:crypto';
import { Validator } from '@seriousme/openapi-schema-validator';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let document: { openapi: string; paths: Record<string, Record<string, OperationObject>> };

interface OperationObject {
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly responses: Record<string, unknown>;
}

before(async () => {
  server = await startTestServer();
  document = (await server.fetch('GET', '/openapi.json', undefined, { token: null })).body;
});
after(() => server.stop());

test('the document is valid OpenAPI 3.1, as somebody else reads it', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  assert.equal(valid, true, JSON.stringify(errors));
  assert.match(document.openapi, /^3\.1\./);
});

/** Every operation of the document, with something put where its path has a name. */
function operations(): readonly (readonly [method: string, path: string, operation: OperationObject])[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) =>
        [method.toUpperCase(), path.replaceAll(/\{[A-Za-z]+\}/g, 'alias%3Anobody'), operation] as const,
    ),
  );
}

test('every path of the document is served: what is unknown there is the key, not the path', async () => {
  for (const [method, path, { operationId }] of operations()) {
    const answer = await server.fetch(method, path, method === 'GET' || method === 'DELETE' ? undefined : {});
    const detail = String(answer.body.detail ?? '');
    assert.ok(!detail.startsWith('there is no `'), `${operationId}: ${detail}`);
    assert.ok(answer.status < 500, `${operationId}: ${answer.status}`);
  }
});

test('without a credential, only what the document calls public answers', async () => {
  for (const [method, path, { operationId, security }] of operations()) {
    const isPublic = security?.length === 0;
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const { status } = await server.fetch(method, path, body, { token: null });
    assert.equal(status, isPublic ? 200 : 401, operationId);
  }
});

test('operation ids are unique', () => {
  const ids = operations().map(([, , { operationId }]) => operationId);
  assert.equal(new Set(ids).size, ids.length);
});

test('/docs is readable without a script, and lets nothing in from elsewhere', async () => {
  const { status, headers, body } = await server.fetch('GET', '/docs', undefined, { token: null });
  assert.equal(status, 200);
  assert.match(headers.get('content-security-policy')!, /default-src 'none'/);
  assert.ok(!String(body).includes('<script'));
  for (const [, , { operationId }] of operations()) {
    if (operationId.startsWith('getLivez') || operationId === 'getReadyz' || operationId === 'getJwks') continue;
    assert.ok(String(body).includes('/v1/'), operationId);
  }
});

test('/livez and /readyz say one word to anybody', async () => {
  assert.equal((await server.fetch('GET', '/livez', undefined, { token: null })).body, 'ok');
  assert.equal((await server.fetch('GET', '/readyz', undefined, { token: null })).body, 'ready');
});

test('a probe may ask for the head alone of what is open to all', async () => {
  for (const path of ['/livez', '/readyz', '/openapi.json', '/docs', '/v1/tenants/default/jwks.json']) {
    const [whole, head] = await Promise.all(
      ['GET', 'HEAD'].map((method) => server.fetch(method, path, undefined, { token: null })),
    );
    assert.deepEqual([head!.status, head!.body], [200, ''], path);
    for (const name of ['content-type', 'content-length', 'cache-control']) {
      assert.equal(head!.headers.get(name), whole!.headers.get(name), `${path}: ${name}`);
    }
  }
  assert.equal((await server.fetch('HEAD', '/v1/keys', undefined, { token: null })).status, 401);
  assert.equal((await server.fetch('HEAD', '/', undefined, { token: null })).status, 401);
});

test('the JWKS of a tenant holds what was published, every version of it, and nothing else', async () => {
  const published = await server.client.createKey({ spec: 'P-256' });
  await server.client.createKey({ spec: 'Ed25519' });
  const message = Buffer.from('signed before the rotation');
  const { signature } = await server.client.sign({ key: published.id, message });
  await server.client.updateKey({ key: published.id, published: true });
  await server.client.rotateKey({ key: published.id });

  const { status, body } = await server.fetch('GET', '/v1/tenants/default/jwks.json', undefined, { token: null });
  assert.equal(status, 200);
  const keys = body.keys as { kty: string; kid: string; alg: string }[];
  assert.equal(keys.length, 2);
  assert.deepEqual(new Set(keys.map(({ alg }) => alg)), new Set(['ES256']));
  const verifying = keys.filter((jwk) =>
    verify('sha256', message, createPublicKey({ key: jwk, format: 'jwk' }), signature),
  );
  assert.equal(verifying.length, 1);

  await server.client.updateKey({ key: published.id, published: false });
  const after = await server.fetch('GET', '/v1/tenants/default/jwks.json', undefined, { token: null });
  assert.deepEqual(after.body.keys, []);
  const unknown = await server.fetch('GET', '/v1/tenants/nobody/jwks.json', undefined, { token: null });
  assert.deepEqual([unknown.status, unknown.body], [200, { keys: [] }]);
});
