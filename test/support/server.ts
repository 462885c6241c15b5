/**
 * A real server for tests: the development server in this process, on a folder and port of its own.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClavigerClient } from '../../src/client/index.ts';
import type { Log } from '../../src/ports/log.ts';
import { silentLog } from '../../src/ports/log.ts';
import { parseConfig } from '../../src/server/config.ts';
import { runDev, type DevCredentials } from '../../src/server/run.ts';

export interface TestServer extends DevCredentials {
  readonly folder: string;
  /** With the development token, which holds every role. */
  readonly client: ClavigerClient;
  /** Sends JSON as any HTTP client would; the body is parsed where it is JSON. */
  fetch(method: string, path: string, body?: unknown, options?: FetchOptions): Promise<TestAnswer>;
  /** A client with a fresh token of these roles. */
  clientWith(...roles: string[]): Promise<ClavigerClient>;
  stop(): Promise<void>;
}

export interface FetchOptions {
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
  /** Sent as it is, in place of a JSON body. */
  readonly raw?: Uint8Array | string;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

export interface TestServerOptions {
  /** YAML that is added to the configuration. */
  readonly config?: string;
  /** What references in it stand for. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly log?: Log;
}

/** A folder that is removed with `removeFolder`. */
export function testFolder(): string {
  return mkdtempSync(join(tmpdir(), 'claviger-test-'));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const folder = options.folder ?? testFolder();
  const yaml = `listen: { port: 0 }\nstore: { folder: ${JSON.stringify(folder)} }\n${options.config ?? ''}`;
  const server = await runDev({
    config: parseConfig(yaml, folder, options.environment ?? {}),
    log: options.log ?? silentLog,
  });
  const credentials = JSON.parse(readFileSync(server.credentialsFile, 'utf8')) as DevCredentials;
  const { endpoint, token } = credentials;
  const client = new ClavigerClient({ endpoint, token });

  return {
    ...credentials,
    folder,
    client,
    fetch: async (method, path, body, { token: other, headers = {}, raw } = {}) => {
      const sent = raw ?? (body === undefined ? null : JSON.stringify(body));
      const bearer = other === undefined ? token : other;
      const response = await fetch(`${endpoint}${path}`, {
        method,
        headers: {
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          'content-type': 'application/json',
          ...headers,
        },
        body: sent as string | Uint8Array<ArrayBuffer> | null,
      });
      const text = await response.text();
      const json = /json(;|$)/.test(response.headers.get('content-type') ?? '');
      return {
        status: response.status,
        headers: response.headers,
        body: json && text !== '' ? JSON.parse(text) : text,
      };
    },
    clientWith: async (...roles) => {
      const made = await client.createToken({ name: roles.join('+'), roles: roles as never });
      return new ClavigerClient({ endpoint, token: made.token! });
    },
    stop: async () => {
      server.stop();
      await server.stopped;
      if (options.folder === undefined) removeFolder(folder);
    },
  };
}
