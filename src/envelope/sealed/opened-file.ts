/**
 * A sealed file whose data key a service has given, and whether it is as it was sealed.
 *
 * @module
 */
import type { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError } from '../../errors.ts';
import type { KeyService } from '../key-service.ts';
import { FileKey } from './file-key.ts';
import { valuesOf, type Format, type Slot, type Span, type Value } from './format.ts';
import { SEALED_BYTES_MAX } from './limits.ts';
import { parseMetadata, type Metadata } from './metadata.ts';
import { pathText } from './path.ts';
import { selected } from './selection.ts';
import { requireText, replaced } from './text.ts';
import { openDataKey } from './wraps.ts';

/** Places that a refusal names; the first few tell enough. */
const TOLD_MAX = 5;

/**
 * Asks for the data key of a file. The caller disposes of what it gets, and calls `verify` before it believes any of it.
 *
 * @throws INVALID_ARGUMENT where the text is not sealed, or not in the format; what the service refuses with
 */
export async function openFile(service: KeyService, format: Format, text: string): Promise<OpenedFile> {
  requireText(text, SEALED_BYTES_MAX);
  const { body, metadata: found, mac: macSpan } = format.split(text);
  if (found === null) {
    throw new ClavigerError('INVALID_ARGUMENT', 'the file is not sealed: `claviger seal` does it');
  }
  const { mac, ...metadata } = parseMetadata(found);
  // What is not in the format asks nobody for a key.
  const values = valuesOf(format, body);
  const { dataKey, arn } = await openDataKey(service, metadata);
  return new OpenedFile(format, { text, body, values, metadata, mac, macSpan, dataKey, arn });
}

interface Parts {
  readonly text: string;
  readonly body: string;
  readonly values: readonly Value[];
  readonly metadata: Metadata;
  readonly mac: Buffer;
  readonly macSpan: Span;
  readonly dataKey: SecretBytes;
  readonly arn: string;
}

export class OpenedFile implements Disposable {
  readonly metadata: Metadata;
  readonly body: string;
  /** The key that opened it. */
  readonly arn: string;
  readonly dataKey: SecretBytes;
  readonly key: FileKey;
  readonly values: readonly Value[];
  readonly #format: Format;
  readonly #parts: Parts;

  constructor(format: Format, parts: Parts) {
    this.metadata = parts.metadata;
    this.body = parts.body;
    this.arn = parts.arn;
    this.dataKey = parts.dataKey;
    this.#format = format;
    this.#parts = parts;
    this.key = new FileKey(parts.dataKey, parts.metadata.file);
    this.values = parts.values;
  }

  /** @throws INVALID_CIPHERTEXT where anything was changed since it was sealed; says where, if a value tells */
  verify(): void {
    const { text, macSpan, mac } = this.#parts;
    if (this.key.verifies(this.#format.name, text, macSpan, mac)) return;
    throw new ClavigerError(
      'INVALID_CIPHERTEXT',
      `the file was changed since it was sealed: ${this.#difference()}; compare it with the version before, and take changes over with \`claviger seal --accept-changes\``,
    );
  }

  /** A value as it is spelled when it is open. @throws INVALID_CIPHERTEXT that names it */
  open(value: Value): string {
    const spelling = this.openOrNull(value);
    if (spelling !== null) return spelling;
    throw new ClavigerError(
      'INVALID_CIPHERTEXT',
      `the file was changed since it was sealed: ${this.#strangers([value])}`,
    );
  }

  /** As `open`; null where it does not. */
  openOrNull(value: Value): string | null {
    return value.token === null ? value.spelling : this.#tryOpen(value, value);
  }

  /**
   * The document as it was before it was sealed.
   *
   * @throws INVALID_CIPHERTEXT
   */
  plaintext(): string {
    const spellings = this.values.map((value) => this.open(value));
    return replaced(this.#format, this.body, this.values, spellings);
  }

  [Symbol.dispose](): void {
    this.key[Symbol.dispose]();
    this.dataKey[Symbol.dispose]();
  }

  #tryOpen({ token }: Value, { path }: Slot): string | null {
    try {
      return this.key.open(this.#format.name, path, token!);
    } catch {
      return null;
    }
  }

  #difference(): string {
    const sealed = this.values.filter(({ token }) => token !== null);
    const strangers = sealed.filter((value) => this.#tryOpen(value, value) === null);
    if (strangers.length > 0) return this.#strangers(strangers);
    const unsealed = this.#unsealed();
    if (unsealed.length > 0) return `not sealed, but to be sealed: ${told(unsealed)}`;
    return 'its sealed values are what they were, so it is keys, their order, comments, white space, metadata or values that are not sealed';
  }

  #strangers(strangers: readonly Value[]): string {
    const words = strangers.slice(0, TOLD_MAX).map((value) => {
      const home = this.values.find((other) => this.#tryOpen(value, other) !== null);
      return home === undefined
        ? `\`${pathText(value.path)}\` does not open: it was changed, its key was renamed, or it comes from another file`
        : `the value at \`${pathText(value.path)}\` belongs to \`${pathText(home.path)}\``;
    });
    if (strangers.length > TOLD_MAX) words.push(`${strangers.length - TOLD_MAX} more`);
    return words.join('; ');
  }

  #unsealed(): readonly Value[] {
    const wanted = selected(
      this.metadata.selection,
      this.values.map(({ path }) => path),
    );
    return this.values.filter(({ token }, at) => wanted[at] && token === null);
  }
}

function told(values: readonly Slot[]): string {
  const names = values.slice(0, TOLD_MAX).map(({ path }) => `\`${pathText(path)}\``);
  return names.join(', ') + (values.length > TOLD_MAX ? ` and ${values.length - TOLD_MAX} more` : '');
}
