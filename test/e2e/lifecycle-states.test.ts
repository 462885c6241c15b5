/** Every transition and every use of a key, from every state and under every overlay, through the operations. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LogLevel } from '../../src/ports/log.ts';
import { isDestroyed, KEY_STATES, TRANSITIONS, type KeyState } from '../../src/model/state.ts';
import type { ClavigerApi } from '../../src/operations/index.ts';
import { emptyKeyIn, keyIn, USES } from '../support/keys.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { openTestService, type TestService } from '../support/service.ts';

let service: TestService;
before(async () => {
  service = await openTestService();
});
after(() => service.remove());

const METHODS = {
  activate: 'activateKey',
  enable: 'enableKey',
  disable: 'disableKey',
  deactivate: 'deactivateKey',
  compromise: 'compromiseKey',
} as const;
const CALLABLE = Object.keys(METHODS) as (keyof typeof METHODS)[];
const LIVING = KEY_STATES.filter((state) => !isDestroyed(state));

describe('transitions', () => {
  for (const state of KEY_STATES) {
    for (const transition of CALLABLE) {
      const next = TRANSITIONS[transition][state];
      test(`${transition} of a ${state} key: ${next ?? 'KEY_STATE'}`, async () => {
        const { id } = await keyIn(service, state);
        await transitionCase(id, transition, state, next);
      });
    }
  }
});

describe('transitions of a key with a deletion date', () => {
  for (const state of LIVING) {
    for (const transition of CALLABLE) {
      const switches = transition === 'enable' || transition === 'disable';
      const next = switches ? undefined : TRANSITIONS[transition][state];
      test(`${transition} of a ${state} key that is going: ${next ?? 'KEY_STATE'}`, async () => {
        const { id } = await keyIn(service, state);
        const { deletionAt } = await service.api.scheduleKeyDeletion({ key: id });
        await transitionCase(id, transition, state, next);
        const info = await service.api.describeKey({ key: id });
        assert.equal(info.deletionAt, deletionAt, 'the date stands');
      });
    }
  }
});

describe('transitions of a key without material', () => {
  for (const state of LIVING) {
    for (const transition of CALLABLE) {
      const next = TRANSITIONS[transition][state];
      test(`${transition} of an empty ${state} key: ${next ?? 'KEY_STATE'}`, async () => {
        const { id } = await emptyKeyIn(service, state);
        await transitionCase(id, transition, state, next);
        assert.equal((await service.api.describeKey({ key: id })).materialPresent, false);
      });
    }
  }
});

describe('deletion dates', () => {
  for (const state of LIVING) {
    test(`a ${state} key takes a date, which changes no state; another date is refused`, async () => {
      const { api, clock } = service;
      const { id } = await keyIn(service, state);
      const info = await api.scheduleKeyDeletion({ key: id });
      assert.equal(info.state, state);
      assert.equal(Date.parse(info.deletionAt!), clock.now() + 30 * 24 * 60 * 60 * 1000);
      await assert.rejects(api.scheduleKeyDeletion({ key: id }), { code: 'KEY_STATE', message: /already/ });
    });

    test(`a ${state} key whose date is taken back is ${state === 'Active' ? 'Suspended' : state} again`, async () => {
      const { api } = service;
      const { id } = await keyIn(service, state);
      await api.scheduleKeyDeletion({ key: id });
      const info = await api.cancelKeyDeletion({ key: id });
      assert.equal(info.state, state === 'Active' ? 'Suspended' : state);
      assert.equal(info.deletionAt, null);
      await assert.rejects(api.cancelKeyDeletion({ key: id }), { code: 'KEY_STATE', message: /not pending/ });
    });
  }

  for (const state of KEY_STATES.filter(isDestroyed)) {
    test(`a ${state} key takes no date, and has none to take back`, async () => {
      const { id } = await keyIn(service, state);
      await assert.rejects(service.api.scheduleKeyDeletion({ key: id }), { code: 'KEY_STATE' });
      await assert.rejects(service.api.cancelKeyDeletion({ key: id }), { code: 'KEY_STATE' });
    });
  }
});

describe('uses', () => {
  for (const { name, kind, spec, usage, whileActive, use } of USES) {
    for (const state of KEY_STATES) {
      const expected = allowed(state, kind);
      test(`${name} under a ${state} key: ${expected}`, async () => {
        const { id, made } = await keyIn(service, state, { spec, usage, ...(whileActive ? { whileActive } : {}) });
        assert.equal(await verdict(use(service.api, id, made)), expected);
      });
    }

    test(`${name} under a key with a deletion date: KEY_STATE; once it is taken back and enabled: ok`, async () => {
      const { api } = service;
      const { id, made } = await keyIn(service, 'Active', { spec, usage, ...(whileActive ? { whileActive } : {}) });
      await api.scheduleKeyDeletion({ key: id });
      assert.equal(await verdict(use(api, id, made)), 'KEY_STATE');
      await api.cancelKeyDeletion({ key: id });
      assert.equal(await verdict(use(api, id, made)), 'KEY_DISABLED');
      await api.enableKey({ key: id });
      assert.equal(await verdict(use(api, id, made)), 'ok');
    });

    test(`${name} under a key without material: KEY_STATE`, async () => {
      const { id } = await emptyKeyIn(service, 'Active', { spec, usage });
      assert.equal(await verdict(use(service.api, id, undefined)), 'KEY_STATE');
    });
  }
});

describe('versions follow their key', () => {
  test('a version that a rotation retired stays Deactivated while its key is disabled and enabled', async () => {
    const { api } = service;
    const { id, made } = await keyIn(service, 'Active', { whileActive: encrypted });
    await api.rotateKey({ key: id });
    const disabled = await api.disableKey({ key: id });
    assert.deepEqual(states(disabled), ['Deactivated', 'Suspended']);
    await assert.rejects(api.decrypt({ key: id, ciphertext: made as Uint8Array }), { code: 'KEY_DISABLED' });
    const enabled = await api.enableKey({ key: id });
    assert.deepEqual(states(enabled), ['Deactivated', 'Active']);
    assert.equal((await api.decrypt({ key: id, ciphertext: made as Uint8Array })).keyVersion, 1);
  });

  test('every version is compromised, and destroyed, with its key', async () => {
    const { api, clock } = service;
    const { id } = await keyIn(service, 'Active');
    await api.rotateKey({ key: id });
    assert.deepEqual(states(await api.compromiseKey({ key: id })), ['Compromised', 'Compromised']);
    await api.scheduleKeyDeletion({ key: id, pendingWindowDays: 7 });
    clock.advanceDays(7);
    await service.runJobs();
    const info = await api.describeKey({ key: id });
    assert.deepEqual(states(info), ['DestroyedCompromised', 'DestroyedCompromised']);
  });

  test('an older version alone can be compromised: it opens nothing more, the others do', async () => {
    const { api } = service;
    const { id, made } = await keyIn(service, 'Active', { whileActive: encrypted });
    await api.rotateKey({ key: id });
    const second = await encrypted(api, id);
    const info = await api.compromiseKey({ key: id, keyVersion: 1 });
    assert.equal(info.state, 'Active');
    assert.deepEqual(states(info), ['Compromised', 'Active']);
    await assert.rejects(api.decrypt({ key: id, ciphertext: made as Uint8Array }), {
      code: 'KEY_STATE',
      message: /version 1: state is `Compromised`/,
    });
    assert.equal((await api.decrypt({ key: id, ciphertext: second })).keyVersion, 2);
  });

  test('the primary version cannot be compromised alone, nor one that does not exist', async () => {
    const { api } = service;
    const { id } = await keyIn(service, 'Active');
    await assert.rejects(api.compromiseKey({ key: id, keyVersion: 1 }), { code: 'KEY_STATE', message: /rotate key/ });
    await assert.rejects(api.compromiseKey({ key: id, keyVersion: 2 }), { code: 'INVALID_ARGUMENT' });
  });

  test('a signature of a compromised version does not verify any more, one of another version does', async () => {
    const { api } = service;
    const { id } = await keyIn(service, 'Active', { spec: 'P-256' });
    const message = Buffer.from('hello');
    const first = await api.sign({ key: id, message });
    await api.rotateKey({ key: id });
    const second = await api.sign({ key: id, message });
    assert.equal((await api.verify({ key: id, message, signature: first.signature })).keyVersion, 1);
    await api.compromiseKey({ key: id, keyVersion: 1 });
    assert.equal((await api.verify({ key: id, message, signature: first.signature })).valid, false);
    assert.equal((await api.verify({ key: id, message, signature: second.signature })).valid, true);
    await assert.rejects(api.verify({ key: id, message, signature: first.signature, keyVersion: 1 }), {
      code: 'KEY_STATE',
    });
  });
});

describe('a compromised key under a policy that allows its use', () => {
  let lenient: TestService;
  const policies = testFolder();
  const told: string[] = [];
  before(async () => {
    writeFileSync(
      join(policies, 'salvage.cedar'),
      `permit (principal, action == Claviger::Action::"UseCompromisedKey", resource)
         when { resource.hasTag("salvage") };`,
    );
    const log = { write: (level: LogLevel, message: string) => void told.push(`${level}: ${message}`) };
    lenient = await openTestService({ policies, log });
  });
  after(async () => {
    await lenient.remove();
    removeFolder(policies);
  });

  for (const { name, kind, spec, usage, whileActive, use } of USES) {
    test(`${name}: ${kind === 'process' ? 'ok, and the operator is told each time' : 'KEY_STATE'}`, async () => {
      const { api } = lenient;
      const { id, made } = await keyIn(lenient, 'Active', { spec, usage, ...(whileActive ? { whileActive } : {}) });
      await api.compromiseKey({ key: id });
      assert.equal(await verdict(use(api, id, made)), 'KEY_STATE', 'the policy does not speak of this key');
      await api.tagKey({ key: id, tags: { salvage: 'yes' } });
      told.length = 0;
      assert.equal(await verdict(use(api, id, made)), kind === 'process' ? 'ok' : 'KEY_STATE');
      const alerts = told.filter((line) => line === 'warn: a compromised key is used, as a policy allows');
      assert.equal(alerts.length > 0, kind === 'process');
    });
  }
});

async function transitionCase(
  id: string,
  transition: keyof typeof METHODS,
  state: KeyState,
  next: KeyState | undefined,
): Promise<void> {
  const { api } = service;
  const call = api[METHODS[transition]]({ key: id });
  if (next === undefined) {
    await assert.rejects(call, { code: 'KEY_STATE', message: new RegExp(`cannot ${transition} key ${id}`) });
    assert.equal((await api.describeKey({ key: id })).state, state, 'nothing has changed');
  } else {
    assert.equal((await call).state, next);
    assert.equal((await api.describeKey({ key: id })).state, next);
  }
}

function allowed(state: KeyState, kind: 'protect' | 'process'): string {
  if (state === 'Active' || (state === 'Deactivated' && kind === 'process')) return 'ok';
  return state === 'Suspended' ? 'KEY_DISABLED' : 'KEY_STATE';
}

async function verdict(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function encrypted(api: ClavigerApi, key: string): Promise<Uint8Array> {
  return (await api.encrypt({ key, plaintext: Buffer.from('hello') })).ciphertext;
}

function states({ versions }: { readonly versions: readonly { readonly state: string }[] }): string[] {
  return versions.map(({ state }) => state);
}
