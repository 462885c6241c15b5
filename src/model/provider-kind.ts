/**
 * Kinds of services and devices that keys live in.
 *
 * @module
 */
export const PROVIDER_KINDS = [
  'software',
  'aws-kms',
  'azure-key-vault',
  'gcp-kms',
  'vault-transit',
  'pkcs11',
  'pem',
  'fake',
] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];
