/**
 * The conformance suite: claims about a provider, for any test runner.
 *
 *     for (const { name, run } of conformanceCases(harness)) test(name, run);
 *
 * Every claim is looked at for every spec and algorithm of the model. Where the provider declares it, it is tried; where
 * not, it must be absent or refused before any call. Cases stand for themselves and may run in any order, one at a time.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { ClavigerError } from '../../errors.ts';
import { Bench, KeyRing, type Case } from './bench.ts';
import { agreeCases } from './cases/agree.ts';
import { capabilityCases } from './cases/capabilities.ts';
import { cipherCases } from './cases/cipher.ts';
import { crowdCases } from './cases/crowd.ts';
import { endingCases } from './cases/endings.ts';
import { errorCases } from './cases/errors.ts';
import { faultCases } from './cases/faults.ts';
import { lifecycleCases } from './cases/lifecycle.ts';
import { macCases } from './cases/mac.ts';
import { referenceCases } from './cases/references.ts';
import { rotationCases } from './cases/rotation.ts';
import { signCases } from './cases/sign.ts';
import { stateCases } from './cases/states.ts';
import { wrapCases } from './cases/wrap.ts';
import { ended } from './expect.ts';
import type { ConformanceCase, ConformanceHarness } from './harness.ts';

/** A case that takes longer hangs; making RSA keys on a busy machine takes a while. */
const CASE_MS_MAX = 180_000;

const CASES: readonly Case[] = [
  ...capabilityCases,
  ...referenceCases,
  ...wrapCases,
  ...cipherCases,
  ...signCases,
  ...macCases,
  ...agreeCases,
  ...crowdCases,
  ...rotationCases,
  ...stateCases,
  ...lifecycleCases,
  ...endingCases,
  ...faultCases,
  ...errorCases,
];

/**
 * The cases that a harness can try, in an order that goes from the simple to the rare.
 *
 * @throws Error where a known fault names no case
 */
export function conformanceCases(harness: ConformanceHarness): readonly ConformanceCase[] {
  const keys = new KeyRing(harness);
  const isPossible = ({ fault, needs }: Case): boolean =>
    (fault === undefined || harness.faults?.[fault] !== undefined) && (needs?.(harness) ?? true);
  const knownFaults = Object.entries(harness.knownFaults ?? {}).map(
    ([pattern, reason]) => [patternOf(pattern), reason] as const,
  );
  for (const [pattern] of knownFaults) {
    if (CASES.some(({ name }) => pattern.test(name))) continue;
    throw new Error(`a known fault names a case that is not there: ${pattern.source}`);
  }
  return CASES.filter(isPossible).map((one) => {
    const knownFault = knownFaults.find(([pattern]) => pattern.test(one.name))?.[1] ?? null;
    const run = (): Promise<void> => asserted(ended(one.name, CASE_MS_MAX, runCase(harness, keys, one)));
    return { name: one.name, knownFault, run: knownFault === null ? run : () => mustFail(knownFault, run) };
  });
}

/** `*` stands for any characters. */
function patternOf(text: string): RegExp {
  const parts = text.split('*').map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

async function runCase(harness: ConformanceHarness, keys: KeyRing, { ownProvider, run }: Case): Promise<void> {
  const { sharedProvider } = harness;
  if (sharedProvider !== undefined && ownProvider === undefined) {
    return run(new Bench(harness, await sharedProvider(), keys));
  }
  const provider = await harness.makeProvider();
  try {
    await run(new Bench(harness, provider, keys));
  } finally {
    await provider.close();
  }
}

/** A call that must succeed and fails is a claim that does not hold. */
async function asserted(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    const what = error instanceof ClavigerError ? error.code : 'an error of its own';
    throw new assert.AssertionError({
      message: `a call that must succeed ended with ${what}: ${error instanceof Error ? error.stack : String(error)}`,
    });
  }
}

/** A fault that has gone needs no row any more. */
async function mustFail(reason: string, run: () => Promise<void>): Promise<void> {
  const hasPassed = await run().then(
    () => true,
    () => false,
  );
  assert.ok(!hasPassed, `it holds now, although a known fault says: ${reason}; take the row out`);
}
