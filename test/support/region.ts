/**
 * A home for keys that is a real service: our own AWS KMS endpoint, behind a proxy that fails on command.
 *
 * @module
 */
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { startTestServer, type TestServer } from './server.ts';

export interface TestRegion {
  readonly name: string;
  /** The service itself, whose own keys are the native keys. */
  readonly server: TestServer;
  readonly proxy: FaultProxy;
  /** A line of `providers:`; the secret is in the environment. */
  readonly yaml: string;
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Starts one.
 *
 * @param more fields of the provider, as YAML
 */
export async function startRegion(name: string, more = ''): Promise<TestRegion> {
  const server = await startTestServer();
  const proxy = await startFaultProxy({ target: { port: Number(new URL(server.endpoint).port) }, mode: 'http' });
  const variable = `${name.toUpperCase()}_SECRET`;
  const credentials = `{ accessKeyId: ${server.awsAccessKeyId}, secretAccessKey: "\${${variable}}" }`;
  const yaml =
    `  - { name: ${name}, kind: aws-kms, region: ${server.region}, endpoint: "${proxy.url}", credentials: ${credentials},` +
    ` timeoutMs: 20000, attempts: 1, breaker: { failures: 3, openMs: 200 }${more} }\n`;
  return {
    name,
    server,
    proxy,
    yaml,
    environment: { [variable]: server.awsSecretAccessKey },
    stop: async () => {
      await proxy.stop();
      await server.stop();
    },
  };
}
