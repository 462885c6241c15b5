/**
 * The connection to a vault or Managed HSM: what we use of Azure's client, and how it is made and kept.
 *
 * Four things of the client are handled here and nowhere else.
 *
 * - Its first request goes without a body and without a token, to be told where to get one; when others run at the same
 *   time, its body can get lost. So the first request of a connection is one that has no body, and the others wait.
 * - It would read a key before its first use, and then do some operations by itself. It is told that it may not read:
 *   then each operation is one request, of which the service decides, and the right to read keys is not needed.
 * - A token that the service no longer takes is used until it expires. After a 401 the connection is made anew, once.
 * - It follows redirects and tries again; both are switched off.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { Agent, type AgentOptions } from 'node:https';
import { getCACertificates } from 'node:tls';
import type * as Identity from '@azure/identity';
import type * as Sdk from '@azure/keyvault-keys';
import { ClavigerError } from '../../errors.ts';
import { untilEnded } from '../../ports/until-ended.ts';
import { closedError, endedError, lateError } from '../ended.ts';
import { loadPackages } from '../packages.ts';
import type { CallOptions } from '../provider.ts';
import { CLOUDS, type AzureKeyVaultConfig } from './config.ts';
import { signInMs, Tokens } from './credential.ts';
import { azureError, deletedError, integrityError, isUnauthenticated, type Asked } from './errors.ts';
import { parseKeyId, type KeyReference } from './reference.ts';

/** Clients of single keys that are kept; each is a few hundred bytes over one shared connection. */
const KEY_CLIENTS_MAX = 1000;
/** Marks requests for a key that the client makes before its first use of it. Never leaves the process. */
const USE_HEADER = 'x-claviger-use';
const PACKAGES = ['@azure/keyvault-keys', '@azure/identity'] as const;

/** For tests: how names become addresses. */
export interface Transport {
  readonly lookup?: AgentOptions['lookup'];
}

/** What an operation with a key gives. */
export interface KeyAnswer {
  readonly result: Uint8Array;
  readonly iv?: Uint8Array | undefined;
  readonly authenticationTag?: Uint8Array | undefined;
}

/** Options for one call of the client. */
interface SdkOptions {
  readonly abortSignal: AbortSignal;
}

/** A call of the vault's client. */
export type Send<T> = (client: Sdk.KeyClient, options: SdkOptions) => Promise<T>;

type VaultClient = Sdk.KeyClient;
type KeyClient = Sdk.CryptographyClient;
type Policies = NonNullable<Sdk.KeyClientOptions['additionalPolicies']>;
type Policy = Policies[number]['policy'];

/** A client with its token and the clients of single keys. */
interface Session {
  readonly client: VaultClient;
  readonly keys: Map<string, KeyClient>;
  /** Set once the client knows where tokens come from. */
  ready: Promise<void> | null;
  /** A request went out with a token. */
  authorized: boolean;
  /** The service has taken our token at least once. */
  accepted: boolean;
}

export class VaultConnection {
  readonly #config: AzureKeyVaultConfig;
  readonly #sdk: typeof Sdk;
  readonly #identity: typeof Identity;
  readonly #agent: Agent;
  #session: Session;
  #closed = false;

  private constructor(config: AzureKeyVaultConfig, sdk: typeof Sdk, identity: typeof Identity, agent: Agent) {
    this.#config = config;
    this.#sdk = sdk;
    this.#identity = identity;
    this.#agent = agent;
    this.#session = this.#newSession();
  }

  /** @throws PROVIDER_MISCONFIGURED where a package or `caFile` is missing */
  static async open(config: AzureKeyVaultConfig, transport: Transport = {}): Promise<VaultConnection> {
    const [sdk, identity] = await loadPackages(config.name, PACKAGES, () =>
      Promise.all([import('@azure/keyvault-keys'), import('@azure/identity')]),
    );
    const agent = new Agent({
      keepAlive: true,
      ...(config.caFile === undefined ? {} : { ca: authorities(config.name, config.caFile) }),
      ...(transport.lookup === undefined ? {} : { lookup: transport.lookup }),
    });
    return new VaultConnection(config, sdk, identity, agent);
  }

  /**
   * A call of the vault's client.
   *
   * @throws what errors.ts makes of it; CANCELED or PROVIDER_TIMEOUT when the signal ended first
   */
  async call<T>({ signal }: Pick<CallOptions, 'signal'>, send: Send<T>, asked: Asked = { opens: false }): Promise<T> {
    return this.#run(signal, asked, (session) => send(session.client, { abortSignal: signal }));
  }

  /** An operation with a key: one request, and an answer that names the key that was asked for. */
  async use(
    key: KeyReference,
    { signal }: CallOptions,
    send: (client: KeyClient, options: Sdk.CryptographyOptions) => Promise<KeyAnswer>,
    asked: Asked = { opens: false },
  ): Promise<KeyAnswer> {
    let answeredFor: unknown;
    const options: Sdk.CryptographyOptions = {
      abortSignal: signal,
      requestOptions: { headers: { [USE_HEADER]: '1' } },
      onResponse: ({ status, parsedBody }) => {
        if (status === 200) answeredFor = (parsedBody as { kid?: unknown } | undefined)?.kid;
      },
    };
    const answer = await this.#run(signal, asked, (session) => send(this.#keyClient(session, key), options)).catch(
      async (error: unknown) => {
        throw await this.explained(error, key.name, signal);
      },
    );
    // Some emulators name no key; a wrong one is never taken.
    if (answeredFor !== undefined && !isIdOf(key, answeredFor))
      throw integrityError(this.#config.name, 'it names another key');
    return answer;
  }

  /** The error itself, or a better one: to Azure a key that is deleted and can be recovered is not there. */
  async explained(thrown: unknown, name: string, signal: AbortSignal): Promise<unknown> {
    if (!(thrown instanceof ClavigerError) || thrown.code !== 'KEY_NOT_FOUND') return thrown;
    const deleted = await this.call({ signal }, (client, options) => client.getDeletedKey(name, options)).catch(
      () => null,
    );
    return deleted === null ? thrown : deletedError(this.#config.name, thrown);
  }

  /** Asks for one key of the list, which proves address and credentials. False where we may not list. */
  async probe({ signal }: CallOptions): Promise<boolean> {
    try {
      await this.#run(signal, { opens: false }, (session) => listOne(session.client, signal));
      return true;
    } catch (error) {
      if (error instanceof ClavigerError && error.code === 'PROVIDER_DENIED' && this.#session.accepted) return false;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  async #run<T>(signal: AbortSignal, asked: Asked, send: (session: Session) => Promise<T>): Promise<T> {
    const { name } = this.#config;
    if (this.#closed) throw closedError(name);
    if (signal.aborted) throw endedError(name, signal.reason);
    const session = this.#session;
    try {
      return await untilEnded(signal, this.#attempt(session, send));
    } catch (error) {
      if (signal.aborted) throw endedError(name, signal.reason);
      if (!isUnauthenticated(error) || !session.accepted) throw azureError(name, error, asked);
    }
    // The token was good and is no longer: revoked, or its keys were changed. A fresh one is asked for, once.
    if (this.#session === session) this.#session = this.#newSession();
    try {
      return await untilEnded(signal, this.#attempt(this.#session, send));
    } catch (error) {
      throw signal.aborted ? endedError(name, signal.reason) : azureError(name, error, asked);
    }
  }

  async #attempt<T>(session: Session, send: (session: Session) => Promise<T>): Promise<T> {
    session.ready ??= this.#begin(session);
    await session.ready;
    return send(session);
  }

  /** The first request of a session. It belongs to nobody, so it ends by a time of its own. */
  async #begin(session: Session): Promise<void> {
    try {
      await listOne(session.client, AbortSignal.timeout(signInMs(this.#config)));
    } catch (error) {
      // Whatever else it says, once it was asked with a token the client knows all it has to.
      if (session.authorized && !isUnauthenticated(error)) return;
      // It wants no token at all, as some emulators do.
      if (isAnswer(error)) return;
      session.ready = null;
      if ((error as Error).name !== 'AbortError') throw error;
      throw lateError(this.#config.name);
    }
  }

  #newSession(): Session {
    const config = this.#config;
    const session: Pick<Session, 'authorized' | 'accepted'> = { authorized: false, accepted: false };
    const tokens = new Tokens(config, this.#identity, this.#agent);
    const additionalPolicies: Policies = [
      { policy: unreadKeys, position: 'perCall' },
      { policy: watch(session), position: 'perRetry' },
    ];
    if (config.disableChallengeResourceVerification)
      additionalPolicies.push({ policy: wholeChallenge(config), position: 'perRetry' });
    const client = new this.#sdk.KeyClient(config.vaultUrl, tokens, {
      serviceVersion: config.apiVersion,
      disableChallengeResourceVerification: config.disableChallengeResourceVerification,
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
      agent: this.#agent,
      additionalPolicies,
    });
    return Object.assign(session, { client, keys: new Map<string, KeyClient>(), ready: null });
  }

  #keyClient({ client, keys }: Session, { name, version }: KeyReference): KeyClient {
    const id = `${name}/${version}`;
    const known = keys.get(id);
    if (known !== undefined) return known;
    if (keys.size >= KEY_CLIENTS_MAX) keys.delete(keys.keys().next().value!);
    const made = client.getCryptographyClient(name, { keyVersion: version });
    keys.set(id, made);
    return made;
  }
}

function isIdOf({ name, version }: KeyReference, id: unknown): boolean {
  const named = typeof id === 'string' ? parseKeyId(id) : null;
  return named?.name.toLowerCase() === name.toLowerCase() && named.version === version;
}

/** True for what a service says that works, other than to ask for a token. */
function isAnswer(error: unknown): boolean {
  const { statusCode } = error as { statusCode?: number };
  return statusCode !== undefined && [400, 403, 404].includes(statusCode);
}

async function listOne(client: VaultClient, abortSignal: AbortSignal): Promise<void> {
  await client.listPropertiesOfKeys({ abortSignal }).byPage({ maxPageSize: 1 }).next();
}

/** Answers what the client asks before its first use of a key: it may not read it. */
const unreadKeys: Policy = {
  name: 'clavigerUnreadKeys',
  sendRequest: async (request, next) => {
    const isUse = request.headers.has(USE_HEADER);
    request.headers.delete(USE_HEADER);
    if (isUse && request.method === 'GET') return { request, status: 403, headers: request.headers, bodyAsText: '{}' };
    return next(request);
  },
};

function watch(session: Pick<Session, 'authorized' | 'accepted'>): Policy {
  return {
    name: 'clavigerWatch',
    sendRequest: async (request, next) => {
      const authorized = request.headers.has('authorization');
      session.authorized ||= authorized;
      const response = await next(request);
      session.accepted ||= authorized && response.status !== 401 && response.status < 500;
      return response;
    },
  };
}

/** Completes a challenge that names no resource, which the client could not answer. */
function wholeChallenge({ cloud, managedHsm }: AzureKeyVaultConfig): Policy {
  const resource = CLOUDS[cloud][managedHsm ? 'managedHsms' : 'vaults'];
  return {
    name: 'clavigerWholeChallenge',
    sendRequest: async (request, next) => {
      const response = await next(request);
      const challenge = response.headers.get('www-authenticate');
      const complete = challenge !== undefined && /(resource|scope|error)="/.test(challenge);
      if (response.status === 401 && !complete) {
        const before = challenge?.startsWith('Bearer ') === true ? `${challenge}, ` : 'Bearer ';
        response.headers.set('www-authenticate', `${before}resource="${resource}"`);
      }
      return response;
    },
  };
}

function authorities(name: string, caFile: string): string[] {
  try {
    return [...getCACertificates('default'), readFileSync(caFile, 'utf8')];
  } catch (cause) {
    throw new ClavigerError('PROVIDER_MISCONFIGURED', `the \`caFile\` of \`${name}\` cannot be read`, { cause });
  }
}
