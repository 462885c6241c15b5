/**
 * The work of a security officer: tokens and PINs are made here, each act in a process of its own, apart from every pool.
 *
 * Not repeated, ever: a wrong PIN of a security officer is the dearest of all.
 *
 * @module
 */
import { once } from 'node:events';
import { spawnChild } from './child.ts';
import { hostError, nativeError } from './errors.ts';
import { answerOf, type Answer } from './host-process.ts';
import { jsonBody, type CeremonyRequest, type TokenSummary } from './protocol.ts';
import { FrameReader, FrameWriter } from './wire.ts';

/** Some devices erase themselves for a minute. */
const ACT_MS_MAX = 180_000;
const WHO = 'pkcs11';

export class Ceremonies {
  readonly #library: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(library: string, env: Readonly<Record<string, string>>) {
    this.#library = library;
    this.#env = env;
  }

  /** Every token that the library shows; nobody logs in. */
  async list(): Promise<readonly TokenSummary[]> {
    return ((await this.#act({ library: this.#library, act: 'list' })) as { tokens: TokenSummary[] }).tokens;
  }

  /**
   * Makes an empty token, with its security officer's PIN, and gives it a user with a PIN.
   *
   * @param serial of a token to be erased; null for one that is not initialised yet
   */
  async init(label: string, serial: string | null, soPin: string, pin: string): Promise<TokenSummary> {
    const made = (await this.#act({ library: this.#library, act: 'init-token', serial, soPin, label })) as TokenSummary;
    await this.#act({ library: this.#library, act: 'init-pin', label, serial: made.serial, soPin, pin });
    return made;
  }

  async setPin(
    label: string,
    serial: string | null,
    user: 'user' | 'so',
    pins: { readonly old: string; readonly next: string },
  ): Promise<void> {
    const { old: oldPin, next: newPin } = pins;
    await this.#act({ library: this.#library, act: 'set-pin', label, serial, user, oldPin, newPin });
  }

  async #act(request: CeremonyRequest): Promise<unknown> {
    const { process: child, socket, errors } = spawnChild('ceremony', this.#env);
    errors.resume();
    const timer = setTimeout(() => child.kill('SIGKILL'), ACT_MS_MAX);
    let answer: Answer = { kind: 'lost', hung: false };
    const reader = new FrameReader(({ kind, body }) => {
      const read = answerOf(kind, body);
      answer = read.kind === 'ok' ? { kind: 'ok', body: Buffer.from(read.body) } : read;
    });
    socket.on('data', (bytes: Buffer) => reader.push(bytes));
    socket.on('error', () => undefined);
    const writer = new FrameWriter(socket);
    writer.write(1, 1, jsonBody(request));
    writer.flush();
    await once(child, 'close').finally(() => clearTimeout(timer));
    return resultOf(answer);
  }
}

function resultOf(answer: Answer): unknown {
  switch (answer.kind) {
    case 'ok':
      return JSON.parse(answer.body.toString());
    case 'native':
      throw nativeError(WHO, answer.value, answer.method);
    case 'refused':
      throw hostError(WHO, answer.refusal.code, answer.refusal.message, 'REFUSED');
    case 'lost':
      throw hostError(
        WHO,
        'PROVIDER_UNAVAILABLE',
        'the library ended the process, or did not answer in time',
        'HOST_GONE',
      );
  }
}
