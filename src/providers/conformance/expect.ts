/**
 * What a call must have ended with.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { ClavigerError, type ErrorCode } from '../../errors.ts';
import type { Bench } from './bench.ts';

/** Over what a call was given, a busy machine may take so long to notice. */
export const SLACK_MS = 2000;

/** What the provider refuses by itself, without asking the service. */
export const REFUSED_HERE = ['UNSUPPORTED', 'KEY_USAGE', 'INVALID_ARGUMENT'] as const;

/**
 * The error that a call ends with, at once or later.
 *
 * @throws AssertionError where it succeeds, or ends with anything but a `ClavigerError`
 */
export async function refusal(what: string, call: () => unknown): Promise<ClavigerError> {
  const thrown = await thrownBy(call);
  assert.ok(thrown !== null, `${what}: it must be refused, and succeeded`);
  assert.ok(
    thrown.error instanceof ClavigerError,
    `${what}: it ended with something of its own: ${shown(thrown.error)}`,
  );
  return thrown.error;
}

/** As `refusal`, and the code must be one of these. */
export async function refused(
  what: string,
  codes: ErrorCode | readonly ErrorCode[],
  call: () => unknown,
): Promise<ClavigerError> {
  const error = await refusal(what, call);
  const allowed = [codes].flat();
  assert.ok(
    allowed.includes(error.code),
    `${what}: it must be refused with ${allowed.join(' or ')}, not ${error.code} (${error.message})`,
  );
  return error;
}

/** As `refused`, and the service must not have heard of it. */
export async function refusedHere(
  bench: Bench,
  what: string,
  codes: ErrorCode | readonly ErrorCode[],
  call: () => unknown,
): Promise<void> {
  const calls = await bench.callsOf(() => refused(what, codes, call));
  assert.ok(calls === null || calls === 0, `${what}: it must be refused before any call, and the service had ${calls}`);
}

/** What a call gives, which must come in time. */
export async function ended<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = setTimeout(ms, null, { signal: over.signal }).then(
    () => assert.fail(`${what}: it has not ended after ${ms} ms`),
    () => null,
  );
  try {
    return (await Promise.race([work, late])) as T;
  } finally {
    over.abort();
    work.catch(() => undefined);
  }
}

async function thrownBy(call: () => unknown): Promise<{ readonly error: unknown } | null> {
  try {
    await call();
    return null;
  } catch (error) {
    return { error };
  }
}

function shown(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
