/**
 * The cryptography of one sealed file, under its data key: spec/sealed-config.md has it in words, with an example.
 *
 * @module
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { lengthPrefixed } from '../../bytes/length-prefixed.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { XaesKey } from '../../crypto/xaes.ts';
import { invalidCiphertext } from '../../errors.ts';
import type { Random } from '../../ports/random.ts';
import type { FormatName, Span } from './format.ts';
import { encodePath, type Path } from './path.ts';

const VALUE = Buffer.from('claviger/sealed/v1');
const MAC = Buffer.from('claviger/sealed/v1/mac');
const VALUES_INFO = 'claviger/sealed/v1/values';
const KEY_BYTES = 32;
const PREFIX = 'claviger:v1:';
/** Short values have one length: what is `true` and what is a password of 20 characters looks alike. */
const PADDED_BYTES = 32;
const PADDING_START = 0x80;

export class FileKey implements Disposable {
  readonly #values: XaesKey;
  readonly #macKey: SecretBytes;
  readonly #file: Buffer;

  /**
   * @param dataKey 32 bytes; they are not needed any more afterwards
   * @param file 16 bytes, the id of the file
   */
  constructor(dataKey: SecretBytes, file: Buffer) {
    using key = derive(dataKey, file, VALUES_INFO);
    this.#values = new XaesKey(key.reveal());
    this.#macKey = derive(dataKey, file, MAC.toString());
    this.#file = file;
  }

  /** Seals a value as it is spelled; every call gives another token. */
  seal(format: FormatName, path: Path, spelling: string, random: Random): string {
    const padded = pad(spelling);
    const sealed = this.#values.seal(padded, this.#aad(format, path), random);
    padded.fill(0);
    return PREFIX + sealed.toString('base64url');
  }

  /** @throws INVALID_CIPHERTEXT where it was changed, or sealed for another place or file */
  open(format: FormatName, path: Path, token: string): string {
    const text = token.slice(PREFIX.length);
    const sealed = Buffer.from(text, 'base64url');
    if (sealed.toString('base64url') !== text) throw invalidCiphertext();
    const padded = this.#values.open(sealed, this.#aad(format, path));
    const spelling = unpad(padded);
    padded.fill(0);
    if (spelling === null) throw invalidCiphertext();
    return spelling;
  }

  /** The MAC of a whole text, without the place where the MAC itself stands. */
  mac(format: FormatName, text: string, { start, end }: Span): Buffer {
    const covered = (text.slice(0, start) + text.slice(end)).replaceAll('\r\n', '\n');
    return createHmac('sha256', this.#macKey.reveal())
      .update(lengthPrefixed(MAC, Buffer.from(format), Buffer.from(covered)))
      .digest();
  }

  verifies(format: FormatName, text: string, span: Span, mac: Buffer): boolean {
    return timingSafeEqual(this.mac(format, text, span), mac);
  }

  [Symbol.dispose](): void {
    this.#values[Symbol.dispose]();
    this.#macKey[Symbol.dispose]();
  }

  #aad(format: FormatName, path: Path): Buffer {
    return lengthPrefixed(VALUE, this.#file, Buffer.from(format), encodePath(path));
  }
}

function derive(dataKey: SecretBytes, salt: Buffer, info: string): SecretBytes {
  return new SecretBytes(Buffer.from(hkdfSync('sha512', dataKey.reveal(), salt, info, KEY_BYTES)));
}

/** Text ‖ 0x80 ‖ zeros, up to the next multiple of 32 bytes. */
function pad(spelling: string): Buffer {
  const length = Buffer.byteLength(spelling);
  const padded = Buffer.alloc((Math.floor(length / PADDED_BYTES) + 1) * PADDED_BYTES);
  padded.write(spelling);
  padded[length] = PADDING_START;
  return padded;
}

function unpad(padded: Buffer): string | null {
  const end = padded.findLastIndex((byte) => byte !== 0);
  return end === -1 || padded[end] !== PADDING_START ? null : padded.toString('utf8', 0, end);
}
