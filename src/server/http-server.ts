/**
 * The HTTP server: which path goes to which gateway, and the limits that hold for all of them.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, watchFile, unwatchFile } from 'node:fs';
import { createSecureContext, type Server as TlsServer } from 'node:tls';
import { promisify } from 'node:util';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ClavigerError, errorOf } from '../errors.ts';
import { refuseAwsKms, serveAwsKms } from '../gateways/aws-kms/gateway.ts';
import { BODY_BYTES_MAX } from '../gateways/http-call.ts';
import { serveJwks } from '../gateways/jwks/gateway.ts';
import { refuseRest, serveRest } from '../gateways/rest/gateway.ts';
import { docsPage } from '../gateways/rest/docs.ts';
import { openApi } from '../gateways/rest/openapi.ts';
import type { Services } from '../operations/services.ts';

/** Time for a whole request to come in: slow senders must not hold connections. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than common load balancers keep a connection, so that we are not the one who closes it. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** SDKs send about 1 KiB of headers. */
const HEADER_BYTES_MAX = 16 * 1024;
const SWEEP_MS = 20;
/** Supervisors commonly kill after 30 seconds; until then, a slow caller may still finish its request. */
const STOP_TIMEOUT_MS = 20_000;
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
  const app = buildApp(services, inUse);
  readHttp(services, app, inUse);
  const stopWatching = inUse === null ? () => undefined : watchCertificate(services, app, inUse);
  try {
    await app.listen({ host: address, port });
  } catch (cause) {
    stopWatching();
    throw new ClavigerError('INVALID_ARGUMENT', `cannot listen on ${address}:${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  const bound = app.server.address();
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `${tls === null ? 'http' : 'https'}://${host}:${boundPort}`,
    close: async () => {
      stopWatching();
      // Closing closes what is idle; what is busy now becomes idle later, and would be kept alive for a minute.
      const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
      const giveUp = setTimeout(() => app.server.closeAllConnections(), STOP_TIMEOUT_MS);
      await app.close();
      clearInterval(sweep);
      clearTimeout(giveUp);
    },
  };
}

function buildApp(services: Services, inUse: InUse | null): FastifyInstance {
  const common = {
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle' as const,
    routerOptions: { maxParamLength: 512 },
    exposeHeadRoutes: false,
    // What still comes on an open connection while the server stops is answered as ever: the service closes after it.
    return503OnClosing: false,
    // What fails before there is a route: a path that cannot be decoded.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
      void refuseUnread(services, error, request, reply),
  };
  const app =
    inUse === null
      ? Fastify({ ...common, http: { maxHeaderSize: HEADER_BYTES_MAX } })
      : (Fastify({
          ...common,
          https: { ...inUse.read, minVersion: inUse.from.minVersion, maxHeaderSize: HEADER_BYTES_MAX },
        }) as unknown as FastifyInstance);

  // Every body is taken as bytes: signatures cover bytes, and what is not JSON is refused with a record.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('preHandler', (request, _reply, done) => {
    request.body ??= Buffer.alloc(0);
    done();
  });

  const spec = JSON.stringify(openApi(services.version));
  const docs = docsPage();
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok'));
  app.get('/readyz', (_request, reply) => {
    const ready = services.ledger.healthy;
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ready' : 'unavailable');
  });
  app.get('/openapi.json', (_request, reply) => reply.type('application/json').send(spec));
  app.get('/docs', (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(docs),
  );
  app.get('/v1/tenants/:tenant/jwks.json', (request, reply) => serveJwks(services, request, reply));
  app.post('/', (request, reply) => serveAwsKms(services, request, reply));
  app.get('/metrics', (request, reply) => serveRest(services, request, reply));
  app.all('/v1/*', (request, reply) => serveRest(services, request, reply));
  app.setNotFoundHandler((request, reply) => serveRest(services, request, reply));
  app.setErrorHandler((error: FastifyError, request, reply) => refuseUnread(services, error, request, reply));
  return app;
}

/** Has the server's own values read at each scrape. */
function readHttp({ observer: { metrics } }: Services, app: FastifyInstance, inUse: InUse | null): void {
  metrics.read('claviger_http_connections', () => promisify(app.server.getConnections.bind(app.server))());
  if (inUse === null) return;
  metrics.read(
    'claviger_tls_certificate_expiry_timestamp_seconds',
    () => new X509Certificate(inUse.read.cert).validToDate.getTime() / 1000,
  );
}

function unreadError(cause: FastifyError): ClavigerError {
  switch (cause.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return errorOf('BodyTooLarge', `the body is larger than ${BODY_BYTES_MAX} bytes`);
    case 'FST_ERR_BAD_URL':
      return new ClavigerError('INVALID_ARGUMENT', 'the path is not percent-encoded as it should be', { cause });
    default:
      return new ClavigerError('INVALID_ARGUMENT', 'the request could not be read', { cause });
  }
}

/** A request that Fastify could not read: the caller is told in the words of the gateway it asked. */
function refuseUnread(
  services: Services,
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const told = unreadError(error);
  const aws = request.method === 'POST' && request.url.split('?')[0] === '/';
  return aws ? refuseAwsKms(services, request, reply, told) : refuseRest(services, request, reply, told);
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
function watchCertificate({ log }: Services, app: FastifyInstance, inUse: InUse): () => void {
  const tls = inUse.from;
  const reload = (): void => {
    try {
      const read = readCertificate(tls);
      (app.server as unknown as TlsServer).setSecureContext({ ...read, minVersion: tls.minVersion });
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
