/**
 * Reads a request to its end, within the limit that holds for every body.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { errorOf, type ClavigerError } from '../errors.ts';
import { BODY_BYTES_MAX, type HttpRequest } from '../gateways/http-call.ts';

/**
 * Calls back once: with the request and its body, or with an error and no body. A caller that goes away before it has
 * sent everything is not called back for: there is nobody to answer.
 */
export function readRequest(
  message: IncomingMessage,
  read: (request: HttpRequest, error: ClavigerError | null) => void,
): void {
  const url = message.url ?? '/';
  const at = url.indexOf('?');
  const request = (body: Buffer): HttpRequest => ({
    message,
    path: at === -1 ? url : url.slice(0, at),
    query: at === -1 ? '' : url.slice(at + 1),
    body,
  });
  const refuse = (error: ClavigerError): void => {
    message.removeAllListeners('data').removeAllListeners('end');
    // What still comes is let go; the answer closes the connection.
    message.resume();
    read(request(Buffer.alloc(0)), error);
  };
  const tooLarge = (): void => refuse(errorOf('BodyTooLarge', `the body is larger than ${BODY_BYTES_MAX} bytes`));
  if (Number(message.headers['content-length'] ?? 0) > BODY_BYTES_MAX) {
    tooLarge();
    return;
  }
  const parts: Buffer[] = [];
  let length = 0;
  message.on('data', (part: Buffer) => {
    parts.push(part);
    length += part.length;
    if (length > BODY_BYTES_MAX) tooLarge();
  });
  message.on('end', () => read(request(parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)), null));
  message.on('error', () => undefined);
}
