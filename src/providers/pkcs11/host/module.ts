/**
 * The vendor's module inside a host process: loaded, initialised, and its errors told from ours.
 *
 * Nothing outside this folder imports `pkcs11js`, and nothing of the server imports this folder.
 *
 * @module
 */
import type * as pkcs11js from 'pkcs11js';
import type { Mechanism, PKCS11 } from 'pkcs11js';
import type { HostRefusal, UseMechanism } from '../protocol.ts';

export type { Attribute, Handle, Mechanism, PKCS11 } from 'pkcs11js';
export type Pkcs11 = typeof pkcs11js;

/** Thrown inside a host where we, not the library, say no. */
export class Refusal extends Error {
  readonly refusal: HostRefusal;

  constructor(refusal: HostRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export interface Library {
  readonly pkcs11: PKCS11;
  readonly names: Pkcs11;
}

/** `CKF_OS_LOCKING_OK` of PKCS #11 3.1, section 5.4: calls come from several threads, and the library locks as the system does. */
const OS_LOCKING_OK = 0x02;

/**
 * Loads a library and makes it ready.
 *
 * @param threads whether calls come from several threads at a time: a library that is not told so need lock nothing
 * @throws Refusal where the library cannot be loaded, or does not come up
 */
export async function loadLibrary(path: string, { threads = false } = {}): Promise<Library> {
  const names = (await import('pkcs11js')).default;
  const pkcs11 = new names.PKCS11();
  try {
    pkcs11.load(path);
  } catch (cause) {
    throw new Refusal({
      code: 'PROVIDER_MISCONFIGURED',
      message: `the library \`${path}\` cannot be loaded: ${(cause as Error).message.split('\n')[0]}`,
    });
  }
  try {
    pkcs11.C_Initialize(threads ? { flags: OS_LOCKING_OK } : undefined);
  } catch (cause) {
    const native = nativeOf(cause);
    throw new Refusal({
      code: 'PROVIDER_UNAVAILABLE',
      message: `the library \`${path}\` does not come up; look at its own configuration and \`env\``,
      ...(native === null ? {} : { native }),
    });
  }
  return { pkcs11, names };
}

/** The return value of the library that an error carries; null where it is no error of the library. */
export function nativeOf(thrown: unknown): number | null {
  const { code } = thrown as { readonly code?: unknown };
  return typeof code === 'number' && code > 0 ? code : null;
}

/** A mechanism as the library gets it. */
export function mechanismOf({ mechanism, pss, oaep }: UseMechanism, names: Pkcs11): Mechanism {
  if (pss !== undefined) {
    const { hash, mgf, saltBytes } = pss;
    return { mechanism, parameter: { type: names.CK_PARAMS_RSA_PSS, hashAlg: hash, mgf, saltLen: saltBytes } as never };
  }
  if (oaep !== undefined) {
    const { hash, mgf } = oaep;
    // Source 1 is "data specified": an empty label.
    return { mechanism, parameter: { type: names.CK_PARAMS_RSA_OAEP, hashAlg: hash, mgf, source: 1 } as never };
  }
  return { mechanism };
}
