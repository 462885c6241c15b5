/**
 * rsyslog of the machine's Debian: a receiver of syslog over TCP and TLS. Tests run it with a configuration, folder and
 * port of their own; the machine's own one is not touched.
 *
 * @module
 */
import { glob } from 'node:fs/promises';
import { installDebian } from './debian.ts';
import { type Peer, exists, programPath } from './peer.ts';

/** Where Debian has it, which is not in everybody's path. */
const PROGRAM = '/usr/sbin/rsyslogd';

export interface RsyslogPaths {
  /** Absolute path of `rsyslogd`. */
  readonly program: string;
}

export const rsyslog: Peer<RsyslogPaths> = {
  about: 'a receiver of syslog over TCP and TLS',
  home: 'rsyslog',
  pin: null,
  install: (_folder, say) => installDebian(['rsyslog', 'rsyslog-gnutls'], say),
  find: async () => {
    const program = (await exists(PROGRAM)) ? PROGRAM : await programPath('rsyslogd');
    return program !== null && (await hasTls()) ? { program } : null;
  },
};

/** Its TLS comes in a package of its own. */
async function hasTls(): Promise<boolean> {
  for await (const _ of glob('/usr/lib/*/rsyslog/lmnsd_gtls.so')) return true;
  return false;
}
