/**
 * Cases: references name one key, and what is none is refused.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { ClavigerError, type ErrorCode } from '../../../errors.ts';
import { isAsymmetric, SPEC_NAMES, type Spec } from '../../../model/spec.ts';
import type { Bench, Case } from '../bench.ts';
import { kindsOf } from '../calls.ts';
import { refused, refusedHere } from '../expect.ts';
import { brokenText, Draw } from '../fuzz.ts';

/**
 * What a reference that nobody meant may end with. An outage or an error of the inside are not among them: they would
 * be retried, fail over and open a circuit.
 */
const OF_NOISE: readonly ErrorCode[] = [
  'INVALID_ARGUMENT',
  'KEY_NOT_FOUND',
  'UNSUPPORTED',
  'KEY_USAGE',
  'KEY_STATE',
  'LIMIT_EXCEEDED',
  'PERMISSION_DENIED',
  // A reference to somebody else's keys.
  'PROVIDER_DENIED',
];

export const referenceCases: readonly Case[] = [
  {
    name: 'references: a reference is its own, each time',
    run: async (bench) => {
      for (const { spec, usage } of kindsOf(bench)) {
        const ref = await bench.ref(spec, usage);
        assert.equal(await bench.provider.resolve(ref, bench.options), ref);
        assert.equal(await bench.provider.resolve(ref, bench.options), ref);
      }
    },
  },
  {
    name: 'references: an alias gives the immutable one, each time',
    needs: ({ admin }) => admin.alias !== undefined,
    run: async (bench) => {
      const { ref } = await bench.anyRef();
      const alias = await bench.harness.admin.alias!(ref);
      assert.notEqual(alias, ref);
      assert.equal(await bench.provider.resolve(alias, bench.options), ref);
      assert.equal(await bench.provider.resolve(alias, bench.options), ref);
    },
  },
  {
    name: 'references: a key that is not there is not found',
    needs: ({ references }) => references !== undefined && references.unknown.length > 0,
    run: async (bench) => {
      for (const unknown of bench.harness.references!.unknown) {
        await refused(`resolve \`${unknown}\``, 'KEY_NOT_FOUND', () => bench.provider.resolve(unknown, bench.options));
      }
    },
  },
  {
    name: 'references: what is none is refused',
    run: async (bench) => {
      const texts = ['', ' ', '\0', 'a\nb', 'x'.repeat(10_000), ...(bench.harness.references?.malformed ?? [])];
      const { spec } = await bench.anyRef();
      for (const text of texts) {
        const shown = JSON.stringify(text.slice(0, 80));
        await refusedHere(bench, `resolve ${shown}`, 'INVALID_ARGUMENT', () =>
          bench.provider.resolve(text, bench.options),
        );
        await refusedHere(bench, `describe ${shown}`, 'INVALID_ARGUMENT', () =>
          bench.provider.describe(text, bench.options),
        );
        await refusedHere(bench, `key ${shown}`, 'INVALID_ARGUMENT', () => bench.provider.key(text, spec));
      }
    },
  },
  {
    name: 'references: noise is refused, and nothing breaks',
    run: async (bench) => {
      const { ref, spec } = await bench.anyRef();
      const draw = new Draw(bench.seed);
      for (let n = 0; n < bench.fuzzRuns; n++) {
        const text = brokenText(draw, ref);
        const what = `noise ${n} of seed ${bench.seed}, ${JSON.stringify(text.slice(0, 200))}`;
        await takenOrRefused(`resolve ${what}`, () => bench.provider.resolve(text, bench.options));
        await takenOrRefused(`describe ${what}`, () => bench.provider.describe(text, bench.options));
        await takenOrRefused(`key ${what}`, () => bench.provider.key(text, spec));
      }
    },
  },
  {
    name: 'describe: two keys have two native ids',
    run: async (bench) => {
      const { spec, usage } = await bench.anyRef();
      const one = await bench.provider.describe(await bench.ref(spec, usage, 0), bench.options);
      const two = await bench.provider.describe(await bench.ref(spec, usage, 1), bench.options);
      assert.ok(one.nativeId !== '' && two.nativeId !== '');
      assert.notEqual(one.nativeId, two.nativeId);
    },
  },
  ...SPEC_NAMES.map((spec): Case => ({
    name: `describe ${spec}: says what the key is`,
    run: async (bench) => {
      if (bench.capabilities.some((row) => row.spec === spec)) await requireDescription(bench, spec);
    },
  })),
];

async function requireDescription(bench: Bench, spec: Spec): Promise<void> {
  const usage = bench.usageOf(spec);
  const ref = await bench.ref(spec, usage);
  const info = await bench.provider.describe(ref, bench.options);
  assert.equal(info.ref, ref);
  assert.equal(info.spec, spec);
  assert.ok(info.usage === usage || info.usage === null, `usage is ${info.usage}, not ${usage}`);
  assert.equal(info.state, 'enabled');
  assert.equal(info.publicKey !== null, isAsymmetric(spec), 'a key pair has a public key, and nothing else has');
  if (info.publicKey === null) return;
  const key = createPublicKey({ key: info.publicKey, format: 'der', type: 'spki' });
  const again = key.export({ format: 'der', type: 'spki' });
  assert.deepEqual(Buffer.from(info.publicKey), again, 'the public key is SPKI in DER, and nothing more');
}

async function takenOrRefused(what: string, call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof ClavigerError, `${what}: it ended with something of its own: ${String(error)}`);
    assert.ok(OF_NOISE.includes(error.code), `${what}: it ended with ${error.code} (${error.message})`);
  }
}
