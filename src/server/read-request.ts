/**
 * Reads requests to their end, within limits for each body and for all that are coming at once.
 *
 * A body is read before anybody is authenticated (but for addresses that are refused over and over, whose bodies are not read at all), so whatever strangers send must cost little: a body is held in one piece
 * of memory, however small the pieces are in which it comes, and where too much is under way at once, the body that has
 * been coming the longest is given up.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { ClavigerError, errorOf } from '../errors.ts';
import { BODY_BYTES_MAX, type HttpRequest } from '../gateways/http-call.ts';

/** Bytes of bodies that are not whole yet: 256 of the largest. Most come whole, and do not count. */
const COMING_BYTES_MAX = 256 * BODY_BYTES_MAX;
const NO_BYTES = Buffer.alloc(0);

/** Calls back once: with the request and its body, or with an error and no body. */
export type WhenRead = (request: HttpRequest, error: ClavigerError | null) => void;

export class RequestReader {
  readonly #comingBytesMax: number;
  /** Bodies that are not whole yet, with the memory that they hold; the one that began first in front. */
  readonly #coming = new Map<ComingBody, number>();
  #comingBytes = 0;

  constructor({ comingBytesMax = COMING_BYTES_MAX }: { readonly comingBytesMax?: number } = {}) {
    this.#comingBytesMax = comingBytesMax;
  }

  /** A caller that goes away before it has sent everything is not called back for: there is nobody to answer. */
  read(message: IncomingMessage, read: WhenRead): void {
    const declaredBytes = Number(message.headers['content-length'] ?? BODY_BYTES_MAX);
    const body = new ComingBody(message, declaredBytes, read);
    if (declaredBytes > BODY_BYTES_MAX) {
      body.refuse(tooLarge());
      return;
    }
    message.on('data', (part: Buffer) => {
      if (body.length + part.length > BODY_BYTES_MAX) {
        this.#refuse(body, tooLarge());
        return;
      }
      body.add(part);
      if (body.length < declaredBytes) this.#hold(body);
    });
    message.on('end', () => {
      this.#release(body);
      body.end();
    });
    message.on('error', () => undefined);
  }

  #hold(body: ComingBody): void {
    const held = this.#coming.get(body);
    if (held === undefined) body.message.once('close', () => this.#release(body));
    this.#coming.set(body, body.heldBytes);
    this.#comingBytes += body.heldBytes - (held ?? 0);
    while (this.#comingBytes > this.#comingBytesMax) {
      const longest = this.#coming.keys().next().value!;
      this.#refuse(longest, new ClavigerError('THROTTLED', 'too many bodies are coming at once; send this one again'));
    }
  }

  #refuse(body: ComingBody, error: ClavigerError): void {
    this.#release(body);
    body.refuse(error);
  }

  #release(body: ComingBody): void {
    this.#comingBytes -= this.#coming.get(body) ?? 0;
    this.#coming.delete(body);
  }
}

/** A request whose body comes in. */
class ComingBody {
  readonly message: IncomingMessage;
  /** It has no more than these. */
  readonly #bytesMax: number;
  readonly #read: WhenRead;
  /** The first `length` bytes of it are the body. */
  #bytes: Buffer = NO_BYTES;
  length = 0;

  constructor(message: IncomingMessage, bytesMax: number, read: WhenRead) {
    this.message = message;
    this.#bytesMax = bytesMax;
    this.#read = read;
  }

  get heldBytes(): number {
    return this.#bytes.length;
  }

  add(part: Buffer): void {
    const length = this.length + part.length;
    if (this.length === 0) this.#bytes = part;
    else {
      if (length > this.#bytes.length) {
        const larger = Buffer.allocUnsafe(Math.min(this.#bytesMax, Math.max(length, 2 * this.#bytes.length)));
        this.#bytes.copy(larger, 0, 0, this.length);
        this.#bytes = larger;
      }
      part.copy(this.#bytes, this.length);
    }
    this.length = length;
  }

  end(): void {
    this.#read(this.#request(this.#bytes.subarray(0, this.length)), null);
  }

  refuse(error: ClavigerError): void {
    this.message.removeAllListeners('data').removeAllListeners('end');
    // What still comes is let go; the answer closes the connection.
    this.message.resume();
    this.#read(this.#request(NO_BYTES), error);
  }

  #request(body: Buffer): HttpRequest {
    const { message } = this;
    return { message, ...placeOf(message.url), body };
  }
}

/** Path and query of a request's target, as they were sent. */
export function placeOf(target = '/'): Pick<HttpRequest, 'path' | 'query'> {
  const at = target.indexOf('?');
  return at === -1 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at + 1) };
}

function tooLarge(): ClavigerError {
  return errorOf('BodyTooLarge', `the body is larger than ${BODY_BYTES_MAX} bytes`);
}
