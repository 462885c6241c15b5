export { encodeBytes } from './bytes.ts';
export { keyOfCiphertext } from './ciphertext-key.ts';
export { BYTES_TYPE, DATA_KEY_SPEC_BYTES, ROUTE_NAMES, ROUTES, type Route, type RouteName } from './routes.ts';
export { problem } from './schemas.ts';
