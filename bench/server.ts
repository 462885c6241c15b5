/**
 * The server under test: the development server as it is shipped, in a process of its own, on a new folder below the
 * one that its parent names. It says where it answers; it stops, and removes its folder, when its parent says so or is
 * gone.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../src/server/log.ts';
import { parseConfig } from '../src/server/config.ts';
import { runDev, type DevCredentials } from '../src/server/run.ts';

/** What it says once it answers. */
export interface Started extends DevCredentials {
  /** With the store. */
  readonly folder: string;
}

const folder = mkdtempSync(join(process.argv[2]!, 'claviger-bench-'));
const yaml = `listen: { port: 0 }\nstore: { folder: ${JSON.stringify(folder)} }\n`;
const server = await runDev({
  config: parseConfig(yaml, folder, {}),
  log: createLog({ format: 'text', level: 'info' }),
});
process.once('message', () => server.stop());
process.once('disconnect', () => server.stop());
// Ctrl-C reaches the whole group: the parent goes, and this one follows in order.
process.on('SIGINT', () => undefined);
const credentials = JSON.parse(readFileSync(server.credentialsFile, 'utf8')) as DevCredentials;
process.send!({ ...credentials, folder } satisfies Started);
process.exitCode = await server.stopped;
rmSync(folder, { recursive: true, force: true });
if (process.connected) process.disconnect!();
