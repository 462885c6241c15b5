export { cachingKeyring, CachingKeyring, type CachingOptions } from './caching.ts';
export { clavigerKeyring, serviceGuard, serviceHome, type ClavigerKeyringOptions } from './claviger.ts';
export { discoveryKeyring, type DiscoveryFilter } from './discovery.ts';
export { HomesKeyring, type KeyHome } from './homes.ts';
export { multiKeyring, type MultiKeyringOptions } from './multi.ts';
export { NativeKey } from './native.ts';
export { rawAesKey, rawAesKeyring, type RawAesOptions } from './raw-aes.ts';
export { rawRsaKey, rawRsaKeyring, type RawRsaOptions, type RsaPadding } from './raw-rsa.ts';
