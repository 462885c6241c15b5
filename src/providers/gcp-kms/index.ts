export { gcpKms } from './provider.ts';
export { type GcpKmsConfig, gcpKmsSchema } from './config.ts';
