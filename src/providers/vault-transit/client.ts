/**
 * HTTP to one server: a request, and its answer as JSON, whatever the status.
 *
 * Node's `https` rather than `fetch`, which knows no authorities but those of the whole process. Connections are kept open
 * and belong to the provider. Redirects are not followed: the token would go where an answer says. Nothing is sent twice.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { ClavigerError } from '../../errors.ts';
import { closedError, endedError, lateError } from '../ended.ts';
import type { CallOptions } from '../provider.ts';
import type { VaultTransitConfig } from './config.ts';
import { connectionError, homeError, unreadableError, type Refusal } from './errors.ts';

/** The longest is a ciphertext of `INPUT_BYTES_MAX` in base64, or a key with very many versions. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** Less than Vault's own five minutes, so that it seldom closes a connection just as we write to it. */
const IDLE_MS_MAX = 60_000;

export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/v1/`. */
  readonly path: string;
  readonly body?: object;
  readonly token?: string;
}

export interface VaultAnswer {
  readonly status: number;
  /** Parsed JSON; null where there was no body, or it was not JSON. */
  readonly json: unknown;
  readonly text: string;
}

/** The few things that we ask of HTTP. */
export interface VaultClient {
  /** @throws PROVIDER_UNAVAILABLE, PROVIDER_TIMEOUT or CANCELED where there is no answer */
  exchange(request: VaultRequest, options: CallOptions): Promise<VaultAnswer>;
  close(): void;
}

/** @throws PROVIDER_MISCONFIGURED where the file of authorities cannot be read */
export async function openClient(config: VaultTransitConfig): Promise<VaultClient> {
  const { name, caFile } = config;
  if (caFile === undefined) return new HttpVaultClient(config, undefined);
  const ca = await readFile(caFile, 'utf8').catch((cause: Error) => {
    throw homeError(name, 'PROVIDER_MISCONFIGURED', `cannot read \`caFile\`: ${cause.message}`, cause);
  });
  return new HttpVaultClient(config, ca);
}

class HttpVaultClient implements VaultClient {
  readonly #name: string;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #send: typeof requestHttp;
  readonly #agent: HttpAgent | HttpsAgent;
  #closed = false;

  constructor({ name, address, namespace }: VaultTransitConfig, ca: string | undefined) {
    const isTls = address.startsWith('https:');
    this.#name = name;
    this.#base = `${address.replace(/\/+$/, '')}/v1/`;
    this.#headers = {
      // Says that no browser was tricked into it (`require_request_header` of an agent).
      'x-vault-request': 'true',
      'user-agent': 'claviger',
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    };
    this.#send = isTls ? requestHttps : requestHttp;
    const pool = { keepAlive: true, timeout: IDLE_MS_MAX };
    this.#agent = isTls ? new HttpsAgent({ ...pool, ...(ca === undefined ? {} : { ca }) }) : new HttpAgent(pool);
  }

  async exchange(request: VaultRequest, { signal, timeoutMs }: CallOptions): Promise<VaultAnswer> {
    if (signal.aborted) throw endedError(this.#name, signal.reason);
    if (this.#closed) throw closedError(this.#name);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    const giveUp = (): void => late.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await this.#exchange(request, late.signal);
    } catch (error) {
      if (signal.aborted) throw endedError(this.#name, signal.reason);
      if (late.signal.aborted) throw lateError(this.#name, null, error);
      if (this.#closed) throw closedError(this.#name);
      throw error instanceof ClavigerError ? error : connectionError(this.#name, error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #exchange({ method, path, body, token }: VaultRequest, signal: AbortSignal): Promise<VaultAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<VaultAnswer>();
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      signal,
      headers: {
        ...this.#headers,
        ...(token === undefined ? {} : { 'x-vault-token': token }),
        ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
      },
    };
    const sent = this.#send(`${this.#base}${path}`, options, (answer) => {
      this.#read(answer).then(resolve, reject);
    });
    sent.on('error', reject);
    sent.end(bytes);
    return promise;
  }

  async #read(answer: IncomingMessage): Promise<VaultAnswer> {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      length += part.length;
      // Leaving the loop destroys the connection.
      if (length > ANSWER_BYTES_MAX)
        throw unreadableError(this.#name, `what came has more than ${ANSWER_BYTES_MAX} bytes`);
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString();
    return { status: answer.statusCode ?? 0, json: parseJson(text), text };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** The words of an answer that is no success: Vault gives a list of `errors`, a proxy before it whatever it likes. */
export function refusalOf({ status, json, text }: VaultAnswer): Refusal {
  const { errors } = (json ?? {}) as { errors?: unknown };
  const words = Array.isArray(errors) ? errors.filter((word) => typeof word === 'string').join('; ') : text;
  return { status, words };
}

export function isSuccess({ status }: VaultAnswer): boolean {
  return status >= 200 && status < 300;
}
