/**
 * The token of a host: found by its label and serial number, never by the number of its slot, and logged in to once.
 *
 * @module
 */
import { CKR, CKU, returnName, SESSION_FLAGS, TOKEN_FLAGS } from '../cryptoki.ts';
import type { MechanismInfo, StartRequest, TokenFacts } from '../protocol.ts';
import { nativeOf, Refusal, type Handle, type PKCS11 } from './module.ts';

export interface Token {
  readonly slot: Handle;
  readonly facts: TokenFacts;
}

interface TokenName {
  readonly tokenLabel: string;
  readonly tokenSerial: string | null;
}

/** @throws Refusal where there is no such token, or more than one */
export function findToken(pkcs11: PKCS11, { tokenLabel, tokenSerial }: TokenName): Token {
  const found = tokensOf(pkcs11).filter(
    ({ facts: { label, serial } }) => label === tokenLabel && (tokenSerial === null || serial === tokenSerial),
  );
  const name = `\`${tokenLabel}\`${tokenSerial === null ? '' : ` with the serial number \`${tokenSerial}\``}`;
  if (found.length > 1) {
    throw new Refusal({
      code: 'PROVIDER_MISCONFIGURED',
      message: `several tokens have the label ${name}; set \`tokenSerial\``,
    });
  }
  const [token] = found;
  if (token !== undefined) return { ...token, facts: { ...token.facts, mechanisms: mechanismsOf(pkcs11, token.slot) } };
  throw new Refusal({
    code: 'PROVIDER_UNAVAILABLE',
    message: `the library shows no token ${name}; is it plugged in, initialised, and named in the library's own configuration?`,
    native: CKR.TOKEN_NOT_PRESENT,
  });
}

/** Initialised tokens, their mechanisms not asked for yet. */
function tokensOf(pkcs11: PKCS11): readonly Token[] {
  return pkcs11.C_GetSlotList(true).flatMap((slot) => {
    const facts = factsOf(pkcs11, slot);
    return facts === null ? [] : [{ slot, facts }];
  });
}

function factsOf(pkcs11: PKCS11, slot: Handle): TokenFacts | null {
  try {
    const info = pkcs11.C_GetTokenInfo(slot);
    if ((info.flags & TOKEN_FLAGS.tokenInitialized) === 0) return null;
    const { major, minor } = info.firmwareVersion;
    return {
      label: tokenText(info.label),
      serial: tokenText(info.serialNumber),
      manufacturer: tokenText(info.manufacturerID),
      model: tokenText(info.model),
      firmware: `${major}.${minor}`,
      mechanisms: [],
    };
  } catch {
    // Another slot's device may be out of order; it is none of ours.
    return null;
  }
}

function mechanismsOf(pkcs11: PKCS11, slot: Handle): readonly MechanismInfo[] {
  return pkcs11.C_GetMechanismList(slot).flatMap((mechanism) => {
    try {
      const { flags, minKeySize, maxKeySize } = pkcs11.C_GetMechanismInfo(slot, mechanism);
      return [{ mechanism: mechanism >>> 0, flags, minKeySize, maxKeySize }];
    } catch {
      return [];
    }
  });
}

export function openSession(pkcs11: PKCS11, slot: Handle, readWrite: boolean): Handle {
  return pkcs11.C_OpenSession(slot, SESSION_FLAGS.serial | (readWrite ? SESSION_FLAGS.readWrite : 0));
}

/**
 * The one attempt of this process: whoever starts the next process decides whether there is another.
 *
 * @throws Refusal with `pin` where the PIN was refused, where that is not clear, or where one more wrong PIN would lock it
 */
export function logIn(
  pkcs11: PKCS11,
  slot: Handle,
  session: Handle,
  { userType, pin }: Pick<StartRequest, 'userType' | 'pin'>,
  announce: () => void,
): void {
  requireTries(pkcs11.C_GetTokenInfo(slot).flags, userType);
  announce();
  try {
    pkcs11.C_Login(session, userType, pin);
  } catch (cause) {
    const native = nativeOf(cause);
    if (native === CKR.USER_ALREADY_LOGGED_IN) return;
    throw loginRefusal(native);
  }
}

function requireTries(flags: number, userType: number): void {
  if (userType === CKU.SO) return;
  if ((flags & TOKEN_FLAGS.userPinLocked) !== 0) {
    throw new Refusal({
      code: 'PROVIDER_DENIED',
      message: 'the PIN of the token is locked; a security officer sets a new one',
      pin: 'refused',
      native: CKR.PIN_LOCKED,
    });
  }
  if ((flags & TOKEN_FLAGS.userPinFinalTry) !== 0) {
    throw new Refusal({
      code: 'PROVIDER_DENIED',
      message: 'one more wrong PIN would lock the token, so none is tried; log in once with the vendor’s own tool',
      pin: 'refused',
    });
  }
}

/** Trouble on the way to the device, in which no PIN was looked at. */
const NO_ANSWER: readonly (number | null)[] = [CKR.DEVICE_REMOVED, CKR.TOKEN_NOT_PRESENT, CKR.SESSION_HANDLE_INVALID];
/** Some vendors answer so to a wrong PIN as well. */
const UNCLEAR: readonly (number | null)[] = [CKR.GENERAL_ERROR, CKR.FUNCTION_FAILED, CKR.DEVICE_ERROR, null];

function loginRefusal(native: number | null): Refusal {
  const name = native === null ? 'no return value' : returnName(native);
  const found = native === null ? {} : { native };
  if (NO_ANSWER.includes(native)) {
    return new Refusal({
      code: 'PROVIDER_UNAVAILABLE',
      message: `the token cannot be logged in to: \`${name}\``,
      ...found,
    });
  }
  return new Refusal({
    code: 'PROVIDER_DENIED',
    message: `the token refused the PIN: \`${name}\`; it is not tried again, because wrong PINs lock a token`,
    pin: UNCLEAR.includes(native) ? 'unclear' : 'refused',
    ...found,
  });
}

/** Texts of PKCS#11 are filled up with blanks, by some vendors with zeros. */
export function tokenText(text: string): string {
  return text.replace(/[\s\0]+$/u, '');
}
