/**
 * What differs between the vendors of PKCS#11 modules, as data.
 *
 * Only `softhsm` was tried on the module itself. The facts of the others are those of their vendors' documents; each of
 * them says `untested`, here, in the log and in the guide.
 *
 * @module
 */
import type { Protection } from '../provider.ts';
import { CKR, CKU, type AttributeName } from './cryptoki.ts';
import type { GcmMode, WrapName } from './protocol.ts';

export const PROFILE_NAMES = ['softhsm', 'cloudhsm', 'luna', 'utimaco', 'nshield', 'yubihsm', 'libkmsp11'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export interface Profile {
  readonly title: string;
  /** False: nobody has run this on the device. */
  readonly tested: boolean;
  readonly protection: Protection;
  /** Where the vendor installs the module; null where it has no usual place. */
  readonly library: string | null;
  /** Environment of the host process, besides the configuration's own. */
  readonly env: Readonly<Record<string, string>>;
  /** What a PIN looks like, in words. */
  readonly pinFormat: string;
  readonly pinPattern: RegExp | null;
  readonly userType: number;
  readonly rwSessionsOnly: boolean;
  readonly hosts: number;
  /** Sessions of a host, each with one operation at a time: rate × latency + 30 %. */
  readonly lanes: number;
  /** True where an operation waits for the network: it then runs on a thread of the host. */
  readonly asynchronous: boolean;
  /** An operation that takes longer hangs, and its host is killed. */
  readonly deadlineMs: number;
  /** Null where the module has no AES-GCM: data keys are wrapped by AES key wrap then. */
  readonly gcmIv: GcmMode | null;
  readonly maxDataBytes: number;
  /** In order of preference, for modules without AES-GCM. */
  readonly wrapMechanisms: readonly WrapName[];
  /** RSA-OAEP hashes that the module takes; the list of mechanisms does not say. */
  readonly oaepHashes: readonly ('sha1' | 'sha256')[];
  /** The module spreads calls over devices by itself. */
  readonly balancesItself: boolean;
  readonly throttleCodes: readonly number[];
  /** What the module answers to a ciphertext that does not open, besides the codes that say so. */
  readonly vagueDecryptCodes: readonly number[];
  /** Attributes that the module does not take in a template. */
  readonly templateDrop: readonly AttributeName[];
  /** Attributes that it must have, with their values. */
  readonly templateForce: Readonly<Partial<Record<AttributeName, boolean>>>;
  /** When a process sees keys that another one made. */
  readonly newKeysVisible: 'live' | 'restart';
  /** False where the module takes no key in the clear. */
  readonly importsPlain: boolean;
  /** How tokens are initialised there, for `claviger hsm init`; null where PKCS#11 cannot. */
  readonly soRole: string | null;
  /** Several people are needed for that. */
  readonly quorum: boolean;
  readonly notes: readonly string[];
}

const NETWORK: Pick<Profile, 'hosts' | 'asynchronous' | 'protection' | 'tested'> = {
  hosts: 2,
  asynchronous: true,
  protection: 'hsm',
  tested: false,
};

const USUAL: Omit<Profile, 'title' | 'tested' | 'protection' | 'hosts' | 'asynchronous' | 'library' | 'notes'> = {
  env: {},
  pinFormat: 'the PIN of the user',
  pinPattern: null,
  userType: CKU.USER,
  rwSessionsOnly: false,
  lanes: 16,
  deadlineMs: 2000,
  gcmIv: 'caller',
  maxDataBytes: 16_384,
  wrapMechanisms: ['AES_KEY_WRAP_PAD', 'AES_KEY_WRAP'],
  oaepHashes: ['sha256', 'sha1'],
  balancesItself: false,
  throttleCodes: [],
  vagueDecryptCodes: [],
  templateDrop: [],
  templateForce: {},
  newKeysVisible: 'live',
  importsPlain: false,
  soRole: 'security officer',
  quorum: false,
};

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  softhsm: {
    ...USUAL,
    title: 'SoftHSM 2',
    tested: true,
    protection: 'software',
    library: '/usr/lib/softhsm/libsofthsm2.so',
    hosts: 2,
    // The library does its work in the calling thread: another lane or a thread of the pool costs a quarter of the speed.
    lanes: 1,
    asynchronous: false,
    maxDataBytes: 65_536,
    oaepHashes: ['sha1'],
    // Of AES-GCM, AES key wrap and RSA-OAEP alike.
    vagueDecryptCodes: [CKR.GENERAL_ERROR],
    importsPlain: true,
    notes: ['the number of the slot changes when a token is initialised', 'a wrong PIN sets a flag and locks nothing'],
  },
  cloudhsm: {
    ...USUAL,
    ...NETWORK,
    title: 'AWS CloudHSM, client SDK 5',
    library: '/opt/cloudhsm/lib/libcloudhsm_pkcs11.so',
    pinFormat: '`user:password` of a crypto user',
    pinPattern: /^[^:]+:.+$/,
    rwSessionsOnly: true,
    lanes: 32,
    gcmIv: 'hsm-prepended',
    maxDataBytes: 16_288,
    balancesItself: true,
    throttleCodes: [CKR.FUNCTION_FAILED],
    soRole: null,
    notes: ['five wrong passwords lock a user', 'tokens and users are made with the CloudHSM CLI'],
  },
  luna: {
    ...USUAL,
    ...NETWORK,
    title: 'Thales Luna 7',
    library: '/usr/safenet/lunaclient/lib/libCryptoki2_64.so',
    // Crypto User, who uses keys and makes none: keys are made by the Crypto Officer.
    userType: 0x8000_0001,
    lanes: 30,
    // ReceiveTimeout of the client is 20 s; a dead member of a group is found after it.
    deadlineMs: 21_000,
    balancesItself: true,
    soRole: 'partition security officer',
    quorum: true,
    notes: [
      'the virtual slot of a group balances single-part operations only; about 30 lanes for each member',
      'three wrong PINs of a security officer zeroize the partition',
    ],
  },
  utimaco: {
    ...USUAL,
    ...NETWORK,
    title: 'Utimaco CryptoServer, PKCS#11 R3',
    library: '/usr/lib/libcs_pkcs11_R3.so',
    env: { CS_PKCS11_R3_CFG: '/etc/utimaco/cs_pkcs11_R3.cfg' },
    quorum: true,
    notes: ['`SlotMultiSession = true` must stand in the file that `CS_PKCS11_R3_CFG` names'],
  },
  nshield: {
    ...USUAL,
    ...NETWORK,
    title: 'Entrust nShield',
    library: '/opt/nfast/toolkits/pkcs11/libcknfast.so',
    env: { CKNFAST_LOADSHARING: '1' },
    balancesItself: true,
    newKeysVisible: 'restart',
    quorum: true,
    notes: ['keys of other processes are invisible until a process starts anew: our hosts do so after each new key'],
  },
  yubihsm: {
    ...USUAL,
    ...NETWORK,
    title: 'YubiHSM 2',
    library: '/usr/lib/x86_64-linux-gnu/pkcs11/yubihsm_pkcs11.so',
    env: { YUBIHSM_PKCS11_CONF: '/etc/yubihsm_pkcs11.conf' },
    pinFormat: 'four hexadecimal digits of the authentication key, then its password: `0001password`',
    pinPattern: /^[0-9a-fA-F]{4}.{8,}$/,
    lanes: 2,
    gcmIv: null,
    maxDataBytes: 2028,
    soRole: null,
    notes: ['16 sessions on the whole device', 'authentication keys are made with yubihsm-shell'],
  },
  libkmsp11: {
    ...USUAL,
    ...NETWORK,
    title: 'Google Cloud KMS, libkmsp11',
    library: '/usr/lib/libkmsp11.so',
    env: { KMS_PKCS11_CONFIG: '/etc/libkmsp11.yaml' },
    pinFormat: 'any text: the library uses the credentials of its environment',
    rwSessionsOnly: false,
    lanes: 32,
    gcmIv: 'hsm-writeback',
    soRole: null,
    notes: ['`refresh_interval_secs: 0` in its file never sees new keys'],
  },
};
