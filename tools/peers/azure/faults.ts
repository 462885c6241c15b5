/**
 * Faults on command, for the vault and for the sign-in service, and a count of what was asked.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { answerTo, Refusal, textOf, writeHead, type Answer, type Handler } from './http.ts';

export const FAULTS = [
  /** 429, with Retry-After. */
  'throttle',
  /** 503. */
  'fail',
  /** Takes the request and never answers. */
  'stall',
  /** Ends the connection in the middle of the answer. */
  'cut',
  /** Ends the connection instead of answering. */
  'reset',
  /** Answers something that is no JSON. */
  'garbage',
  /** Answers something that is JSON, and no answer. */
  'nonsense',
  /** Leaves a byte out of the value. */
  'corrupt',
  /** Answers with a value for another key. */
  'other-key',
] as const;
export type Fault = (typeof FAULTS)[number];

const WRONG_TEXTS: ReadonlyMap<Fault | null, string> = new Map([
  ['garbage', '{"value": <!doctype html>'],
  ['nonsense', '{"a":1}'],
]);

export class Faults {
  readonly #countsAll: boolean;
  #fault: Fault | null = null;
  #left = 0;
  #calls = 0;
  #delayMs = 0;

  constructor(countsAll: boolean) {
    this.#countsAll = countsAll;
  }

  /** From now on, for so many requests. */
  set(fault: Fault, count = Infinity): void {
    this.#fault = fault;
    this.#left = count;
  }

  /** Answers the next request so much later than it would, and those after it at once. */
  delayNext(ms: number): void {
    this.#delayMs = ms;
  }

  heal(): void {
    this.#fault = null;
    this.#delayMs = 0;
  }

  /** Requests since the start; without those that come without a token, to be told where to get one. */
  get calls(): number {
    return this.#calls;
  }

  /** Serves one request, or fails it as told. */
  async serve(handle: Handler, message: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#countsAll || message.headers.authorization !== undefined) this.#calls += 1;
    const fault = this.#take();
    const delayMs = this.#delayMs;
    this.#delayMs = 0;
    if (delayMs > 0) await setTimeout(delayMs);
    if (fault === 'stall') return;
    if (fault === 'reset') return void message.socket.destroy();
    const answer = changed(
      fault,
      fault === 'throttle' || fault === 'fail' ? refusal(fault) : await answerTo(handle, message),
    );
    const text = WRONG_TEXTS.get(fault) ?? textOf(answer);
    const bytes = Buffer.from(text);
    writeHead(response, answer, bytes.length);
    if (fault !== 'cut') return void response.end(bytes);
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => message.socket.destroy());
  }

  #take(): Fault | null {
    if (this.#fault === null || this.#left <= 0) return null;
    this.#left -= 1;
    return this.#fault;
  }
}

function refusal(fault: 'throttle' | 'fail'): Answer {
  return fault === 'throttle'
    ? new Refusal(429, 'Throttled', 'Request was not processed because too many requests were received.', undefined, {
        'retry-after': '10',
      }).answer
    : new Refusal(503, 'ServiceUnavailable', 'The service is temporarily unavailable.').answer;
}

function changed(fault: Fault | null, answer: Answer): Answer {
  const body: { value?: unknown; kid?: string } | undefined = answer.body;
  if (fault === 'corrupt' && typeof body?.value === 'string')
    return { ...answer, body: { ...body, value: shorter(body.value) } };
  if (fault === 'other-key' && body?.kid !== undefined)
    return { ...answer, body: { ...body, kid: body.kid.replace(/[^/]+$/, '0'.repeat(32)) } };
  return answer;
}

function shorter(value: string): string {
  return Buffer.from(value, 'base64url').subarray(1).toString('base64url');
}
