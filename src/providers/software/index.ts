export { SoftwareProvider, SOFTWARE_PROVIDER_NAME } from './provider.ts';
