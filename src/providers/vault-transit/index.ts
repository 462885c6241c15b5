export { vaultTransit } from './provider.ts';
