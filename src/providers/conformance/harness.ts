/**
 * What an adapter gives the conformance kit: connections, keys made by other means than the adapter, and faults.
 *
 * What a harness does not have narrows the list of cases, so a runner shows what was not tried by not showing it.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { SigningAlgorithmName } from '../../model/algorithm.ts';
import type { Spec, Usage } from '../../model/spec.ts';
import type { Provider } from '../provider.ts';

export interface ConformanceHarness {
  /** A new connection with the same configuration each time; the kit closes it. */
  readonly makeProvider: () => Promise<Provider>;
  /** A connection that cases may share, where making one takes long; whoever gives it closes it. */
  readonly sharedProvider?: () => Promise<Provider>;
  readonly admin: ConformanceAdmin;
  readonly faults?: FaultSwitch;
  /** References of well-formed keys that are not there, and texts that are no reference here. */
  readonly references?: { readonly unknown: readonly string[]; readonly malformed: readonly string[] };
  /** What must stand in no error, no log and no `inspect`: credentials, tokens, PINs, key material. */
  readonly secrets?: readonly string[];
  /** A second implementation of verifying, beside that of node:crypto. */
  readonly verify?: SignatureVerifier;
  /**
   * Faults of the service itself, that the adapter cannot mend: name of a case, or a pattern with `*`, and the reason.
   * Such a case must fail: where it does not, the fault has gone, and so should its row.
   */
  readonly knownFaults?: Readonly<Record<string, string>>;
  /** Repeats a run of the cases that draw inputs at random. */
  readonly seed?: number;
  /** Inputs that each of these cases draws; fewer where a call is dear. */
  readonly fuzzRuns?: number;
}

/**
 * Changes keys behind the provider's back, by the service's own tools or by calls that are not the adapter's. Where one
 * is missing, the provider's own `lifecycle` is asked.
 */
export interface ConformanceAdmin {
  /** A new key that can be used at once; gives its immutable reference, as `resolve` does. */
  readonly create: (spec: Spec, usage: Usage) => Promise<string>;
  /** A new version; gives the reference that names it, or nothing where references name no versions. */
  readonly rotate?: (ref: string) => Promise<string | void>;
  /** Resolves when the service has it everywhere; so do the following. */
  readonly disable?: (ref: string) => Promise<void>;
  readonly enable?: (ref: string) => Promise<void>;
  readonly destroy?: (ref: string) => Promise<void>;
  /**
   * A key with this material: raw bytes of a symmetric key, PKCS#8 DER of another.
   */
  readonly importKey?: (spec: Spec, usage: Usage, material: Buffer) => Promise<string>;
  /** Another name of the key, that `resolve` takes. */
  readonly alias?: (ref: string) => Promise<string>;
}

/** Faults of a service, on command; `test/support/fault-proxy.ts` makes most of them. Each resolves once it holds. */
export interface FaultSwitch {
  /** Calls that came to the service so far, whatever became of them; logins do not count. */
  readonly calls: () => number;
  /** All is well again. */
  readonly heal: () => Promise<void>;
  /** Calls are refused because there are too many. */
  readonly throttle?: () => Promise<void>;
  /** The service answers that something went wrong inside of it. */
  readonly fail5xx?: () => Promise<void>;
  /** Calls are accepted and never answered. */
  readonly hang?: () => Promise<void>;
  /** Connections are reset. */
  readonly reset?: () => Promise<void>;
  /** Nobody listens. */
  readonly refuse?: () => Promise<void>;
  /** The connection ends in the middle of the answer. */
  readonly cut?: () => Promise<void>;
  /** The answer says success and is no answer to what was asked. */
  readonly nonsense?: () => Promise<void>;
  /** Our credentials are no longer good. */
  readonly deny?: () => Promise<void>;
}

export type SignatureVerifier = (
  algorithm: SigningAlgorithmName,
  publicKey: KeyObject,
  message: Buffer,
  signature: Buffer,
) => Promise<boolean>;

/** One claim about a provider. */
export interface ConformanceCase {
  /** Stays the same, so that a known fault can name it. */
  readonly name: string;
  /** Why it is known to fail here; null otherwise. */
  readonly knownFault: string | null;
  /** Rejects with an `AssertionError` where the claim does not hold. */
  readonly run: () => Promise<void>;
}
