/**
 * The API as a page to read: static, without scripts and without anything from elsewhere.
 *
 * @module
 */
import { z } from 'zod';
import { ROUTE_NAMES, ROUTES, type Route } from '../../wire/index.ts';

type Json = Record<string, unknown>;

/** What the page tells of a field of a JSON Schema. */
interface Field {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly contentEncoding?: string;
  readonly anyOf?: readonly Field[];
  readonly items?: Field;
}

const STYLE = `
  :root { color-scheme: light dark; --line: #8884; --soft: #8882; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
  section { margin: 1.5rem 0 2rem; }
  code, pre { font: 14px/1.45 ui-monospace, monospace; }
  pre { background: var(--soft); padding: .75rem 1rem; border-radius: .4rem; overflow-x: auto; }
  .method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
  table { border-collapse: collapse; width: 100%; font-size: 15px; }
  td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
  nav a { margin-right: 1rem; }
`;

/** The page that /docs serves. */
export function docsPage(): string {
  const tags = [...new Set(ROUTE_NAMES.map((name) => ROUTES[name].tag))];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claviger API</title><style>${STYLE}</style></head><body>
<h1>Claviger API</h1>
<p>Bytes are standard base64, times ISO 8601. Send an API token: <code>Authorization: Bearer clv_…</code>.
<code>{key}</code> is an id, an ARN or <code>alias:NAME</code>. A refusal is a problem document (RFC 9457) with a stable
<code>code</code>; every answer carries <code>x-request-id</code>, which stands in its audit record.
For programs: <a href="/openapi.json">/openapi.json</a>. AWS SDKs talk to <code>POST /</code> of this same address.</p>
<nav>${tags.map((tag) => `<a href="#${tag}">${tag}</a>`).join('')}</nav>
${tags.map(tagSection).join('\n')}
</body></html>`;
}

function tagSection(tag: string): string {
  const names = ROUTE_NAMES.filter((name) => ROUTES[name].tag === tag);
  return `<h2 id="${tag}">${tag}</h2>${names.map((name) => routeSection(ROUTES[name])).join('\n')}`;
}

function routeSection(route: Route): string {
  return `<section><h3><span class="method">${route.method}</span> <code>${escaped(route.path)}</code></h3>
<p>${escaped(route.summary)}.</p>
${fieldTable(inQuery(route) ? 'Query' : 'Body', route.input)}
${fieldTable('Answer', route.answer)}
<pre>${escaped(example(route))}</pre></section>`;
}

function inQuery({ method }: Route): boolean {
  return method === 'GET' || method === 'DELETE';
}

function example(route: Route): string {
  const path = route.path
    .replace('{key}', 'alias:orders')
    .replace('{name}', 'orders')
    .replace('{id}', 'TOKEN_ID')
    .replace('{requestId}', 'REQUEST_ID')
    .replace('{tile}', '000');
  const method = route.method === 'GET' ? '' : ` -X ${route.method}`;
  const body = inQuery(route) ? '' : ` \\\n  -d '${exampleBody(route)}'`;
  return `curl -s${method} -H "Authorization: Bearer $CLAVIGER_TOKEN" "$CLAVIGER_ENDPOINT${path}"${body}`;
}

const EXAMPLES: Readonly<Record<string, unknown>> = {
  spec: 'AES-256-GCM',
  plaintext: 'aGVsbG8=',
  ciphertext: 'wQEB…',
  message: 'aGVsbG8=',
  signature: 'MEUC…',
  mac: '…',
  publicKey: 'MFkw…',
  algorithm: 'ECDSA_SHA_256',
  name: 'orders',
  key: 'alias:orders',
  roles: ['crypto-user'],
  bytes: 32,
  destinationKey: 'alias:archive',
  policy: 'forbid (principal, action, resource) when { context.gateway == "aws" };',
  tags: { team: 'payments' },
  tagKeys: ['team'],
  periodDays: 365,
  wrappingKeyBits: 4096,
  importToken: '…',
  encryptedKeyMaterial: '…',
  action: 'Decrypt',
  items: [{ message: 'aGVsbG8=' }],
};

function exampleBody({ path, input }: Route): string {
  const { required = [] } = schemaOf(input) as { required?: string[] };
  const names = path.endsWith(':sign') || path.endsWith(':verify') ? ['message', ...required, 'algorithm'] : required;
  const overrides: Json = {};
  if (path.includes('generateMac') || path.includes('verifyMac')) overrides['algorithm'] = 'HMAC_SHA_256';
  if (path.includes('getParametersForImport')) overrides['algorithm'] = 'RSAES_OAEP_SHA_256';
  if (path.endsWith('DataKeyPair')) overrides['spec'] = 'P-256';
  if (path.endsWith('encryptBatch')) overrides['items'] = [{ plaintext: 'aGVsbG8=' }];
  if (path.endsWith('decryptBatch')) overrides['items'] = [{ ciphertext: 'wQEB…' }];
  if (path.endsWith('verifyBatch')) overrides['items'] = [{ message: 'aGVsbG8=', signature: 'MEUC…' }];
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, overrides[name] ?? EXAMPLES[name] ?? '…'])));
}

function fieldTable(title: string, schema: z.ZodType): string {
  const { properties = {}, required = [] } = schemaOf(schema) as {
    properties?: Record<string, Field>;
    required?: string[];
  };
  const rows = Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : '?';
    return `<tr><td><code>${escaped(name)}${optional}</code></td><td>${escaped(typeOf(field))}</td></tr>`;
  });
  return rows.length === 0 ? '' : `<table><tr><th>${title}</th><th></th></tr>${rows.join('')}</table>`;
}

function typeOf({ type = 'value', description, enum: values, contentEncoding, anyOf, items }: Field): string {
  const told = description === undefined ? '' : `: ${description}`;
  if (values !== undefined) return `${values.join(', ')}${told}`;
  if (contentEncoding === 'base64') return `base64${told}`;
  if (anyOf !== undefined) return `${anyOf.map(typeOf).join(' or ')}${told}`;
  if (type === 'array') return `list of ${typeOf(items ?? {})}${told}`;
  return `${type}${told}`;
}

function schemaOf(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: 'input' }) as Json;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
