/**
 * Who we are to Google: a service account's key, workload identity federation, an authorized user, or whoever Google's
 * library finds in its surroundings.
 *
 * Service accounts sign their tokens themselves, so no call goes out for one.
 *
 * @module
 * @see https://google.aip.dev/auth/4111
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ClavigerError } from '../../errors.ts';
import type { GcpKmsConfig } from './config.ts';

const SCOPES = ['https://www.googleapis.com/auth/cloudkms'];

/** What we use of google-auth-library: anything that gives headers for a request. */
export interface AuthClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

export interface AuthLibrary {
  readonly JWT: new (options: object) => AuthClient & { useJWTAccessWithScope: boolean };
  readonly UserRefreshClient: new (options: object) => AuthClient;
  readonly PassThroughClient: new () => AuthClient;
  readonly ExternalAccountClient: { fromJSON(json: object): (AuthClient & { scopes: readonly string[] }) | null };
  readonly GoogleAuth: new (options: object) => { getClient(): Promise<AuthClient> };
}

const text = z.string().min(1);
const universe = { universe_domain: text.default('googleapis.com') };
/** As Google's console and gcloud write them. What is not listed is kept: Google adds fields. */
const CREDENTIALS = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('service_account'),
    client_email: text,
    private_key: text,
    private_key_id: text.optional(),
    ...universe,
  }),
  z.looseObject({
    type: z.literal('authorized_user'),
    client_id: text,
    client_secret: text,
    refresh_token: text,
    ...universe,
  }),
  z.looseObject({ type: z.literal('external_account'), audience: text, token_url: text, ...universe }),
]);
export type Credentials = z.output<typeof CREDENTIALS>;

/**
 * The credentials of the configuration; null where it has none of its own.
 *
 * @throws PROVIDER_MISCONFIGURED
 */
export async function readCredentials(config: GcpKmsConfig): Promise<Credentials | null> {
  const { name, credentials, credentialsFile, universeDomain } = config;
  const json = credentials ?? (credentialsFile === undefined ? null : await readSetting(name, credentialsFile));
  if (json === null) return null;
  const where = credentialsFile === undefined ? '`credentials`' : `\`${credentialsFile}\``;
  const parsed = CREDENTIALS.safeParse(parseJson(json));
  // What is in the text is secret, so the fault is named by its place alone.
  if (!parsed.success) {
    const fault = parsed.error.issues[0]?.path.join('.') || 'the whole text';
    throw misconfigured(
      name,
      `${where} is no JSON of Google credentials of type service_account, authorized_user or external_account: look at ${fault}`,
    );
  }
  if (parsed.data.universe_domain !== universeDomain) {
    throw misconfigured(name, `${where} is of universe \`${parsed.data.universe_domain}\`; set universeDomain to it`);
  }
  return parsed.data;
}

/** Gives tokens for calls; `null` credentials are those of the surroundings. */
export async function authClientOf(
  library: AuthLibrary,
  credentials: Credentials | null,
  { insecure, universeDomain }: GcpKmsConfig,
): Promise<AuthClient> {
  if (insecure) return new library.PassThroughClient();
  if (credentials === null) return new library.GoogleAuth({ scopes: SCOPES, universeDomain }).getClient();
  switch (credentials.type) {
    case 'service_account': {
      const { client_email: email, private_key: key, private_key_id: keyId } = credentials;
      const client = new library.JWT({ email, key, keyId, scopes: SCOPES, universeDomain });
      client.useJWTAccessWithScope = true;
      return client;
    }
    case 'authorized_user': {
      const { client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken } = credentials;
      return new library.UserRefreshClient({ clientId, clientSecret, refreshToken, universeDomain });
    }
    case 'external_account': {
      const client = library.ExternalAccountClient.fromJSON(credentials)!;
      client.scopes = SCOPES;
      return client;
    }
  }
}

/** A file that the configuration names. @throws PROVIDER_MISCONFIGURED */
export async function readSetting(provider: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw misconfigured(provider, `cannot read \`${path}\`: ${(error as NodeJS.ErrnoException).code}`, error);
  }
}

export function misconfigured(provider: string, what: string, cause?: unknown): ClavigerError {
  return new ClavigerError(
    'PROVIDER_MISCONFIGURED',
    `provider \`${provider}\`: ${what}`,
    cause === undefined ? {} : { cause },
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
