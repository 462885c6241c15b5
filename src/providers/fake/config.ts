/**
 * Configuration of a fake provider.
 *
 * @module
 */
import { z } from 'zod';
import { commonFields } from '../config.ts';

export const fakeSchema = z.strictObject({
  kind: z.literal('fake').describe('Keys in memory, for development and tests: they are gone when the process ends.'),
  ...commonFields,
  latencyMs: z.int().min(0).max(60_000).default(0).describe('Milliseconds that each call takes.'),
  bindsContext: z
    .boolean()
    .default(true)
    .describe('False to behave like a service that wraps data keys without an encryption context.'),
  destructionDays: z
    .int()
    .min(0)
    .max(365)
    .default(0)
    .describe('Days that a destroyed key can still be restored; 0: it is destroyed at once.'),
});

export type FakeConfig = z.output<typeof fakeSchema>;
