/**
 * The REST API as an object with the same methods as the in-process service.
 *
 * @module
 */
import { ClavigerError, ERRORS, invalidCiphertext, REASONS, type ErrorCode, type Reason } from '../errors.ts';
import type { ClavigerApi, OperationKey } from '../operations/index.ts';
import { BYTES_TYPE, encodeBytes, keyOfCiphertext, problem, ROUTES, type Route } from '../wire/index.ts';

/** A request that takes longer has most likely lost its server; nothing of ours does. */
const TIMEOUT_MS = 30_000;

export interface ClientOptions {
  /** `http://127.0.0.1:8550`. */
  readonly endpoint: string;
  /** An API token, `clv_…`. */
  readonly token: string;
  /** Milliseconds for a whole request; 30,000 where it is not given. */
  readonly timeoutMs?: number;
  /** In place of the global `fetch`, for a proxy or a certificate of one's own. */
  readonly fetch?: typeof globalThis.fetch;
}

type Fields = Record<string, unknown>;

/**
 * A client of a Claviger server. Every method takes and gives what the in-process service does, and throws the same
 * `ClavigerError`.
 *
 * @example
 * const client = new ClavigerClient({ endpoint: 'http://127.0.0.1:8550', token });
 * const { ciphertext } = await client.encrypt({ key: 'alias:orders', plaintext: new TextEncoder().encode('hello') });
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- its methods are those of ROUTES, set below
export interface ClavigerClient extends ClavigerApi {
  /**
   * One route of the API by its name.
   *
   * @throws ClavigerError with the server's code; PROVIDER_UNAVAILABLE where the server cannot be reached, or a proxy before
   *   it says so
   */
  call(name: OperationKey, input: object): Promise<unknown>;
}

export class ClavigerClient {
  readonly #endpoint: string;
  readonly #token: string;
  readonly #timeoutMs: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor({ endpoint, token, timeoutMs = TIMEOUT_MS, fetch = globalThis.fetch }: ClientOptions) {
    this.#endpoint = endpoint.replace(/\/+$/, '');
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#fetch = fetch;
  }

  async call(name: OperationKey, input: object): Promise<unknown> {
    const route: Route = ROUTES[name];
    const { path, fields } = placed(route.path, named(name, input as Fields));
    const inQuery = route.method === 'GET' || route.method === 'DELETE';
    const response = await this.#send(inQuery ? `${path}${queryOf(fields)}` : path, {
      method: route.method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(inQuery ? {} : { 'content-type': 'application/json' }),
      },
      body: inQuery ? null : JSON.stringify(encodeBytes(fields)),
    });
    if (response.ok && route.media !== undefined) return contentOf(response, route.media);
    const body = await jsonOf(response);
    if (!response.ok) throw refusalOf(body, response.status);
    return outputOf(name, route.answer.parse(body));
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const url = `${this.#endpoint}${path}`;
    try {
      return await this.#fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(this.#timeoutMs) });
    } catch (cause) {
      throw new ClavigerError('PROVIDER_UNAVAILABLE', `cannot reach ${this.#endpoint}: ${reasonOf(cause)}`, { cause });
    }
  }
}

for (const name of Object.keys(ROUTES) as OperationKey[]) {
  Object.defineProperty(ClavigerClient.prototype, name, {
    value(this: ClavigerClient, input: object = {}) {
      return this.call(name, input);
    },
    writable: true,
    configurable: true,
  });
}

/** A ciphertext names its key, where the caller does not: the path of the API has to. */
function named(name: OperationKey, input: Fields): Fields {
  if ((name !== 'decrypt' && name !== 'reEncrypt') || input['key'] !== undefined) return input;
  const key = keyOfCiphertext(input['ciphertext'] as Uint8Array);
  if (key !== null) return { ...input, key };
  throw invalidCiphertext();
}

/** Puts what the path names into it; the rest goes into query or body. */
function placed(path: string, input: Fields): { readonly path: string; readonly fields: Fields } {
  const fields = { ...input };
  const filled = path.replace(/\{([A-Za-z]+)\}/, (_, name: string) => {
    const value = fields[name];
    delete fields[name];
    if (typeof value !== 'string' || value === '')
      throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` is missing`);
    // The path of a tile is one.
    return name === 'tile' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value);
  });
  return { path: filled, fields };
}

function queryOf(fields: Fields): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`;
}

async function contentOf(response: Response, media: string): Promise<string | Uint8Array> {
  return media === BYTES_TYPE ? new Uint8Array(await response.arrayBuffer()) : response.text();
}

/** Bad gateway, service unavailable, gateway timeout. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (cause) {
    const told = `the server answered ${response.status} with something other than JSON; is this a Claviger endpoint?`;
    // A proxy says so in its own words where the server behind it is away.
    throw new ClavigerError(AWAY.has(response.status) ? 'PROVIDER_UNAVAILABLE' : 'INTERNAL', told, { cause });
  }
}

/** The error that the server told, as the in-process service would have thrown it. */
function refusalOf(body: unknown, status: number): ClavigerError {
  const told = problem.safeParse(body);
  if (!told.success || !Object.hasOwn(ERRORS, told.data.code)) {
    return new ClavigerError('INTERNAL', `the server answered ${status} with an error that is not known here`);
  }
  const { code, detail, reason, requestId } = told.data;
  const known = reason !== undefined && Object.hasOwn(REASONS, reason) ? { reason: reason as Reason } : {};
  return new ClavigerError(code as ErrorCode, detail, { ...known, cause: { requestId } });
}

/** Where an answer has another form than the operation's output. */
function outputOf(name: OperationKey, answer: unknown): unknown {
  if (name === 'getPublicKey') {
    const { publicKey, ...rest } = answer as { publicKey: string };
    return { ...rest, publicKey: Uint8Array.fromBase64(publicKey) };
  }
  if (!name.endsWith('Batch')) return answer;
  const { results } = answer as { results: readonly Fields[] };
  return {
    results: results.map((result) =>
      'error' in result ? { error: itemErrorOf(result['error']) } : { output: result },
    ),
  };
}

function itemErrorOf(told: unknown): ClavigerError {
  const { code, detail } = told as { code: string; detail: string };
  return new ClavigerError(Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL', detail);
}

/** What a failed fetch says, which hides it in its cause. */
function reasonOf(thrown: unknown): string {
  const { cause, message } = thrown as { cause?: { code?: string; message?: string }; message: string };
  return cause?.code ?? cause?.message ?? message;
}
