/**
 * Envelope encryption: messages and streams in the format of the AWS Encryption SDK, and the keyrings that hold their
 * data keys.
 *
 * @module
 */
export {
  Envelope,
  type DecryptingStream,
  type DecryptOptions,
  type EncryptingStream,
  type EncryptOptions,
  type EncryptStreamOptions,
  type EnvelopeOptions,
} from './envelope.ts';
export type {
  EncryptedDataKey,
  Keyring,
  UnwrappedDataKey,
  UnwrapRequest,
  WrappedDataKey,
  WrapRequest,
} from './keyring.ts';
export type { KeyService, ServedKey } from './key-service.ts';
export {
  cachingKeyring,
  clavigerKeyring,
  discoveryKeyring,
  multiKeyring,
  rawAesKeyring,
  rawRsaKeyring,
  type CachingKeyring,
  type CachingOptions,
  type ClavigerKeyringOptions,
  type DiscoveryFilter,
  type HomesKeyring,
  type MultiKeyringOptions,
  type RawAesOptions,
  type RawRsaOptions,
  type RsaPadding,
} from './keyrings/index.ts';
export type { DataKeyCacheCounts, DataKeyCacheEvents, EvictionReason } from './data-key-cache.ts';
export { readMessageHeader, type MessageHeader } from './message/header.ts';
export type { CommitmentPolicy } from './message/policy.ts';
export type { SignatureScheme, Suite } from './message/suites.ts';
export { SecretBytes } from '../crypto/secret-bytes.ts';
export { ClavigerError, type ErrorCode, type Reason } from '../errors.ts';
