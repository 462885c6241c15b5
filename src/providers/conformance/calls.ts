/**
 * Every kind of call that a provider has, each with good input: for cases that ask what all of them do when something
 * is wrong.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { constants, encapsulate, generateKeyPairSync, publicEncrypt, randomBytes, type KeyObject } from 'node:crypto';
import {
  ENCRYPTION_ALGORITHMS,
  MAC_ALGORITHMS,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { SPECS, specRow, USAGES, type Spec, type Usage } from '../../model/spec.ts';
import type { CallOptions, HomeKey } from '../provider.ts';
import { OPERATIONS_OF, type Bench } from './bench.ts';
import { digestOf } from './signatures.ts';

export const CONTEXT: EncryptionContext = Object.freeze({ tenant: 'acme', key: 'orders', öl: '\u{1f511} 1' });
export const MESSAGE = Buffer.from('the message of the conformance kit');
export const DATA_KEY_BYTES = 32;

/** One call, ready to be made as often as it is wanted. */
export interface ReadyCall {
  readonly what: string;
  readonly make: (options: CallOptions) => Promise<unknown>;
}

/** What a key can do, as its provider declares it. */
export async function callsOn(bench: Bench, ref: string, spec: Spec, usage: Usage): Promise<readonly ReadyCall[]> {
  const key = bench.provider.key(ref, spec);
  const calls: ReadyCall[] = [];
  const ready = (what: string, make: ReadyCall['make']): void => void calls.push({ what: `${what} (${spec})`, make });
  if (usage === 'encrypt-decrypt') {
    await readyWraps(bench, key, spec, ready);
    await readyCiphers(bench, key, ref, spec, ready);
  }
  if (usage === 'sign-verify' && bench.can('sign', spec)) {
    const { algorithm, input } = bench.find('sign', spec)!;
    const name = algorithm as SigningAlgorithmName;
    const signed =
      input === 'message' ? { message: MESSAGE } : { digest: digestOf(name, await bench.publicKey(ref), MESSAGE) };
    ready('sign', (options) => key.sign!(name, signed, options));
  }
  if (usage === 'mac' && bench.can('mac', spec)) {
    ready('mac', (options) => key.mac!(macOf(spec), MESSAGE, options));
  }
  if (usage === 'key-agreement' && bench.can('agree', spec)) {
    const peer = newPeer(spec);
    ready('agree', (options) => key.agree!(peer.spki, options));
  }
  if (usage === 'kem' && bench.can('decapsulate', spec)) {
    const { ciphertext } = encapsulate(await bench.publicKey(ref));
    ready('decapsulate', (options) => key.decapsulate!(ciphertext, options));
  }
  return calls;
}

/** Every kind of call once, on keys that other cases use too. Public-key encryption is left out: it may run locally. */
export async function everyCall(bench: Bench): Promise<readonly ReadyCall[]> {
  const calls: ReadyCall[] = [];
  for (const { spec, usage } of kindsOf(bench)) {
    calls.push(...(await callsOn(bench, await bench.ref(spec, usage), spec, usage)));
  }
  const { ref } = await bench.anyRef();
  calls.push({ what: 'describe', make: (options) => bench.provider.describe(ref, options) });
  return calls;
}

/** The quickest spec of each usage and family that the provider has. */
export function kindsOf(bench: Bench): readonly { readonly spec: Spec; readonly usage: Usage }[] {
  const kinds = new Map<string, { readonly spec: Spec; readonly usage: Usage }>();
  for (const usage of USAGES) {
    for (const spec of Object.keys(SPECS) as Spec[]) {
      const { family, usages } = specRow(spec);
      const kind = `${usage} ${family === 'rsa' ? 'rsa' : 'other'}`;
      const isDeclared = OPERATIONS_OF[usage].some((operation) => bench.can(operation, spec));
      if (usages[usage] !== undefined && isDeclared && !kinds.has(kind)) kinds.set(kind, { spec, usage });
    }
  }
  return [...kinds.values()];
}

export function macOf(spec: Spec): MacAlgorithmName {
  const [name] = specRow(spec).usages.mac ?? [];
  assert.ok(name !== undefined && name in MAC_ALGORITHMS);
  return name as MacAlgorithmName;
}

/** A ciphertext as anybody with the public key can make it. */
export function oaepOutside(algorithm: EncryptionAlgorithmName, key: KeyObject, plaintext: Uint8Array): Buffer {
  const { hash } = ENCRYPTION_ALGORITHMS[algorithm];
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash! }, plaintext);
}

export interface Peer {
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
}

/** The other side of a key agreement. */
export function newPeer(spec: Spec): Peer {
  const { family, curve } = specRow(spec);
  const { privateKey, publicKey } =
    family === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: curve! });
  return { privateKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
}

type Ready = (what: string, make: ReadyCall['make']) => void;

async function readyWraps(bench: Bench, key: HomeKey, spec: Spec, ready: Ready): Promise<void> {
  const { wrap } = key;
  if (wrap === undefined) return;
  const dataKey = randomBytes(DATA_KEY_BYTES);
  const { value: wrapped } = await wrap.wrap(dataKey, CONTEXT, bench.options);
  // Where the context is bound by others, the public key may do, and no call is made.
  if (wrap.bindsContext) ready('wrap', (options) => wrap.wrap(dataKey, CONTEXT, options));
  ready('unwrap', (options) => wrap.unwrap(wrapped, CONTEXT, options));
  if (wrap.rewrap !== undefined) ready('rewrap', (options) => wrap.rewrap!(wrapped, CONTEXT, options));
  if (bench.can('generate-data-key', spec) && wrap.generate !== undefined) {
    ready('generate', (options) => wrap.generate!(DATA_KEY_BYTES, CONTEXT, options));
  }
}

async function readyCiphers(bench: Bench, key: HomeKey, ref: string, spec: Spec, ready: Ready): Promise<void> {
  const { cipher } = key;
  const algorithm = bench.find('decrypt', spec)?.algorithm as EncryptionAlgorithmName | undefined;
  if (cipher === undefined || algorithm === undefined) return;
  const isRsa = SPECS[spec].family === 'rsa';
  const ciphertext = isRsa
    ? oaepOutside(algorithm, await bench.publicKey(ref), MESSAGE)
    : (await cipher.encrypt(algorithm, MESSAGE, CONTEXT, bench.options)).value;
  const context = isRsa ? {} : CONTEXT;
  ready('decrypt', (options) => cipher.decrypt(algorithm, ciphertext, context, options));
  if (!isRsa) ready('encrypt', (options) => cipher.encrypt(algorithm, MESSAGE, context, options));
}
