export { pem } from './provider.ts';
export type { PemConfig } from './config.ts';
