/**
 * Cases: many calls at once do not mix.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { SigningAlgorithmName } from '../../../model/algorithm.ts';
import type { Spec } from '../../../model/spec.ts';
import type { CapabilityOperation } from '../../provider.ts';
import type { Bench, Case } from '../bench.ts';
import { CONTEXT, DATA_KEY_BYTES, macOf } from '../calls.ts';
import { inputOf, requireVerifies } from './sign.ts';

const CROWD = 64;

export const crowdCases: readonly Case[] = [
  crowdCase('wrap', 'each data key comes back to who gave it', async (bench, spec) => {
    const { wrap } = await bench.key(spec, 'encrypt-decrypt');
    return async (n) => {
      const dataKey = randomBytes(DATA_KEY_BYTES);
      const context = { ...CONTEXT, n: String(n) };
      const { value } = await wrap!.wrap(dataKey, context, bench.options);
      const opened = await wrap!.unwrap(value, context, bench.options);
      assert.deepEqual(Buffer.from(opened.value), dataKey);
    };
  }),
  crowdCase('sign', 'each signature is one of its message', async (bench, spec) => {
    const { ref, sign } = await bench.key(spec, 'sign-verify');
    const publicKey = await bench.publicKey(ref);
    const { algorithm, input } = bench.find('sign', spec)!;
    const name = algorithm as SigningAlgorithmName;
    return async (n) => {
      const message = Buffer.from(`message ${n}`);
      const { value } = await sign!(name, inputOf(input!, name, publicKey, message), bench.options);
      await requireVerifies(bench, name, publicKey, message, value);
    };
  }),
  crowdCase('mac', 'each MAC is that of its message', async (bench, spec) => {
    const { mac } = await bench.key(spec, 'mac');
    return async (n) => {
      const message = Buffer.from(`message ${n}`);
      const { value } = await mac!(macOf(spec), message, bench.options);
      const again = await mac!(macOf(spec), message, bench.options);
      assert.deepEqual(Buffer.from(value), Buffer.from(again.value));
    };
  }),
];

/** Prepares one caller's turn, and has many take it at once. */
function crowdCase(
  operation: CapabilityOperation,
  claim: string,
  prepare: (bench: Bench, spec: Spec) => Promise<(n: number) => Promise<void>>,
): Case {
  return {
    name: `at once, ${operation}: ${claim}`,
    run: async (bench) => {
      const spec = bench.specWith(operation);
      if (spec === null) return;
      const turn = await prepare(bench, spec);
      await Promise.all(Array.from({ length: CROWD }, (_, n) => turn(n)));
    },
  };
}
