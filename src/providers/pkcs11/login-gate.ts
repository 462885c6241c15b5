/**
 * One login at a time for each token, and never a second wrong PIN.
 *
 * Wrong PINs lock users and zeroize tokens. So every process that wants to log in to a token comes through the token's one
 * gate, and a PIN that was refused is refused here from then on, for the life of this process: only another PIN passes. It
 * makes no difference which provider of the configuration asks, or how often it is opened.
 *
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto';

/** Refused PINs are known by a digest under a key that nobody keeps. */
const DIGEST_KEY = randomBytes(32);

/** What came of a login. `away`: no PIN was looked at. `unclear`: perhaps it was. */
export type LoginOutcome = 'accepted' | 'refused' | 'unclear' | 'away';

export interface LoginTurn {
  /** Once; ends the turn. Gives the words of a refusal, or null. */
  end(outcome: LoginOutcome, reason: string): string | null;
}

export class LoginGate {
  static readonly #gates = new Map<string, LoginGate>();
  /** Digest of a PIN → why it is not tried again. */
  readonly #refused = new Map<string, string>();
  readonly #accepted = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  /** The gate of a token and its user, one in the whole process. */
  static of(library: string, tokenLabel: string, tokenSerial: string | null, userType: number): LoginGate {
    const name = JSON.stringify([library, tokenLabel, tokenSerial, userType]);
    const gate = LoginGate.#gates.get(name) ?? new LoginGate();
    LoginGate.#gates.set(name, gate);
    return gate;
  }

  /** Why this PIN is not tried again; null where it may be. */
  refusal(pin: string): string | null {
    return this.#refused.get(digest(pin)) ?? null;
  }

  /** Waits for the logins before this one; null where the PIN has been refused meanwhile. */
  async turn(pin: string): Promise<LoginTurn | null> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    if (this.refusal(pin) !== null) {
      resolve();
      return null;
    }
    return {
      end: (outcome, reason) => {
        this.#learn(digest(pin), outcome, reason);
        resolve();
        return this.refusal(pin);
      },
    };
  }

  #learn(pin: string, outcome: LoginOutcome, reason: string): void {
    if (outcome === 'accepted') this.#accepted.add(pin);
    // A PIN that was right before is not wrong because a device failed in the middle of a login.
    if (outcome === 'refused' || (outcome === 'unclear' && !this.#accepted.has(pin))) this.#refused.set(pin, reason);
  }
}

function digest(pin: string): string {
  return createHmac('sha256', DIGEST_KEY).update(pin).digest('base64');
}
