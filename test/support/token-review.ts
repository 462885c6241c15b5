/**
 * The one endpoint of Kubernetes that Vault's login asks: TokenReview, over TLS.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 * @module
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { CertificateFiles } from './certificates.ts';

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';

interface ReviewSpec {
  readonly token: string;
  readonly audiences?: readonly string[];
}

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface TokenReviewServer {
  readonly url: string;
  /** Reviews so far. */
  readonly reviews: number;
  /** A token of the service account, good until it is revoked. */
  issue(account: ServiceAccount): string;
  revoke(token: string): void;
  stop(): Promise<void>;
}

export async function startTokenReview({ certificate, key }: CertificateFiles): Promise<TokenReviewServer> {
  const accounts = new Map<string, ServiceAccount>();
  let reviews = 0;
  const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
    void (async () => {
      const review = (await json(request)) as { readonly spec: ReviewSpec };
      if (request.method !== 'POST' || request.url !== PATH) return void response.writeHead(404).end();
      reviews += 1;
      const account = accounts.get(review.spec.token);
      const status =
        account === undefined
          ? { authenticated: false }
          : { authenticated: true, user: userOf(account), audiences: review.spec.audiences ?? [] };
      response.writeHead(201, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ ...review, apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status }));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get reviews() {
      return reviews;
    },
    issue: (account) => {
      const token = serviceAccountToken(account, accounts.size);
      accounts.set(token, account);
      return token;
    },
    revoke: (token) => void accounts.delete(token),
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function userOf({ namespace, name, uid }: ServiceAccount): object {
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  };
}

/** In the form of a projected token. Nobody looks at its signature: the review says what it is worth. */
function serviceAccountToken({ namespace, name, uid }: ServiceAccount, serial: number): string {
  const claims = {
    iss: 'https://kubernetes.default.svc.cluster.local',
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: ['https://kubernetes.default.svc.cluster.local'],
    jti: String(serial),
    'kubernetes.io': { namespace, serviceaccount: { name, uid } },
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${Buffer.alloc(256, 1).toString('base64url')}`;
}
