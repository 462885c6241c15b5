/**
 * OpenAPI 3.1, generated from the table of routes.
 *
 * @module
 */
import { z } from 'zod';
import { BYTES_TYPE, problem, ROUTE_NAMES, ROUTES, type Route } from '../../wire/index.ts';

type Json = Record<string, unknown>;

const KEY_PARAMETER = 'a key: id, ARN, `alias:NAME`, `alias/NAME` or alias ARN, percent-encoded or raw';
const PARAMETERS: Readonly<Record<string, string>> = {
  key: KEY_PARAMETER,
  name: 'name of the alias, percent-encoded',
  id: 'id of the token',
  requestId: '`x-request-id` of the answer',
  tile: 'number of the tile in groups of three digits, `x001/234`, with `.p/WIDTH` where it is not full; before it the level, of a tile of hashes',
};

/** The document that /openapi.json serves. */
export function openApi(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const name of ROUTE_NAMES) {
    const route: Route = ROUTES[name];
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(name, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Claviger',
      version,
      summary: 'One key-management service in front of every KMS and HSM',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [...new Set(ROUTE_NAMES.map((name) => ROUTES[name].tag))].map((name) => ({ name })),
    paths: { ...paths, ...PUBLIC_PATHS },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'an API token, `clv_…`' } },
      schemas: { Problem: schemaOf(problem) },
      responses: {
        Problem: {
          description: 'a refusal, with a stable code (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

const PUBLIC_PATHS = {
  '/v1/tenants/{tenant}/jwks.json': {
    get: {
      operationId: 'getJwks',
      summary: 'The public keys that a tenant has published (RFC 7517)',
      tags: ['Tenants'],
      security: [],
      parameters: [
        { name: 'tenant', in: 'path', required: true, schema: { type: 'string' }, description: 'id or name' },
      ],
      responses: {
        200: {
          description: 'a JWK set',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: { keys: { type: 'array', items: { type: 'object' } } },
                required: ['keys'],
              },
            },
          },
        },
      },
    },
  },
  '/livez': { get: wordPath('getLivez', 'Whether the process answers') },
  '/readyz': { get: wordPath('getReadyz', 'Whether requests are answered') },
};

function wordPath(operationId: string, summary: string): Json {
  const word = { description: 'one word', content: { 'text/plain': { schema: { type: 'string' } } } };
  const responses = operationId === 'getReadyz' ? { 200: word, 503: word } : { 200: word };
  return { operationId, summary, tags: ['Service'], security: [], responses };
}

function operationOf(name: string, route: Route): Json {
  const input = schemaOf(route.input);
  const inQuery = route.method === 'GET' || route.method === 'DELETE';
  const parameters = [...pathParameters(route.path), ...(inQuery ? queryParameters(input) : []), ...headers(route)];
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.tag],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(inQuery
      ? {}
      : { requestBody: { required: isRequired(input), content: { 'application/json': { schema: input } } } }),
    responses: {
      [route.status]: {
        description: 'the answer',
        headers: {
          'x-request-id': { schema: { type: 'string' }, description: 'always ours; stands in the audit record' },
          'x-claviger-audit': { schema: { type: 'string' }, description: 'log id and index of the audit record' },
          ...SERVED_BY,
        },
        content: contentOf(route),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

/** Where homes outside did the work. */
const SERVED_BY: Json = {
  'x-claviger-provider': {
    schema: { type: 'string' },
    description: 'the providers that did the work, where the key has homes outside',
  },
  'x-claviger-failovers': {
    schema: { type: 'string' },
    description: 'the providers that were to do it before them and did not; empty for none',
  },
};

function contentOf({ media, answer }: Route): Json {
  if (media === BYTES_TYPE) return { [media]: {} };
  return { [media?.split(';')[0] ?? 'application/json']: { schema: schemaOf(answer) } };
}

/** The JSON Schema of what goes over the wire, before any transform. */
function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Json;
  return rest;
}

function isRequired(schema: Json): boolean {
  return ((schema['required'] as unknown[] | undefined) ?? []).length > 0;
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    description: PARAMETERS[name!],
  }));
}

function queryParameters(schema: Json): Json[] {
  const required = (schema['required'] as string[] | undefined) ?? [];
  return Object.entries((schema['properties'] as Record<string, Json> | undefined) ?? {}).map(([name, field]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: field,
  }));
}

function headers(route: Route): Json[] {
  if (!route.changes) return [];
  return [
    {
      name: 'Idempotency-Key',
      in: 'header',
      required: false,
      schema: { type: 'string', maxLength: 255 },
      description: 'a repeat within 24 hours changes nothing and gives the first answer',
    },
  ];
}
