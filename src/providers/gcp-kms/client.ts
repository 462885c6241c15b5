/**
 * The few calls of Google's own client that we use, and how it is made.
 *
 * It goes through the client's `innerApiCalls`, the table that its methods call themselves. The methods around it would
 * parse all of the API's definitions anew for every error that has details, which takes some 20 ms of the event loop;
 * they would write plaintexts into a debugging log; and they would end the process where credentials cannot be had.
 *
 * Nothing is tried twice here: retries and failover are decided above.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1
 */
import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { protos } from '@google-cloud/kms';
import { ClavigerError } from '../../errors.ts';
import { untilEnded } from '../../ports/until-ended.ts';
import { closedError, endedError } from '../ended.ts';
import { loadPackages } from '../packages.ts';
import type { CallOptions } from '../provider.ts';
import type { GcpKmsConfig } from './config.ts';
import {
  type AuthClient,
  type AuthLibrary,
  authClientOf,
  misconfigured,
  readCredentials,
  readSetting,
} from './credentials.ts';
import { fromService } from './errors.ts';

export const GCP_PACKAGE = '@google-cloud/kms';

/** Method → what it takes and gives, and which of the request's names routes it. */
export interface Methods {
  getKeyRing: Method<protos.google.cloud.kms.v1.IGetKeyRingRequest, protos.google.cloud.kms.v1.IKeyRing>;
  createKeyRing: Method<protos.google.cloud.kms.v1.ICreateKeyRingRequest, protos.google.cloud.kms.v1.IKeyRing>;
  getCryptoKey: Method<protos.google.cloud.kms.v1.IGetCryptoKeyRequest, protos.google.cloud.kms.v1.ICryptoKey>;
  createCryptoKey: Method<protos.google.cloud.kms.v1.ICreateCryptoKeyRequest, protos.google.cloud.kms.v1.ICryptoKey>;
  updateCryptoKey: Method<protos.google.cloud.kms.v1.IUpdateCryptoKeyRequest, protos.google.cloud.kms.v1.ICryptoKey>;
  updateCryptoKeyPrimaryVersion: Method<
    protos.google.cloud.kms.v1.IUpdateCryptoKeyPrimaryVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKey
  >;
  listCryptoKeyVersions: Method<
    protos.google.cloud.kms.v1.IListCryptoKeyVersionsRequest,
    protos.google.cloud.kms.v1.IListCryptoKeyVersionsResponse
  >;
  getCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.IGetCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  createCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.ICreateCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  updateCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.IUpdateCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  destroyCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.IDestroyCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  restoreCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.IRestoreCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  createImportJob: Method<protos.google.cloud.kms.v1.ICreateImportJobRequest, protos.google.cloud.kms.v1.IImportJob>;
  getImportJob: Method<protos.google.cloud.kms.v1.IGetImportJobRequest, protos.google.cloud.kms.v1.IImportJob>;
  importCryptoKeyVersion: Method<
    protos.google.cloud.kms.v1.IImportCryptoKeyVersionRequest,
    protos.google.cloud.kms.v1.ICryptoKeyVersion
  >;
  getPublicKey: Method<protos.google.cloud.kms.v1.IGetPublicKeyRequest, protos.google.cloud.kms.v1.IPublicKey>;
  encrypt: Method<protos.google.cloud.kms.v1.IEncryptRequest, protos.google.cloud.kms.v1.IEncryptResponse>;
  decrypt: Method<protos.google.cloud.kms.v1.IDecryptRequest, protos.google.cloud.kms.v1.IDecryptResponse>;
  rawEncrypt: Method<protos.google.cloud.kms.v1.IRawEncryptRequest, protos.google.cloud.kms.v1.IRawEncryptResponse>;
  rawDecrypt: Method<protos.google.cloud.kms.v1.IRawDecryptRequest, protos.google.cloud.kms.v1.IRawDecryptResponse>;
  asymmetricSign: Method<
    protos.google.cloud.kms.v1.IAsymmetricSignRequest,
    protos.google.cloud.kms.v1.IAsymmetricSignResponse
  >;
  asymmetricDecrypt: Method<
    protos.google.cloud.kms.v1.IAsymmetricDecryptRequest,
    protos.google.cloud.kms.v1.IAsymmetricDecryptResponse
  >;
  macSign: Method<protos.google.cloud.kms.v1.IMacSignRequest, protos.google.cloud.kms.v1.IMacSignResponse>;
  decapsulate: Method<protos.google.cloud.kms.v1.IDecapsulateRequest, protos.google.cloud.kms.v1.IDecapsulateResponse>;
  generateRandomBytes: Method<
    protos.google.cloud.kms.v1.IGenerateRandomBytesRequest,
    protos.google.cloud.kms.v1.IGenerateRandomBytesResponse
  >;
}
export type MethodName = keyof Methods;

interface Method<Request, Response> {
  readonly request: Request;
  readonly response: Response;
}

/** Where keys are asked to do things. */
export interface GcpClient {
  /** @throws only `ClavigerError` */
  call<M extends MethodName>(
    method: M,
    request: Methods[M]['request'],
    options: CallOptions,
  ): Promise<Methods[M]['response']>;
  /** Once or more. */
  close(): Promise<void>;
}

/** Methods that open a ciphertext. */
const OPENING: ReadonlySet<MethodName> = new Set<MethodName>([
  'decrypt',
  'rawDecrypt',
  'asymmetricDecrypt',
  'decapsulate',
]);

const TLS_PORT = 443;
/** Answers are at most some 70 KiB long, lists of versions a little more. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** A circuit breaker waits already; the connection should be there when it lets a call through. */
const RECONNECT_MS = { min: 100, max: 2000 } as const;
/** Google's front ends drop what has been silent for minutes; a connection that is dead is found out and made anew. */
const KEEPALIVE = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
};
/** Makes Google's client log all requests, plaintexts included. */
const LOGGING_VARIABLE = 'GOOGLE_SDK_NODE_LOGGING';

type ChannelCredentials = object;

/** What we use of google-gax, which comes with the client. */
interface Gax {
  readonly googleAuthLibrary: AuthLibrary;
  readonly grpc: {
    readonly credentials: {
      createInsecure(): ChannelCredentials;
      createSsl(
        authorities: Buffer | null,
        key: null,
        certificate: null,
        verify: { readonly checkServerIdentity?: typeof checkServerIdentity },
      ): ChannelCredentials;
      createFromGoogleCredential(client: {
        getRequestHeaders(url?: string): Promise<Readonly<Record<string, string>>>;
      }): object;
      combineChannelCredentials(channel: ChannelCredentials, ...calls: readonly object[]): ChannelCredentials;
    };
  };
}

/** What we use of the client. */
interface SdkClient {
  readonly innerApiCalls: Readonly<
    Record<string, (request: object, options: object) => Promise<readonly [unknown, unknown, unknown]>>
  >;
  initialize(): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * A client, ready to be used; it connects with the first call.
 *
 * @throws PROVIDER_MISCONFIGURED
 */
export async function openClient(config: GcpKmsConfig): Promise<GcpClient> {
  const { name, caFile } = config;
  if (process.env[LOGGING_VARIABLE]) {
    throw misconfigured(name, `the environment variable ${LOGGING_VARIABLE} would write plaintexts to a log; unset it`);
  }
  const { KeyManagementServiceClient, gax } = await loadSdk(name);
  const credentials = await readCredentials(config);
  const authorities = caFile === undefined ? null : Buffer.from(await readSetting(name, caFile));
  return new Client(name, async () => {
    const auth = await authClientOf(gax.googleAuthLibrary, credentials, config);
    const { servicePath, port } = endpointOf(config);
    const options = {
      servicePath,
      port,
      universeDomain: config.universeDomain,
      auth: new gax.googleAuthLibrary.GoogleAuth({ authClient: auth, universeDomain: config.universeDomain }),
      sslCreds: channelCredentials(gax, auth, authorities, config),
      fallback: false,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': config.ambient ? 1 : 0,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.min,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MS.max,
      'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
      ...(isAddress(servicePath) ? { 'grpc.ssl_target_name_override': serviceName(config) } : {}),
      // Other servers may take it for an attack.
      ...(config.apiEndpoint === undefined ? KEEPALIVE : {}),
    };
    const client = new KeyManagementServiceClient(options);
    await client.initialize();
    return client;
  });
}

class Client implements GcpClient {
  readonly #provider: string;
  readonly #connect: () => Promise<SdkClient>;
  #sdk: Promise<SdkClient> | null = null;
  #closed = false;

  constructor(provider: string, connect: () => Promise<SdkClient>) {
    this.#provider = provider;
    this.#connect = connect;
  }

  async call<M extends MethodName>(
    method: M,
    request: Methods[M]['request'],
    { signal, timeoutMs }: CallOptions,
  ): Promise<Methods[M]['response']> {
    if (this.#closed) throw closedError(this.#provider);
    if (signal.aborted) throw endedError(this.#provider, signal.reason);
    try {
      const sdk = await untilEnded(signal, this.#ready());
      const answer = await sdk.innerApiCalls[method]!(request, {
        timeout: timeoutMs,
        retry: null,
        autoPaginate: false,
        signal,
        otherArgs: { headers: { 'x-goog-request-params': routeOf(request) } },
      });
      // A list comes with its pages beside it.
      return (answer[2] ?? answer[0]) as Methods[M]['response'];
    } catch (error) {
      if (signal.aborted) throw endedError(this.#provider, signal.reason);
      if (error instanceof ClavigerError) throw error;
      throw fromService(error, { provider: this.#provider, opens: OPENING.has(method) });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sdk = await this.#sdk?.catch(() => null);
    await sdk?.close();
  }

  /** One client for all calls; where it cannot be made, the next call tries again. */
  #ready(): Promise<SdkClient> {
    this.#sdk ??= this.#connect().catch((error: unknown) => {
      this.#sdk = null;
      if (!/Could not load the default credentials/.test(String(error))) throw error;
      throw misconfigured(this.#provider, 'Google finds no credentials here; configure credentialsFile', error);
    });
    return this.#sdk;
  }
}

/** The library wants host and port apart. */
export function endpointOf({ apiEndpoint, universeDomain }: Pick<GcpKmsConfig, 'apiEndpoint' | 'universeDomain'>): {
  readonly servicePath: string;
  readonly port: number;
} {
  if (apiEndpoint === undefined) return { servicePath: serviceName({ universeDomain }), port: TLS_PORT };
  const { host, port } = /^(?<host>\[.*\]|[^:]*)(?::(?<port>\d+))?$/.exec(apiEndpoint)!.groups!;
  return { servicePath: host!, port: port === undefined ? TLS_PORT : Number(port) };
}

function channelCredentials(
  { grpc: { credentials } }: Gax,
  auth: AuthClient,
  authorities: Buffer | null,
  config: GcpKmsConfig,
): ChannelCredentials {
  if (config.insecure) return credentials.createInsecure();
  const call = credentials.createFromGoogleCredential({
    getRequestHeaders: async (url) => Object.fromEntries(await auth.getRequestHeaders(url)),
  });
  const { servicePath } = endpointOf(config);
  const verify = isAddress(servicePath) ? { checkServerIdentity: identityCheck(bare(servicePath), config) } : {};
  return credentials.combineChannelCredentials(credentials.createSsl(authorities, null, null, verify), call);
}

/**
 * TLS names no address as the server that is wanted, and Node refuses to: there the service's own name is sent, as behind
 * a private endpoint. The certificate may be for the address or for that name.
 */
function identityCheck(address: string, config: GcpKmsConfig): typeof checkServerIdentity {
  return (_name, certificate) =>
    checkServerIdentity(address, certificate) && checkServerIdentity(serviceName(config), certificate);
}

function isAddress(host: string): boolean {
  return isIP(bare(host)) !== 0;
}

/** An address of IPv6 without its brackets. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

function serviceName({ universeDomain }: Pick<GcpKmsConfig, 'universeDomain'>): string {
  return `cloudkms.${universeDomain}`;
}

/** The package, and the very gRPC that it uses: credentials made by another copy of it would not be taken. */
async function loadSdk(provider: string): Promise<{
  readonly KeyManagementServiceClient: new (options: object) => SdkClient;
  readonly gax: Gax;
}> {
  return loadPackages(provider, [GCP_PACKAGE], async () => {
    const { KeyManagementServiceClient } = await import('@google-cloud/kms');
    const gax = createRequire(import.meta.resolve(GCP_PACKAGE))('google-gax') as Gax;
    // Its own type of `innerApiCalls` says no more than `Function`.
    return {
      KeyManagementServiceClient: KeyManagementServiceClient as unknown as new (options: object) => SdkClient,
      gax,
    };
  });
}

/** By which Google finds the region of a request: its name, its parent, or the name of what it changes. */
function routeOf(request: object): string {
  const { name, parent, location, cryptoKey, cryptoKeyVersion } = request as Readonly<Record<string, unknown>>;
  const nested = (outer: string, value: unknown): readonly [string, unknown] => [
    `${outer}.name`,
    (Object(value) as { readonly name?: unknown }).name,
  ];
  const all: readonly (readonly [string, unknown])[] = [
    ['name', name],
    ['parent', parent],
    ['location', location],
    nested('crypto_key', cryptoKey),
    nested('crypto_key_version', cryptoKeyVersion),
  ];
  const [key, value] = all.find(([, text]) => typeof text === 'string') ?? ['name', ''];
  return new URLSearchParams({ [key]: String(value) }).toString();
}
