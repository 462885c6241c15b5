/**
 * Acceptance of a device: every mechanism that it declares is tried with a key of its own, and judged outside of it.
 *
 * Keys are made, read back, used and destroyed; nothing stays but the canary.
 *
 * @module
 */
import { constants, createPublicKey, diffieHellman, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { ClavigerError } from '../../errors.ts';
import {
  SIGNING_ALGORITHMS,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specRow, USAGES, type Spec, type Usage } from '../../model/spec.ts';
import type { BackingInfo, CallOptions } from '../provider.ts';
import { SPEC_MECHANISMS } from './algorithms.ts';
import type { Pkcs11Key } from './key.ts';
import type { Pkcs11Provider } from './provider.ts';

/** RSA-4096 keys take seconds in a small device. */
const CALL_MS_MAX = 120_000;
const MESSAGE = Buffer.from('acceptance of a device');
const CONTEXT = { purpose: 'acceptance' };
const DATA_KEY_BYTES = 32;
/** Enough that an answer which went to the wrong caller would be seen. */
const AT_ONCE = 200;

export interface Finding {
  readonly check: string;
  readonly result: 'PASS' | 'FAIL' | 'absent';
  readonly detail: string;
}

/** One finding after the other, as they come. */
export async function* acceptDevice(provider: Pkcs11Provider): AsyncGenerator<Finding> {
  yield await tried('random bytes', () => checkRandom(provider));
  for (const spec of SPEC_NAMES.filter((name) => SPEC_MECHANISMS[name] !== undefined)) {
    for (const usage of USAGES.filter((name) => name in specRow(spec).usages)) yield* acceptKind(provider, spec, usage);
  }
}

async function* acceptKind(provider: Pkcs11Provider, spec: Spec, usage: Usage): AsyncGenerator<Finding> {
  const kind = `${spec} ${usage}`;
  let info: BackingInfo | null = null;
  const made = await tried(`${kind}: made inside, reads back as never extractable`, async () => {
    const name = `acceptance-${randomBytes(6).toString('hex')}`;
    info = await provider.lifecycle.create({ spec, usage, name, tags: {} }, within());
    return info.ref;
  });
  yield made;
  if (info === null) return;
  const { ref } = info as BackingInfo;
  const key = provider.key(ref, spec);
  for (const [what, check] of checksOf(provider, key, info, spec, usage)) yield await tried(`${kind}: ${what}`, check);
  yield await tried(`${kind}: destroyed, and gone`, async () => {
    await provider.lifecycle.destroy(ref, within());
    const left = await provider.describe(ref, within()).then(
      () => true,
      (error: unknown) => !(error instanceof ClavigerError && error.code === 'KEY_NOT_FOUND'),
    );
    require(!left, 'it is still there');
    return '';
  });
}

type Check = readonly [what: string, run: () => Promise<string>];

function checksOf(provider: Pkcs11Provider, key: Pkcs11Key, info: BackingInfo, spec: Spec, usage: Usage): Check[] {
  const declared = provider.capabilities().filter((ability) => ability.spec === spec);
  if (usage === 'mac') return [['MAC', () => checkMac(key, spec)]];
  if (usage === 'key-agreement') return [['key agreement', () => checkAgree(key, info, spec)]];
  if (usage === 'encrypt-decrypt' && key.wrap !== undefined) return [['wrap', () => checkWrap(key)]];
  return algorithmsOf(spec, usage)
    .filter((algorithm) => declared.some((ability) => ability.algorithm === algorithm))
    .map((algorithm): Check => {
      if (usage === 'sign-verify') {
        return [algorithm, () => checkSign(key, info, algorithm as SigningAlgorithmName)];
      }
      return [algorithm, () => checkOaep(key, algorithm as EncryptionAlgorithmName)];
    });
}

async function checkRandom(provider: Pkcs11Provider): Promise<string> {
  const [one, other] = [await provider.random(32, within()), await provider.random(32, within())];
  require(!one.equals(other), 'twice the same');
  return '';
}

async function checkSign(key: Pkcs11Key, { publicKey }: BackingInfo, name: SigningAlgorithmName): Promise<string> {
  const { scheme, hash } = SIGNING_ALGORITHMS[name];
  const padding =
    scheme === 'rsa-pss'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {};
  const spki = createPublicKey({ key: publicKey!, format: 'der', type: 'spki' });
  // Slow ones say the same of a few.
  const count = scheme === 'ecdsa' || scheme === 'ed25519' ? AT_ONCE : 4;
  const messages = Array.from({ length: count }, (_, at) => Buffer.concat([MESSAGE, Buffer.from(String(at))]));
  const signatures = await Promise.all(messages.map((message) => key.sign!(name, { message }, within())));
  for (const [at, message] of messages.entries()) {
    require(verify(hash, message, { key: spki, ...padding }, signatures[at]!.value), `signature ${at} is wrong`);
  }
  return `${count} at once, each verified`;
}

async function checkMac(key: Pkcs11Key, spec: Spec): Promise<string> {
  const name = algorithmsOf(spec, 'mac')[0] as MacAlgorithmName;
  const [one, same, other] = await Promise.all(
    [MESSAGE, MESSAGE, Buffer.alloc(1)].map(async (message) => (await key.mac!(name, message, within())).value),
  );
  require(one!.equals(same!) && !one!.equals(other!), 'not one MAC for one message');
  return '';
}

async function checkAgree(key: Pkcs11Key, { publicKey }: BackingInfo, spec: Spec): Promise<string> {
  const peer = generateKeyPairSync('ec', { namedCurve: specRow(spec).curve! });
  const { value } = await key.agree!(peer.publicKey.export({ format: 'der', type: 'spki' }), within());
  const own = createPublicKey({ key: publicKey!, format: 'der', type: 'spki' });
  require(value.equals(diffieHellman({ privateKey: peer.privateKey, publicKey: own })), 'another secret');
  return '';
}

async function checkWrap({ wrap }: Pkcs11Key): Promise<string> {
  const dataKey = randomBytes(DATA_KEY_BYTES);
  const { value } = await wrap!.wrap(dataKey, CONTEXT, within());
  require((await wrap!.unwrap(value, CONTEXT, within())).value.equals(dataKey), 'another data key came back');
  const changed = Buffer.from(value);
  changed[changed.length - 1]! ^= 1;
  await requireRefused(wrap!.unwrap(changed, CONTEXT, within()), 'a changed wrap');
  if (!wrap!.bindsContext) return 'AES key wrap: the context is not bound by the token';
  await requireRefused(wrap!.unwrap(value, { purpose: 'other' }, within()), 'another context');
  const { plaintext, wrapped } = (await wrap!.generate!(DATA_KEY_BYTES, CONTEXT, within())).value;
  require((await wrap!.unwrap(wrapped, CONTEXT, within())).value.equals(plaintext), 'a generated data key differs');
  return 'AES-GCM: the context is bound';
}

async function checkOaep({ cipher }: Pkcs11Key, name: EncryptionAlgorithmName): Promise<string> {
  const { value } = await cipher!.encrypt(name, MESSAGE, {}, within());
  require((await cipher!.decrypt(name, value, {}, within())).value.equals(MESSAGE), 'another text came back');
  const changed = Buffer.from(value);
  changed[changed.length - 1]! ^= 1;
  await requireRefused(cipher!.decrypt(name, changed, {}, within()), 'a changed ciphertext');
  return '';
}

async function requireRefused(call: Promise<unknown>, what: string): Promise<void> {
  const code = await call.then(
    () => 'success',
    (error: unknown) => (error instanceof ClavigerError ? error.code : 'an error of another kind'),
  );
  require(code === 'INVALID_CIPHERTEXT', `${what} ends with ${code}`);
}

/** A check that failed, in words. */
class Failed extends Error {}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new Failed(otherwise);
}

async function tried(check: string, run: () => Promise<string>): Promise<Finding> {
  try {
    return { check, result: 'PASS', detail: await run() };
  } catch (error) {
    if (error instanceof ClavigerError && error.code === 'UNSUPPORTED') {
      return { check, result: 'absent', detail: error.message };
    }
    if (error instanceof ClavigerError) return { check, result: 'FAIL', detail: `${error.code}: ${error.message}` };
    if (error instanceof Failed) return { check, result: 'FAIL', detail: error.message };
    throw error;
  }
}

function within(): CallOptions {
  return { signal: AbortSignal.timeout(CALL_MS_MAX), timeoutMs: CALL_MS_MAX };
}
