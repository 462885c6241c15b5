/**
 * moto: an imitation of AWS. Tests send to its CloudWatch Logs, and keep keys in its KMS.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Peer, exists } from './peer.ts';
import { installEnvironment } from './python.ts';

const REQUIREMENTS = join(import.meta.dirname, 'moto-requirements.txt');
const PINNED = readFileSync(REQUIREMENTS, 'utf8');

export interface MotoPaths {
  /** Absolute path of `moto_server`. */
  readonly server: string;
}

export const moto: Peer<MotoPaths> = {
  about: 'an imitation of AWS: its CloudWatch Logs, KMS and STS',
  home: 'moto',
  pin: `${/^moto==.*$/mu.exec(PINNED)![0]} (${hash('sha256', PINNED).slice(0, 8)})`,
  install: (folder, say) => installEnvironment(folder, REQUIREMENTS, 'about 140 MB on disk', say),
  find: async (folder) => {
    const server = join(folder, 'bin', 'moto_server');
    return (await exists(server)) ? { server } : null;
  },
};
