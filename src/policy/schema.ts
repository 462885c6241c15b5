/**
 * The schema that every policy is checked against, and the names in it.
 *
 * @module
 */
import { readFileSync } from 'node:fs';

export const SCHEMA = readFileSync(new URL('./claviger.cedarschema', import.meta.url), 'utf8');

const NAMESPACE = 'Claviger';

export const TYPES = {
  action: `${NAMESPACE}::Action`,
  encryptionContext: `${NAMESPACE}::EncryptionContext`,
  key: `${NAMESPACE}::Key`,
  principal: `${NAMESPACE}::Principal`,
  role: `${NAMESPACE}::Role`,
  tenant: `${NAMESPACE}::Tenant`,
} as const;
