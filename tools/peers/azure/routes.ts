/**
 * The REST API of the test server, one row a route.
 *
 * @module
 * @see https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups
 */
import { randomBytes } from 'node:crypto';
import { decrypt, encrypt, sign, unwrap, verify, wrap } from './algorithms.ts';
import type { Authority } from './authority.ts';
import { type Fields, checked, type Operation } from './fields.ts';
import { badParameter, jsonBody, Refusal, type Answer, type Handler, type Request } from './http.ts';
import type { Vault } from './vault.ts';

const API_VERSIONS: ReadonlySet<string> = new Set(['7.6']);
const PAGE_MAX = 25;
const RANDOM_BYTES_MAX = 128;
/** Path of a crypto operation → what `key_ops` calls it, and how it is done. */
const CRYPTO = {
  encrypt: ['encrypt', encrypt],
  decrypt: ['decrypt', decrypt],
  wrapkey: ['wrapKey', wrap],
  unwrapkey: ['unwrapKey', unwrap],
  sign: ['sign', sign],
} as const;

interface Call {
  readonly request: Request;
  readonly name: string;
  readonly version: string | null;
  /** The body, checked against the fields of this operation. */
  readonly fields: (operation: Operation) => Fields;
}

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  /** Data action that the caller needs. */
  readonly permission: string;
  readonly query?: readonly string[];
  readonly run: (call: Call) => Answer;
}

export interface ApiOptions {
  readonly vault: Vault;
  readonly authority: Authority;
  readonly managedHsm: boolean;
  /** Data actions that are refused at the moment. */
  readonly denied: ReadonlySet<string>;
}

export function keyVaultApi({ vault, authority, managedHsm, denied }: ApiOptions): Handler {
  const ok = (body: object): Answer => ({ status: 200, body });
  const routes: readonly Route[] = [
    route('POST', '/keys/restore', 'restore', ({ fields }) => ok(vault.restore(fields('restore').bytes('value')))),
    route('GET', '/keys', 'list', ({ request }) => ok(page(request, vault.list())), ['maxresults', '$skiptoken']),
    route('POST', '/keys/:name/create', 'create', ({ name, fields }) => ok(vault.create(name, fields('create')))),
    route('POST', '/keys/:name/rotate', 'rotate', ({ name }) => ok(vault.rotate(name))),
    route('POST', '/keys/:name/backup', 'backup', ({ name }) => ok(vault.backup(name))),
    route('GET', '/keys/:name/rotationpolicy', 'get', ({ name }) => ok(vault.policy(name))),
    route('PUT', '/keys/:name/rotationpolicy', 'setrotationpolicy', ({ name, fields }) =>
      ok(setPolicy(vault, name, fields('rotationpolicy'))),
    ),
    route('GET', '/keys/:name/versions', 'list', ({ name, request }) => ok(page(request, vault.versions(name))), [
      'maxresults',
      '$skiptoken',
    ]),
    ...Object.entries(CRYPTO).map(([operation, [op, run]]) =>
      route('POST', `/keys/:name/:version/${operation}`, op.toLowerCase(), ({ name, version, fields }) => {
        const { kid, key } = vault.use(name, version, op);
        return ok({ kid, ...run(key, fields(operation as Operation)) });
      }),
    ),
    route('POST', '/keys/:name/:version/verify', 'verify', ({ name, version, fields }) =>
      ok(verify(vault.use(name, version, 'verify').key, fields('verify'))),
    ),
    route('GET', '/keys/:name/:version?', 'get', ({ name, version }) => ok(vault.get(name, version))),
    route('PATCH', '/keys/:name/:version?', 'update', ({ name, version, fields }) =>
      ok(vault.update(name, version, fields('update'))),
    ),
    route('PUT', '/keys/:name', 'import', ({ name, fields }) => ok(vault.import(name, fields('import')))),
    route('DELETE', '/keys/:name', 'delete', ({ name }) => ok(vault.delete(name))),
    route('GET', '/deletedkeys', 'list', ({ request }) => ok(page(request, vault.listDeleted())), [
      'maxresults',
      '$skiptoken',
    ]),
    route('POST', '/deletedkeys/:name/recover', 'recover', ({ name }) => ok(vault.recover(name))),
    route('GET', '/deletedkeys/:name', 'get', ({ name }) => ok(vault.getDeleted(name))),
    route('DELETE', '/deletedkeys/:name', 'purge', ({ name }) => {
      vault.purge(name);
      return { status: 204 };
    }),
    ...(managedHsm ? [route('POST', '/rng', 'rng', ({ fields }) => ok(random(fields('rng'))))] : []),
  ];

  return (request) => {
    requireToken(authority, request);
    const version = request.query.get('api-version');
    if (version === null || !API_VERSIONS.has(version))
      throw badParameter(`The specified version (${version}) is not recognized.`);
    for (const { method, pattern, permission, query = [], run } of routes) {
      const match = method === request.method ? pattern.exec(request.path) : null;
      if (match === null) continue;
      const strange = [...request.query.keys()].find((key) => key !== 'api-version' && !query.includes(key));
      if (strange !== undefined) throw badParameter(`The query parameter '${strange}' is not known.`);
      if (denied.has(permission) || denied.has('*'))
        throw new Refusal(
          403,
          'Forbidden',
          `Caller is not authorized to perform action ${permission}.`,
          'ForbiddenByRbac',
        );
      return run({
        request,
        name: decodeURIComponent(match.groups?.['name'] ?? ''),
        version: match.groups?.['version'] ?? null,
        fields: (operation) => checked(operation, jsonBody(request)),
      });
    }
    throw new Refusal(404, 'NotFound', `There is no ${request.method} ${request.path}.`);
  };
}

function requireToken(authority: Authority, { headers: { authorization } }: Request): void {
  const token = /^Bearer ([^ ]+)$/.exec(authorization ?? '')?.[1];
  if (!authority.isRequired || (token !== undefined && authority.accepts(token))) return;
  const why = token === undefined ? '' : ', error="invalid_token", error_description="the token is not valid here"';
  throw new Refusal(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.', undefined, {
    'www-authenticate': authority.challenge() + why,
  });
}

function page({ query }: Request, items: readonly object[]): object {
  const size = query.has('maxresults') ? Number(query.get('maxresults')) : PAGE_MAX;
  if (!Number.isInteger(size) || size < 1 || size > PAGE_MAX) throw badParameter("'maxresults' must be 1 to 25.");
  const start = Number(query.get('$skiptoken') ?? 0);
  return { value: items.slice(start, start + size), nextLink: null };
}

function setPolicy(vault: Vault, name: string, fields: Fields): object {
  const actions = fields.get<{ trigger?: object; action?: { type?: string } }[]>('lifetimeActions') ?? [];
  for (const { trigger, action } of actions) {
    const times = Object.values(trigger ?? {});
    const known = Object.keys(trigger ?? {}).every((key) => key === 'timeAfterCreate' || key === 'timeBeforeExpiry');
    if (!known || times.length !== 1 || !/^P(\d+[YMD])+$/.test(String(times[0])))
      throw badParameter('A trigger has one ISO 8601 duration.');
    if (action?.type !== 'Rotate' && action?.type !== 'Notify')
      throw badParameter('The action must be Rotate or Notify.');
  }
  return vault.setPolicy(name, { lifetimeActions: actions, attributes: fields.get<object>('attributes') ?? {} });
}

function random(fields: Fields): object {
  const count = fields.get<number>('count') ?? 0;
  if (count < 1 || count > RANDOM_BYTES_MAX) throw badParameter(`'count' must be 1 to ${RANDOM_BYTES_MAX}.`);
  return { value: randomBytes(count).toString('base64url') };
}

function route(
  method: string,
  path: string,
  permission: string,
  run: Route['run'],
  query: readonly string[] = [],
): Route {
  const source = path
    .replace('/:version?', '(?:/(?<version>[^/]+))?')
    .replace(':version', '(?<version>[^/]+)')
    .replace(':name', '(?<name>[^/]+)');
  return { method, pattern: new RegExp(`^${source}/?$`, 'u'), permission, run, query };
}
