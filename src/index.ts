/**
 * Claviger as a library.
 *
 * @module
 */
export { ClavigerError, type Disposition, type ErrorCode, type Reason } from './errors.ts';
export type {
  AlgorithmName,
  EncryptionAlgorithmName,
  ImportAlgorithmName,
  MacAlgorithmName,
  SigningAlgorithmName,
} from './model/algorithm.ts';
export type { Role } from './model/principal.ts';
export type { Spec, Usage } from './model/spec.ts';
export type { KeyState } from './model/state.ts';
export type { ClavigerApi } from './operations/index.ts';
export type { Log, LogLevel } from './ports/log.ts';
export { Claviger, type LibraryPrincipal, type OpenOptions } from './server/claviger.ts';
export {
  openHomesKeyring,
  type HomesKeyringOptions,
  type HomeStatus,
  type KeyringKeyInput,
  type OpenedKeyring,
} from './server/home-keyring.ts';
