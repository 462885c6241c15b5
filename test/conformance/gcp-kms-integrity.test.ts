/** Answers of Cloud KMS that were changed, unchecked, of another key or too late: none is ever given on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClavigerError } from '../../src/errors.ts';
import { defaultUsage, type Spec } from '../../src/model/spec.ts';
import { INTEGRITY, UNREADABLE } from '../../src/providers/gcp-kms/errors.ts';
import type { CallOptions, HomeKey, Provider } from '../../src/providers/provider.ts';
import type { GcpFault } from '../../tools/peers/gcp/server.ts';
import type { StatusName } from '../../tools/peers/gcp/status.ts';
import type { MethodName } from '../../tools/peers/gcp/wire.ts';
import { keyName, options, scene } from './gcp-support.ts';

type Use = (key: HomeKey, sealed: Buffer) => Promise<unknown>;

/** Method → a use of it. */
const USES: readonly (readonly [MethodName, Spec, Use])[] = [
  ['Encrypt', 'AES-256-GCM', (key) => key.wrap!.wrap(Buffer.alloc(32), {}, options())],
  ['Decrypt', 'AES-256-GCM', (key, sealed) => key.wrap!.unwrap(sealed, {}, options())],
  ['RawEncrypt', 'AES-256-GCM', (key) => key.wrap!.wrap(Buffer.alloc(32), {}, options())],
  ['RawDecrypt', 'AES-256-GCM', (key, sealed) => key.wrap!.unwrap(sealed, {}, options())],
  ['AsymmetricSign', 'P-256', (key) => key.sign!('ECDSA_SHA_256', { message: Buffer.from('m') }, options())],
  ['AsymmetricSign', 'Ed25519', (key) => key.sign!('ED25519_SHA_512', { message: Buffer.from('m') }, options())],
  ['MacSign', 'HMAC-SHA-256', (key) => key.mac!('HMAC_SHA_256', Buffer.from('m'), options())],
];
const HAS_NO_FLAGS: readonly MethodName[] = ['Decrypt'];
const HAS_NO_NAME: readonly MethodName[] = ['Decrypt', 'RawDecrypt'];

describe('an answer is thrown away', () => {
  for (const [method, spec, use] of USES) {
    test(`${method} (${spec})`, async (t) => {
      const { provider, server } = await scene(t, { symmetricKeys: method.startsWith('Raw') ? 'raw' : 'google' });
      const key = await newKey(provider, spec);
      const sealed = key.wrap ? (await key.wrap.wrap(Buffer.alloc(32), {}, options())).value : Buffer.alloc(0);
      const faults: GcpFault['kind'][] = ['corrupt', 'checksum', 'unsummed'];
      if (!HAS_NO_FLAGS.includes(method)) faults.push('unverified');
      if (!HAS_NO_NAME.includes(method)) faults.push('name');
      for (const kind of faults) {
        server.set({ kind } as GcpFault, { methods: [method], times: 1 });
        await assert.rejects(use(key, sealed), integrity, kind);
      }
      server.set({ kind: 'empty' }, { methods: [method], times: 1 });
      await assert.rejects(use(key, sealed), unreadable);
      await use(key, sealed);
    });
  }

  test('a public key that was changed, or is of another version', async (t) => {
    const { provider, server } = await scene(t);
    const wanted = { spec: 'P-256', usage: 'sign-verify', name: keyName(), tags: {} } as const;
    for (const kind of ['corrupt', 'checksum', 'unsummed', 'name'] as const) {
      server.set({ kind }, { methods: ['GetPublicKey'] });
      await assert.rejects(provider.lifecycle!.create({ ...wanted, name: keyName() }, options()), integrity, kind);
    }
  });

  test('random bytes that were changed', async (t) => {
    const { provider, server } = await scene(t);
    assert.equal((await provider.random!(3, options())).length, 3);
    server.set({ kind: 'corrupt' });
    await assert.rejects(provider.random!(32, options()), integrity);
  });

  test('a description of another key', async (t) => {
    const { provider, server } = await scene(t);
    const { ref } = await newKey(provider, 'AES-256-GCM');
    server.set({ kind: 'name' });
    await assert.rejects(provider.describe(ref, options()), integrity);
    await assert.rejects(provider.lifecycle!.setEnabled!(ref, false, options()), integrity);
  });
});

test('a request that was changed on its way fails the integrity check too', async (t) => {
  const { provider, server } = await scene(t);
  const key = await newKey(provider, 'AES-256-GCM');
  const message = 'The checksum in field plaintext_crc32c did not match the data in field plaintext.';
  server.set({ kind: 'status', status: 'INVALID_ARGUMENT', message });
  await assert.rejects(key.wrap!.wrap(Buffer.alloc(32), {}, options()), integrity);
});

describe('what the service says has its code', () => {
  const CODES: readonly (readonly [StatusName, string])[] = [
    ['RESOURCE_EXHAUSTED', 'THROTTLED'],
    ['UNAVAILABLE', 'PROVIDER_UNAVAILABLE'],
    ['INTERNAL', 'PROVIDER_UNAVAILABLE'],
    ['UNKNOWN', 'PROVIDER_UNAVAILABLE'],
    ['DEADLINE_EXCEEDED', 'PROVIDER_TIMEOUT'],
    ['PERMISSION_DENIED', 'PROVIDER_DENIED'],
    ['UNAUTHENTICATED', 'PROVIDER_DENIED'],
    ['NOT_FOUND', 'KEY_NOT_FOUND'],
    ['FAILED_PRECONDITION', 'KEY_STATE'],
    ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
    ['UNIMPLEMENTED', 'UNSUPPORTED'],
    ['ABORTED', 'CONFLICT'],
  ];
  test('and is asked once: nothing is tried again', async (t) => {
    const { provider, server } = await scene(t);
    const key = await newKey(provider, 'AES-256-GCM');
    for (const [status, code] of CODES) {
      server.set({ kind: 'status', status }, { times: 1 });
      const before = server.calls();
      const caught = await key.wrap!.wrap(Buffer.alloc(32), {}, options()).catch((error: unknown) => error);
      assert.ok(caught instanceof ClavigerError, status);
      assert.equal(caught.code, code, status);
      assert.deepEqual(caught.native, { provider: 'gcp', code: status, requestId: null });
      assert.equal(server.calls(), before + 1, status);
    }
  });
});

describe('a call that is not answered', () => {
  test('ends with PROVIDER_TIMEOUT when its time is over, by the signal or by itself', async (t) => {
    const { provider, server } = await scene(t);
    const key = await newKey(provider, 'AES-256-GCM');
    server.set({ kind: 'stall' });
    const wrap = (call: CallOptions): Promise<unknown> => key.wrap!.wrap(Buffer.alloc(32), {}, call);
    await assert.rejects(wrap(options(100)), { code: 'PROVIDER_TIMEOUT' });
    const never = { signal: new AbortController().signal, timeoutMs: 100 };
    await assert.rejects(wrap(never), { code: 'PROVIDER_TIMEOUT' });
  });

  test('ends with CANCELED where the caller gave up, or with the reason that the caller gives', async (t) => {
    const { provider, server } = await scene(t);
    const key = await newKey(provider, 'AES-256-GCM');
    server.set({ kind: 'stall' });
    const gaveUp = new AbortController();
    const call = key.wrap!.wrap(Buffer.alloc(32), {}, { signal: gaveUp.signal, timeoutMs: 10_000 });
    setTimeout(() => gaveUp.abort(), 50);
    await assert.rejects(call, { code: 'CANCELED' });
    const reason = new ClavigerError('PROVIDER_TIMEOUT', 'the deadline of the group is over');
    const decided = key.wrap!.wrap(Buffer.alloc(32), {}, { signal: AbortSignal.abort(reason), timeoutMs: 10_000 });
    await assert.rejects(decided, (error) => error === reason);
  });
});

async function newKey(provider: Provider, spec: Spec): Promise<HomeKey> {
  const wanted = { spec, usage: defaultUsage(spec), name: keyName(), tags: {} };
  const { ref } = await provider.lifecycle!.create(wanted, options());
  return provider.key(ref, spec);
}

function integrity(error: unknown): true {
  assert.ok(error instanceof ClavigerError, String(error));
  assert.deepEqual([error.code, error.native?.code], ['PROVIDER_INTEGRITY', INTEGRITY]);
  assert.doesNotMatch(error.message, /undefined|null/);
  return true;
}

/** An empty message says nothing that could be wrong: no answer has come. */
function unreadable(error: unknown): true {
  assert.ok(error instanceof ClavigerError, String(error));
  assert.deepEqual([error.code, error.native?.code], ['PROVIDER_UNAVAILABLE', UNREADABLE]);
  return true;
}
