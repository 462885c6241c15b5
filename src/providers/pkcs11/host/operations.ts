/**
 * What a host can be asked, one function an operation: from the body of a request to the body of its answer.
 *
 * @module
 */
import { CKA, CKD_NULL, CKK, CKM, CKO } from '../cryptoki.ts';
import {
  decodeTemplate,
  GCM_MODES,
  jsonBody,
  NONCE_BYTES,
  OP,
  readFields,
  readUse,
  TAG_BYTES,
  USE_MECHANISMS,
  USE_NAMES,
  WRAP_NAMES,
  type FindRequest,
  type FoundKey,
  type UseBody,
} from '../protocol.ts';
import { noSuchKey, type Keys } from './keys.ts';
import type { Lane } from './lane.ts';
import { mechanismOf, Refusal, type Handle, type Library, type Mechanism, type PKCS11 } from './module.ts';

/** What an operation works with. */
export interface Desk {
  readonly library: Library;
  readonly keys: Keys;
  readonly asynchronous: boolean;
  readonly mechanisms: readonly Mechanism[];
}

export type Answer = Buffer | Promise<Buffer>;
export type Operation = (desk: Desk, lane: Lane, body: Buffer) => Answer;

export function useMechanisms(library: Library): readonly Mechanism[] {
  return USE_NAMES.map((name) => mechanismOf(USE_MECHANISMS[name], library.names));
}

export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [OP.sign, sign],
  [OP.decrypt, decrypt],
  [OP.seal, seal],
  [OP.open, open],
  [OP.wrap, wrap],
  [OP.unwrap, unwrap],
  [OP.derive, derive],
  [OP.random, random],
  [OP.find, find],
  [OP.generate, generate],
  [OP.import, importKey],
  [OP.destroy, destroy],
  [OP.ping, ping],
]);

function sign({ library: { pkcs11 }, keys, asynchronous, mechanisms }: Desk, lane: Lane, body: Buffer): Answer {
  const use = readUse(body);
  const input = ownInput(lane, use.input);
  pkcs11.C_SignInit(lane.session, mechanisms[use.mechanism]!, handleOf(keys, lane, use));
  return asynchronous
    ? pkcs11.C_SignAsync(lane.session, input, lane.output)
    : pkcs11.C_Sign(lane.session, input, lane.output);
}

function decrypt({ library: { pkcs11 }, keys, asynchronous, mechanisms }: Desk, lane: Lane, body: Buffer): Answer {
  const use = readUse(body);
  const input = ownInput(lane, use.input);
  pkcs11.C_DecryptInit(lane.session, mechanisms[use.mechanism]!, handleOf(keys, lane, use));
  return asynchronous
    ? pkcs11.C_DecryptAsync(lane.session, input, lane.output)
    : pkcs11.C_Decrypt(lane.session, input, lane.output);
}

/** The byte of the mechanism is the mode here; then nonce, additional data and plaintext. */
function seal({ library, keys, asynchronous }: Desk, lane: Lane, body: Buffer): Answer {
  const { pkcs11 } = library;
  const use = readUse(body);
  const [nonce, aad, plaintext] = readFields(use.input) as [Buffer, Buffer, Buffer];
  const mode = GCM_MODES[use.mechanism]!;
  const iv = mode === 'caller' ? Buffer.from(nonce) : Buffer.alloc(NONCE_BYTES);
  const input = ownInput(lane, plaintext);
  const mechanism = gcm(library, lane, mode === 'hsm-prepended', iv, aad);
  pkcs11.C_EncryptInit(lane.session, mechanism, handleOf(keys, lane, use));
  const finish = (sealed: Buffer): Buffer => (mode === 'hsm-prepended' ? sealed : Buffer.concat([iv, sealed]));
  return asynchronous
    ? pkcs11.C_EncryptAsync(lane.session, input, lane.output).then(finish)
    : finish(pkcs11.C_Encrypt(lane.session, input, lane.output));
}

/** As `seal`: additional data, then nonce ‖ ciphertext ‖ tag. */
function open({ library, keys, asynchronous }: Desk, lane: Lane, body: Buffer): Answer {
  const { pkcs11 } = library;
  const use = readUse(body);
  const [aad, sealed] = readFields(use.input) as [Buffer, Buffer];
  const prepended = GCM_MODES[use.mechanism] === 'hsm-prepended';
  const iv = Buffer.from(sealed.subarray(0, NONCE_BYTES));
  const mechanism = gcm(library, lane, prepended, iv, aad);
  const input = ownInput(lane, prepended ? sealed : sealed.subarray(NONCE_BYTES));
  pkcs11.C_DecryptInit(lane.session, mechanism, handleOf(keys, lane, use));
  return asynchronous
    ? pkcs11.C_DecryptAsync(lane.session, input, lane.output)
    : pkcs11.C_Decrypt(lane.session, input, lane.output);
}

function gcm({ names }: Library, lane: Lane, prepended: boolean, iv: Buffer, aad: Buffer): Mechanism {
  const lengths = { ivBits: NONCE_BYTES * 8, tagBits: TAG_BYTES * 8 };
  const parameter = { type: names.CK_PARAMS_AES_GCM_v240, iv, aad: Buffer.from(aad), ...lengths };
  // Some libraries read and write the parameters while the operation runs.
  lane.held = parameter;
  return { mechanism: prepended ? CKM.CLOUDHSM_AES_GCM : CKM.AES_GCM, parameter };
}

function wrap({ library: { pkcs11 }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const use = readUse(body);
  const handle = handleOf(keys, lane, use);
  return withSessionKey(
    pkcs11,
    lane,
    () => pkcs11.C_CreateObject(lane.session, [...SESSION_KEY, { type: CKA.VALUE, value: ownInput(lane, use.input) }]),
    (dataKey) =>
      pkcs11.C_WrapKey(lane.session, { mechanism: CKM[WRAP_NAMES[use.mechanism]!] }, handle, dataKey, lane.output),
  );
}

function unwrap({ library: { pkcs11 }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const use = readUse(body);
  const handle = handleOf(keys, lane, use);
  const mechanism = { mechanism: CKM[WRAP_NAMES[use.mechanism]!] };
  const wrapped = ownInput(lane, use.input);
  return withSessionKey(
    pkcs11,
    lane,
    () => pkcs11.C_UnwrapKey(lane.session, mechanism, handle, wrapped, SESSION_KEY),
    (dataKey) => valueOf(pkcs11, lane, dataKey),
  );
}

/** The length of the secret in two bytes, then the point of the other side. */
function derive({ library: { pkcs11, names }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const use = readUse(body);
  const point = Buffer.from(use.input.subarray(2));
  const parameter = { type: names.CK_PARAMS_EC_DH, kdf: CKD_NULL, publicData: point } as never;
  const handle = handleOf(keys, lane, use);
  const template = [...SESSION_KEY, { type: CKA.VALUE_LEN, value: use.input.readUInt16BE(0) }];
  return withSessionKey(
    pkcs11,
    lane,
    () => pkcs11.C_DeriveKey(lane.session, { mechanism: CKM.ECDH1_DERIVE, parameter }, handle, template),
    (secret) => valueOf(pkcs11, lane, secret),
  );
}

/** A key of the session that leaves the token at once, as a plaintext would. */
const SESSION_KEY = [
  { type: CKA.CLASS, value: CKO.SECRET_KEY },
  { type: CKA.KEY_TYPE, value: CKK.GENERIC_SECRET },
  { type: CKA.TOKEN, value: false },
  { type: CKA.SENSITIVE, value: false },
  { type: CKA.EXTRACTABLE, value: true },
];

function withSessionKey(pkcs11: PKCS11, lane: Lane, make: () => Handle, use: (key: Handle) => Buffer): Buffer {
  const key = make();
  try {
    return use(key);
  } finally {
    pkcs11.C_DestroyObject(lane.session, key);
  }
}

function valueOf(pkcs11: PKCS11, lane: Lane, key: Handle): Buffer {
  const value = pkcs11.C_GetAttributeValue(lane.session, key, [{ type: CKA.VALUE }])[0]?.value;
  if (!(value instanceof Buffer)) throw new Refusal({ code: 'UNSUPPORTED', message: 'the token shows no session key' });
  return value;
}

function random({ library: { pkcs11 } }: Desk, lane: Lane, body: Buffer): Answer {
  return pkcs11.C_GenerateRandom(lane.session, lane.output.subarray(0, body.readUInt16BE(0)));
}

function find({ keys }: Desk, lane: Lane, body: Buffer): Answer {
  const request = JSON.parse(body.toString()) as FindRequest;
  const found = keys.find(lane.session, request);
  if (found.length === 0 && request.required === true) throw noSuchKey(request);
  return jsonBody(found);
}

/**
 * Mechanism, label, and the template of a secret key, or those of a private and a public key.
 *
 * Synchronous always: the asynchronous call leaks (pkcs11js issue 120).
 */
function generate({ library: { pkcs11 }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const [mechanism, label, own, shared] = readFields(body) as [Buffer, Buffer, Buffer, Buffer | undefined];
  requireFree(keys, lane, label);
  const how = { mechanism: mechanism.readUInt32BE(0) };
  const objects: Handle[] = [];
  if (shared === undefined) {
    objects.push(pkcs11.C_GenerateKey(lane.session, how, decodeTemplate(own)));
  } else {
    const pair = pkcs11.C_GenerateKeyPair(lane.session, how, decodeTemplate(shared), decodeTemplate(own));
    objects.push(pair.privateKey, pair.publicKey);
  }
  const found = keys.describe(lane.session, objects[0]!, shared === undefined ? 'secret' : 'private');
  if (found.local && found.alwaysSensitive && found.neverExtractable) return jsonBody(found);
  for (const object of objects) pkcs11.C_DestroyObject(lane.session, object);
  throw new Refusal({
    code: 'PROVIDER_MISCONFIGURED',
    message: `the new key could leave the token, so it was destroyed: ${readBack(found)}`,
  });
}

/** A key that came from outside: the token itself says so, and says that it was never safe. */
function importKey({ library: { pkcs11 }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const [label, own, shared] = readFields(body) as [Buffer, Buffer, Buffer | undefined];
  requireFree(keys, lane, label);
  const key = pkcs11.C_CreateObject(lane.session, decodeTemplate(own));
  let other: Handle | null = null;
  try {
    if (shared !== undefined) other = pkcs11.C_CreateObject(lane.session, decodeTemplate(shared));
    const found = keys.describe(lane.session, key, shared === undefined ? 'secret' : 'private');
    if (!found.local && !found.alwaysSensitive && !found.neverExtractable && found.sensitive && !found.extractable) {
      return jsonBody(found);
    }
    throw new Refusal({
      code: 'PROVIDER_MISCONFIGURED',
      message: `the token keeps the imported key otherwise than told, so it was destroyed: ${readBack(found)}`,
    });
  } catch (error) {
    for (const object of [key, other]) if (object !== null) pkcs11.C_DestroyObject(lane.session, object);
    throw error;
  }
}

function readBack({ local, alwaysSensitive, neverExtractable }: FoundKey): string {
  const bits = [local, alwaysSensitive, neverExtractable].map(Number).join(',');
  return `LOCAL, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE read back as ${bits}`;
}

/** Ends every object with this id: a private key and its public one, or a secret key. */
function destroy({ library: { pkcs11 }, keys }: Desk, lane: Lane, body: Buffer): Answer {
  const { id } = JSON.parse(body.toString()) as { readonly id: string };
  const named = { type: CKA.ID, value: Buffer.from(id, 'hex') };
  // What can still be used goes first: a public key that is left over does no harm.
  const classes = [CKO.PRIVATE_KEY, CKO.SECRET_KEY, CKO.PUBLIC_KEY];
  const found = classes.map((value) => keys.search(lane.session, [{ type: CKA.CLASS, value }, named]));
  const [privateKeys, secretKeys] = found as [Handle[], Handle[], Handle[]];
  if (privateKeys.length + secretKeys.length === 0) throw noSuchKey({ id });
  if (privateKeys.length + secretKeys.length > 1) {
    throw new Refusal({ code: 'CONFLICT', message: `several keys of the token have the id \`${id}\`` });
  }
  for (const object of found.flat()) pkcs11.C_DestroyObject(lane.session, object);
  keys.forgetAll();
  return Buffer.alloc(0);
}

function ping({ library: { pkcs11 } }: Desk, lane: Lane): Answer {
  return jsonBody({ state: pkcs11.C_GetSessionInfo(lane.session).state });
}

function requireFree(keys: Keys, lane: Lane, label: Buffer): void {
  if (keys.find(lane.session, { label: label.toString() }).length === 0) return;
  throw new Refusal({
    code: 'KEY_EXISTS',
    message: `the token has a key with the label \`${label.toString()}\` already`,
  });
}

function handleOf(keys: Keys, lane: Lane, { name, keyClass, id }: UseBody): Handle {
  return keys.handle(lane.session, name, keyClass, id);
}

function ownInput(lane: Lane, input: Buffer): Buffer {
  if (input.length <= lane.inputBytesMax) return lane.own(input);
  throw new Refusal({
    code: 'INVALID_ARGUMENT',
    message: `the token takes at most ${lane.inputBytesMax} bytes, not ${input.length}`,
  });
}
