/**
 * An rsyslog of a test's own: its configuration, its folder, its port.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from '../support/certificates.ts';
import { freePort, listens } from '../support/receiver.ts';
import { until } from '../support/until.ts';

/** A message as rsyslog understood it. */
export interface SyslogLine {
  readonly pri: string;
  readonly time: string;
  readonly host: string;
  readonly app: string;
  readonly procid: string;
  readonly msgid: string;
  readonly sd: string;
  readonly msg: string;
}

export interface Rsyslog {
  readonly port: number;
  /** All that it has written, over all its lives. */
  lines(): readonly SyslogLine[];
  start(): Promise<void>;
  /** Asks it to end, and waits: what it has taken, it writes. */
  stop(): Promise<void>;
}

export interface RsyslogOptions {
  readonly program: string;
  readonly folder: string;
  readonly tls?: CertificateFiles & { readonly ca: string; readonly clients: 'any' | 'certified' };
}

const TEMPLATE = [
  ['pri', '%pri%'],
  ['time', '%timereported:::date-rfc3339%'],
  ['host', '%hostname:::json%'],
  ['app', '%app-name:::json%'],
  ['procid', '%procid:::json%'],
  ['msgid', '%msgid:::json%'],
  ['sd', '%structured-data:::json%'],
  ['msg', '%msg:::json%'],
]
  .map(([name, value]) => `\\"${name}\\":\\"${value}\\"`)
  .join(',');

export async function startRsyslog({ program, folder: parent, tls }: RsyslogOptions): Promise<Rsyslog> {
  const folder = mkdtempSync(join(parent, 'rsyslog-'));
  const port = await freePort();
  const out = join(folder, 'out.jsonl');
  const config = join(folder, 'rsyslog.conf');
  const driver =
    tls === undefined
      ? ''
      : `StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="${tls.clients === 'any' ? 'anon' : 'x509/certvalid'}"`;
  writeFileSync(
    config,
    `global(workDirectory="${folder}" maxMessageSize="128k" parser.escapeControlCharactersOnReceive="off"
  ${tls === undefined ? '' : `DefaultNetstreamDriverCAFile="${tls.ca}" DefaultNetstreamDriverCertFile="${tls.certificate}" DefaultNetstreamDriverKeyFile="${tls.key}"`})
module(load="imtcp" ${driver})
template(name="json" type="string" string="{${TEMPLATE}}\\n")
input(type="imtcp" port="${port}" address="127.0.0.1")
action(type="omfile" file="${out}" template="json")
`,
  );
  let end: (() => Promise<void>) | null = null;
  const rsyslog: Rsyslog = {
    port,
    lines: () =>
      (existsSync(out) ? readFileSync(out, 'utf8') : '')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as SyslogLine),
    start: async () => {
      const child = spawn(program, ['-n', '-f', config, '-i', join(folder, 'pid')], { stdio: 'pipe' });
      let said = '';
      child.stderr.on('data', (part: Buffer) => (said += part.toString()));
      const exited = once(child, 'exit');
      end = async () => {
        child.kill('SIGTERM');
        await exited;
      };
      await until(`rsyslog listens: ${said}`, () => {
        if (child.exitCode !== null) throw new Error(`rsyslog ended: ${said}`);
        return listens(port);
      });
    },
    stop: async () => {
      await end?.();
      end = null;
    },
  };
  await rsyslog.start();
  return rsyslog;
}
