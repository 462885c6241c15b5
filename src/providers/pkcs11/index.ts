/**
 * Keys on PKCS#11 tokens.
 *
 * @module
 */
export { pkcs11Schema, type Pkcs11Config } from './config.ts';
export { openPkcs11, pkcs11 } from './open.ts';
export { PROFILE_NAMES, PROFILES, type ProfileName } from './profiles.ts';
export { Pkcs11Provider } from './provider.ts';
export { acceptDevice, type Finding } from './acceptance.ts';
export { Ceremonies } from './ceremonies.ts';
