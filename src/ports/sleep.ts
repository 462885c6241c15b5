/**
 * Waiting, as an argument: a test decides when the time is over.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';

/** Resolves after so many milliseconds, or at once when the signal aborts; it never rejects. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const systemSleep: Sleep = (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined);
