/**
 * What names a raw key in a message: a namespace and a name, both of the user's choosing.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { AWS_PROVIDER_ID, HOME_PROVIDER_PREFIX } from './wrapping-key.ts';

export interface RawName {
  /** Of the user's keys, such as `orders of example.org`. It stands in every message. */
  readonly namespace: string;
  /** Of this key. It stands in every message. */
  readonly name: string;
}

/** Bytes; a message has room for 65,535, and a name is to be read by people. */
const NAME_BYTES_MAX = 1024;

/** @throws INVALID_ARGUMENT */
export function requireRawName({ namespace, name }: RawName): RawName {
  requireText('namespace', namespace);
  requireText('name', name);
  if (namespace.startsWith(AWS_PROVIDER_ID) || namespace.startsWith(HOME_PROVIDER_PREFIX)) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the namespace of a raw key must not begin with \`${AWS_PROVIDER_ID}\` or \`${HOME_PROVIDER_PREFIX}\`, which are of other keys`,
    );
  }
  return { namespace, name };
}

function requireText(what: 'namespace' | 'name', text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes >= 1 && bytes <= NAME_BYTES_MAX && text.isWellFormed()) return;
  throw new ClavigerError('INVALID_ARGUMENT', `the ${what} of a raw key has 1 to ${NAME_BYTES_MAX} bytes of UTF-8`);
}
