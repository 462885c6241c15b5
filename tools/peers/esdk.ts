/**
 * AWS's Encryption SDK for Python: it opens our messages, and we open its own.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Peer, exists } from './peer.ts';
import { installEnvironment } from './python.ts';

const REQUIREMENTS = join(import.meta.dirname, 'esdk-requirements.txt');
const PINNED = readFileSync(REQUIREMENTS, 'utf8');

export interface EsdkPaths {
  /** The interpreter that has it. */
  readonly python: string;
}

export const esdk: Peer<EsdkPaths> = {
  about: "AWS's Encryption SDK for Python, which reads and writes messages as we do",
  home: 'esdk',
  pin: `${/^aws-encryption-sdk==.*$/mu.exec(PINNED)![0]} (${hash('sha256', PINNED).slice(0, 8)})`,
  install: (folder, say) => installEnvironment(folder, REQUIREMENTS, 'about 100 MB on disk', say),
  find: async (folder) => {
    const python = join(folder, 'bin', 'python');
    return (await exists(python)) ? { python } : null;
  },
};
