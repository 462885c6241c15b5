/**
 * Fields of requests: a table of what each operation takes; anything else is refused.
 *
 * @module
 * @see https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups
 */
import { badParameter } from './http.ts';

type Kind = 'text' | 'bytes' | 'number' | 'boolean' | 'texts' | 'tags' | 'attributes' | 'jwk' | 'object' | 'list';

const CRYPTO = { alg: 'text', value: 'bytes' } as const;
const AES_CRYPTO = { ...CRYPTO, iv: 'bytes', aad: 'bytes', tag: 'bytes' } as const;

export const FIELDS = {
  create: {
    kty: 'text',
    key_size: 'number',
    public_exponent: 'number',
    key_ops: 'texts',
    attributes: 'attributes',
    tags: 'tags',
    crv: 'text',
    release_policy: 'object',
  },
  import: { Hsm: 'boolean', key: 'jwk', attributes: 'attributes', tags: 'tags', release_policy: 'object' },
  update: { key_ops: 'texts', attributes: 'attributes', tags: 'tags', release_policy: 'object' },
  encrypt: AES_CRYPTO,
  decrypt: AES_CRYPTO,
  wrapkey: AES_CRYPTO,
  unwrapkey: AES_CRYPTO,
  sign: CRYPTO,
  verify: { alg: 'text', digest: 'bytes', value: 'bytes' },
  restore: { value: 'bytes' },
  rng: { count: 'number' },
  rotationpolicy: { lifetimeActions: 'list', attributes: 'object' },
} as const satisfies Record<string, Readonly<Record<string, Kind>>>;

export type Operation = keyof typeof FIELDS;

const JWK_TEXTS: ReadonlySet<string> = new Set(['kid', 'kty', 'crv']);
const JWK_BYTES: ReadonlySet<string> = new Set(['n', 'e', 'd', 'dp', 'dq', 'qi', 'p', 'q', 'k', 'key_hsm', 'x', 'y']);
const ATTRIBUTES = { enabled: 'boolean', nbf: 'number', exp: 'number', exportable: 'boolean' } as const;

/** The body of an operation, each field known and of its kind. */
export function checked(operation: Operation, body: Readonly<Record<string, unknown>>): Fields {
  const fields: Readonly<Record<string, Kind>> = FIELDS[operation];
  for (const [name, value] of Object.entries(body)) {
    const kind = Object.hasOwn(fields, name) ? fields[name]! : null;
    if (kind === null) throw badParameter(`Property '${name}' is not known.`);
    requireKind(name, kind, value);
  }
  return new Fields(body);
}

export class Fields {
  readonly #body: Readonly<Record<string, unknown>>;

  constructor(body: Readonly<Record<string, unknown>>) {
    this.#body = body;
  }

  has(name: string): boolean {
    return this.#body[name] !== undefined;
  }

  get<T>(name: string): T | undefined {
    return this.#body[name] as T | undefined;
  }

  text(name: string): string {
    return this.#required(name) as string;
  }

  bytes(name: string): Buffer {
    return Buffer.from(this.#required(name) as string, 'base64url');
  }

  #required(name: string): unknown {
    const value = this.#body[name];
    if (value === undefined) throw badParameter(`Property '${name}' is required.`);
    return value;
  }
}

function requireKind(name: string, kind: Kind, value: unknown): void {
  const wrong = (): never => {
    throw badParameter(`Property '${name}' has an invalid value.`);
  };
  switch (kind) {
    case 'bytes':
      return requireBytes(name, value);
    case 'text':
      return void (typeof value === 'string' || wrong());
    case 'number':
      return void (Number.isSafeInteger(value) || wrong());
    case 'boolean':
      return void (typeof value === 'boolean' || wrong());
    case 'texts':
      return void ((Array.isArray(value) && value.every((item) => typeof item === 'string')) || wrong());
    case 'list':
      return void (Array.isArray(value) || wrong());
    case 'object':
      return void (isObject(value) || wrong());
    case 'tags':
      if (!isObject(value)) return wrong();
      return void (Object.values(value).every((tag) => typeof tag === 'string') || wrong());
    case 'attributes':
      if (!isObject(value)) return wrong();
      for (const [attribute, part] of Object.entries(value)) {
        const known = Object.hasOwn(ATTRIBUTES, attribute) ? ATTRIBUTES[attribute as keyof typeof ATTRIBUTES] : null;
        if (known === null) throw badParameter(`Property '${name}.${attribute}' is not known.`);
        requireKind(`${name}.${attribute}`, known, part);
      }
      return;
    case 'jwk':
      return isObject(value) ? requireJwk(value) : wrong();
  }
}

function requireJwk(jwk: Readonly<Record<string, unknown>>): void {
  for (const [part, value] of Object.entries(jwk)) {
    if (JWK_BYTES.has(part)) requireBytes(`key.${part}`, value);
    else if (part === 'key_ops') requireKind('key.key_ops', 'texts', value);
    else if (JWK_TEXTS.has(part)) requireKind(`key.${part}`, 'text', value);
    else throw badParameter(`Property 'key.${part}' is not known.`);
  }
}

function requireBytes(name: string, value: unknown): void {
  if (typeof value !== 'string' || Buffer.from(value, 'base64url').toString('base64url') !== value)
    throw badParameter(`Content of '${name}' is not base64url.`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
