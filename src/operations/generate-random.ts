/**
 * generateRandom: bytes from the service's random generator.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Operation } from './operation.ts';

export const RANDOM_BYTES = { min: 1, max: 1024 } as const;

export interface GenerateRandomInput {
  /** 1 to 1,024. */
  readonly bytes: number;
}

export interface GenerateRandomOutput {
  readonly bytes: Uint8Array;
}

export const generateRandom: Operation<GenerateRandomInput, GenerateRandomOutput> = {
  name: 'GenerateRandom',
  run(scope, { bytes }) {
    const { services, principal } = scope;
    scope.readTenant();
    services.limiter.spend(principal.id, 'crypto', 1);
    if (!Number.isInteger(bytes) || bytes < RANDOM_BYTES.min || bytes > RANDOM_BYTES.max) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`bytes\` must be from ${RANDOM_BYTES.min} to ${RANDOM_BYTES.max}`);
    }
    return { output: { bytes: services.random.bytes(bytes) } };
  },
};
