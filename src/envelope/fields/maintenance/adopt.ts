/**
 * Plaintext that stood in a column before it was encrypted, as the value that it is.
 *
 * @module
 */
import type { Storage } from '../field-value.ts';
import type { FieldType } from '../typed-value.ts';

/** null where what is stored cannot be told to be a value of the type: then somebody has to look. */
export function adoptable(type: FieldType, storage: Storage, stored: unknown): { readonly value: unknown } | null {
  if (type === 'bytes') return storage === 'bytes' && stored instanceof Uint8Array ? { value: stored } : null;
  if (typeof stored !== 'string') return null;
  if (type === 'string') return { value: stored };
  if (type !== 'json') return null;
  try {
    return { value: JSON.parse(stored) as unknown };
  } catch {
    return null;
  }
}
