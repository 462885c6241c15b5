/**
 * Tokens for the vault, from one of Azure's credentials.
 *
 * It stands between the SDK's client and its credential, for three reasons. Callers share one token, so the signal of the
 * one who asks first must not end it for the others. A server names the tenant in its challenge; ours is the configured
 * one. After a failure the credential is made anew: it would remember the failure for a minute.
 *
 * @module
 */
import type { Agent } from 'node:https';
import type * as Identity from '@azure/identity';
import { ClavigerError } from '../../errors.ts';
import { untilEnded } from '../../ports/until-ended.ts';
import { CLOUDS, type AzureKeyVaultConfig } from './config.ts';
import { harmless } from './errors.ts';

/** The part of a credential that the SDK's clients use. */
type TokenCredential = Pick<Identity.ClientSecretCredential, 'getToken'>;
type GetTokenOptions = NonNullable<Parameters<TokenCredential['getToken']>[1]>;

/**
 * Time for a token, which is two requests the first time. Nobody waits for it longer than their own signal, but while it
 * is under way nobody else asks, so a sign-in that stalls must end. The Azure CLI is a program that takes seconds.
 */
const TOKEN_TIME_MS_MIN = 3000;
const CLI_TIME_MS = 10_000;

/** Milliseconds that a sign-in may take. */
export function signInMs({ credential, timeoutMs }: AzureKeyVaultConfig): number {
  return credential.kind === 'azure-cli' ? CLI_TIME_MS : Math.max(timeoutMs, TOKEN_TIME_MS_MIN);
}

type Policy = NonNullable<Identity.ClientSecretCredentialOptions['additionalPolicies']>[number]['policy'];

export class Tokens {
  readonly #provider: string;
  readonly #make: () => TokenCredential;
  /** The Azure CLI has many tenants, and only it may be asked for the one that the vault names. */
  readonly #takesTenant: boolean;
  readonly #timeMs: number;
  /** How the last request for a token ended, which the SDK's own errors do not tell. */
  #status: number | null = null;
  #credential: TokenCredential | null = null;

  constructor(config: AzureKeyVaultConfig, identity: typeof Identity, agent: Agent) {
    this.#provider = config.name;
    this.#timeMs = signInMs(config);
    this.#make = () => newCredential(config, identity, agent, this.#watch());
    this.#takesTenant = config.credential.kind === 'azure-cli' && config.credential.tenantId === undefined;
  }

  /** @throws PROVIDER_DENIED, THROTTLED, PROVIDER_UNAVAILABLE, PROVIDER_MISCONFIGURED */
  async getToken(scopes: string | string[], options: GetTokenOptions = {}): Promise<Identity.AccessToken> {
    const { tenantId, claims, enableCae } = options;
    this.#status = null;
    try {
      this.#credential ??= this.#make();
      const token = this.#credential.getToken(scopes, {
        ...(claims === undefined ? {} : { claims }),
        ...(enableCae === undefined ? {} : { enableCae }),
        ...(tenantId === undefined || !this.#takesTenant ? {} : { tenantId }),
      });
      // Not all credentials end with a signal, so it is not given.
      return await untilEnded(AbortSignal.timeout(this.#timeMs), token);
    } catch (error) {
      this.#credential = null;
      throw this.#failure(error);
    }
  }

  /** Sees how requests to the sign-in service end, and ends those that do not. */
  #watch(): Policy {
    return {
      name: 'clavigerSignIn',
      sendRequest: async (request, next) => {
        request.abortSignal = AbortSignal.timeout(this.#timeMs);
        const response = await next(request);
        this.#status = response.status;
        return response;
      },
    };
  }

  #failure(error: unknown): ClavigerError {
    const status = this.#status;
    const { code, words } = tokenFailure(error as Error, status);
    return new ClavigerError(code, words.replace('%', this.#provider), {
      native: { provider: this.#provider, code: status === null ? 'token' : `token ${status}`, requestId: null },
      cause: harmless(error),
    });
  }
}

function tokenFailure(error: Error, status: number | null) {
  if (isUnreadableFile(error) || isUnreadableFile(error.cause)) {
    return { code: 'PROVIDER_MISCONFIGURED', words: 'the `tokenFile` of `%` cannot be read' } as const;
  }
  if (status === 429)
    return { code: 'THROTTLED', words: 'the sign-in service of `%` has had too many requests' } as const;
  if (status !== null && status >= 400 && status < 500) {
    return { code: 'PROVIDER_DENIED', words: 'the sign-in service of `%` refused our credentials' } as const;
  }
  if (CLI_REFUSAL.test(error.message)) {
    return { code: 'PROVIDER_DENIED', words: 'the Azure CLI gives `%` no token; run `az login`' } as const;
  }
  return { code: 'PROVIDER_UNAVAILABLE', words: 'the sign-in service of `%` does not answer' } as const;
}

function isUnreadableFile(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return syscall === 'open' && (code === 'ENOENT' || code === 'EACCES');
}

const CLI_REFUSAL = /az login|Azure CLI/;

function newCredential(
  config: AzureKeyVaultConfig,
  identity: typeof Identity,
  agent: Agent,
  watch: Policy,
): TokenCredential {
  const { credential } = config;
  const retryOptions = { maxRetries: 0 };
  switch (credential.kind) {
    case 'client-secret': {
      const { tenantId, clientId, clientSecret } = credential;
      const options = { ...signIn(config, credential.authorityHost, agent, watch), retryOptions };
      return new identity.ClientSecretCredential(tenantId, clientId, clientSecret, options);
    }
    case 'workload-identity': {
      const { tenantId, clientId, tokenFile: tokenFilePath } = credential;
      const options = { ...signIn(config, credential.authorityHost, agent, watch), retryOptions };
      return new identity.WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath, ...options });
    }
    case 'managed-identity':
      // Its endpoint is on the machine, over plain HTTP, and comes from the platform's environment.
      return new identity.ManagedIdentityCredential({
        ...(credential.clientId === undefined ? {} : { clientId: credential.clientId }),
        retryOptions,
      });
    case 'azure-cli':
      return new identity.AzureCliCredential({
        ...(credential.tenantId === undefined ? {} : { tenantId: credential.tenantId }),
        processTimeoutInMs: CLI_TIME_MS,
      });
  }
}

/** Options of a credential that talks to the sign-in service. */
function signIn(config: AzureKeyVaultConfig, ownHost: string | undefined, agent: Agent, policy: Policy) {
  const authorityHost = ownHost ?? CLOUDS[config.cloud].authorityHost;
  return {
    authorityHost: authorityHost.replace(/\/$/, ''),
    // A sign-in service of one's own is not on the list that Microsoft's would be asked for.
    disableInstanceDiscovery: !Object.values(CLOUDS).some((cloud) => cloud.authorityHost === authorityHost),
    additionalPolicies: [{ policy, position: 'perRetry' as const }],
    redirectOptions: { maxRetries: 0 },
    agent,
  };
}
