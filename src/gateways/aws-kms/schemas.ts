/**
 * Zod schemas of what KMS requests are made of, with AWS's own limits. Unknown fields are ignored, for newer SDKs send
 * more than we know.
 *
 * @module
 */
import { BLOB_BYTES_MAX, isWrapped } from '../../envelope/ciphertext.ts';
import { z } from 'zod';
import {
  ENCRYPTION_ALGORITHMS,
  IMPORT_ALGORITHMS,
  MAC_ALGORITHMS,
  SIGNING_ALGORITHMS,
  type EncryptionAlgorithmName,
  type ImportAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { isAsymmetric, specOfAws, usageOfAws, type Spec, type Usage } from '../../model/spec.ts';
import { bytesSchema } from '../../wire/bytes.ts';

/** Longest blob of AWS. */
const AWS_BLOB_BYTES_MAX = 6144;

/** AWS: a blob has 1 to 6,144 bytes, a message or plaintext at most 4,096. Ours may have more where a key has many homes. */
export const blob = sized(1, BLOB_BYTES_MAX).refine(
  (bytes) => bytes.length <= AWS_BLOB_BYTES_MAX || isWrapped(bytes),
  `must have at most ${AWS_BLOB_BYTES_MAX} bytes`,
);
export const smallBlob = sized(1, 4096);
/** A wrapped key: a 4-KiB RSA envelope and the material. */
export const wrappedMaterial = sized(1, 6144);
export const publicKey = sized(1, 8192);

export const keyId = z.string().min(1).max(2048);
export const grantTokens = z.array(z.string()).max(10).optional();
export const encryptionContext = z.record(z.string(), z.string()).optional();
export const marker = z.string().min(1).max(1024).optional();
export const numberOfBytes = z.int().min(1).max(1024);
export const pendingWindowDays = z.int().min(7).max(30);
export const includeKeyMaterial = z.enum(['ROTATIONS_ONLY', 'ALL_KEY_MATERIAL']);

export const encryptionAlgorithm = names<EncryptionAlgorithmName>(ENCRYPTION_ALGORITHMS);
export const signingAlgorithm = names<SigningAlgorithmName>(SIGNING_ALGORITHMS);
export const macAlgorithm = names<MacAlgorithmName>(MAC_ALGORITHMS);
export const importAlgorithm = names<ImportAlgorithmName>(IMPORT_ALGORITHMS);

export const keySpec = known<Spec>('key spec', specOfAws);
export const keyUsage = known<Usage>('key usage', usageOfAws);
export const keyPairSpec = known<Spec>('key pair spec', (name) => {
  const spec = specOfAws(name);
  return spec !== undefined && isAsymmetric(spec) ? spec : undefined;
});

/** To the end of the year 9999, beyond which ISO 8601 has no common form. */
export const epochSeconds = z
  .number()
  .min(0)
  .max(253_402_300_799)
  .transform((seconds) => new Date(seconds * 1000).toISOString());

/** AWS's page: `Limit` and `Marker`. */
export function page(limitMax: number): {
  Limit: z.ZodOptional<z.ZodInt>;
  Marker: typeof marker;
} {
  return { Limit: z.int().min(1).max(limitMax).optional(), Marker: marker };
}

function sized(min: number, max: number): z.ZodType<Uint8Array, string> {
  return bytesSchema(`${min} to ${max} bytes`).refine((bytes) => bytes.length >= min && bytes.length <= max, {
    message: `must have ${min} to ${max} bytes`,
  });
}

function names<T extends string>(table: Readonly<Record<T, unknown>>): z.ZodType<T, T> {
  return z.enum(Object.keys(table)) as unknown as z.ZodType<T, T>;
}

function known<T>(what: string, find: (name: string) => T | undefined): z.ZodType<T, string> {
  return z.string().transform((name, context) => {
    const found = find(name);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `is no ${what} that is known here` });
    return z.NEVER;
  });
}
