export { cachingKeyring, CachingKeyring, type CachingOptions } from './caching.ts';
export { clavigerKeyring, type ClavigerKeyringOptions } from './claviger.ts';
export { discoveryKeyring, type DiscoveryFilter } from './discovery.ts';
export { HomesKeyring } from './homes.ts';
export { multiKeyring, type MultiKeyringOptions } from './multi.ts';
export { rawAesKeyring, type RawAesOptions } from './raw-aes.ts';
export { rawRsaKeyring, type RawRsaOptions, type RsaPadding } from './raw-rsa.ts';
