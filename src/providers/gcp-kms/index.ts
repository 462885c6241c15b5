export { gcpKms, GcpKmsProvider } from './provider.ts';
export { type GcpKmsConfig, gcpKmsSchema } from './config.ts';
