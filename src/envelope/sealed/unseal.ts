/**
 * Unsealing: the document as it was, byte by byte, or nothing.
 *
 * @module
 */
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { KeyService } from '../key-service.ts';
import type { Format } from './format.ts';
import { openFile } from './opened-file.ts';
import { requirePairs } from './seal.ts';

export interface UnsealOptions {
  readonly format: Format;
  /** Pairs that the file must be bound to. */
  readonly context?: EncryptionContext;
}

/**
 * The document of a sealed file.
 *
 * @throws INVALID_ARGUMENT where it is not sealed, or bound to another context; INVALID_CIPHERTEXT where it was changed;
 *   what the service refuses with
 */
export async function unseal(
  service: KeyService,
  text: string,
  { format, context }: UnsealOptions,
): Promise<{ readonly text: string; readonly arn: string }> {
  using opened = await openFile(service, format, text);
  opened.verify();
  requirePairs(opened.metadata.context, context);
  return { text: opened.plaintext(), arn: opened.arn };
}
