/**
 * What is signed: a message, or a digest that the caller made. Which of the two is said, never guessed.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, type SigningAlgorithmName } from '../model/algorithm.ts';
import { algorithmsOf, type Spec } from '../model/spec.ts';

export type SignInput = { readonly message: Uint8Array } | { readonly digest: Uint8Array };

/**
 * The row of the algorithm, where it belongs to the spec and takes this input.
 *
 * @throws KEY_USAGE where the spec has no such algorithm
 * @throws INVALID_ARGUMENT where the algorithm takes no message or no digest, or the digest has another length
 */
export function requireSignable(spec: Spec, name: SigningAlgorithmName, input: SignInput): SigningAlgorithm {
  const algorithm: SigningAlgorithm = SIGNING_ALGORITHMS[name];
  if (!algorithmsOf(spec, 'sign-verify').includes(name)) {
    throw new ClavigerError('KEY_USAGE', `a key of spec \`${spec}\` has no algorithm \`${name}\``);
  }
  const { digestBytes, takesMessage } = algorithm;
  if ('message' in input) {
    if (!takesMessage) throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` takes a digest, not a message`);
    return algorithm;
  }
  if (digestBytes === null) throw new ClavigerError('INVALID_ARGUMENT', `\`${name}\` takes a message, not a digest`);
  if (input.digest.length !== digestBytes) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`${name}\` takes a digest of ${digestBytes} bytes, not ${input.digest.length}`,
    );
  }
  return algorithm;
}
