/**
 * The conformance kit, `claviger/conformance`: whoever writes a provider holds it against the contract.
 *
 * @module
 */
export type {
  ConformanceAdmin,
  ConformanceCase,
  ConformanceHarness,
  FaultSwitch,
  SignatureVerifier,
} from './harness.ts';
export type {
  BackingInfo,
  BackingState,
  CallOptions,
  Capability,
  CapabilityOperation,
  CipherFacet,
  Health,
  HomeKey,
  KeyLifecycle,
  Made,
  Protection,
  Provider,
  ProviderKind,
  WantedKey,
  WrapFacet,
} from '../provider.ts';
export { conformanceCases } from './suite.ts';
