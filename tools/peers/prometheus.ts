/**
 * Prometheus and promtool of the machine's Debian: a real scrape, and the judge of our metrics, rules and queries.
 *
 * @module
 */
import { installDebian } from './debian.ts';
import { type Peer, programPath } from './peer.ts';

export interface PrometheusPaths {
  readonly prometheus: string;
  readonly promtool: string;
}

export const prometheus: Peer<PrometheusPaths> = {
  about: 'Prometheus, which scrapes us, and promtool, which checks metrics and alert rules',
  home: 'prometheus',
  pin: null,
  install: (_folder, say) => installDebian(['prometheus'], say),
  find: async () => {
    const server = await programPath('prometheus');
    const promtool = await programPath('promtool');
    return server === null || promtool === null ? null : { prometheus: server, promtool };
  },
};
