/**
 * Cases: MACs are HMACs.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { MAC_ALGORITHMS, type MacAlgorithmName } from '../../../model/algorithm.ts';
import { specRow, type Spec } from '../../../model/spec.ts';
import { specsOf, type Bench, type Case } from '../bench.ts';
import { macOf, MESSAGE } from '../calls.ts';
import { refusedHere, REFUSED_HERE } from '../expect.ts';
import { importedRef } from './lifecycle.ts';
import { requireVersion } from './wrap.ts';

const ALGORITHMS = Object.keys(MAC_ALGORITHMS) as MacAlgorithmName[];
/** Of a message, where the service names no limit. */
const LONG_BYTES = 4096;

export const macCases: readonly Case[] = specsOf('mac').flatMap((spec) => [
  macCase(spec, 'the same for the same message, another for another, and as long as the hash', async (bench) => {
    const key = await bench.key(spec, 'mac');
    const other = await bench.key(spec, 'mac', 1);
    const { version } = await bench.provider.describe(key.ref, bench.options);
    const algorithm = macOf(spec);
    const make = async (message: Buffer, of = key): Promise<Buffer> => {
      const made = await of.mac!(algorithm, message, bench.options);
      if (of === key) requireVersion(made, version);
      return Buffer.from(made.value);
    };
    const mac = await make(MESSAGE);
    assert.equal(mac.length, MAC_ALGORITHMS[algorithm].macBytes);
    assert.deepEqual(await make(MESSAGE), mac, 'a MAC is the same each time');
    assert.notDeepEqual(await make(Buffer.concat([MESSAGE, Buffer.of(0)])), mac);
    assert.notDeepEqual(await make(MESSAGE, other), mac, 'another key gives another MAC');
  }),
  macCase(spec, 'of a key that was imported, it is the HMAC that others make', async (bench) => {
    const material = randomBytes(specRow(spec).size!);
    const ref = await importedRef(bench, spec, 'mac', material);
    if (ref === null) return;
    const algorithm = macOf(spec);
    for (const message of [MESSAGE, randomBytes(200)]) {
      const { value } = await bench.provider.key(ref, spec).mac!(algorithm, message, bench.options);
      const expected = createHmac(MAC_ALGORITHMS[algorithm].hash, material).update(message).digest();
      assert.deepEqual(Buffer.from(value), expected);
    }
  }),
  macCase(spec, 'what is not declared, and a message that is too long, is refused before any call', async (bench) => {
    const key = await bench.key(spec, 'mac');
    for (const algorithm of ALGORITHMS.filter((one) => !bench.can('mac', spec, one))) {
      await refusedHere(bench, algorithm, REFUSED_HERE, () => key.mac!(algorithm, MESSAGE, bench.options));
    }
    const { maxBytes } = bench.find('mac', spec)!;
    const longest = Buffer.alloc(maxBytes ?? LONG_BYTES, 7);
    await key.mac!(macOf(spec), longest, bench.options);
    if (maxBytes === null) return;
    await refusedHere(bench, `${maxBytes + 1} bytes`, ['LIMIT_EXCEEDED', 'INVALID_ARGUMENT'], () =>
      key.mac!(macOf(spec), Buffer.alloc(maxBytes + 1), bench.options),
    );
  }),
]);

function macCase(spec: Spec, claim: string, run: (bench: Bench) => Promise<void>): Case {
  return {
    name: `mac ${spec}: ${claim}`,
    run: async (bench) => {
      if (bench.can('mac', spec)) await run(bench);
    },
  };
}
