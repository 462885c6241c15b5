import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isDestroyed,
  KEY_STATES,
  nextState,
  requireUsable,
  TRANSITION_NAMES,
  TRANSITIONS,
  type KeyState,
  type TransitionName,
  type UseKind,
} from '../../../src/model/state.ts';

/** Every transition from every state, written down again; null where it is refused. */
const EXPECTED: Readonly<Record<TransitionName, Readonly<Record<KeyState, KeyState | null>>>> = {
  activate: {
    PreActive: 'Active',
    Active: null,
    Suspended: null,
    Deactivated: null,
    Compromised: null,
    Destroyed: null,
    DestroyedCompromised: null,
  },
  enable: {
    PreActive: null,
    Active: 'Active',
    Suspended: 'Active',
    Deactivated: null,
    Compromised: null,
    Destroyed: null,
    DestroyedCompromised: null,
  },
  disable: {
    PreActive: null,
    Active: 'Suspended',
    Suspended: 'Suspended',
    Deactivated: null,
    Compromised: null,
    Destroyed: null,
    DestroyedCompromised: null,
  },
  deactivate: {
    PreActive: null,
    Active: 'Deactivated',
    Suspended: 'Deactivated',
    Deactivated: null,
    Compromised: null,
    Destroyed: null,
    DestroyedCompromised: null,
  },
  compromise: {
    PreActive: 'Compromised',
    Active: 'Compromised',
    Suspended: 'Compromised',
    Deactivated: 'Compromised',
    Compromised: null,
    Destroyed: 'DestroyedCompromised',
    DestroyedCompromised: null,
  },
  destroy: {
    PreActive: 'Destroyed',
    Active: 'Destroyed',
    Suspended: 'Destroyed',
    Deactivated: 'Destroyed',
    Compromised: 'DestroyedCompromised',
    Destroyed: null,
    DestroyedCompromised: null,
  },
};

for (const transition of TRANSITION_NAMES) {
  for (const state of KEY_STATES) {
    const after = EXPECTED[transition][state];
    if (after === null) {
      test(`a ${state} key refuses ${transition}, and says so`, () => {
        assert.throws(() => nextState(transition, state, 'k1'), {
          code: 'KEY_STATE',
          message: `cannot ${transition} key k1: state is \`${state}\``,
          resource: 'k1',
        });
      });
    } else {
      test(`${transition} takes a key from ${state} to ${after}`, () => {
        assert.equal(nextState(transition, state, 'k1'), after);
      });
    }
  }
}

test('no transition leads out of the destroyed states but the mark of a compromise', () => {
  for (const state of KEY_STATES.filter(isDestroyed)) {
    for (const transition of TRANSITION_NAMES) {
      const after = TRANSITIONS[transition][state];
      assert.ok(after === undefined || after === 'DestroyedCompromised', `${transition} ${state}`);
    }
  }
});

test('a key that was compromised never becomes anything else but destroyed', () => {
  const reachable = closure('Compromised');
  assert.deepEqual([...reachable].sort(), ['Compromised', 'DestroyedCompromised']);
});

test('a key that was deactivated never becomes active again', () => {
  assert.ok(!closure('Deactivated').has('Active'));
});

test('nothing becomes PreActive again', () => {
  for (const state of KEY_STATES) assert.equal(closure(state).has('PreActive'), state === 'PreActive');
});

/** `ok`, or the code of the refusal. */
const ALLOWS: Readonly<Record<KeyState, Readonly<Record<UseKind, string>>>> = {
  PreActive: { protect: 'KEY_STATE', process: 'KEY_STATE' },
  Active: { protect: 'ok', process: 'ok' },
  Suspended: { protect: 'KEY_DISABLED', process: 'KEY_DISABLED' },
  Deactivated: { protect: 'KEY_STATE', process: 'ok' },
  Compromised: { protect: 'KEY_STATE', process: 'KEY_STATE' },
  Destroyed: { protect: 'KEY_STATE', process: 'KEY_STATE' },
  DestroyedCompromised: { protect: 'KEY_STATE', process: 'KEY_STATE' },
};

for (const state of KEY_STATES) {
  for (const use of ['protect', 'process'] as const) {
    test(`a ${state} key that is to ${use}: ${ALLOWS[state][use]}`, () => {
      assert.equal(verdict(state, use), ALLOWS[state][use]);
    });

    test(`a ${state} key with a deletion date does not ${use}`, () => {
      assert.equal(verdict(state, use, { deletionAt: 1 }), 'KEY_STATE');
    });

    test(`a ${state} key without material does not ${use}`, () => {
      assert.equal(verdict(state, use, { materialPresent: false }), 'KEY_STATE');
    });

    test(`a policy for compromised keys changes nothing for a ${state} key that is to ${use}, but for the one case`, () => {
      const changes = state === 'Compromised' && use === 'process';
      assert.equal(verdict(state, use, {}, true), changes ? 'ok' : ALLOWS[state][use]);
      assert.equal(verdict(state, use, { deletionAt: 1 }, true), 'KEY_STATE');
      assert.equal(verdict(state, use, { materialPresent: false }, true), 'KEY_STATE');
    });
  }
}

test('the policy for compromised keys is not even asked of a key that is not compromised', () => {
  const never = (): boolean => assert.fail('asked');
  requireUsable(key('Active'), 'process', never);
  assert.throws(() => requireUsable(key('Suspended'), 'process', never), { code: 'KEY_DISABLED' });
  assert.throws(() => requireUsable(key('Compromised'), 'protect', never), { code: 'KEY_STATE' });
});

test('a refused use says what to do next', () => {
  const told = (state: KeyState, overlay: object = {}): string => {
    try {
      requireUsable({ ...key(state), ...overlay }, 'protect');
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail('allowed');
  };
  assert.equal(told('Suspended'), 'key k1 is disabled; enable it first');
  assert.equal(told('PreActive'), 'cannot use key k1: state is `PreActive`; activate it first');
  assert.equal(
    told('Active', { deletionAt: 1 }),
    'cannot use key k1: it is pending deletion; cancel the deletion first',
  );
  assert.equal(
    told('Active', { materialPresent: false }),
    'cannot use key k1: it has no key material; import it first',
  );
});

function key(state: KeyState) {
  return { id: 'k1', state, deletionAt: null as number | null, materialPresent: true };
}

function verdict(state: KeyState, use: UseKind, overlay: object = {}, compromisedAllowed = false): string {
  try {
    requireUsable({ ...key(state), ...overlay }, use, () => compromisedAllowed);
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function closure(from: KeyState): Set<KeyState> {
  const found = new Set<KeyState>([from]);
  for (const state of found) {
    for (const transition of TRANSITION_NAMES) {
      const after = TRANSITIONS[transition][state];
      if (after !== undefined) found.add(after);
    }
  }
  return found;
}
