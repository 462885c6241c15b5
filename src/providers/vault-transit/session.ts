/**
 * The token that goes with every call: had by a login, renewed before it ends, and had anew once renewing is over.
 *
 * One login at a time, whoever waits for it. A login that was denied is not tried again for a while, longer each time:
 * Vault locks out who is wrong too often, and a secret id may be good for a number of logins only.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ClavigerError } from '../../errors.ts';
import { closedError, endedError, lateError } from '../ended.ts';
import type { CallOptions } from '../provider.ts';
import type { ProviderPorts } from '../adapter.ts';
import { isSuccess, refusalOf, type VaultAnswer, type VaultClient } from './client.ts';
import type { VaultTransitConfig } from './config.ts';
import { homeError, refusalError, unreadableError } from './errors.ts';

/** A login may ask others, such as Kubernetes, and belongs to no single call. */
const LOGIN_MS_MAX = 10_000;
/** After a denied login; doubled each time. Five denials in a row lock a user out of Vault. */
const BACKOFF_MS_MIN = 5_000;
const BACKOFF_MS_MAX = 300_000;
/** Share of a lease after which it is renewed: two tries more fit into the rest. */
const RENEW_SHARE = 2 / 3;
/** Between two looks at a lease; the longest is less than a timer of Node can wait. */
const LOOK_MS_MIN = 250;
const LOOK_MS_MAX = 3_600_000;
/** A fresh token that is refused again is refused by policy, so another login would change nothing. */
const FRESH_MS = 10_000;

/** Some versions answer 500 to a wrong secret id. */
const WRONG_CREDENTIALS = /invalid (?:role|secret)[ _]?id/i;

interface Lease {
  readonly token: string;
  readonly loginMs: number;
  /** When it was given, or renewed the last time. */
  readonly sinceMs: number;
  /** Infinity for a token without end. */
  readonly endsMs: number;
  readonly renewable: boolean;
  /** What it was given for at first; 0 for one without end. */
  readonly leaseMs: number;
}

/** What a refused token is worth. */
export type Refused =
  /** Another one has taken its place. */
  | 'replaced'
  /** It is good, but not for that. */
  | 'forbidden'
  /** That, or it has ended; there is no other one, so nobody asks which. */
  | 'forbidden-or-gone';

const authAnswer = z.object({
  auth: z.object({
    client_token: z.string().min(1),
    lease_duration: z.int().min(0),
    renewable: z.boolean(),
  }),
});
const lookupAnswer = z.object({ data: z.object({ ttl: z.int().min(0), renewable: z.boolean().default(false) }) });

export class VaultSession {
  readonly #name: string;
  readonly #auth: VaultTransitConfig['auth'];
  readonly #client: VaultClient;
  readonly #ports: ProviderPorts;
  readonly #closing = new AbortController();
  #lease: Lease | null = null;
  #login: Promise<Lease> | null = null;
  #lastDenial: ClavigerError | null = null;
  #denials = 0;
  #deniedUntilMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #nextLookMs = 0;

  constructor({ name, auth }: VaultTransitConfig, client: VaultClient, ports: ProviderPorts) {
    this.#name = name;
    this.#auth = auth;
    this.#client = client;
    this.#ports = ports;
  }

  /**
   * The token of the hour.
   *
   * @throws PROVIDER_DENIED where the login was denied, also where it is too early to try again
   */
  async token(options: CallOptions): Promise<string> {
    if (this.#closing.signal.aborted) throw closedError(this.#name);
    const lease = this.#lease;
    // A token that was given to us may be good for longer than it said: the server knows.
    if (lease !== null && (this.#auth.kind === 'token' || lease.endsMs > this.#now())) return lease.token;
    return (await this.#waitFor(this.#logIn(), options)).token;
  }

  /** What is to be thought of a token with which a call was refused; has another one where that is the remedy. */
  async refused(token: string, options: CallOptions): Promise<Refused> {
    const lease = this.#lease;
    if (this.#auth.kind === 'token') return 'forbidden-or-gone';
    if (lease === null || lease.token !== token) return 'replaced';
    const answer = await this.#client.exchange({ method: 'GET', path: 'auth/token/lookup-self', token }, options);
    if (answer.status !== 403) return 'forbidden';
    // Whoever is not let look at himself is refused that as well, so a fresh token is taken as good.
    if (this.#now() - lease.loginMs < FRESH_MS) return 'forbidden';
    if (this.#lease?.token === token) this.#lease = null;
    await this.#waitFor(this.#logIn(), options);
    return 'replaced';
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort(closedError(this.#name));
    this.#lease = null;
  }

  /** One for all who want it. */
  #logIn(): Promise<Lease> {
    if (this.#lastDenial !== null && this.#now() < this.#deniedUntilMs) return Promise.reject(this.#lastDenial);
    this.#login ??= this.#authenticate().then(
      (lease) => {
        this.#login = null;
        this.#denials = 0;
        this.#lastDenial = null;
        this.#keep(lease);
        return lease;
      },
      (error: unknown) => {
        this.#login = null;
        if (error instanceof ClavigerError && error.code === 'PROVIDER_DENIED') this.#backOff(error);
        throw error;
      },
    );
    return this.#login;
  }

  #backOff(denial: ClavigerError): void {
    const waitMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#denials, BACKOFF_MS_MAX);
    this.#denials += 1;
    this.#lastDenial = denial;
    this.#deniedUntilMs = this.#now() + waitMs;
    this.#ports.log.write('error', `provider \`${this.#name}\`: the login was denied`, { againInMs: waitMs });
  }

  async #authenticate(): Promise<Lease> {
    const sinceMs = this.#now();
    if (this.#auth.kind === 'token') return this.#given(this.#auth.token, sinceMs);
    const { mount } = this.#auth;
    const body = await this.#credentials(this.#auth);
    const path = `auth/${mount}/login`;
    const answer = await this.#client.exchange({ method: 'POST', path, body }, this.#ownCall());
    if (isSuccess(answer)) return this.#leaseOf(answer, sinceMs);
    const refusal = refusalOf(answer);
    const { status, words } = refusal;
    if (status === 404 && /no handler for route/.test(words)) {
      throw refusalError(
        this.#name,
        refusal,
        'PROVIDER_MISCONFIGURED',
        `no auth method is mounted at \`${mount}\`; set \`auth.mount\``,
      );
    }
    const isDenied = status >= 400 && status < 500 && status !== 429;
    if (!isDenied && !WRONG_CREDENTIALS.test(words)) throw refusalError(this.#name, refusal);
    const says = `its auth method at \`${mount}\` denies the login; check the credentials and their role`;
    throw refusalError(this.#name, refusal, 'PROVIDER_DENIED', says);
  }

  async #credentials(auth: Exclude<VaultTransitConfig['auth'], { kind: 'token' }>): Promise<object> {
    if (auth.kind === 'approle') return { role_id: auth.roleId, secret_id: auth.secretId };
    const jwt = await readFile(auth.jwtFile, 'utf8').catch((cause: Error) => {
      throw homeError(this.#name, 'PROVIDER_MISCONFIGURED', `cannot read \`auth.jwtFile\`: ${cause.message}`, cause);
    });
    return { role: auth.role, jwt: jwt.trim() };
  }

  /** A token that somebody made: what it is good for, where it may ask. */
  async #given(token: string, sinceMs: number): Promise<Lease> {
    const request = { method: 'GET', path: 'auth/token/lookup-self', token } as const;
    const answer = await this.#client.exchange(request, this.#ownCall());
    // Refused by policy, or because it is gone: the call that is waiting will find out.
    if (answer.status === 403) return leaseFor(token, sinceMs, 0, false);
    if (!isSuccess(answer)) throw refusalError(this.#name, refusalOf(answer));
    const { data } = lookupAnswer.safeParse(answer.json);
    if (data === undefined) throw unreadableError(this.#name, 'what came says nothing of a token');
    const { ttl, renewable } = data.data;
    if (ttl > 0 && !renewable) {
      this.#ports.log.write('warn', `provider \`${this.#name}\`: its token ends, and cannot be renewed`, { ttl });
    }
    return leaseFor(token, sinceMs, ttl, renewable);
  }

  #leaseOf(answer: VaultAnswer, sinceMs: number): Lease {
    const { data } = authAnswer.safeParse(answer.json);
    if (data === undefined) throw unreadableError(this.#name, 'a login came without a token');
    const { client_token: token, lease_duration: seconds, renewable } = data.auth;
    return leaseFor(token, sinceMs, seconds, renewable);
  }

  #keep(lease: Lease): void {
    if (this.#closing.signal.aborted) return;
    this.#lease = lease;
    this.#nextLookMs = lease.sinceMs + (lease.endsMs - lease.sinceMs) * RENEW_SHARE;
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const lease = this.#lease;
    const canGoOn = lease !== null && (lease.renewable || this.#auth.kind !== 'token');
    if (!canGoOn || lease.endsMs === Infinity || this.#closing.signal.aborted) return;
    const waitMs = Math.min(Math.max(this.#nextLookMs - this.#now(), LOOK_MS_MIN), LOOK_MS_MAX);
    this.#timer = setTimeout(() => void this.#look(lease), waitMs).unref();
  }

  /** Renews the lease, or has another one, when it is time. */
  async #look(lease: Lease): Promise<void> {
    if (this.#lease !== lease) return;
    if (this.#now() < this.#nextLookMs) return this.#watch();
    try {
      const renewed = lease.renewable ? await this.#renew(lease) : null;
      if (this.#lease !== lease) return;
      if (renewed !== null) this.#keep(renewed);
      else if (this.#auth.kind !== 'token') await this.#logIn();
    } catch (error) {
      if (this.#closing.signal.aborted || this.#lease !== lease) return;
      const { code, message } = error as ClavigerError;
      this.#ports.log.write('warn', `provider \`${this.#name}\`: its token was not renewed`, { code, message });
      const now = this.#now();
      if (now >= lease.endsMs) return;
      this.#nextLookMs = now + (lease.endsMs - now) / 3;
      this.#watch();
    }
  }

  /** Null where it cannot be renewed any more, or for less than half of what it was good for at first. */
  async #renew(lease: Lease): Promise<Lease | null> {
    const { token } = lease;
    const sinceMs = this.#now();
    const path = 'auth/token/renew-self';
    const answer = await this.#client.exchange({ method: 'POST', path, body: {}, token }, this.#ownCall());
    if (!isSuccess(answer)) {
      const isOver = answer.status === 400 || answer.status === 403;
      if (isOver && this.#auth.kind !== 'token') return null;
      throw refusalError(this.#name, refusalOf(answer));
    }
    const renewed = this.#leaseOf(answer, sinceMs);
    const isShort = renewed.endsMs - sinceMs < lease.leaseMs / 2;
    if (isShort && this.#auth.kind !== 'token') return null;
    return { ...renewed, token, loginMs: lease.loginMs, leaseMs: lease.leaseMs };
  }

  #ownCall(): CallOptions {
    return { signal: this.#closing.signal, timeoutMs: LOGIN_MS_MAX };
  }

  /** Waits for what others may wait for as well, no longer than this call has. */
  async #waitFor<T>(work: Promise<T>, { signal, timeoutMs }: CallOptions): Promise<T> {
    if (signal.aborted) {
      work.catch(() => undefined);
      throw endedError(this.#name, signal.reason);
    }
    const ended = Promise.withResolvers<never>();
    const onAbort = (): void => ended.reject(endedError(this.#name, signal.reason));
    const timer = setTimeout(() => ended.reject(lateError(this.#name)), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([work, ended.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #now(): number {
    return this.#ports.clock.now();
  }
}

function leaseFor(token: string, sinceMs: number, seconds: number, renewable: boolean): Lease {
  const leaseMs = seconds * 1000;
  const endsMs = leaseMs === 0 ? Infinity : sinceMs + leaseMs;
  return { token, loginMs: sinceMs, sinceMs, endsMs, renewable, leaseMs };
}
