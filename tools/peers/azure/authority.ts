/**
 * The sign-in service of the test server: OpenID discovery, instance discovery, and a token endpoint for client
 * credentials with a secret or with an assertion of a federated identity.
 *
 * @module
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
import { createPublicKey, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Answer, type Handler, Refusal, type Request } from './http.ts';
import { newSigningKey, signJwt, verifyJwt, type Claims, type SigningKey } from './jwt.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const FEDERATED_AUDIENCE = 'api://AzureADTokenExchange';
const FEDERATED_ISSUER = 'https://cluster.example/';
const FEDERATED_SUBJECT = 'system:serviceaccount:kms:claviger';
const TOKEN_SECONDS = 3600;
/** Fields of a token request, with those that Microsoft's library adds for its statistics. */
const TOKEN_FIELDS: ReadonlySet<string> = new Set([
  'grant_type',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'scope',
  'claims',
  'client_info',
  'client-request-id',
  'x-client-SKU',
  'x-client-VER',
  'x-client-OS',
  'x-client-CPU',
  'x-ms-lib-capability',
  'x-client-current-telemetry',
  'x-client-last-telemetry',
  'x-app-name',
  'x-app-ver',
]);

export interface AuthorityIdentity {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What tokens may be for. */
  readonly resource: string;
}

export class Authority {
  readonly identity: AuthorityIdentity;
  readonly #key = newSigningKey();
  readonly #federationKey = newSigningKey();
  /** Address, known once the server listens. */
  url = '';
  /** Seconds that new tokens are good for. */
  tokenSeconds = TOKEN_SECONDS;
  /** Whether challenges name the resource, as the service's do and those of some emulators do not. */
  namesResource = true;
  /** Whether the vault asks for a token at all; some emulators do not. */
  isRequired = true;
  /** Tokens with an earlier number are no longer taken. */
  #tokensFrom = 0;
  #tokens = 0;

  constructor(identity: AuthorityIdentity) {
    this.identity = identity;
  }

  /** What a platform would put into the token file of a workload. */
  federatedToken(changes: Claims = {}): string {
    const now = Math.floor(Date.now() / 1000);
    return signJwt(this.#federationKey, {
      iss: FEDERATED_ISSUER,
      sub: FEDERATED_SUBJECT,
      aud: FEDERATED_AUDIENCE,
      iat: now,
      nbf: now,
      exp: now + 600,
      ...changes,
    });
  }

  /** A token for the vault. `changes` and `key` make it wrong in one way. */
  token(changes: Claims = {}, key: SigningKey = this.#key): string {
    const { tenantId, clientId, resource } = this.identity;
    const now = Math.floor(Date.now() / 1000);
    this.#tokens += 1;
    return signJwt(key, {
      aud: resource,
      iss: this.#issuer,
      iat: now,
      nbf: now,
      exp: now + this.tokenSeconds,
      appid: clientId,
      appidacr: '1',
      idtyp: 'app',
      tid: tenantId,
      uti: String(this.#tokens),
      ver: '1.0',
      ...changes,
    });
  }

  /** From now on no token that was given out before is taken. */
  expireTokens(): void {
    this.#tokensFrom = this.#tokens + 1;
  }

  /** Whether the vault takes this token. */
  accepts(token: string): boolean {
    const claims = verifyJwt(token, this.#key, Date.now());
    if (claims === null) return false;
    const { tenantId, clientId, resource } = this.identity;
    return (
      claims['iss'] === this.#issuer &&
      claims['aud'] === resource &&
      claims['tid'] === tenantId &&
      claims['appid'] === clientId &&
      Number(claims['uti']) >= this.#tokensFrom
    );
  }

  /** What the vault says to who comes without a good token. */
  challenge(): string {
    const { tenantId, resource } = this.identity;
    const authorization = `Bearer authorization="${this.url}/${tenantId}"`;
    return this.namesResource ? `${authorization}, resource="${resource}"` : authorization;
  }

  readonly handle: Handler = (request) => {
    const { method, path } = request;
    const { tenantId } = this.identity;
    if (method === 'GET' && path === '/common/discovery/instance') return this.#instance(request);
    const [, tenant, ...rest] = path.split('/');
    const what = rest.join('/');
    if (tenant !== tenantId)
      throw oauthError(400, 'invalid_tenant', `AADSTS90002: Tenant '${tenant}' not found.`, 90002);
    if (method === 'GET' && what === 'v2.0/.well-known/openid-configuration') return this.#discovery();
    if (method === 'GET' && what === 'discovery/v2.0/keys') return this.#jwks();
    if (method === 'POST' && what === 'oauth2/v2.0/token') return this.#issue(request);
    throw oauthError(404, 'not_found', 'There is nothing here.', 404);
  };

  get #issuer(): string {
    return `https://sts.windows.net/${this.identity.tenantId}/`;
  }

  #instance({ query }: Request): Answer {
    const { host } = new URL(this.url);
    if (query.get('api-version') !== '1.1') throw oauthError(400, 'invalid_request', 'AADSTS90014', 90014);
    return {
      status: 200,
      body: {
        tenant_discovery_endpoint: `${this.url}/${this.identity.tenantId}/v2.0/.well-known/openid-configuration`,
        'api-version': '1.1',
        metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
      },
    };
  }

  #discovery(): Answer {
    const base = `${this.url}/${this.identity.tenantId}`;
    return {
      status: 200,
      body: {
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
        token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
        response_types_supported: ['code', 'token'],
        subject_types_supported: ['pairwise'],
        id_token_signing_alg_values_supported: ['RS256'],
      },
    };
  }

  #jwks(): Answer {
    const jwk = createPublicKey(this.#key.privateKey).export({ format: 'jwk' });
    return { status: 200, body: { keys: [{ ...jwk, kid: this.#key.kid, use: 'sig', alg: 'RS256' }] } };
  }

  #issue({ headers, body }: Request): Answer {
    if (!/^application\/x-www-form-urlencoded(;|$)/.test(headers['content-type'] ?? ''))
      throw oauthError(400, 'invalid_request', 'AADSTS900144: The request body must be a form.', 900144);
    const form = new URLSearchParams(body);
    const strange = [...form.keys()].find((field) => !TOKEN_FIELDS.has(field));
    if (strange !== undefined) throw oauthError(400, 'invalid_request', `AADSTS90014: unknown field ${strange}`, 90014);
    const { clientId, resource } = this.identity;
    if (form.get('grant_type') !== 'client_credentials')
      throw oauthError(400, 'unsupported_grant_type', 'AADSTS70003: The grant type is not supported.', 70003);
    if (form.get('client_id') !== clientId)
      throw oauthError(400, 'unauthorized_client', 'AADSTS700016: Application was not found.', 700016);
    this.#authenticate(form);
    if (form.get('scope') !== `${resource}/.default`)
      throw oauthError(400, 'invalid_scope', 'AADSTS70011: The provided scope is not valid.', 70011);
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        expires_in: this.tokenSeconds,
        ext_expires_in: this.tokenSeconds,
        access_token: this.token(),
      },
    };
  }

  #authenticate(form: URLSearchParams): void {
    const secret = form.get('client_secret');
    const assertion = form.get('client_assertion');
    if (secret !== null && assertion === null) {
      if (same(secret, this.identity.clientSecret)) return;
      throw oauthError(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.', 7000215);
    }
    if (assertion === null || form.get('client_assertion_type') !== ASSERTION_TYPE)
      throw oauthError(401, 'invalid_client', 'AADSTS7000218: The request must have a credential.', 7000218);
    const claims = verifyJwt(assertion, this.#federationKey, Date.now());
    const right =
      claims?.['iss'] === FEDERATED_ISSUER &&
      claims['sub'] === FEDERATED_SUBJECT &&
      claims['aud'] === FEDERATED_AUDIENCE;
    if (!right) throw oauthError(401, 'invalid_client', 'AADSTS700213: No matching federated identity.', 700213);
  }
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/** Errors of the sign-in service have a form of their own (RFC 6749, section 5.2). */
class OauthRefusal extends Refusal {
  override readonly answer: Answer;

  constructor(status: number, error: string, description: string, code: number) {
    super(status, error, description);
    const body = {
      error,
      error_description: description,
      error_codes: [code],
      timestamp: new Date().toISOString(),
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
    };
    this.answer = { status, body };
  }
}

function oauthError(status: number, error: string, description: string, code: number): Refusal {
  return new OauthRefusal(status, error, description, code);
}
