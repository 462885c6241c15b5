export { vaultTransit } from './provider.ts';
export type { VaultTransitConfig } from './config.ts';
