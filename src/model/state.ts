/**
 * Key states and the one table of transitions.
 *
 * Names are KMIP's; meaning and allowed changes follow NIST SP 800-57 part 1 rev. 5, section 7. A deletion date and
 * missing material are overlays on a state, not states: see `availability`.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export const KEY_STATES = [
  'PreActive',
  'Active',
  'Suspended',
  'Deactivated',
  'Compromised',
  'Destroyed',
  'DestroyedCompromised',
] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** What a caller, or the clock, can do to a key's state. */
export const TRANSITION_NAMES = ['activate', 'enable', 'disable', 'deactivate', 'compromise', 'destroy'] as const;
export type TransitionName = (typeof TRANSITION_NAMES)[number];

/**
 * transition → state before → state after; what is not here is refused. `destroy` is reached only by the date that
 * scheduleDeletion sets, never directly. `enable` and `disable` of a key that is already so change nothing.
 */
export const TRANSITIONS: Readonly<Record<TransitionName, Readonly<Partial<Record<KeyState, KeyState>>>>> = {
  activate: { PreActive: 'Active' },
  enable: { Suspended: 'Active', Active: 'Active' },
  disable: { Active: 'Suspended', Suspended: 'Suspended' },
  deactivate: { Active: 'Deactivated', Suspended: 'Deactivated' },
  compromise: {
    PreActive: 'Compromised',
    Active: 'Compromised',
    Suspended: 'Compromised',
    Deactivated: 'Compromised',
    Destroyed: 'DestroyedCompromised',
  },
  destroy: {
    PreActive: 'Destroyed',
    Active: 'Destroyed',
    Suspended: 'Destroyed',
    Deactivated: 'Destroyed',
    Compromised: 'DestroyedCompromised',
  },
};

/** True in the two states that nothing comes back from. */
export function isDestroyed(state: KeyState): boolean {
  return state === 'Destroyed' || state === 'DestroyedCompromised';
}

/**
 * The state after a transition.
 *
 * @throws KEY_STATE where the table has no such transition
 */
export function nextState(transition: TransitionName, state: KeyState, keyId: string): KeyState {
  const next = TRANSITIONS[transition][state];
  if (next === undefined) {
    throw new ClavigerError('KEY_STATE', `cannot ${transition} key ${keyId}: state is \`${state}\``, {
      resource: keyId,
    });
  }
  return next;
}

/** Protect: encrypt, sign, MAC, wrap. Process: decrypt, verify, verify MAC, unwrap. */
export type UseKind = 'protect' | 'process';

interface Usable {
  readonly id: string;
  readonly state: KeyState;
  readonly deletionAt: number | null;
  readonly materialPresent: boolean;
}

/**
 * Refuses a use that the key's state or an overlay forbids; returns where it is allowed.
 *
 * Compromised material processes only where a policy says so in as many words, which `compromisedAllowed` answers.
 *
 * @throws KEY_DISABLED for `Suspended`; KEY_STATE for every other refusal
 */
export function requireUsable(key: Usable, use: UseKind, compromisedAllowed: () => boolean = () => false): void {
  if (isDestroyed(key.state)) throw refusal(key, `state is \`${key.state}\``);
  if (key.deletionAt !== null) throw refusal(key, 'it is pending deletion; cancel the deletion first');
  if (!key.materialPresent) throw refusal(key, 'it has no key material; import it first');
  switch (key.state) {
    case 'Active':
      return;
    case 'Deactivated':
      if (use === 'process') return;
      throw refusal(key, 'state is `Deactivated`: it only decrypts and verifies');
    case 'Suspended':
      throw new ClavigerError('KEY_DISABLED', `key ${key.id} is disabled; enable it first`, { resource: key.id });
    case 'PreActive':
      throw refusal(key, 'state is `PreActive`; activate it first');
    case 'Compromised':
      if (use === 'process' && compromisedAllowed()) return;
      throw refusal(key, 'state is `Compromised`');
    default:
      throw refusal(key, `state is \`${key.state}\``);
  }
}

function refusal(key: Usable, why: string): ClavigerError {
  return new ClavigerError('KEY_STATE', `cannot use key ${key.id}: ${why}`, { resource: key.id });
}
