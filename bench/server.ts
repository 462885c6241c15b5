/**
 * The server under test: the development server as it is shipped, in a process of its own, on a folder that its parent
 * gives. It says where it answers, and stops when its parent says so or is gone.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { plainLog } from '../src/server/log.ts';
import { parseConfig } from '../src/server/config.ts';
import { runDev, type DevCredentials } from '../src/server/run.ts';

/** What it says once it answers. */
export type Started = DevCredentials;

const folder = process.argv[2]!;
const yaml = `listen: { port: 0 }\nstore: { folder: ${JSON.stringify(folder)} }\n`;
const server = await runDev({ config: parseConfig(yaml, folder, {}), log: plainLog });
process.send!(JSON.parse(readFileSync(server.credentialsFile, 'utf8')) as Started);
process.once('message', () => server.stop());
process.once('disconnect', () => server.stop());
process.exitCode = await server.stopped;
process.disconnect?.();
