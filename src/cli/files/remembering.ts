/**
 * A key service that remembers why it did not answer: a keyring asks several keys, and says of all of them only that none
 * did.
 *
 * @module
 */
import type { KeyService } from '../../envelope/key-service.ts';
import { ClavigerError } from '../../errors.ts';

export interface Remembering {
  readonly service: KeyService;
  /** What the service said, where it is behind a keyring's error; else that error. */
  readonly reasonOf: (error: unknown) => unknown;
}

export function remembering(service: KeyService): Remembering {
  let refusal: ClavigerError | null = null;
  let answered = false;
  const asked = async <T>(call: Promise<T>): Promise<T> => {
    try {
      const answer = await call;
      answered = true;
      return answer;
    } catch (error) {
      if (error instanceof ClavigerError) refusal = error;
      throw error;
    }
  };
  return {
    service: {
      generateDataKey: (input) => asked(service.generateDataKey(input)),
      encrypt: (input) => asked(service.encrypt(input)),
      decrypt: (input) => asked(service.decrypt(input)),
      describeKey: (input) => asked(service.describeKey(input)),
    },
    reasonOf: (error) => {
      if (!(error instanceof ClavigerError) || refusal === null) return error;
      const hides = error.code === 'ALL_BACKINGS_FAILED' || (error.code === 'INVALID_CIPHERTEXT' && !answered);
      return hides ? refusal : error;
    },
  };
}
