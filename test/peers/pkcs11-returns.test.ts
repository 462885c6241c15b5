/** What the adapter does about each return value of a PKCS#11 module: SoftHSM behind a module that fails on command. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { randomBytes } from 'node:crypto';
import type { ClavigerError } from '../../src/errors.ts';
import type { Pkcs11Config } from '../../src/providers/pkcs11/config.ts';
import type { Profile } from '../../src/providers/pkcs11/profiles.ts';
import type { Pkcs11Provider } from '../../src/providers/pkcs11/provider.ts';
import type { BackingInfo } from '../../src/providers/provider.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { listener, newSoftHsm, openOn, within, type SoftHsm } from '../support/softhsm.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('attack at dawn');
const soon = within(20_000);

/** Faults to come: one file each, and a file that is gone has happened. */
class Faults {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
  }

  get env(): Record<string, string> {
    return { PKCS11_FAULTS_FOLDER: this.#folder };
  }

  /** @param what a return value, `hang` or `crash` */
  add(call: string, what: number | 'hang' | 'crash', times = 1): void {
    for (let time = 0; time < times; time += 1) {
      this.#count += 1;
      const value = typeof what === 'number' ? `0x${what.toString(16)}` : what;
      writeFileSync(join(this.#folder, `${call},${value},${this.#count}`), '');
    }
  }

  get left(): number {
    return readdirSync(this.#folder).length;
  }
}

interface Scene {
  readonly hsm: SoftHsm;
  readonly provider: Pkcs11Provider;
  readonly faults: Faults;
  readonly info: BackingInfo;
  readonly sign: () => Promise<unknown>;
}

interface Before {
  readonly hsm: SoftHsm;
  readonly faults: Faults;
  readonly config: Pkcs11Config;
}

async function before(t: TestContext, more: object = {}): Promise<Before | null> {
  const paths = await requirePeer(t, 'softhsm');
  const shim = paths === null ? null : await requirePeer(t, 'pkcs11-faults');
  if (paths === null || shim === null) return null;
  const hsm = await newSoftHsm(paths);
  t.after(() => hsm.remove());
  const faults = new Faults(join(hsm.folder, 'faults'));
  const env = { ...hsm.env, ...faults.env, PKCS11_FAULTS_MODULE: paths.library };
  // The canary's own calls would take faults that are meant for others.
  const config = hsm.config({ library: shim.library, env, canary: { enabled: false }, ...more });
  return { hsm, faults, config };
}

async function scene(t: TestContext, more: object = {}, profile: Partial<Profile> = {}): Promise<Scene | null> {
  const at = await before(t, more);
  if (at === null) return null;
  const provider = await openOn(at.config, listener(), profile);
  t.after(() => provider.close());
  const wanted = { spec: 'P-256', usage: 'sign-verify', name: 'key', tags: {} } as const;
  const info = await provider.lifecycle.create(wanted, soon);
  await until('all hosts are up', () => provider.status().ready === (at.config.hosts ?? 2));
  const key = provider.key(info.ref, 'P-256');
  return { ...at, provider, info, sign: () => key.sign!('ECDSA_SHA_256', { message: MESSAGE }, soon) };
}

describe('within a host', () => {
  test('a session that is gone is opened anew, a stale handle looked up anew', async (t) => {
    const at = await scene(t, { hosts: 1 });
    if (at === null) return;
    const { pids } = at.provider.status();
    for (const value of [0xb3, 0xb0, 0x101, 0x90, 0x82, 0x60]) {
      for (const call of ['C_SignInit', 'C_Sign']) {
        at.faults.add(call, value);
        await at.sign();
        assert.equal(at.faults.left, 0, `${call} 0x${value.toString(16)}`);
      }
    }
    assert.deepEqual(at.provider.status().pids, pids);
  });

  test('three repairs in a row that are of no use end the host', async (t) => {
    const at = await scene(t, { hosts: 1 });
    if (at === null) return;
    const { pids } = at.provider.status();
    // A call makes three attempts in a host, and goes to a host three times.
    at.faults.add('C_SignInit', 0xb3, 9);
    await assert.rejects(at.sign(), { code: 'PROVIDER_UNAVAILABLE' });
    assert.equal(at.faults.left, 0);
    await at.sign();
    assert.notDeepEqual(at.provider.status().pids, pids);
  });
});

describe('between hosts', () => {
  test('a trouble of one host is taken to another, and a single one ends none', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const pids = new Set(at.provider.status().pids);
    for (const value of [0x30, 0x31, 0x32, 0xe0, 0xe1, 0x05, 0x06]) {
      at.faults.add('C_Sign', value);
      await at.sign();
      assert.equal(at.faults.left, 0, `0x${value.toString(16)}`);
      // A good answer between two bad ones, from each host.
      await Promise.all(Array.from({ length: 20 }, at.sign));
    }
    assert.deepEqual(new Set(at.provider.status().pids), pids);
  });

  test('a host that has lost its library, hangs or crashes is replaced, and its calls go on', async (t) => {
    const at = await scene(t, { deadlineMs: 1000 });
    if (at === null) return;
    for (const what of [0x190, 'hang', 'crash'] as const) {
      const before = at.provider.status().pids;
      at.faults.add('C_Sign', what);
      await Promise.all(Array.from({ length: 30 }, at.sign));
      assert.equal(at.faults.left, 0);
      await until('a new host is up', () => {
        const { pids } = at.provider.status();
        return pids.length === 2 && pids.some((pid) => !before.includes(pid));
      });
    }
  });

  test('50 times the device is removed under load: no call fails', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const over = new AbortController();
    let signed = 0;
    const callers = Array.from({ length: 20 }, async () => {
      while (!over.signal.aborted) {
        await at.sign();
        signed += 1;
      }
    });
    for (let time = 0; time < 50; time += 1) {
      const was = signed;
      at.faults.add('C_Sign', 0x32);
      await until('calls go on', () => at.faults.left === 0 && signed > was + 20);
    }
    over.abort();
    await Promise.all(callers);
    assert.ok(signed > 1000);
  });
});

describe('what is never repeated', () => {
  test('a refusal: one call, and its own code', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const codes = [
      [0xa0, 'PROVIDER_DENIED'],
      [0xa4, 'PROVIDER_DENIED'],
      [0x68, 'KEY_USAGE'],
      [0x70, 'UNSUPPORTED'],
      [0x71, 'UNSUPPORTED'],
      [0x63, 'KEY_USAGE'],
    ] as const;
    for (const [value, code] of codes) {
      at.faults.add('C_SignInit', value, 2);
      await assert.rejects(at.sign(), { code });
      assert.equal(at.faults.left, 1, `0x${value.toString(16)}`);
      await assert.rejects(at.sign(), { code });
    }
  });

  test('a call that the device throttles', async (t) => {
    const at = await scene(t, {}, { throttleCodes: [0x06] });
    if (at === null) return;
    const { pids } = at.provider.status();
    at.faults.add('C_Sign', 0x06, 10);
    for (let time = 10; time > 0; time -= 1) {
      assert.equal(at.faults.left, time);
      await assert.rejects(at.sign(), { code: 'THROTTLED' });
    }
    await at.sign();
    assert.deepEqual(at.provider.status().pids, pids);
  });

  test('the making of a key, whether it has happened or not', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    for (const call of ['C_GenerateKeyPair', 'after-C_GenerateKeyPair']) {
      at.faults.add(call, 0x30, 2);
      const wanted = {
        spec: 'P-256',
        usage: 'sign-verify',
        name: call.toLowerCase().replaceAll('_', '-'),
        tags: {},
      } as const;
      await assert.rejects(at.provider.lifecycle.create(wanted, soon), { code: 'PROVIDER_UNAVAILABLE' });
      assert.equal(at.faults.left, 1);
      await assert.rejects(at.provider.lifecycle.create({ ...wanted, name: `${wanted.name}-2` }, soon));
    }
    const left = (await at.hsm.tool('--list-objects', '--type', 'privkey')).match(/label: .*/g);
    assert.equal(left!.filter((line) => line.includes('after-')).length, 2, 'failed, but applied: each of them once');
  });

  test('the end of a key', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    at.faults.add('C_DestroyObject', 0x30, 2);
    await assert.rejects(at.provider.lifecycle.destroy(at.info.ref, soon), { code: 'PROVIDER_UNAVAILABLE' });
    assert.equal(at.faults.left, 1);
  });
});

describe('ciphertexts', () => {
  test('one that opens is not refused because the device had a trouble once', async (t) => {
    const at = await scene(t);
    if (at === null) return;
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'wrapping', tags: {} } as const;
    const { ref } = await at.provider.lifecycle.create(wanted, soon);
    const { wrap } = at.provider.key(ref, 'AES-256-GCM');
    const dataKey = randomBytes(32);
    const { value } = await wrap!.wrap(dataKey, {}, soon);
    at.faults.add('C_Decrypt', 0x05);
    assert.deepEqual((await wrap!.unwrap(value, {}, soon)).value, dataKey);
    at.faults.add('C_Decrypt', 0x30);
    assert.deepEqual((await wrap!.unwrap(value, {}, soon)).value, dataKey);
    // Nothing opens any more: the device is at fault, not the ciphertext.
    at.faults.add('C_Decrypt', 0x05, 20);
    await assert.rejects(wrap!.unwrap(value, {}, soon), { code: 'PROVIDER_UNAVAILABLE' });
  });
});

describe('logins', () => {
  for (const [what, name] of [
    [0xa0, 'a PIN that is refused'],
    [0xa4, 'a PIN that is locked'],
    [0x05, 'an answer that may mean a wrong PIN'],
    ['crash', 'a host that dies while it logs in'],
  ] as const) {
    test(`${name} makes one attempt, then quarantine`, async (t) => {
      const at = await before(t, { hosts: 3 });
      if (at === null) return;
      at.faults.add('C_Login', what, 5);
      const provider = await openOn(at.config);
      t.after(() => provider.close());
      assert.equal(provider.status().state, 'quarantined');
      await assert.rejects(provider.describe('id=01', soon), { code: 'PROVIDER_DENIED' });
      await sleep(500);
      assert.equal(at.faults.left, 4);
    });
  }

  test('a device that is not there yet is tried again', async (t) => {
    const at = await before(t, { hosts: 1 });
    if (at === null) return;
    at.faults.add('C_Login', 0x32, 2);
    const provider = await openOn(at.config);
    t.after(() => provider.close());
    const early = await provider.probe(soon).catch((error: ClavigerError) => error);
    assert.ok(!('code' in early));
    await until('it is up', async () => (await provider.probe(soon)).ok);
    assert.equal(at.faults.left, 0);
  });

  test('a PIN that was right is not in doubt because a later login dies', async (t) => {
    const at = await scene(t, { hosts: 1 });
    if (at === null) return;
    at.faults.add('C_Login', 'crash', 2);
    process.kill(at.provider.status().pids[0]!, 'SIGKILL');
    await until('it is up again', () => at.faults.left === 0 && at.provider.status().state === 'ready');
    await at.sign();
  });
});
