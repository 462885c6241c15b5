/**
 * Cases: signatures that others verify.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { hash, randomBytes, type KeyObject } from 'node:crypto';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../../model/algorithm.ts';
import { algorithmsOf, type Spec } from '../../../model/spec.ts';
import type { SignInput } from '../../key-handle.ts';
import type { Capability, HomeKey, Made } from '../../provider.ts';
import { specsOf, type Bench, type Case } from '../bench.ts';
import { MESSAGE } from '../calls.ts';
import { refusedHere, REFUSED_HERE } from '../expect.ts';
import { digestOf, isDerSignature, verifies, verifiesPss } from '../signatures.ts';
import { requireVersion } from './wrap.ts';

/** Of a message, where the service names no limit. */
const LONG_BYTES = 4096;
/** An integer of an ECDSA signature is shorter than others once in 256 times, and half of them begin with a zero. */
const DER_SIGNATURES = 12;

const ALGORITHMS = Object.keys(SIGNING_ALGORITHMS) as SigningAlgorithmName[];
const INPUTS = ['message', 'digest'] as const;

export const signCases: readonly Case[] = specsOf('sign-verify').flatMap((spec) => [
  ...(algorithmsOf(spec, 'sign-verify') as SigningAlgorithmName[]).flatMap((algorithm) => [
    ...INPUTS.filter((input) => takes(algorithm, input)).map((input) =>
      signCase(spec, algorithm, `of a ${input}, and others verify it`, input, async (bench, key) => {
        const { version } = await bench.provider.describe(key.ref, bench.options);
        for (const message of [MESSAGE, randomBytes(100), Buffer.of(0)]) {
          const given = inputOf(input, algorithm, key.publicKey, message);
          const made = await key.sign(algorithm, given, bench.options);
          requireVersion(made, version);
          await requireVerifies(bench, algorithm, key.publicKey, message, made.value);
        }
      }),
    ),
    ...byScheme(spec, algorithm),
  ]),
  {
    name: `sign ${spec}: what is not declared is refused before any call`,
    run: async (bench) => {
      if (!bench.can('sign', spec)) return;
      const key = await bench.key(spec, 'sign-verify');
      for (const algorithm of ALGORITHMS) {
        for (const input of INPUTS) {
          if (declared(bench, spec, algorithm, input) !== null) continue;
          const isOfSpec = algorithmsOf(spec, 'sign-verify').includes(algorithm) && takes(algorithm, input);
          const bytes =
            input === 'message' ? MESSAGE : Buffer.alloc(SIGNING_ALGORITHMS[algorithm].digestBytes ?? 64, 7);
          const given = input === 'message' ? { message: bytes } : { digest: bytes };
          const codes = isOfSpec ? 'UNSUPPORTED' : REFUSED_HERE;
          await refusedHere(bench, `a ${input} with ${algorithm}`, codes, () =>
            key.sign!(algorithm, given, bench.options),
          );
        }
      }
    },
  },
  {
    name: `sign ${spec}: digests of another length are refused before any call`,
    run: async (bench) => {
      const row = bench.capabilities.find((one) => one.spec === spec && one.input === 'digest');
      if (row === undefined) return;
      const key = await bench.key(spec, 'sign-verify');
      const algorithm = row.algorithm as SigningAlgorithmName;
      const length = SIGNING_ALGORITHMS[algorithm].digestBytes!;
      for (const bytes of [0, 1, length - 1, length + 1, 2 * length]) {
        await refusedHere(bench, `a digest of ${bytes} bytes`, 'INVALID_ARGUMENT', () =>
          key.sign!(algorithm, { digest: Buffer.alloc(bytes, 7) }, bench.options),
        );
      }
    },
  },
  {
    name: `sign ${spec}: the longest message is signed, and a longer one refused before any call`,
    run: async (bench) => {
      const row = bench.capabilities.find((one) => one.spec === spec && one.input === 'message');
      if (row === undefined) return;
      const key = await bench.key(spec, 'sign-verify');
      const algorithm = row.algorithm as SigningAlgorithmName;
      const longest = Buffer.alloc(row.maxBytes ?? LONG_BYTES, 7);
      const { value } = await key.sign!(algorithm, { message: longest }, bench.options);
      await requireVerifies(bench, algorithm, await bench.publicKey(key.ref), longest, value);
      if (row.maxBytes === null) return;
      await refusedHere(bench, `${longest.length + 1} bytes`, ['LIMIT_EXCEEDED', 'INVALID_ARGUMENT'], () =>
        key.sign!(algorithm, { message: Buffer.alloc(longest.length + 1) }, bench.options),
      );
    },
  },
]);

/** What a scheme promises of its signatures. */
function byScheme(spec: Spec, algorithm: SigningAlgorithmName): readonly Case[] {
  const { scheme, digestBytes } = SIGNING_ALGORITHMS[algorithm];
  if (scheme === 'rsa-pss') {
    return [
      signCase(spec, algorithm, 'the salt is as long as the hash', null, async (bench, key) => {
        for (const input of INPUTS) {
          if (declared(bench, spec, algorithm, input) === null) continue;
          const given = inputOf(input, algorithm, key.publicKey, MESSAGE);
          const { value } = await key.sign(algorithm, given, bench.options);
          assert.ok(
            verifiesPss(algorithm, key.publicKey, MESSAGE, value, digestBytes!),
            `of a ${input}: the salt is not ${digestBytes} bytes long`,
          );
        }
      }),
    ];
  }
  if (scheme === 'ecdsa') {
    return [
      signCase(spec, algorithm, 'signatures are DER', null, async (bench, key) => {
        for (const input of INPUTS) {
          if (declared(bench, spec, algorithm, input) === null) continue;
          for (let n = 0; n < DER_SIGNATURES; n++) {
            const given = inputOf(input, algorithm, key.publicKey, Buffer.of(n));
            const { value } = await key.sign(algorithm, given, bench.options);
            assert.ok(isDerSignature(value), `of a ${input}: ${Buffer.from(value).toString('hex')}`);
          }
        }
      }),
    ];
  }
  return [];
}

/** Fails where node:crypto, or the harness's own verifier, does not accept it, or accepts it for another message. */
export async function requireVerifies(
  bench: Bench,
  algorithm: SigningAlgorithmName,
  publicKey: KeyObject,
  message: Buffer,
  signature: Buffer,
): Promise<void> {
  const other = Buffer.concat([message, Buffer.of(1)]);
  const twice = digestOf(algorithm, publicKey, message);
  assert.ok(
    verifies(algorithm, publicKey, message, signature),
    verifies(algorithm, publicKey, twice, signature)
      ? 'the signature is one of the digest: it was hashed twice'
      : 'the signature is not one of the message under the public key that is described',
  );
  assert.ok(!verifies(algorithm, publicKey, other, signature), 'the signature is one of another message too');
  if (bench.harness.verify === undefined) return;
  assert.ok(await bench.harness.verify(algorithm, publicKey, message, signature), 'the second verifier refuses it');
}

/** Fingerprint of a public key, for comparisons. */
export function fingerprint(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ format: 'der', type: 'spki' }));
}

export function inputOf(
  input: 'message' | 'digest',
  algorithm: SigningAlgorithmName,
  publicKey: KeyObject,
  message: Buffer,
): SignInput {
  return input === 'message' ? { message } : { digest: digestOf(algorithm, publicKey, message) };
}

function takes(algorithm: SigningAlgorithmName, input: (typeof INPUTS)[number]): boolean {
  const { takesMessage, digestBytes } = SIGNING_ALGORITHMS[algorithm];
  return input === 'message' ? takesMessage : digestBytes !== null;
}

function declared(
  bench: Bench,
  spec: Spec,
  algorithm: SigningAlgorithmName,
  input: (typeof INPUTS)[number],
): Capability | null {
  const rows = bench.capabilities.filter((row) => row.operation === 'sign' && row.spec === spec);
  return rows.find((row) => row.algorithm === algorithm && row.input === input) ?? null;
}

interface SigningKey {
  readonly ref: string;
  readonly publicKey: KeyObject;
  readonly sign: (...args: Parameters<NonNullable<HomeKey['sign']>>) => Promise<Made<Buffer>>;
}

/** A case about an algorithm that the spec has, where it is declared, for this input where one is named. */
function signCase(
  spec: Spec,
  algorithm: SigningAlgorithmName,
  claim: string,
  input: (typeof INPUTS)[number] | null,
  run: (bench: Bench, key: SigningKey) => Promise<void>,
): Case {
  return {
    name: `sign ${spec} ${algorithm}: ${claim}`,
    run: async (bench) => {
      if (!INPUTS.some((one) => declared(bench, spec, algorithm, input ?? one) !== null)) return;
      const key = await bench.key(spec, 'sign-verify');
      assert.ok(key.sign, 'it is declared, and the facet is absent');
      const publicKey = await bench.publicKey(key.ref);
      await run(bench, { ref: key.ref, publicKey, sign: (...args) => key.sign!(...args) });
    },
  };
}
