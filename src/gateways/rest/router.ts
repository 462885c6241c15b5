/**
 * Which route a request means. Paths come from the table in wire/; a key may be named by an ARN, raw or encoded, so a
 * verb begins after the last colon.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { ROUTE_NAMES, ROUTES, type RouteName } from '../../wire/index.ts';

export interface FoundRoute {
  readonly name: RouteName;
  /** What the path names: field of the operation's input → value. */
  readonly named: Readonly<Record<string, string>>;
}

interface Place {
  readonly prefix: string;
  readonly field: string;
  readonly suffix: string;
  readonly name: RouteName;
}

const fixed = new Map<string, RouteName>();
const places = new Map<string, Place[]>();

for (const name of ROUTE_NAMES) {
  const { method, path } = ROUTES[name];
  const match = /^(.*)\{([A-Za-z]+)\}(.*)$/.exec(path);
  if (match === null) {
    fixed.set(`${method} ${path}`, name);
    continue;
  }
  const [, prefix, field, suffix] = match as unknown as [string, string, string, string];
  // A verb is found by its name at once; the few others of a collection are looked at in turn.
  const collection = collectionOf(prefix);
  const index = suffix.startsWith(':') ? `${method} ${collection} ${suffix}` : `${method} ${collection}`;
  const known = places.get(index) ?? [];
  known.push({ prefix, field, suffix, name });
  // The longest first: `/publicKey` before the key itself, `tile/entries/` before `tile/`.
  places.set(
    index,
    known.sort((a, b) => b.prefix.length + b.suffix.length - a.prefix.length - a.suffix.length),
  );
}

/**
 * Finds the route of a method and a path without its query.
 *
 * @throws INVALID_ARGUMENT where the path is not percent-encoded as it should be
 */
export function findRoute(method: string, path: string): FoundRoute | null {
  const name = fixed.get(`${method} ${path}`);
  if (name !== undefined) return { name, named: {} };
  const collection = collectionOf(path);
  const verb = method === 'POST' ? path.slice(path.lastIndexOf(':')) : '';
  const place = places
    .get(verb === '' ? `${method} ${collection}` : `${method} ${collection} ${verb}`)
    ?.find(
      ({ prefix, suffix }) =>
        path.startsWith(prefix) && path.endsWith(suffix) && path.length > prefix.length + suffix.length,
    );
  if (place === undefined) return null;
  return {
    name: place.name,
    named: { [place.field]: decoded(path.slice(place.prefix.length, path.length - place.suffix.length)) },
  };
}

/** `/v1/keys/` of `/v1/keys/…`. */
function collectionOf(path: string): string {
  return path.slice(0, path.indexOf('/', '/v1/'.length) + 1);
}

function decoded(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ClavigerError('INVALID_ARGUMENT', 'the path is not percent-encoded as it should be');
  }
}
