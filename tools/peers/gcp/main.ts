/**
 * The server as a program: `node tools/peers/gcp/main.ts [PORT]` prints `{"host":…,"port":…}` on one line, and serves
 * until it is ended.
 *
 * Each line on its standard input is a command in JSON: `{"set":{"kind":"status","status":"UNAVAILABLE"},"times":3}`,
 * `{"heal":true}`, `{"expireTokens":true}`, `{"calls":true}`; it answers `calls` with a line of its own.
 *
 * @module
 */
import { createInterface } from 'node:readline';
import { type FaultScope, type GcpFault, startGcpServer } from './server.ts';

interface Command extends FaultScope {
  readonly set?: GcpFault;
  readonly heal?: true;
  readonly expireTokens?: true;
  readonly calls?: true;
}

const server = await startGcpServer({ port: Number(process.argv[2] ?? 0) });
console.log(JSON.stringify({ host: server.host, port: server.port }));
for await (const line of createInterface({ input: process.stdin })) {
  const { set, heal, expireTokens, calls, ...scope } = JSON.parse(line) as Command;
  if (set !== undefined) server.set(set, scope);
  if (heal) server.heal();
  if (expireTokens) server.expireTokens();
  if (calls) console.log(JSON.stringify({ calls: server.calls(), log: server.log }));
}
await server.stop();
