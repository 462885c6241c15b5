/**
 * What a provider declares, looked up: so that the rest is refused before any call.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { AlgorithmName, SigningAlgorithmName } from '../model/algorithm.ts';
import { SIGNING_ALGORITHMS } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';
import type { SignInput } from './key-handle.ts';
import type { Capability, CapabilityOperation } from './provider.ts';

export class Declared {
  readonly #provider: string;
  readonly #rows: ReadonlyMap<string, Capability>;

  /** @param provider its name, for messages */
  constructor(provider: string, capabilities: readonly Capability[]) {
    this.#provider = provider;
    this.#rows = new Map(
      capabilities.map((row) => [nameOf(row.operation, row.spec, row.algorithm, row.input), row] as const),
    );
  }

  has(operation: CapabilityOperation, spec: Spec, algorithm?: AlgorithmName): boolean {
    return this.#rows.has(nameOf(operation, spec, algorithm, undefined));
  }

  /**
   * @param input the bytes that are given, where they have a limit
   * @throws UNSUPPORTED for what is not declared; LIMIT_EXCEEDED for more bytes than are
   */
  require(operation: CapabilityOperation, spec: Spec, algorithm?: AlgorithmName, input?: Uint8Array): void {
    this.#requireRow(nameOf(operation, spec, algorithm, undefined), input);
  }

  /**
   * @throws UNSUPPORTED for what is not declared; LIMIT_EXCEEDED for a message that is too long; INVALID_ARGUMENT for a
   *   digest of another length than the algorithm's
   */
  requireSign(spec: Spec, algorithm: SigningAlgorithmName, input: SignInput): void {
    if ('message' in input) return this.#requireRow(nameOf('sign', spec, algorithm, 'message'), input.message);
    this.#requireRow(nameOf('sign', spec, algorithm, 'digest'), undefined);
    const { digestBytes } = SIGNING_ALGORITHMS[algorithm];
    if (input.digest.length === digestBytes) return;
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${algorithm}\` takes a digest of ${digestBytes} bytes, not ${input.digest.length}`,
    );
  }

  #requireRow(name: string, bytes: Uint8Array | undefined): void {
    const row = this.#rows.get(name);
    if (row === undefined) throw new ClavigerError('UNSUPPORTED', `provider \`${this.#provider}\` has no ${name}`);
    if (bytes === undefined || row.maxBytes === null || bytes.length <= row.maxBytes) return;
    throw new ClavigerError(
      'LIMIT_EXCEEDED',
      `provider \`${this.#provider}\`: ${name} takes at most ${row.maxBytes} bytes, not ${bytes.length}`,
    );
  }
}

/** `sign of a digest with ECDSA_SHA_256 by P-256`; in messages too. */
function nameOf(
  operation: CapabilityOperation,
  spec: Spec,
  algorithm: AlgorithmName | undefined,
  input: Capability['input'],
): string {
  const of = input === undefined ? '' : ` of a ${input}`;
  const with_ = algorithm === undefined ? '' : ` with \`${algorithm}\``;
  return `\`${operation}\`${of}${with_} by keys of spec \`${spec}\``;
}
