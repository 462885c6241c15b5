/**
 * Programs of the machine that tests call as any user would: no pinned version, because being the machine's is the point.
 *
 * @module
 */
import { installDebian } from './debian.ts';
import { type Peer, programPath } from './peer.ts';

export interface ProgramPaths {
  /** Absolute path of the program. */
  readonly program: string;
}

export const curl = system('curl', 'a plain HTTP client for our REST and AWS endpoints');
export const openssl = system('openssl', 'independent signatures, certificates and key files');

function system(name: string, about: string): Peer<ProgramPaths> {
  return {
    about,
    home: name,
    pin: null,
    install: (_folder, say) => installDebian([name], say),
    find: async () => {
      const program = await programPath(name);
      return program === null ? null : { program };
    },
  };
}
