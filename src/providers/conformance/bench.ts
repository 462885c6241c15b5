/**
 * What the cases work with: a connection, keys of every spec, and the count of calls.
 *
 * Keys are made once and used by all cases that do not harm them, because making an RSA key takes a second, and a key of
 * a cloud costs money.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { AlgorithmName } from '../../model/algorithm.ts';
import { SPECS, SPEC_NAMES, defaultUsage, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { CallOptions, Capability, CapabilityOperation, HomeKey, KeyLifecycle, Provider } from '../provider.ts';
import type { ConformanceHarness, FaultSwitch } from './harness.ts';

/** Time for a call that nothing hinders; a machine that is busy with other tests takes its time. */
const CALL_MS_MAX = 30_000;
const FUZZ_RUNS = 60;
const SEED = 20_260_131;

/** A case before it knows whom it is about. */
export interface Case {
  readonly name: string;
  /** The fault that it needs; without it there is no such case. */
  readonly fault?: Exclude<keyof FaultSwitch, 'calls' | 'heal'>;
  /** What else it needs of the harness. */
  readonly needs?: (harness: ConformanceHarness) => boolean;
  /** It harms its connection, which nobody else may have. */
  readonly ownProvider?: true;
  readonly run: (bench: Bench) => Promise<void>;
}

/** Reference of the nth key of a kind, made when it is first asked for. */
export class KeyRing {
  readonly #harness: ConformanceHarness;
  readonly #refs = new Map<string, Promise<string>>();

  constructor(harness: ConformanceHarness) {
    this.#harness = harness;
  }

  ref(spec: Spec, usage: Usage, nth: number): Promise<string> {
    const name = `${spec} ${usage} ${nth}`;
    const ref = this.#refs.get(name) ?? this.#harness.admin.create(spec, usage);
    this.#refs.set(name, ref);
    return ref;
  }
}

/** What one case has at hand. */
export class Bench {
  readonly harness: ConformanceHarness;
  readonly provider: Provider;
  readonly capabilities: readonly Capability[];
  readonly #keys: KeyRing;

  constructor(harness: ConformanceHarness, provider: Provider, keys: KeyRing) {
    this.harness = harness;
    this.provider = provider;
    this.capabilities = provider.capabilities();
    this.#keys = keys;
  }

  get seed(): number {
    return this.harness.seed ?? SEED;
  }

  get fuzzRuns(): number {
    return this.harness.fuzzRuns ?? FUZZ_RUNS;
  }

  /** Only for cases that ask for one of them. */
  get faults(): FaultSwitch {
    assert.ok(this.harness.faults, 'the harness has no faults');
    return this.harness.faults;
  }

  get lifecycle(): KeyLifecycle {
    assert.ok(this.provider.lifecycle, 'it declares a change of keys and has no `lifecycle`');
    return this.provider.lifecycle;
  }

  /** Options of a call that has all the time it may need. */
  get options(): CallOptions {
    return within(CALL_MS_MAX);
  }

  /** The row of a capability; null where it is not declared. */
  find(operation: CapabilityOperation, spec: Spec, algorithm?: AlgorithmName): Capability | null {
    const fits = (row: Capability): boolean =>
      row.operation === operation && row.spec === spec && (algorithm === undefined || row.algorithm === algorithm);
    return this.capabilities.find(fits) ?? null;
  }

  can(operation: CapabilityOperation, spec: Spec, algorithm?: AlgorithmName): boolean {
    return this.find(operation, spec, algorithm) !== null;
  }

  /** The first spec, the quickest first, that has one of these operations; null where none has. */
  specWith(...operations: readonly CapabilityOperation[]): Spec | null {
    return QUICKEST_FIRST.find((spec) => operations.some((operation) => this.can(operation, spec))) ?? null;
  }

  /** Reference of a key that many cases use: none of them harms it. */
  ref(spec: Spec, usage: Usage, nth = 0): Promise<string> {
    return this.#keys.ref(spec, usage, nth);
  }

  async key(spec: Spec, usage: Usage, nth = 0): Promise<HomeKey> {
    return this.provider.key(await this.ref(spec, usage, nth), spec);
  }

  /** Reference of a key of its own, which a case may disable and destroy. */
  freshRef(spec: Spec, usage: Usage): Promise<string> {
    return this.harness.admin.create(spec, usage);
  }

  /** Reference of some key. */
  async anyRef(): Promise<{ readonly ref: string; readonly spec: Spec; readonly usage: Usage }> {
    const spec = this.specWith('wrap', 'sign', 'decrypt', 'mac', 'agree', 'decapsulate');
    assert.ok(spec, 'it declares nothing that a key could do');
    const usage = this.usageOf(spec);
    return { ref: await this.ref(spec, usage), spec, usage };
  }

  /** A usage that the provider has for a spec. */
  usageOf(spec: Spec): Usage {
    const usages = Object.keys(specRow(spec).usages) as Usage[];
    return usages.find((usage) => OPERATIONS_OF[usage].some((one) => this.can(one, spec))) ?? defaultUsage(spec);
  }

  async publicKey(ref: string): Promise<KeyObject> {
    const { publicKey } = await this.provider.describe(ref, this.options);
    assert.ok(publicKey, 'a key pair is described with its public key');
    return createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  }

  /** Calls that came to the service while something ran; null where the harness does not count. */
  async callsOf(work: () => Promise<unknown>): Promise<number | null> {
    const count = this.harness.faults?.calls;
    const before = count?.() ?? 0;
    await work();
    return count === undefined ? null : count() - before;
  }
}

/** Which operations a usage allows. */
export const OPERATIONS_OF = {
  'encrypt-decrypt': ['wrap', 'generate-data-key', 'encrypt', 'decrypt'],
  'sign-verify': ['sign'],
  mac: ['mac'],
  'key-agreement': ['agree'],
  kem: ['decapsulate'],
} as const satisfies Record<Usage, readonly CapabilityOperation[]>;

/** Options of a call that ends after so many milliseconds. */
export function within(timeoutMs: number): CallOptions {
  return { signal: AbortSignal.timeout(timeoutMs), timeoutMs };
}

export function specsOf(usage: Usage): readonly Spec[] {
  return SPEC_NAMES.filter((spec) => specRow(spec).usages[usage] !== undefined);
}

/** RSA last: its keys take long to make. */
const QUICKEST_FIRST: readonly Spec[] = SPEC_NAMES.toSorted((a, b) => rsaBits(a) - rsaBits(b));

function rsaBits(spec: Spec): number {
  return SPECS[spec].family === 'rsa' ? specRow(spec).size! : 0;
}
