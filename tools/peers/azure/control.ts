/**
 * The control port of the test server, for whoever runs it as a process of its own.
 *
 *     POST /fault          { "at": "vault" | "sign-in", "fault": "throttle" | …, "count": 3 }
 *     POST /heal
 *     POST /expire-tokens
 *     POST /token-seconds  { "seconds": 5 }
 *     POST /denied         { "actions": ["sign"] }
 *     GET  /calls          → { "vault": 12, "signIn": 2 }
 *     GET  /federated-token → { "token": "…" }
 *     GET  /msi/token      a managed identity's token, in the form of App Service
 *
 * @module
 */
import type { Authority } from './authority.ts';
import { FAULTS, type Fault, type Faults } from './faults.ts';
import { badParameter, jsonBody, Refusal, type Answer, type Handler, type Request } from './http.ts';

/** What the platform gives to its own processes, so that no one else asks for their token. */
export const MSI_SECRET = 'a-header-of-the-platform';

export interface Controlled {
  readonly authority: Authority;
  readonly faults: Faults;
  readonly signInFaults: Faults;
  readonly denied: Set<string>;
}

export function controlApi(controlled: Controlled): Handler {
  const { authority, faults, signInFaults, denied } = controlled;
  const done: Answer = { status: 204 };
  const routes: Readonly<Record<string, (request: Request) => Answer>> = {
    'POST /fault': (request) => {
      const { at, fault, count } = jsonBody(request);
      if (!FAULTS.includes(fault as Fault)) throw badParameter(`'fault' must be one of ${FAULTS.join(', ')}.`);
      (at === 'sign-in' ? signInFaults : faults).set(fault as Fault, typeof count === 'number' ? count : undefined);
      return done;
    },
    'POST /heal': () => {
      faults.heal();
      signInFaults.heal();
      return done;
    },
    'POST /expire-tokens': () => {
      authority.expireTokens();
      return done;
    },
    'POST /token-seconds': (request) => {
      authority.tokenSeconds = Number(jsonBody(request)['seconds']);
      return done;
    },
    'POST /denied': (request) => {
      denied.clear();
      for (const action of jsonBody(request)['actions'] as string[]) denied.add(action);
      return done;
    },
    'GET /calls': () => ({ status: 200, body: { vault: faults.calls, signIn: signInFaults.calls } }),
    'GET /federated-token': () => ({ status: 200, body: { token: authority.federatedToken() } }),
    'GET /msi/token': (request) => managedIdentityToken(authority, request),
  };
  return (request) => {
    const run = routes[`${request.method} ${request.path}`];
    if (run === undefined) throw new Refusal(404, 'NotFound', `There is no ${request.method} ${request.path}.`);
    return run(request);
  };
}

/** @see https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference */
function managedIdentityToken(authority: Authority, { headers, query }: Request): Answer {
  const { resource, clientId } = authority.identity;
  if (headers['x-identity-header'] !== MSI_SECRET) throw new Refusal(401, 'Unauthorized', 'The header is missing.');
  if (query.get('api-version') !== '2019-08-01' || query.get('resource') !== resource)
    throw badParameter('Version or resource are not right.');
  const expires = Math.floor(Date.now() / 1000) + authority.tokenSeconds;
  return {
    status: 200,
    body: {
      access_token: authority.token(),
      expires_on: String(expires),
      resource,
      token_type: 'Bearer',
      client_id: clientId,
    },
  };
}
