/**
 * Who calls: from what a gateway was shown to a principal, or a refusal.
 *
 * It answers without waiting where the credential is at hand. There is one principal object per credential object, so
 * what is cached further down by the principal's identity is forgotten when the credential changes.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto';
import { ownBytes } from '../bytes/own.ts';
import { ClavigerError, errorOf } from '../errors.ts';
import type { Credential, CredentialKind, Principal } from '../model/principal.ts';
import type { Clock } from '../ports/clock.ts';
import { parseAuthorization, SigningKeys, verifyClaim, type SigV4Claim, type SigV4Request } from './sigv4.ts';
import { parseToken, publicPart, tokenMatches, TOKEN_CHARS } from './token.ts';

/** Tokens that are recognised without hashing them; each costs about 300 bytes. */
const PROVEN_TOKENS_MAX = 10_000;

/** How a principal proved itself, for each kind of credential. */
const VIA = { token: 'token', aws: 'sigv4' } as const satisfies Record<CredentialKind, Principal['via']>;

export type Proof =
  | { readonly kind: 'none' }
  /** The request could not be read whole, and that is why it is refused: what it proves can only be told of all of it. */
  | { readonly kind: 'unread'; readonly error: ClavigerError }
  | { readonly kind: 'token'; readonly text: string }
  | { readonly kind: 'sigv4'; readonly request: SigV4Request }
  /** Library and jobs: the process itself vouches. */
  | { readonly kind: 'principal'; readonly principal: Principal };

/** Where credentials are found. An answer that is at hand is no promise, and is the same object until it changes. */
export interface Credentials {
  byId(id: string): Credential | null | Promise<Credential | null>;
  byAccessKeyId(accessKeyId: string): Credential | null | Promise<Credential | null>;
  /** The sealed secret of an AWS credential, opened. */
  openSecret(credential: Credential): string | Promise<string>;
}

export interface AuthenticatorOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** The region that signatures must be scoped to. */
  readonly region: string;
}

// Strangers may come by the ten thousands a second, and all are told the same: these errors are made once.
const NO_CREDENTIAL: ClavigerError = Object.freeze(
  errorOf('MissingAuthentication', 'the request names no credential; send `Authorization: Bearer TOKEN`'),
);
const INVALID_TOKEN: ClavigerError = Object.freeze(
  new ClavigerError('UNAUTHENTICATED', 'the token is not valid; check that it was copied whole, or make a new one'),
);

/** A token that was right, and for which object. */
interface ProvenToken {
  readonly credential: Credential;
  readonly text: Uint8Array;
}

export class Authenticator {
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #region: string;
  readonly #principals = new WeakMap<Credential, Principal>();
  readonly #signingKeys = new WeakMap<Credential, SigningKeys>();
  /** By the public part of the token, so that nothing about the secret shows in the time that a look-up takes. */
  readonly #proven = new Map<string, ProvenToken>();

  constructor({ credentials, clock, region }: AuthenticatorOptions) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#region = region;
  }

  /**
   * The principal that a proof proves: always the same object for the same credential object.
   *
   * @throws UNAUTHENTICATED: one message for every token that is unknown, wrong or revoked; reason ExpiredCredential
   *   only for who had the right secret; for signatures the reasons of `parseAuthorization` and `verifyClaim`
   */
  authenticate(proof: Proof): Principal | Promise<Principal> {
    if (proof.kind === 'token') return this.#byToken(proof.text);
    if (proof.kind === 'sigv4') return this.#bySignature(proof.request);
    if (proof.kind === 'principal') return proof.principal;
    if (proof.kind === 'unread') throw proof.error;
    throw NO_CREDENTIAL;
  }

  /** A token that was right before is compared with what it was then, which costs no hash. */
  #byToken(text: string): Principal | Promise<Principal> {
    const proven = text.length === TOKEN_CHARS ? this.#proven.get(publicPart(text)) : undefined;
    if (proven === undefined) return this.#proveToken(text, (id) => this.#credentials.byId(id));
    const found = this.#credentials.byId(proven.credential.id);
    // INVARIANT: a credential that has changed in any way is another object, and its token is proved again.
    if (found === proven.credential && isSameText(text, proven.text)) return this.#live(found);
    return this.#proveToken(text, () => found);
  }

  #proveToken(text: string, find: Credentials['byId']): Principal | Promise<Principal> {
    const parsed = parseToken(text);
    if (parsed === null) throw INVALID_TOKEN;
    const prove = (credential: Credential | null): Principal => {
      if (!isUsable(credential, 'token') || !tokenMatches(credential.verifier, parsed.secret)) throw INVALID_TOKEN;
      const principal = this.#live(credential);
      this.#remember(text, credential);
      return principal;
    };
    const found = find(parsed.id);
    return found instanceof Promise ? found.then(prove) : prove(found);
  }

  #remember(text: string, credential: Credential): void {
    if (this.#proven.size >= PROVEN_TOKENS_MAX) this.#proven.delete(this.#proven.keys().next().value!);
    this.#proven.set(publicPart(text), { credential, text: ownBytes(Buffer.from(text)) });
  }

  #bySignature(request: SigV4Request): Principal | Promise<Principal> {
    const claim = parseAuthorization(request, { region: this.#region, nowMs: this.#clock.now() });
    const found = this.#credentials.byAccessKeyId(claim.accessKeyId);
    return found instanceof Promise
      ? found.then((credential) => this.#verify(claim, request, credential))
      : this.#verify(claim, request, found);
  }

  #verify(claim: SigV4Claim, request: SigV4Request, credential: Credential | null): Principal | Promise<Principal> {
    if (!isUsable(credential, 'aws')) throw invalidAccessKey();
    const prove = (keys: SigningKeys): Principal => {
      verifyClaim(claim, request, keys);
      return this.#live(credential);
    };
    const keys = this.#signingKeysOf(credential);
    return keys instanceof Promise ? keys.then(prove) : prove(keys);
  }

  #signingKeysOf(credential: Credential): SigningKeys | Promise<SigningKeys> {
    const known = this.#signingKeys.get(credential);
    if (known !== undefined) return known;
    const keep = (secret: string): SigningKeys => {
      const keys = new SigningKeys(secret);
      this.#signingKeys.set(credential, keys);
      return keys;
    };
    const secret = this.#credentials.openSecret(credential);
    return secret instanceof Promise ? secret.then(keep) : keep(secret);
  }

  /** The credential's principal, once the secret was right: only its holder is told that it has expired. */
  #live(credential: Credential): Principal {
    const { expiresAt, kind } = credential;
    if (expiresAt !== null && expiresAt <= this.#clock.now()) {
      const what = kind === 'token' ? 'token' : 'access key';
      throw errorOf('ExpiredCredential', `the ${what} expired at ${new Date(expiresAt).toISOString()}; make a new one`);
    }
    const known = this.#principals.get(credential);
    if (known !== undefined) return known;
    const principal = principalOf(credential);
    this.#principals.set(credential, principal);
    return principal;
  }
}

function isSameText(text: string, known: Uint8Array): boolean {
  const bytes = Buffer.from(text);
  return bytes.length === known.length && timingSafeEqual(bytes, known);
}

function isUsable(credential: Credential | null, kind: CredentialKind): credential is Credential {
  return credential !== null && credential.kind === kind && credential.revokedAt === null;
}

function principalOf({ id, name, tenantId, roles, systemScope, kind }: Credential): Principal {
  return Object.freeze({ id, name, tenantId, roles: Object.freeze([...roles]), systemScope, via: VIA[kind] });
}

function invalidAccessKey(): ClavigerError {
  return new ClavigerError(
    'UNAUTHENTICATED',
    'the security token included in the request is invalid; check the access key id',
  );
}
