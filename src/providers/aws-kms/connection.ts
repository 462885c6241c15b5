/**
 * One call at a time through the client: it ends with its signal or its time, whatever AWS's client does meanwhile, and
 * fails with an error of the one table.
 *
 * @module
 */
import { closedError, endedError } from '../ended.ts';
import type { CallOptions } from '../provider.ts';
import type { HttpOptions, KmsClient } from './client.ts';
import { kmsError } from './errors.ts';

/** Native code of a call that was late, as AWS's client has it. */
const LATE = 'TimeoutError';

export class Connection {
  readonly name: string;
  /** That ARNs must be of; null where they may be of any. */
  readonly region: string | null;
  /** Of a call that takes grant tokens. */
  readonly grants: { readonly GrantTokens?: string[] };
  readonly #client: KmsClient;
  #closed = false;

  constructor(client: KmsClient, name: string, region: string | null, grantTokens: readonly string[]) {
    this.#client = client;
    this.name = name;
    this.region = region;
    this.grants = grantTokens.length === 0 ? {} : { GrantTokens: [...grantTokens] };
  }

  /**
   * @param operation AWS's name of it, for errors
   * @throws what AWS answered, PROVIDER_TIMEOUT, CANCELED, or the signal's own `ClavigerError`
   */
  async call<T>(
    operation: string,
    options: CallOptions,
    start: (kms: KmsClient, http: HttpOptions) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw closedError(this.name, 'closed');
    if (options.signal.aborted) throw endedError(this.name, options.signal.reason, LATE);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const ender = new AbortController();
    const end = (reason: unknown): void => {
      reject(endedError(this.name, reason, LATE));
      ender.abort(reason);
    };
    const onAbort = (): void => end(options.signal.reason);
    const timer = setTimeout(() => end(new DOMException('the time is over', 'TimeoutError')), options.timeoutMs);
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      // A race, because AWS's client does not hand its signal on to whatever fetches credentials.
      return await Promise.race([start(this.#client, { abortSignal: ender.signal }), ended]);
    } catch (thrown) {
      throw kmsError(this.name, operation, thrown);
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.destroy();
  }
}
