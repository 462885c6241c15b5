/**
 * The `gcp-kms` adapter and the conformance kit, on the strict server in tools/peers/gcp, which is our own: no program of
 * others can be had that speaks the protocol.
 *
 * Keys are made, changed and ended through Google's own client, and not by the adapter.
 */
import { after, before } from 'node:test';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '../../src/crypto/random.ts';
import { wrapForImport } from '../../src/crypto/key-wrap.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { ConformanceAdmin, FaultSwitch, Provider } from '../../src/providers/conformance/index.ts';
import { type GcpFault, type GcpServer, startGcpServer } from '../../tools/peers/gcp/server.ts';
import { conformanceTests } from '../support/conformance.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { keyName, KEY_RING, nativeClient, openProvider } from './gcp-support.ts';

/** Of a key that is made here: purpose, algorithm, and level where it is not software. */
const KINDS: Readonly<Record<string, readonly [purpose: string, algorithm: string, level?: 'HSM']>> = {
  'AES-256-GCM encrypt-decrypt': ['ENCRYPT_DECRYPT', 'GOOGLE_SYMMETRIC_ENCRYPTION'],
  'RSA-2048 encrypt-decrypt': ['ASYMMETRIC_DECRYPT', 'RSA_DECRYPT_OAEP_2048_SHA256'],
  'RSA-3072 encrypt-decrypt': ['ASYMMETRIC_DECRYPT', 'RSA_DECRYPT_OAEP_3072_SHA256'],
  'RSA-4096 encrypt-decrypt': ['ASYMMETRIC_DECRYPT', 'RSA_DECRYPT_OAEP_4096_SHA256'],
  'RSA-2048 sign-verify': ['ASYMMETRIC_SIGN', 'RSA_SIGN_PSS_2048_SHA256'],
  'RSA-3072 sign-verify': ['ASYMMETRIC_SIGN', 'RSA_SIGN_PSS_3072_SHA256'],
  'RSA-4096 sign-verify': ['ASYMMETRIC_SIGN', 'RSA_SIGN_PSS_4096_SHA256'],
  'P-256 sign-verify': ['ASYMMETRIC_SIGN', 'EC_SIGN_P256_SHA256'],
  'P-384 sign-verify': ['ASYMMETRIC_SIGN', 'EC_SIGN_P384_SHA384'],
  'secp256k1 sign-verify': ['ASYMMETRIC_SIGN', 'EC_SIGN_SECP256K1_SHA256', 'HSM'],
  'Ed25519 sign-verify': ['ASYMMETRIC_SIGN', 'EC_SIGN_ED25519'],
  'ML-DSA-44 sign-verify': ['ASYMMETRIC_SIGN', 'PQ_SIGN_ML_DSA_44'],
  'ML-DSA-65 sign-verify': ['ASYMMETRIC_SIGN', 'PQ_SIGN_ML_DSA_65'],
  'ML-DSA-87 sign-verify': ['ASYMMETRIC_SIGN', 'PQ_SIGN_ML_DSA_87'],
  'HMAC-SHA-224 mac': ['MAC', 'HMAC_SHA224'],
  'HMAC-SHA-256 mac': ['MAC', 'HMAC_SHA256'],
  'HMAC-SHA-384 mac': ['MAC', 'HMAC_SHA384'],
  'HMAC-SHA-512 mac': ['MAC', 'HMAC_SHA512'],
  'ML-KEM-768 kem': ['KEY_ENCAPSULATION', 'ML_KEM_768'],
  'ML-KEM-1024 kem': ['KEY_ENCAPSULATION', 'ML_KEM_1024'],
};
/** A key pair is there after this at the latest, on a busy machine. */
const MADE_MS_MAX = 60_000;

let server: GcpServer;
let proxy: FaultProxy;
let native: KeyManagementServiceClient;
let shared: Promise<Provider> | null = null;

before(async () => {
  server = await startGcpServer();
  proxy = await startFaultProxy({ target: { port: server.port }, mode: 'tcp' });
  native = nativeClient(server);
  const [parent, keyRingId] = KEY_RING.split('/keyRings/');
  await native.createKeyRing({ parent: parent!, keyRingId: keyRingId!, keyRing: {} });
});
after(async () => {
  await (await shared)?.close();
  await native?.close();
  await proxy?.stop();
  await server?.stop();
});

async function newKey(spec: Spec, usage: Usage, importOnly: boolean): Promise<string> {
  const [purpose, algorithm, protectionLevel = 'SOFTWARE'] = KINDS[`${spec} ${usage}`]!;
  const [key] = await native.createCryptoKey({
    parent: KEY_RING,
    cryptoKeyId: keyName(),
    skipInitialVersionCreation: importOnly,
    cryptoKey: {
      purpose: purpose as 'MAC',
      versionTemplate: { algorithm: algorithm as 'HMAC_SHA256', protectionLevel },
      importOnly,
    },
  });
  return key.name!;
}

async function whenEnabled(ref: string): Promise<string> {
  const untilMs = performance.now() + MADE_MS_MAX;
  for (;;) {
    const [{ state }] = await native.getCryptoKeyVersion({ name: ref });
    if (state === 'ENABLED') return ref;
    if (performance.now() > untilMs) throw new Error(`the key is \`${state}\``);
    await sleep(20);
  }
}

async function setState(ref: string, state: 'ENABLED' | 'DISABLED'): Promise<void> {
  await native.updateCryptoKeyVersion({ cryptoKeyVersion: { name: ref, state }, updateMask: { paths: ['state'] } });
}

const keyOf = (ref: string): string => ref.slice(0, ref.indexOf('/cryptoKeyVersions/'));

const admin: ConformanceAdmin = {
  create: async (spec, usage) => whenEnabled(`${await newKey(spec, usage, false)}/cryptoKeyVersions/1`),
  rotate: async (ref) => {
    const name = keyOf(ref);
    const [version] = await native.createCryptoKeyVersion({ parent: name, cryptoKeyVersion: {} });
    await whenEnabled(version.name!);
    if (version.algorithm === 'GOOGLE_SYMMETRIC_ENCRYPTION') {
      await native.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: version.name!.split('/').at(-1)! });
    }
    return version.name!;
  },
  disable: (ref) => setState(ref, 'DISABLED'),
  enable: (ref) => setState(ref, 'ENABLED'),
  destroy: async (ref) => void (await native.destroyCryptoKeyVersion({ name: ref })),
  alias: async (ref) => `gcpkms://${ref}`,
  importKey: async (spec, usage, material) => {
    const importJob = { importMethod: 'RSA_OAEP_3072_SHA256_AES_256', protectionLevel: 'SOFTWARE' } as const;
    const [job] = await native.createImportJob({ parent: KEY_RING, importJobId: keyName(), importJob });
    const [{ publicKey }] = await native.getImportJob({ name: job.name! });
    const spki = Buffer.from(publicKey!.pem!.replace(/-----.*-----/g, ''), 'base64');
    const parent = await newKey(spec, usage, true);
    const [version] = await native.importCryptoKeyVersion({
      parent,
      algorithm: KINDS[`${spec} ${usage}`]![1] as 'HMAC_SHA256',
      importJob: job.name!,
      wrappedKey: wrapForImport('RSA_AES_KEY_WRAP_SHA_256', spki, material, systemRandom),
    });
    if (version.algorithm === 'GOOGLE_SYMMETRIC_ENCRYPTION') {
      await native.updateCryptoKeyPrimaryVersion({ name: parent, cryptoKeyVersionId: '1' });
    }
    return version.name!;
  },
};

const says = (fault: GcpFault) => async (): Promise<void> => server.set(fault);
const breaks = (fault: Fault) => (): Promise<void> => proxy.set(fault);
const faults: FaultSwitch = {
  calls: () => server.calls(),
  heal: async () => {
    server.heal();
    await proxy.heal();
  },
  throttle: says({ kind: 'status', status: 'RESOURCE_EXHAUSTED' }),
  fail5xx: says({ kind: 'status', status: 'INTERNAL' }),
  deny: says({ kind: 'status', status: 'UNAUTHENTICATED' }),
  nonsense: says({ kind: 'empty' }),
  cut: says({ kind: 'cut' }),
  // A connection that stalls would bring its calls later, into the count of another case.
  hang: says({ kind: 'stall' }),
  reset: breaks({ kind: 'reset' }),
  refuse: breaks({ kind: 'refuse' }),
};

const open = (): Promise<Provider> => openProvider(`${proxy.host}:${proxy.port}`);

conformanceTests('gcp-kms', {
  makeProvider: open,
  sharedProvider: () => (shared ??= open()),
  admin,
  faults,
  references: {
    unknown: ['nothing', `${KEY_RING}/cryptoKeys/nothing`, `${KEY_RING}/cryptoKeys/nothing/cryptoKeyVersions/1`],
    malformed: [
      'no/such/thing',
      'projects/1234567/locations/global/keyRings/r/cryptoKeys/k',
      `${KEY_RING}/cryptoKeys/k/cryptoKeyVersions/01`,
      `https://cloudkms.googleapis.com/v1/${KEY_RING}/cryptoKeys/k`,
    ],
  },
});
