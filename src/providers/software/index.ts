export { SoftwareHome } from './home.ts';
export { SoftwareProvider, SOFTWARE_PROVIDER_NAME } from './provider.ts';
