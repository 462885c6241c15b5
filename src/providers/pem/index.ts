export { pem } from './provider.ts';
