/**
 * node:ffi, which is experimental in Node 26: whoever uses it has another way where it is missing, forbidden, or does not
 * do what it should.
 *
 * @module
 */
import type * as Ffi from 'node:ffi';

/**
 * Loads the module without its warning that it may change: the caller falls back if it does.
 *
 * @throws where this Node has none, or is not permitted it
 */
export function loadFfi(): typeof Ffi {
  const inherited = Object.getOwnPropertyDescriptor(process, 'emitWarning')!;
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule('node:ffi');
  } finally {
    Object.defineProperty(process, 'emitWarning', inherited);
  }
}

/**
 * Something made of the OpenSSL inside Node; null where node:ffi is missing or forbidden, or what was made does not do what
 * it should.
 *
 * @param make throws where a function is missing
 * @param worksRight tries it, against another way to do the same
 */
export function makeNative<Native>(
  make: (ffi: typeof Ffi) => Native,
  worksRight: (native: Native) => boolean,
): Native | null {
  // A size_t is handed over as 64 bits.
  if (!/64|s390x/.test(process.arch)) return null;
  try {
    const native = make(loadFfi());
    return worksRight(native) ? native : null;
  } catch {
    return null;
  }
}
