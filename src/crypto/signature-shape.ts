/**
 * Whether bytes can be a signature at all: what a service answers is looked at before it is passed on.
 *
 * It says nothing of whether the signature is a true one; that takes the public key.
 *
 * @module
 */
import { isOneSequence, readHeader } from '../bytes/der.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../model/algorithm.ts';
import { specRow, type Spec } from '../model/spec.ts';

const INTEGER = 0x02;
/** Bytes of the order of a curve; secp256k1 and P-256 are alike. */
const ORDER_BYTES: Readonly<Record<string, number>> = { prime256v1: 32, secp384r1: 48, secp521r1: 66, secp256k1: 32 };
/** RFC 8032, section 5.1.6; FIPS 204, table 2. */
const FIXED_BYTES: ReadonlyMap<Spec, number> = new Map<Spec, number>([
  ['Ed25519', 64],
  ['ML-DSA-44', 2420],
  ['ML-DSA-65', 3309],
  ['ML-DSA-87', 4627],
]);

/** DER of two positive integers no longer than the order, for ECDSA; as long as the scheme has it for the others. */
export function isSignatureShaped(spec: Spec, algorithm: SigningAlgorithmName, signature: Uint8Array): boolean {
  const { size, curve } = specRow(spec);
  if (SIGNING_ALGORITHMS[algorithm].scheme === 'ecdsa') return isEcdsaDer(signature, ORDER_BYTES[curve ?? ''] ?? 0);
  return signature.length === (FIXED_BYTES.get(spec) ?? (size ?? 0) / 8);
}

/** RFC 3279, section 2.2.3. */
function isEcdsaDer(signature: Uint8Array, orderBytes: number): boolean {
  if (!isOneSequence(signature)) return false;
  const content = signature.subarray(readHeader(signature)!.contentAt);
  const rest = afterInteger(content, orderBytes);
  return rest !== null && afterInteger(rest, orderBytes)?.length === 0;
}

/** What follows a positive INTEGER in its shortest form; null where there is none. */
function afterInteger(bytes: Uint8Array, bytesMax: number): Uint8Array | null {
  const header = readHeader(bytes);
  if (header === null || header.tag !== INTEGER) return null;
  const end = header.contentAt + header.length;
  const value = bytes.subarray(header.contentAt, end);
  const [first = 0, second = 0] = value;
  const isPositive = value.length === header.length && value.length > 0 && first < 0x80;
  const isShortest = first !== 0 || second >= 0x80;
  const magnitude = first === 0 ? value.length - 1 : value.length;
  return isPositive && isShortest && magnitude <= bytesMax ? bytes.subarray(end) : null;
}
