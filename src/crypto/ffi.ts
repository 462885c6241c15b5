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
