/**
 * ECDSA signatures: r ‖ s, as PKCS#11 gives them, to DER (RFC 3279, section 2.2.3).
 *
 * @module
 */
import { SEQUENCE } from '../../bytes/der.ts';

const INTEGER = 0x02;
const LONG_FORM = 0x80;

/** Null where it is not r ‖ s of this length, or one of them is zero. */
export function ecdsaToDer(signature: Uint8Array, fieldBytes: number): Buffer | null {
  if (signature.length !== 2 * fieldBytes) return null;
  const r = integer(signature.subarray(0, fieldBytes));
  const s = integer(signature.subarray(fieldBytes));
  if (r === null || s === null) return null;
  const length = r.length + s.length;
  // At most 138 bytes, of P-521: one byte of length behind its mark.
  const header = length < LONG_FORM ? [SEQUENCE, length] : [SEQUENCE, LONG_FORM + 1, length];
  return Buffer.concat([Buffer.from(header), r, s], header.length + length);
}

/** An INTEGER in the fewest bytes; a zero before it where it would be negative. */
function integer(bytes: Uint8Array): Buffer | null {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start += 1;
  if (start === bytes.length) return null;
  const pad = bytes[start]! >= LONG_FORM ? 1 : 0;
  const encoded = Buffer.alloc(2 + pad + bytes.length - start);
  encoded[0] = INTEGER;
  encoded[1] = encoded.length - 2;
  encoded.set(bytes.subarray(start), 2 + pad);
  return encoded;
}
