/**
 * Azure Key Vault and Managed HSM.
 *
 * @module
 */
export { azureKeyVaultSchema, type AzureKeyVaultConfig } from './config.ts';
export { AzureKeyVaultProvider, azureKeyVault } from './provider.ts';
