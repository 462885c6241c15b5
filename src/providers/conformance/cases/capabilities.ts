/**
 * Cases: what a provider declares is what it does.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { algorithmsOf, SPEC_NAMES, USAGES, type Spec } from '../../../model/spec.ts';
import type { CallOptions, Capability, CapabilityOperation, HomeKey, KeyLifecycle } from '../../provider.ts';
import { OPERATIONS_OF, type Bench, type Case } from '../bench.ts';
import { CONTEXT, MESSAGE, newPeer } from '../calls.ts';
import { refusedHere } from '../expect.ts';

/** Operations that are declared for each algorithm. */
const WITH_ALGORITHM: ReadonlySet<CapabilityOperation> = new Set([
  'encrypt',
  'decrypt',
  'sign',
  'mac',
  'agree',
  'decapsulate',
]);

interface FacetRow {
  readonly has: (key: HomeKey) => boolean;
  /** A call of a facet that nobody declared. */
  readonly call: (key: HomeKey, options: CallOptions) => Promise<unknown>;
}

const FACETS: Readonly<Partial<Record<CapabilityOperation, FacetRow>>> = {
  wrap: { has: (key) => key.wrap !== undefined, call: (key, options) => key.wrap!.wrap(MESSAGE, CONTEXT, options) },
  'generate-data-key': {
    has: (key) => key.wrap?.generate !== undefined,
    call: (key, options) => key.wrap!.generate!(32, CONTEXT, options),
  },
  encrypt: {
    has: (key) => key.cipher !== undefined,
    call: (key, options) => key.cipher!.encrypt('SYMMETRIC_DEFAULT', MESSAGE, CONTEXT, options),
  },
  decrypt: {
    has: (key) => key.cipher !== undefined,
    call: (key, options) => key.cipher!.decrypt('SYMMETRIC_DEFAULT', MESSAGE, CONTEXT, options),
  },
  sign: {
    has: (key) => key.sign !== undefined,
    call: (key, options) => key.sign!('ECDSA_SHA_256', { message: MESSAGE }, options),
  },
  mac: { has: (key) => key.mac !== undefined, call: (key, options) => key.mac!('HMAC_SHA_256', MESSAGE, options) },
  agree: { has: (key) => key.agree !== undefined, call: (key, options) => key.agree!(newPeer('P-256').spki, options) },
  decapsulate: {
    has: (key) => key.decapsulate !== undefined,
    call: (key, options) => key.decapsulate!(Buffer.alloc(768), options),
  },
};

const LIFECYCLE = {
  create: 'create',
  rotate: 'rotate',
  import: 'importMaterial',
  destroy: 'destroy',
} as const satisfies Partial<Record<CapabilityOperation, keyof KeyLifecycle>>;

export const capabilityCases: readonly Case[] = [
  {
    name: 'capabilities: each row makes sense and stands there once',
    run: async ({ capabilities }) => {
      assert.ok(capabilities.length > 0, 'it declares nothing');
      const rows = capabilities.map(requireSense);
      const double = rows.find((row, at) => rows.indexOf(row) !== at);
      assert.equal(double, undefined, `declared twice: ${double}`);
    },
  },
  {
    name: 'capabilities: they are the same each time',
    run: async ({ capabilities, provider }) => assert.deepEqual(provider.capabilities(), capabilities),
  },
  {
    name: 'capabilities: changes of keys are there where they are declared',
    run: async ({ capabilities, provider }) => {
      for (const [operation, method] of Object.entries(LIFECYCLE)) {
        const isDeclared = capabilities.some((row) => row.operation === operation);
        const isThere = provider.lifecycle?.[method] !== undefined;
        assert.ok(isThere || !isDeclared, `\`${operation}\` is declared, and \`lifecycle.${method}\` is absent`);
      }
    },
  },
  ...SPEC_NAMES.map((spec): Case => ({
    name: `capabilities ${spec}: facets are there where they are declared, and only there`,
    run: (bench) => requireFacets(bench, spec),
  })),
];

/** Fails where a row says what cannot be; gives the row as a text. */
function requireSense(row: Capability): string {
  const { operation, spec, algorithm, input, maxBytes } = row;
  const text = JSON.stringify({ operation, spec, algorithm, input });
  assert.ok((SPEC_NAMES as readonly string[]).includes(spec), `${text}: there is no such spec`);
  assert.equal(
    algorithm !== undefined,
    WITH_ALGORITHM.has(operation),
    `${text}: an algorithm is named where it has one`,
  );
  if (algorithm !== undefined) {
    const usage = USAGES.find((one) => (OPERATIONS_OF[one] as readonly string[]).includes(operation))!;
    assert.ok(algorithmsOf(spec, usage).includes(algorithm), `${text}: the spec has no such algorithm`);
  }
  assert.equal(input !== undefined, operation === 'sign', `${text}: only signing takes a message or a digest`);
  const isLimit = maxBytes === null || (Number.isInteger(maxBytes) && maxBytes > 0);
  assert.ok(isLimit, `${text}: \`maxBytes\` is ${maxBytes}`);
  return text;
}

async function requireFacets(bench: Bench, spec: Spec): Promise<void> {
  const operations = Object.keys(FACETS) as CapabilityOperation[];
  const declared = operations.filter((operation) => bench.can(operation, spec));
  const { ref } = declared.length === 0 ? await bench.anyRef() : { ref: await bench.ref(spec, bench.usageOf(spec)) };
  const key = await keyOrNull(bench, ref, spec, declared);
  if (key === null) return;
  assert.equal(key.ref, ref, 'a key says which reference it is of');
  for (const operation of operations) {
    const { has, call } = FACETS[operation]!;
    const what = `${operation} with ${spec}`;
    if (declared.includes(operation)) assert.ok(has(key), `${what} is declared, and the facet is absent`);
    else if (has(key)) await refusedHere(bench, what, 'UNSUPPORTED', () => call(key, bench.options));
  }
}

/** The key; null where the provider refuses the spec, which it may where it declares nothing for it. */
async function keyOrNull(bench: Bench, ref: string, spec: Spec, declared: readonly string[]): Promise<HomeKey | null> {
  let key: HomeKey | null = null;
  const take = (): void => void (key = bench.provider.key(ref, spec));
  if (declared.length > 0) take();
  else
    await refusedHere(bench, `a key of spec ${spec}`, 'UNSUPPORTED', take).catch((error: unknown) => {
      if (key === null) throw error;
    });
  return key;
}
