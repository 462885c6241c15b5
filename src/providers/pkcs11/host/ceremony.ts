/**
 * A process for one act of a security officer: it does that, answers, and ends.
 *
 * Whether somebody is logged in is a matter of the process, so this is never done where keys are used.
 *
 * @module
 */
import { Socket } from 'node:net';
import { CKU, TOKEN_FLAGS } from '../cryptoki.ts';
import { jsonBody, STATUS, type CeremonyRequest, type TokenSummary } from '../protocol.ts';
import { FrameReader, FrameWriter } from '../wire.ts';
import { loadLibrary, nativeOf, Refusal, type Handle, type PKCS11 } from './module.ts';
import { findToken, openSession, tokenText } from './token.ts';

const SOCKET_FD = 3;
const LABEL_BYTES = 32;

const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
const writer = new FrameWriter({ write: (bytes) => socket.end(bytes, leave) });
const reader = new FrameReader(({ id, body }) => {
  const request = JSON.parse(body.toString()) as CeremonyRequest;
  void answer(id, request);
});
socket.on('data', (bytes: Buffer) => reader.push(bytes));
for (const end of ['error', 'end'] as const) socket.on(end, leave);

function leave(): void {
  // oxlint-disable-next-line unicorn/no-process-exit -- threads of the library would keep the process
  process.exit(0);
}

async function answer(id: number, request: CeremonyRequest): Promise<void> {
  try {
    writer.write(id, STATUS.ok, jsonBody(await act(request)));
  } catch (error) {
    const native = nativeOf(error);
    if (error instanceof Refusal) writer.write(id, STATUS.refused, jsonBody(error.refusal));
    else if (native === null) {
      writer.write(id, STATUS.refused, jsonBody({ code: 'INTERNAL', message: (error as Error).message }));
    } else {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(native);
      writer.write(id, STATUS.native, value, Buffer.from((error as { readonly method?: string }).method ?? ''));
    }
  }
  writer.flush();
}

async function act(request: CeremonyRequest): Promise<object> {
  const { pkcs11 } = await loadLibrary(request.library);
  switch (request.act) {
    case 'list':
      return { tokens: tokensOf(pkcs11).map(({ token }) => token) };
    case 'init-token':
      return initToken(pkcs11, request);
    case 'init-pin':
      return withSession(pkcs11, request, (session) => {
        pkcs11.C_Login(session, CKU.SO, request.soPin);
        pkcs11.C_InitPIN(session, request.pin);
      });
    case 'set-pin':
      return withSession(pkcs11, request, (session) => {
        pkcs11.C_Login(session, request.user === 'so' ? CKU.SO : CKU.USER, request.oldPin);
        pkcs11.C_SetPIN(session, request.oldPin, request.newPin);
      });
  }
}

/** All that was on the token is gone after this; one that was initialised before wants its old PIN of the officer. */
function initToken(pkcs11: PKCS11, { serial, soPin, label }: Extract<CeremonyRequest, { act: 'init-token' }>): object {
  const before = tokensOf(pkcs11);
  const found = before.find(({ token }) => (serial === null ? !token.initialized : token.serial === serial));
  if (found === undefined) {
    const what =
      serial === null ? 'no token that is not initialised yet' : `no token with the serial number \`${serial}\``;
    throw new Refusal({ code: 'NOT_FOUND', message: `the library shows ${what}` });
  }
  const known = before.filter((one) => one !== found && one.token.initialized).map(({ token }) => token.serial);
  if (before.some((one) => one !== found && one.token.label === label)) {
    throw new Refusal({ code: 'KEY_EXISTS', message: `another token has the label \`${label}\` already` });
  }
  pkcs11.C_InitToken(found.slot, soPin, filled(label));
  // Some libraries show a new token in another slot, and only to those who look anew.
  pkcs11.C_Finalize();
  pkcs11.C_Initialize();
  const made = tokensOf(pkcs11).find(({ token }) => token.label === label && !known.includes(token.serial));
  if (made !== undefined) return made.token;
  throw new Refusal({
    code: 'PROVIDER_UNAVAILABLE',
    message: 'the token was initialised, and is not there afterwards',
  });
}

/** The library reads 32 bytes wherever the label ends; what is left of them are blanks. */
function filled(label: string): string {
  const bytes = Buffer.byteLength(label);
  if (bytes >= 1 && bytes <= LABEL_BYTES) return label + ' '.repeat(LABEL_BYTES - bytes);
  throw new Refusal({ code: 'INVALID_ARGUMENT', message: `the label of a token has 1 to ${LABEL_BYTES} bytes` });
}

function withSession(
  pkcs11: PKCS11,
  { label, serial }: { readonly label: string; readonly serial: string | null },
  run: (session: Handle) => void,
): object {
  const { slot, facts } = findToken(pkcs11, { tokenLabel: label, tokenSerial: serial });
  run(openSession(pkcs11, slot, true));
  return { serial: facts.serial };
}

function tokensOf(pkcs11: PKCS11): readonly { readonly slot: Handle; readonly token: TokenSummary }[] {
  return pkcs11.C_GetSlotList(true).map((slot) => {
    const { label, serialNumber, model, manufacturerID, flags } = pkcs11.C_GetTokenInfo(slot);
    const has = (flag: number): boolean => (flags & flag) !== 0;
    return {
      slot,
      token: {
        label: tokenText(label),
        serial: tokenText(serialNumber),
        model: tokenText(model),
        manufacturer: tokenText(manufacturerID),
        initialized: has(TOKEN_FLAGS.tokenInitialized),
        pinInitialized: has(TOKEN_FLAGS.userPinInitialized),
        pinCountLow: has(TOKEN_FLAGS.userPinCountLow),
        pinLocked: has(TOKEN_FLAGS.userPinLocked),
      },
    };
  });
}
