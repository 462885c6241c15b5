/**
 * Claviger as a library: the service in this process, on a data folder of its own.
 *
 * @module
 */
import { join } from 'node:path';
import { Waiting } from '../audit/waiting.ts';
import { systemRandom } from '../crypto/random.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError } from '../errors.ts';
import { requireCompatibleRoles, ROLES, type Principal, type Role } from '../model/principal.ts';
import { execute } from '../operations/execute.ts';
import { OPERATION_KEYS, OPERATIONS, type ClavigerApi } from '../operations/index.ts';
import { ownCall } from '../operations/job-call.ts';
import type { Call, Operation } from '../operations/operation.ts';
import type { RateLimits } from '../operations/limits.ts';
import type { Services } from '../operations/services.ts';
import { systemClock } from '../ports/clock.ts';
import { silentLog, type Log } from '../ports/log.ts';
import { fileUnseal, passphraseUnseal, type Unseal } from '../seal/root-key.ts';
import { ensureTenants } from './bootstrap.ts';
import { DEFAULT_REGION, ROOT_KEY_FILE } from './config.ts';
import { openService, type OpenedService } from './open-service.ts';
import { openHomes, type GroupInput, type ProviderInput } from './providers-config.ts';
import { parseSinks, type SinkInput } from './sink-config.ts';

/** In whose name calls are made: policy and log hold for the library as for everybody. */
export interface LibraryPrincipal {
  /** Stands in the log. */
  readonly name: string;
  readonly roles: readonly Role[];
}

export interface OpenOptions {
  /** Data folder; made where it does not exist. One process owns it. */
  readonly folder: string;
  /** File of the root key; `root.key` in the folder where it is not given. */
  readonly rootKey?: string;
  /** Wraps the root key's file (Argon2id), at least 12 characters; without it the file alone opens the store. */
  readonly passphrase?: string;
  /** Name of the tenant; made where it does not exist. `default` where it is not given. */
  readonly tenant?: string;
  readonly principal: LibraryPrincipal;
  readonly region?: string;
  readonly limits?: RateLimits;
  /** Folder with Cedar policies of your own. */
  readonly policies?: string;
  /** Where the log is sent as well: the fields of `audit.sinks` in the configuration of a server. */
  readonly sinks?: readonly SinkInput[];
  /** Where keys can live beside the built-in keystore: the fields of `providers` in the configuration of a server. */
  readonly providers?: readonly ProviderInput[];
  /** Providers that keys live in together: the fields of `groups` in the configuration of a server. */
  readonly groups?: readonly GroupInput[];
  readonly log?: Log;
}

/**
 * A service in this process.
 *
 * @example
 * await using claviger = await Claviger.open({ folder: './keys', principal: { name: 'shop', roles: ['key-administrator', 'crypto-user'] } });
 * await claviger.createKey({ spec: 'AES-256-GCM', alias: 'orders' });
 * const { ciphertext } = await claviger.encrypt({ key: 'alias:orders', plaintext: Buffer.from('hello') });
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- its methods are those of OPERATIONS, set below
export interface Claviger extends ClavigerApi {}

export class Claviger {
  readonly #service: SharedService;
  readonly #principal: Principal;

  private constructor(service: SharedService, principal: Principal) {
    this.#service = service;
    this.#principal = principal;
  }

  /**
   * Opens a service on a folder.
   *
   * @throws STORE_UNAVAILABLE where another process has the folder, or a newer release wrote it; SEALED where the root
   * key is missing or another one; INVALID_ARGUMENT for roles that one principal must not hold together, or a sink, a
   * provider or a group that could never work; PROVIDER_MISCONFIGURED where a package or file of a provider is missing
   */
  static async open(options: OpenOptions): Promise<Claviger> {
    const {
      folder,
      tenant = 'default',
      principal,
      region = DEFAULT_REGION,
      limits,
      policies,
      sinks = [],
      log,
    } = options;
    requireRoles(principal.roles);
    const unseal = unsealOf(options);
    const parsedSinks = parseSinks(sinks);
    const ports = { clock: systemClock, random: systemRandom, log: log ?? silentLog };
    const homes = await openHomes({ providers: options.providers?.slice(), groups: options.groups?.slice() }, ports);
    const opened = await openService({
      folder,
      unseal,
      region,
      policies: policies ?? null,
      sinks: parsedSinks,
      ...homes,
      ...(limits === undefined ? {} : { limits }),
      ...(log === undefined ? {} : { log }),
    });
    try {
      const { id } = await ensureTenants(opened.services, [{ name: tenant }]);
      return new Claviger(new SharedService(opened), principalOf(principal, id));
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** The same service in another name, for a part of the application that should hold other roles. */
  as(principal: LibraryPrincipal): Claviger {
    requireRoles(principal.roles);
    return new Claviger(this.#service, principalOf(principal, this.#principal.tenantId));
  }

  /** Waits for what is under way and gives the folder back, for this object and all that `as` made of it. */
  close(): Promise<void> {
    return this.#service.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs one operation; the methods of `ClavigerApi` are this with their name filled in. */
  run<I, O>(operation: Operation<I, O>, input: I): Promise<O> {
    return this.#service.during((services) => this.#run(services, operation, input));
  }

  async #run<I, O>(services: Services, operation: Operation<I, O>, input: I): Promise<O> {
    const trace = services.observer.trace('claviger', null);
    const call: Call = { ...ownCall(services, this.#principal, 'library'), trace };
    try {
      const answer = await execute(services, operation, call, input);
      if (answer.kind === 'replay') throw new ClavigerError('INTERNAL', 'nothing is replayed in-process');
      return answer.served === null ? answer.output : { ...answer.output, ...answer.served };
    } finally {
      call.trace?.end();
    }
  }
}

/** What an object and all that `as` made of it stand on: open until one of them closes it. */
class SharedService {
  readonly #opened: OpenedService;
  readonly #calls = new Waiting<Promise<unknown>>();
  #closed: Promise<void> | null = null;

  constructor(opened: OpenedService) {
    this.#opened = opened;
  }

  /** @throws AUDIT_UNAVAILABLE once it is closed */
  async during<T>(call: (services: Services) => Promise<T>): Promise<T> {
    if (this.#closed !== null) throw new ClavigerError('AUDIT_UNAVAILABLE', 'this service is closed; open it anew');
    const running = call(this.#opened.services);
    const number = this.#calls.add(running);
    try {
      return await running;
    } finally {
      void this.#calls.take(number);
    }
  }

  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#calls.takeAll()).then(() => this.#opened.close());
    return this.#closed;
  }
}

for (const name of OPERATION_KEYS) {
  Object.defineProperty(Claviger.prototype, name, {
    value(this: Claviger, input: object = {}) {
      return this.run(OPERATIONS[name] as Operation<object, unknown>, input);
    },
    writable: true,
    configurable: true,
  });
}

function unsealOf(options: OpenOptions): Unseal {
  const { folder, rootKey = join(folder, ROOT_KEY_FILE), passphrase } = options;
  if ('passphrase' in options && passphrase === undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', '`passphrase` is undefined; leave it out to have none');
  }
  if (passphrase === undefined) return fileUnseal(rootKey, systemRandom);
  return passphraseUnseal(rootKey, new SecretBytes(Buffer.from(passphrase)), systemRandom);
}

function requireRoles(roles: readonly Role[]): void {
  const unknown = roles.find((role) => !ROLES.includes(role));
  if (unknown !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', `there is no role \`${unknown}\`; there are ${ROLES.join(', ')}`);
  }
  requireCompatibleRoles(roles);
}

function principalOf({ name, roles }: LibraryPrincipal, tenantId: string): Principal {
  return Object.freeze({
    id: `library/${name}`,
    name,
    tenantId,
    roles: [...roles],
    systemScope: false,
    via: 'library' as const,
  });
}
