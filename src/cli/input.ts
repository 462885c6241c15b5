/**
 * Bytes from a file or standard input, never more of them than a limit.
 *
 * @module
 */
import { createReadStream } from 'node:fs';
import { ClavigerError } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/** Nothing that is read whole is longer: key files, policies, ciphertexts. */
const WHOLE_BYTES_MAX = 64 * 1024;

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'permission denied'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'a part of its path is not a folder'],
  ['ENOSPC', 'the disk is full'],
  ['EROFS', 'the file system is read-only'],
]);

/** The bytes of a file, or of standard input for `-` and where no file is named, as they come. */
export async function* inputChunks(terminal: Terminal, path: string | undefined): AsyncGenerator<Buffer> {
  if (path === undefined || path === '-') {
    if (terminal.input.isTty) terminal.say('reading from the terminal; end with Ctrl-D on a new line');
    yield* terminal.input.stream as AsyncIterable<Buffer>;
    return;
  }
  try {
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

/**
 * The whole input.
 *
 * @param tooLong says what to do with an input that is longer
 * @throws ClavigerError where it cannot be read or is too long
 */
export async function readInput(
  terminal: Terminal,
  path: string | undefined,
  bytesMax: number = WHOLE_BYTES_MAX,
  tooLong: string = 'this is not what is expected here',
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of inputChunks(terminal, path)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > bytesMax) {
      const name = path === undefined || path === '-' ? 'the input' : `\`${path}\``;
      throw new ClavigerError('INVALID_ARGUMENT', `${name} has more than ${bytesMax} bytes; ${tooLong}`);
    }
  }
  return Buffer.concat(chunks);
}

/** A system's error about a file, in words. */
export function fileError(verb: 'read' | 'write', path: string, cause: unknown): ClavigerError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new ClavigerError('INVALID_ARGUMENT', `cannot ${verb} \`${path}\`: ${REASONS.get(code ?? '') ?? message}`, {
    cause,
  });
}

/**
 * Bytes that were written as they are, or as base64 text: what `claviger` itself prints to files and to terminals.
 *
 * Ciphertexts, signatures and MACs are so long and so random that none of them is base64 text by chance.
 */
export function rawOrBase64(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replace(/\s/g, '');
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return bytes;
  return Buffer.from(text, 'base64');
}

/** As `rawOrBase64`, and hexadecimal text as well: what `sha256sum` and `openssl dgst` print. */
export function digestOf(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').trim();
  return /^([0-9a-f]{2}){28,64}$/i.test(text) ? Buffer.from(text, 'hex') : rawOrBase64(bytes);
}
