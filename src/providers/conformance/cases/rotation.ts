/**
 * Cases: what an older version made is good for as long as that version lives.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { SigningAlgorithmName } from '../../../model/algorithm.ts';
import { isAsymmetric, SPEC_NAMES, type Spec, type Usage } from '../../../model/spec.ts';
import type { BackingInfo, HomeKey } from '../../provider.ts';
import { OPERATIONS_OF, type Bench, type Case } from '../bench.ts';
import { CONTEXT, DATA_KEY_BYTES, macOf, MESSAGE } from '../calls.ts';
import { refusedHere } from '../expect.ts';
import { fingerprint, inputOf, requireVerifies } from './sign.ts';

export const rotationCases: readonly Case[] = SPEC_NAMES.map((spec) => ({
  name: `rotate ${spec}: the old version goes on, and results name the new one`,
  run: async (bench) => {
    const { rotate } = bench.harness.admin;
    const usage = bench.usageOf(spec);
    const isUsed = OPERATIONS_OF[usage].some((operation) => bench.can(operation, spec));
    if (bench.can('rotate', spec)) return requireRotation(bench, spec, usage);
    if (isUsed && bench.provider.lifecycle?.rotate !== undefined) {
      const ref = await bench.ref(spec, usage);
      await refusedHere(bench, `rotate a key of ${spec}`, 'UNSUPPORTED', () =>
        bench.lifecycle.rotate!(ref, bench.options),
      );
    }
    // The service may rotate although the provider cannot.
    if (isUsed && rotate !== undefined && !isAsymmetric(spec)) await requireRotation(bench, spec, usage);
  },
}));

async function requireRotation(bench: Bench, spec: Spec, usage: Usage): Promise<void> {
  const oldRef = await bench.freshRef(spec, usage);
  const oldInfo = await bench.provider.describe(oldRef, bench.options);
  const old = bench.provider.key(oldRef, spec);
  const made = await use(bench, old, spec, oldInfo);
  const newRef = await rotated(bench, oldRef, spec);
  const newInfo = await bench.provider.describe(newRef, bench.options);
  assert.equal(newInfo.nativeId, oldInfo.nativeId, 'the native key is the same');
  if (newRef !== oldRef) assert.notEqual(newInfo.version, oldInfo.version, 'another reference names another version');
  if (newInfo.publicKey !== null && oldInfo.publicKey !== null) {
    assert.notDeepEqual(newInfo.publicKey, oldInfo.publicKey, 'a new version is a new key pair');
  }
  await requireGood(bench, old, spec, made);
  const again = await use(bench, bench.provider.key(newRef, spec), spec, newInfo);
  await requireGood(bench, bench.provider.key(newRef, spec), spec, again);
  if (newRef !== oldRef) await requireSameKey(bench, old, spec, made);
}

async function rotated(bench: Bench, ref: string, spec: Spec): Promise<string> {
  const { rotate } = bench.harness.admin;
  if (rotate !== undefined) return (await rotate(ref)) ?? ref;
  assert.ok(bench.can('rotate', spec));
  return (await bench.lifecycle.rotate!(ref, bench.options)).ref;
}

/** What one version has made. */
interface Work {
  readonly dataKey: Buffer;
  readonly wrapped: Buffer | null;
  readonly signed: { readonly algorithm: SigningAlgorithmName; readonly signature: Buffer } | null;
  readonly mac: Buffer | null;
  /** SHA-256 of the public key that was described then. */
  readonly info: BackingInfo;
}

async function use(bench: Bench, key: HomeKey, spec: Spec, info: BackingInfo): Promise<Work> {
  const dataKey = randomBytes(DATA_KEY_BYTES);
  // One spec may be for wrapping or for signing, and a native key for one of them alone.
  const isWrapper = info.usage === null || info.usage === 'encrypt-decrypt';
  const wrapped = (isWrapper && (await key.wrap?.wrap(dataKey, CONTEXT, bench.options))) || null;
  const row = bench.find('sign', spec);
  const algorithm = (row?.algorithm ?? null) as SigningAlgorithmName | null;
  const isSigner = algorithm !== null && info.usage !== 'encrypt-decrypt' && info.usage !== 'key-agreement';
  const input = isSigner ? inputOf(row!.input!, algorithm, await bench.publicKey(info.ref), MESSAGE) : null;
  const signature = input === null ? null : await key.sign!(algorithm!, input, bench.options);
  const mac = bench.can('mac', spec) ? await key.mac!(macOf(spec), MESSAGE, bench.options) : null;
  for (const made of [wrapped, signature, mac]) {
    if (made !== null && made.version !== null) {
      assert.equal(made.version, info.version, 'a result names the version of its reference');
    }
  }
  return {
    dataKey,
    wrapped: wrapped?.value ?? null,
    signed: signature === null ? null : { algorithm: algorithm!, signature: signature.value },
    mac: mac === null ? null : Buffer.from(mac.value),
    info,
  };
}

/** What was made is good still. */
async function requireGood(bench: Bench, key: HomeKey, spec: Spec, work: Work): Promise<void> {
  if (work.wrapped !== null) {
    const opened = await key.wrap!.unwrap(work.wrapped, CONTEXT, bench.options);
    assert.deepEqual(Buffer.from(opened.value), work.dataKey, 'what an older version wrapped opens');
    if (opened.version !== null) assert.equal(opened.version, work.info.version, 'it names the version that opened it');
  }
  if (work.signed !== null) {
    const publicKey = await bench.publicKey(key.ref);
    const { algorithm, signature } = work.signed;
    await requireVerifies(bench, algorithm, publicKey, MESSAGE, signature);
  }
  if (work.mac !== null) {
    const { value } = await key.mac!(macOf(spec), MESSAGE, bench.options);
    assert.deepEqual(Buffer.from(value), work.mac, 'an older version gives the MAC that it gave');
  }
}

/** The old reference still means the old key pair, for new signatures too. */
async function requireSameKey(bench: Bench, key: HomeKey, spec: Spec, work: Work): Promise<void> {
  if (work.signed === null) return;
  const publicKey = await bench.publicKey(key.ref);
  const { algorithm } = work.signed;
  const { input } = bench.find('sign', spec)!;
  const { value } = await key.sign!(algorithm, inputOf(input!, algorithm, publicKey, MESSAGE), bench.options);
  await requireVerifies(bench, algorithm, publicKey, MESSAGE, value);
  assert.equal(fingerprint(publicKey), fingerprint(await bench.publicKey(work.info.ref)));
}
