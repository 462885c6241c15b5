/**
 * Bytes in JSON: standard base64 with padding, both ways. Runs in a browser.
 *
 * @module
 */
import { z } from 'zod';

/** A JSON string of base64 that is parsed into bytes. */
export function bytesSchema(description: string): z.ZodPipe<z.ZodString, z.ZodTransform<Uint8Array, string>> {
  return z
    .string()
    .meta({ description, contentEncoding: 'base64' })
    .transform((text, context) => {
      try {
        const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
        // The decoder skips white space; the one canonical text of these bytes has just this length.
        if (text.length === 4 * Math.ceil(bytes.length / 3)) return bytes;
      } catch {
        // Said below, in one way.
      }
      context.addIssue({ code: 'custom', message: 'is not base64 with padding and without white space' });
      return z.NEVER;
    });
}

/** A value as JSON has it: every byte array as base64, `undefined` left out. */
export function encodeBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return value.toBase64();
  if (Array.isArray(value)) return value.map(encodeBytes);
  const encoded: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) {
    if (part !== undefined) encoded[name] = encodeBytes(part);
  }
  return encoded;
}
