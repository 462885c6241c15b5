/**
 * What the configuration of every provider has in common, and the marks of its fields.
 *
 * Each adapter's `config.ts` spreads `commonFields` into its own strict schema.
 *
 * @module
 */
import { isIP } from 'node:net';
import { z } from 'zod';

/** A field that is given by reference only: `${NAME}` or `file:PATH`. */
export const secret = z.string().min(1).meta({ secret: true });

/** A file or folder; relative ones are relative to the configuration file. */
export const filePath = z.string().min(1).meta({ path: true });

/** An address with nothing in it but where to call: no user, no password, no query. */
export function isBareAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

/** Whether what goes to an address, credentials and data keys, cannot be read on the way: TLS, or this machine. */
export function isConfidential(address: string): boolean {
  const url = URL.parse(address);
  if (url === null || url.protocol === 'https:') return true;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Stands in messages, metrics and stored keys: it stays the same when an address changes. */
export const providerName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9 and -');

export const commonFields = {
  name: providerName.describe('Name of the provider; keys keep it, so it stays the same.'),
  timeoutMs: z
    .int()
    .min(10)
    .max(600_000)
    .default(2000)
    .describe('Milliseconds that one call may take; a request that fails over makes several.'),
  attempts: z.int().min(1).max(10).default(3).describe('Calls of one request to this provider, the first included.'),
  maxConcurrent: z
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Calls under way at a time; more wait for a while, then go elsewhere.'),
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(1000).default(5).describe('Failures in a row that open the circuit.'),
      openMs: z
        .int()
        .min(10)
        .max(3_600_000)
        .default(10_000)
        .describe('Milliseconds after which an open circuit tries one call.'),
    })
    .prefault({})
    .describe('When the provider is left alone, and for how long.'),
  tenants: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Names of the tenants that may use it; all where it is not given.'),
  adopt: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Patterns of native keys that may be adopted, `*` for any characters; none where it is not given. They are held against the whole native id, as the guide of the kind has it; a refusal shows it too.',
    ),
} as const;

export const commonConfig = z.strictObject(commonFields);

export type CommonConfig = z.output<typeof commonConfig>;
