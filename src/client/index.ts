export { ClavigerError, type ErrorCode, type Reason } from '../errors.ts';
export type { ClavigerApi } from '../operations/index.ts';
export { ClavigerClient, type ClientOptions } from './client.ts';
