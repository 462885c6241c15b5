/**
 * Keys in every state, and every way to use one, for tests of what a state allows.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { KeyState, UseKind } from '../../src/model/state.ts';
import type { ClavigerApi } from '../../src/operations/index.ts';
import type { KeyInfo } from '../../src/operations/key-info.ts';
import type { TestService } from './service.ts';

export interface KeyWish {
  readonly spec?: Spec;
  readonly usage?: Usage;
  /** Asked of the key while it is still active, such as to make a ciphertext. */
  readonly whileActive?: (api: ClavigerApi, key: string) => Promise<unknown>;
}

export interface MadeKey {
  readonly id: string;
  /** What `whileActive` gave; undefined where the key never was active. */
  readonly made: any;
}

/** A key brought into a state by the operations that lead there. */
export async function keyIn(service: TestService, state: KeyState, wish: KeyWish = {}): Promise<MadeKey> {
  const { api, clock } = service;
  const { spec = 'AES-256-GCM', usage, whileActive } = wish;
  const { id } = await api.createKey({ spec, usage, state: state === 'PreActive' ? 'PreActive' : 'Active' });
  const key = { key: id };
  const made = state === 'PreActive' ? undefined : await whileActive?.(api, id);
  if (state === 'Suspended') await api.disableKey(key);
  if (state === 'Deactivated') await api.deactivateKey(key);
  if (state === 'Compromised' || state === 'DestroyedCompromised') await api.compromiseKey(key);
  if (state === 'Destroyed' || state === 'DestroyedCompromised') {
    await api.scheduleKeyDeletion({ ...key, pendingWindowDays: 7 });
    clock.advanceDays(7);
    await service.runJobs();
  }
  return { id, made };
}

/** A key that waits for its material, in a state. */
export async function emptyKeyIn(service: TestService, state: KeyState, wish: KeyWish = {}): Promise<KeyInfo> {
  const { api } = service;
  const { spec = 'AES-256-GCM', usage } = wish;
  const preActive = state === 'PreActive' ? ({ state: 'PreActive' } as const) : {};
  const info = await api.createKey({ spec, usage, origin: 'external', ...preActive });
  const key = { key: info.id };
  if (state === 'Suspended') return api.disableKey(key);
  if (state === 'Deactivated') return api.deactivateKey(key);
  if (state === 'Compromised') return api.compromiseKey(key);
  return info;
}

export interface UseCase {
  readonly name: string;
  readonly kind: UseKind;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly whileActive?: (api: ClavigerApi, key: string) => Promise<unknown>;
  /** `made` is what `whileActive` gave. */
  readonly use: (api: ClavigerApi, key: string, made: any) => Promise<unknown>;
}

const TEXT = Buffer.from('hello');
const encrypted = async (api: ClavigerApi, key: string): Promise<Uint8Array> =>
  (await api.encrypt({ key, plaintext: TEXT })).ciphertext;
const signed = async (api: ClavigerApi, key: string): Promise<Uint8Array> =>
  (await api.sign({ key, message: TEXT })).signature;
const PEER = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { format: 'der', type: 'spki' },
  privateKeyEncoding: { format: 'der', type: 'pkcs8' },
}).publicKey;

const AES = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt' } as const;
const P256 = { spec: 'P-256', usage: 'sign-verify' } as const;
const RSA = { spec: 'RSA-2048', usage: 'encrypt-decrypt' } as const;
const MLDSA = { spec: 'ML-DSA-44', usage: 'sign-verify' } as const;
const HMAC = { spec: 'HMAC-SHA-256', usage: 'mac' } as const;
const ECDH = { spec: 'P-256', usage: 'key-agreement' } as const;
const KEM = { spec: 'ML-KEM-512', usage: 'kem' } as const;

/** Every operation that uses key material, with the kind of its use. */
export const USES: readonly UseCase[] = [
  { name: 'encrypt', kind: 'protect', ...AES, use: (api, key) => api.encrypt({ key, plaintext: TEXT }) },
  {
    name: 'decrypt',
    kind: 'process',
    ...AES,
    whileActive: encrypted,
    use: (api, key, ciphertext = Buffer.alloc(80)) => api.decrypt({ key, ciphertext }),
  },
  {
    name: 'encryptBatch',
    kind: 'protect',
    ...AES,
    use: async (api, key) => onlyResult(await api.encryptBatch({ key, items: [{ plaintext: TEXT }] })),
  },
  {
    name: 'decryptBatch',
    kind: 'process',
    ...AES,
    whileActive: encrypted,
    use: async (api, key, ciphertext = Buffer.alloc(80)) =>
      onlyResult(await api.decryptBatch({ key, items: [{ ciphertext }] })),
  },
  {
    name: 'reEncrypt from it',
    kind: 'process',
    ...AES,
    whileActive: encrypted,
    use: async (api, key, ciphertext = Buffer.alloc(80)) => {
      const { id: destinationKey } = await api.createKey({ spec: 'AES-256-GCM' });
      return api.reEncrypt({ key, ciphertext, destinationKey });
    },
  },
  {
    name: 'reEncrypt to it',
    kind: 'protect',
    ...AES,
    use: async (api, destinationKey) => {
      const { id: key } = await api.createKey({ spec: 'AES-256-GCM' });
      return api.reEncrypt({ key, ciphertext: await encrypted(api, key), destinationKey });
    },
  },
  { name: 'generateDataKey', kind: 'protect', ...AES, use: (api, key) => api.generateDataKey({ key }) },
  {
    name: 'generateDataKeyPair',
    kind: 'protect',
    ...AES,
    use: (api, key) => api.generateDataKeyPair({ key, spec: 'Ed25519' }),
  },
  { name: 'encrypt with RSA', kind: 'protect', ...RSA, use: (api, key) => api.encrypt({ key, plaintext: TEXT }) },
  {
    name: 'decrypt with RSA',
    kind: 'process',
    ...RSA,
    whileActive: encrypted,
    use: (api, key, ciphertext = Buffer.alloc(256)) => api.decrypt({ key, ciphertext }),
  },
  { name: 'sign', kind: 'protect', ...P256, use: (api, key) => api.sign({ key, message: TEXT }) },
  {
    name: 'signBatch',
    kind: 'protect',
    ...P256,
    use: async (api, key) => onlyResult(await api.signBatch({ key, items: [{ message: TEXT }] })),
  },
  { name: 'sign with ML-DSA', kind: 'protect', ...MLDSA, use: (api, key) => api.sign({ key, message: TEXT }) },
  {
    name: 'verify',
    kind: 'process',
    ...P256,
    whileActive: signed,
    use: (api, key, signature = Buffer.alloc(70)) => api.verify({ key, message: TEXT, signature }),
  },
  {
    name: 'verifyBatch',
    kind: 'process',
    ...P256,
    whileActive: signed,
    use: async (api, key, signature = Buffer.alloc(70)) =>
      onlyResult(await api.verifyBatch({ key, items: [{ message: TEXT, signature }] })),
  },
  { name: 'getPublicKey', kind: 'process', ...P256, use: (api, key) => api.getPublicKey({ key }) },
  { name: 'generateMac', kind: 'protect', ...HMAC, use: (api, key) => api.generateMac({ key, message: TEXT }) },
  {
    name: 'verifyMac',
    kind: 'process',
    ...HMAC,
    whileActive: async (api, key) => (await api.generateMac({ key, message: TEXT })).mac,
    use: (api, key, mac = Buffer.alloc(32)) => api.verifyMac({ key, message: TEXT, mac }),
  },
  {
    name: 'deriveSharedSecret',
    kind: 'process',
    ...ECDH,
    use: (api, key) => api.deriveSharedSecret({ key, publicKey: PEER }),
  },
  { name: 'encapsulate', kind: 'protect', ...KEM, use: (api, key) => api.encapsulate({ key }) },
  {
    name: 'decapsulate',
    kind: 'process',
    ...KEM,
    whileActive: async (api, key) => (await api.encapsulate({ key })).ciphertext,
    use: (api, key, ciphertext = Buffer.alloc(768)) => api.decapsulate({ key, ciphertext }),
  },
];

function onlyResult({ results: [result] }: { readonly results: readonly object[] }): unknown {
  if ('error' in result!) throw result.error;
  return result;
}
