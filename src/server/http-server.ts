/**
 * The HTTP server: which path goes to which gateway, and the limits that hold for all of them.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, watchFile, unwatchFile } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { ClavigerError } from '../errors.ts';
import { refuseAwsKms, serveAwsKms } from '../gateways/aws-kms/gateway.ts';
import { endWithMistake, sourceOf, type HttpRequest } from '../gateways/http-call.ts';
import { jwksOfTenant } from '../gateways/jwks/gateway.ts';
import { refuseRest, serveRest, turnAway } from '../gateways/rest/gateway.ts';
import { docsPage } from '../gateways/rest/docs.ts';
import { openApi } from '../gateways/rest/openapi.ts';
import type { Services } from '../operations/services.ts';
import { placeOf, RequestReader } from './read-request.ts';

/** Time for a whole request to come in: slow senders must not hold connections. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than common load balancers keep a connection, so that we are not the one who closes it. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** SDKs send about 1 KiB of headers. */
const HEADER_BYTES_MAX = 16 * 1024;
const SWEEP_MS = 20;
/** Supervisors commonly kill after 30 seconds; until then, a slow caller may still finish its request. */
const STOP_TIMEOUT_MS = 20_000;
/** Time for a caller to read why its connection ends; one that keeps its half open would hold it for ever. */
const REFUSED_LINGER_MS = 1000;
/** How often a certificate's files are looked at. */
const CERTIFICATE_POLL_MS = 5000;

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.3' | 'TLSv1.2';
}

export interface ListenOptions {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsFiles | null;
}

export interface HttpServer {
  /** `http://127.0.0.1:8550`. */
  readonly url: string;
  /** Takes no new connections, answers what is under way, then ends. */
  close(): Promise<void>;
}

export async function startHttp(services: Services, { address, port, tls }: ListenOptions): Promise<HttpServer> {
  const inUse: InUse | null = tls === null ? null : { from: tls, read: readCertificate(tls) };
  const server = makeServer(services, inUse);
  readHttp(services, server, inUse);
  const stopWatching = inUse === null ? () => undefined : watchCertificate(services, server, inUse);
  try {
    await listening(server, address, port);
  } catch (cause) {
    stopWatching();
    throw new ClavigerError('INVALID_ARGUMENT', `cannot listen on ${address}:${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `${tls === null ? 'http' : 'https'}://${host}:${boundPort}`,
    close: async () => {
      stopWatching();
      // Closing closes what is idle; what is busy now becomes idle later, and would be kept alive for a minute.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      const giveUp = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS);
      await new Promise((resolve) => server.close(resolve));
      clearInterval(sweep);
      clearTimeout(giveUp);
    },
  };
}

function makeServer(services: Services, inUse: InUse | null): Server {
  const options = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
  const answer = answering(services);
  const server =
    inUse === null
      ? createServer(options, answer)
      : createTlsServer({ ...options, ...inUse.read, minVersion: inUse.from.minVersion }, answer);
  return server.on('clientError', refuseUnparsed);
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** What everybody may read, by path: it is the same for all and says nothing of any tenant. */
type Page = () => {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

const JWKS_PATH = /^\/v1\/tenants\/([^/]+)\/jwks\.json$/;

/** Which gateway answers a request. A path that none has is refused by the REST API, in its words and with a record. */
function answering(services: Services): (message: IncomingMessage, response: ServerResponse) => void {
  const pages = publicPages(services);
  const reader = new RequestReader();
  return (message, response) => {
    const failed = (mistake: unknown): void => endWithMistake(services, response, mistake);
    try {
      const turned = isCounted(message) ? turnAway(services, message, response) : false;
      if (turned instanceof Promise) turned.then((away) => away || read(message, response)).catch(failed);
      else if (!turned) read(message, response);
    } catch (mistake) {
      failed(mistake);
    }
  };

  /** True where a stranger would only be counted: then it is looked who calls before anything is read. */
  function isCounted(message: IncomingMessage): boolean {
    const source = sourceOf(message);
    return source !== null && services.refusals.counting(source) && gatewayOf(message) === 'rest';
  }

  function gatewayOf({ method, url }: IncomingMessage): 'aws-kms' | 'page' | 'jwks' | 'rest' {
    const { path } = placeOf(url);
    if (method === 'POST' && path === '/') return 'aws-kms';
    // Probes may ask for the head alone; Node leaves the body out.
    if (method !== 'GET' && method !== 'HEAD') return 'rest';
    if (pages.has(path)) return 'page';
    return JWKS_PATH.test(path) ? 'jwks' : 'rest';
  }

  function read(message: IncomingMessage, response: ServerResponse): void {
    reader.read(message, (request, unread) => {
      // Policies and the log ask where a request comes from. Who has reset its connection by now cannot be told any
      // more, and would hear no answer.
      if (sourceOf(message) === null) {
        message.socket.destroy();
        return;
      }
      const answered = unread === null ? answer(request, response) : refuseUnread(request, response, unread);
      // Gateways answer with every error; what comes here is a mistake of ours.
      answered.catch((mistake: unknown) => endWithMistake(services, response, mistake));
    });
  }

  async function answer(request: HttpRequest, response: ServerResponse): Promise<void> {
    const { path, message } = request;
    switch (gatewayOf(message)) {
      case 'aws-kms':
        return serveAwsKms(services, request, response);
      case 'page':
        return sendPage(response, pages.get(path)!());
      case 'jwks': {
        const body = JSON.stringify(await jwksOfTenant(services, JWKS_PATH.exec(path)![1]!));
        return sendPage(response, { headers: { ...JSON_TYPE, 'cache-control': 'public, max-age=60' }, body });
      }
      case 'rest':
        return serveRest(services, request, response);
    }
  }

  /** A request that could not be read to its end: the caller is told in the words of the gateway it asked. */
  function refuseUnread(request: HttpRequest, response: ServerResponse, error: ClavigerError): Promise<void> {
    response.setHeader('connection', 'close');
    return gatewayOf(request.message) === 'aws-kms'
      ? refuseAwsKms(services, request, response, error)
      : refuseRest(services, request, response, error);
  }
}

function publicPages({ version, ledger }: Services): ReadonlyMap<string, Page> {
  const spec = JSON.stringify(openApi(version));
  const docs = docsPage();
  const word = (status: number, body: string): ReturnType<Page> => ({ status, headers: TEXT_TYPE, body });
  return new Map<string, Page>([
    ['/livez', () => word(200, 'ok')],
    ['/readyz', () => (ledger.healthy ? word(200, 'ready') : word(503, 'unavailable'))],
    ['/openapi.json', () => ({ headers: JSON_TYPE, body: spec })],
    ['/docs', () => ({ headers: DOCS_HEADERS, body: docs })],
  ]);
}

const TEXT_TYPE = { 'content-type': 'text/plain' };
const JSON_TYPE = { 'content-type': 'application/json' };
const DOCS_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
};

function sendPage(response: ServerResponse, { status = 200, headers, body }: ReturnType<Page>): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** What is no HTTP, or came too slowly, is told so in a line, and its connection ends. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  // What comes behind a whole request must not be taken for its answer; that one leaves, and then the rest is refused.
  if (answerUnderWay(socket)?.req.complete === true) return;
  const status = UNPARSED_STATUS.get(error.code ?? '') ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), REFUSED_LINGER_MS).unref();
}

/** The answer that a socket waits for, by the property that Node's own handler of such errors looks at. */
function answerUnderWay(socket: Duplex): ServerResponse | null | undefined {
  return (socket as { readonly _httpMessage?: ServerResponse | null })._httpMessage;
}

const UNPARSED_STATUS: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/** Has the server's own values read at each scrape. */
function readHttp({ observer: { metrics } }: Services, server: Server, inUse: InUse | null): void {
  metrics.read('claviger_http_connections', () => promisify(server.getConnections.bind(server))());
  if (inUse === null) return;
  metrics.read(
    'claviger_tls_certificate_expiry_timestamp_seconds',
    () => new X509Certificate(inUse.read.cert).validToDate.getTime() / 1000,
  );
}

/**
 * Reads certificate and key, and makes sure that they can be used together.
 *
 * @throws INVALID_ARGUMENT
 */
export function readCertificate({ certificate, key }: Pick<TlsFiles, 'certificate' | 'key'>): SecretFiles {
  try {
    const files = { cert: readFileSync(certificate), key: readFileSync(key) };
    createSecureContext(files);
    return files;
  } catch (cause) {
    const told = `\`tls\`: cannot use \`${certificate}\` with \`${key}\`: ${(cause as Error).message}`;
    throw new ClavigerError('INVALID_ARGUMENT', told, { cause });
  }
}

interface SecretFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The certificate that the server shows now, and where a new one would be. */
interface InUse {
  readonly from: TlsFiles;
  read: SecretFiles;
}

/** Takes a new certificate over without a restart; a broken one is told and the old one stays. */
function watchCertificate({ log }: Services, server: Server, inUse: InUse): () => void {
  const tls = inUse.from;
  const reload = (): void => {
    try {
      const read = readCertificate(tls);
      (server as TlsServer).setSecureContext({ ...read, minVersion: tls.minVersion });
      inUse.read = read;
      log.write('info', 'certificate reloaded', { certificate: tls.certificate });
    } catch (error) {
      log.write('error', 'the new certificate cannot be used; the old one stays', { cause: (error as Error).message });
    }
  };
  const files = [tls.certificate, tls.key];
  for (const file of files) watchFile(file, { interval: CERTIFICATE_POLL_MS, persistent: false }, reload);
  process.on('SIGHUP', reload);
  return () => {
    for (const file of files) unwatchFile(file, reload);
    process.off('SIGHUP', reload);
  };
}
