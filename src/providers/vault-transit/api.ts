/**
 * Calls with a token: what Transit answers, or the error that a refusal is.
 *
 * @module
 */
import { z } from 'zod';
import type { ClavigerError } from '../../errors.ts';
import { lateError } from '../ended.ts';
import type { CallOptions } from '../provider.ts';
import { isSuccess, refusalOf, type VaultAnswer, type VaultClient, type VaultRequest } from './client.ts';
import { refusalError, unreadableError } from './errors.ts';
import type { Refused, VaultSession } from './session.ts';

/** A server before 1.13 does not know `associated_data`: it encrypts all the same, and says so here. */
const IGNORED = /ignored these unrecognized parameters/;

const warningsAnswer = z.object({ warnings: z.array(z.string()).nullish() });

export class VaultApi {
  readonly name: string;
  readonly mount: string;
  readonly client: VaultClient;
  readonly #session: VaultSession;

  constructor(name: string, mount: string, client: VaultClient, session: VaultSession) {
    this.name = name;
    this.mount = mount;
    this.client = client;
    this.#session = session;
  }

  /**
   * Asks the Transit engine.
   *
   * @param path below the mount
   * @returns `data` of the answer, in the shape that is asked for
   */
  async transit<T>(
    method: VaultRequest['method'],
    path: string,
    body: object | null,
    shape: z.ZodType<T>,
    options: CallOptions,
  ): Promise<T> {
    const request = { method, path: `${this.mount}/${path}`, ...(body === null ? {} : { body }) };
    return this.data(await this.call(request, options), shape);
  }

  /** As `transit`, where the answer says nothing of use. */
  async command(method: VaultRequest['method'], path: string, body: object, options: CallOptions): Promise<void> {
    await this.call({ method, path: `${this.mount}/${path}`, ...(method === 'DELETE' ? {} : { body }) }, options);
  }

  /**
   * A call that succeeds. One that was refused because the token is gone is made again with another one: a refused call has
   * changed nothing.
   */
  async call(request: VaultRequest, { signal, timeoutMs }: CallOptions): Promise<VaultAnswer> {
    const untilMs = performance.now() + timeoutMs;
    const left = (): CallOptions => {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw lateError(this.name);
      return { signal, timeoutMs: leftMs };
    };
    const token = await this.#session.token(left());
    const answer = await this.client.exchange({ ...request, token }, left());
    if (answer.status !== 403) return this.#succeeded(answer);
    const refused = await this.#session.refused(token, left());
    if (refused !== 'replaced') throw this.#forbidden(answer, request, refused);
    const again = await this.client.exchange({ ...request, token: await this.#session.token(left()) }, left());
    if (again.status === 403) throw this.#forbidden(again, request, 'forbidden');
    return this.#succeeded(again);
  }

  /** @throws PROVIDER_UNAVAILABLE where the answer has another shape */
  data<T>({ json }: VaultAnswer, shape: z.ZodType<T>): T {
    const { data } = z.object({ data: shape }).safeParse(json);
    if (data === undefined) throw unreadableError(this.name, 'what came has another form than Transit gives');
    return data.data;
  }

  #succeeded(answer: VaultAnswer): VaultAnswer {
    if (!isSuccess(answer)) throw refusalError(this.name, refusalOf(answer));
    const warnings = warningsAnswer.safeParse(answer.json).data?.warnings ?? [];
    if (!warnings.some((warning) => IGNORED.test(warning))) return answer;
    const says = 'it does not know a parameter that Claviger relies on; it must be Vault 1.13 or later, or OpenBao';
    throw refusalError(
      this.name,
      { status: answer.status, words: warnings.join('; ') },
      'PROVIDER_MISCONFIGURED',
      says,
    );
  }

  #forbidden(answer: VaultAnswer, { method, path }: VaultRequest, refused: Refused): ClavigerError {
    const orGone = refused === 'forbidden-or-gone' ? ', or the token has ended or was revoked' : '';
    const says = `a policy does not let us ${VERBS[method]} \`${path}\`${orGone}`;
    return refusalError(this.name, refusalOf(answer), 'PROVIDER_DENIED', says);
  }
}

/** Capabilities of a policy, by method. */
const VERBS = { GET: 'read', POST: 'update', DELETE: 'delete' } as const;
