/**
 * SoftHSM 2 and OpenSC of the machine's Debian: a PKCS#11 module, and an independent client and spy for any of them.
 *
 * Tests give each token a configuration and folder of its own (`newSoftHsm`); the machine's own tokens are not touched.
 *
 * @module
 */
import { glob } from 'node:fs/promises';
import { installDebian } from './debian.ts';
import { type Peer, programPath } from './peer.ts';

export interface SoftHsmPaths {
  /** The PKCS#11 library. */
  readonly library: string;
  /** `softhsm2-util`, which initialises tokens. */
  readonly util: string;
  /** `pkcs11-tool` of OpenSC. */
  readonly tool: string;
  /** A PKCS#11 library of OpenSC that writes down every call to the one behind it. */
  readonly spy: string;
}

export const softhsm: Peer<SoftHsmPaths> = {
  about: 'SoftHSM 2, a PKCS#11 module, and OpenSC, a client of such modules',
  home: 'softhsm',
  pin: null,
  install: (_folder, say) => installDebian(['softhsm2', 'opensc'], say),
  find: async () => {
    const library = await firstOf('/usr/lib{,/*}/softhsm/libsofthsm2.so');
    const spy = await firstOf('/usr/lib{,/*}{,/pkcs11}/pkcs11-spy.so');
    const util = await programPath('softhsm2-util');
    const tool = await programPath('pkcs11-tool');
    return library === null || spy === null || util === null || tool === null ? null : { library, util, tool, spy };
  },
};

async function firstOf(pattern: string): Promise<string | null> {
  for await (const path of glob(pattern)) return path;
  return null;
}
