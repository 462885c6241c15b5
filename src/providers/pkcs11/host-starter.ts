/**
 * From nothing to a host that may be used: spawned, logged in once, its token the one we know, its canary alive.
 *
 * @module
 */
import type { ClavigerError } from '../../errors.ts';
import { closedError } from '../ended.ts';
import { CANARY_LABEL, type Canary } from './canary.ts';
import { CKR, returnName } from './cryptoki.ts';
import { hostError, nativeError } from './errors.ts';
import { HostProcess, type Answer, type HostEvents, type HostSettings } from './host-process.ts';
import type { LoginGate, LoginOutcome } from './login-gate.ts';
import { jsonBody, OP, type FoundKey, type TokenFacts } from './protocol.ts';

/** Loading a network HSM's library and logging in takes seconds. */
const START_DEADLINE_MS = 30_000;

/** Why nothing of a token is used any more until an operator acts. */
export interface QuarantineReason {
  /** `CANARY_GONE` may also be a token that was pulled out under a running host: a new host sees which it is. */
  readonly native: 'LOGIN_REFUSED' | 'TOKEN_REPLACED' | 'CANARY_MISMATCH' | 'CANARY_GONE';
  readonly words: string;
}

export type Started =
  | { readonly kind: 'host'; readonly host: HostProcess }
  | { readonly kind: 'failed'; readonly error: ClavigerError }
  | { readonly kind: 'quarantine'; readonly reason: QuarantineReason };

export interface StarterOptions {
  readonly provider: string;
  readonly pin: string;
  readonly gate: LoginGate;
  readonly canary: Canary | null;
  readonly deadlineMs: number;
  readonly throttleCodes: readonly number[];
  /** Makes the canary, where there is none and the configuration expects none. */
  readonly makeCanary: () => Promise<void>;
}

export interface StartEvents {
  /** Told of the process before it is asked anything, so that somebody watches its deadline. */
  readonly spawned: (host: HostProcess) => void;
  /** False where nobody wants a host any more when its turn to log in comes. */
  readonly isWanted: () => boolean;
}

export class HostStarter {
  readonly #options: StarterOptions;
  #facts: TokenFacts | null = null;
  #pinning: Promise<void> | null = null;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** What the token said of itself when a host last logged in; null before that. */
  get facts(): TokenFacts | null {
    return this.#facts;
  }

  /**
   * @param forChanges the host that makes keys; the canary may be the first of them
   */
  async start(
    settings: HostSettings,
    events: HostEvents,
    { spawned, isWanted }: StartEvents,
    forChanges: boolean,
  ): Promise<Started> {
    const { gate, pin } = this.#options;
    const turn = await gate.turn(pin);
    if (turn === null) return quarantine('LOGIN_REFUSED', gate.refusal(pin)!);
    if (!isWanted()) {
      turn.end('away', '');
      return { kind: 'failed', error: closedError(this.#options.provider, 'CLOSED') };
    }
    let loginBegan = false;
    const host = new HostProcess(settings, events);
    spawned(host);
    const answer = await host.start(pin, START_DEADLINE_MS, () => (loginBegan = true));
    const refusal = turn.end(outcomeOf(answer, loginBegan), wordsOf(answer));
    const started =
      refusal !== null
        ? quarantine('LOGIN_REFUSED', refusal)
        : answer.kind === 'ok'
          ? await this.#checked(host, JSON.parse(answer.body.toString()) as TokenFacts, forChanges)
          : { kind: 'failed' as const, error: this.errorOf(answer) };
    if (started.kind !== 'host') host.kill();
    return started;
  }

  async #checked(host: HostProcess, facts: TokenFacts, forChanges: boolean): Promise<Started> {
    if (this.#facts !== null && this.#facts.serial !== facts.serial) {
      const words = `the token \`${facts.label}\` has the serial number \`${facts.serial}\`, and had \`${this.#facts.serial}\``;
      return quarantine('TOKEN_REPLACED', words);
    }
    this.#facts = facts;
    const { canary } = this.#options;
    if (canary === null || (forChanges && !canary.isPinned && !canary.isExpected)) return { kind: 'host', host };
    if (!canary.isPinned) {
      const missing = await this.#pin(host, canary);
      if (missing !== null) return missing;
    }
    return this.checkCanary(host);
  }

  /** Whether this host's token still signs with the key that was pinned. */
  async checkCanary(host: HostProcess): Promise<Started> {
    const question = this.#options.canary?.question() ?? null;
    if (question === null) return { kind: 'host', host };
    const answer = await host.ask(question.op, question.parts, this.#options.deadlineMs);
    if (isMissing(answer)) return quarantine('CANARY_GONE', 'its canary is gone, so other keys may be gone, too');
    if (answer.kind !== 'ok') return { kind: 'failed', error: this.errorOf(answer) };
    const fault = question.fault(answer.body);
    return fault === null ? { kind: 'host', host } : quarantine('CANARY_MISMATCH', fault);
  }

  /** An answer that is none, as an error of the table. */
  errorOf(answer: Exclude<Answer, { readonly kind: 'ok' }>): ClavigerError {
    const { provider, throttleCodes } = this.#options;
    switch (answer.kind) {
      case 'native':
        return nativeError(provider, answer.value, answer.method, throttleCodes);
      case 'refused': {
        const { code, message, native } = answer.refusal;
        return hostError(provider, code, message, native === undefined ? 'REFUSED' : returnName(native));
      }
      case 'lost':
        return answer.hung
          ? hostError(provider, 'PROVIDER_TIMEOUT', 'the library hung, and its host process was killed', 'HOST_HUNG')
          : hostError(provider, 'PROVIDER_UNAVAILABLE', 'the host process of the library ended', 'HOST_GONE');
    }
  }

  /** Finds and pins the canary, or has it made; null where it is pinned, or there is to be none. */
  async #pin(host: HostProcess, canary: Canary): Promise<Started | null> {
    const search = async (): Promise<Started | boolean> => {
      const answer = await host.ask(OP.find, [jsonBody({ label: CANARY_LABEL })], this.#options.deadlineMs);
      if (answer.kind !== 'ok') return { kind: 'failed', error: this.errorOf(answer) };
      return canary.pin(JSON.parse(answer.body.toString()) as FoundKey[]);
    };
    const found = await search();
    if (typeof found === 'object') return found;
    if (found) return null;
    if (canary.isExpected) {
      return quarantine('CANARY_GONE', `it has no canary with the fingerprint \`${canary.fingerprint}\``);
    }
    await (this.#pinning ??= this.#options.makeCanary());
    const made = await search();
    return typeof made === 'object' ? made : null;
  }
}

function quarantine(native: QuarantineReason['native'], words: string): Started {
  return { kind: 'quarantine', reason: { native, words } };
}

/** The host looked for the key anew before it said so. */
export function isMissing(answer: Answer): boolean {
  if (answer.kind === 'refused') return answer.refusal.code === 'KEY_NOT_FOUND';
  return (
    answer.kind === 'native' && [CKR.OBJECT_HANDLE_INVALID, CKR.KEY_HANDLE_INVALID].includes(answer.value as never)
  );
}

/** A host that dies in the middle of a login says nothing of the PIN. */
function outcomeOf(answer: Answer, loginBegan: boolean): LoginOutcome {
  if (answer.kind === 'refused' && answer.refusal.pin !== undefined) return answer.refusal.pin;
  if (answer.kind === 'lost') return loginBegan ? 'unclear' : 'away';
  return answer.kind === 'ok' || answer.kind === 'native' ? 'accepted' : 'away';
}

function wordsOf(answer: Answer): string {
  if (answer.kind === 'refused') return answer.refusal.message;
  return 'the host process ended while it logged in, and nobody knows what the token made of the PIN';
}
