/**
 * The contract of a channel: where notices go. A channel sends one notice once; when to try again is not its business.
 *
 * @module
 */
import type { Notice } from '../alert.ts';
import type { Severity } from '../rules.ts';
import type { PostAnswer } from '../../post.ts';

export interface Channel {
  readonly name: string;
  readonly kind: string;
  /** What it is told of. */
  readonly severities: readonly Severity[];
  /**
   * Sends a notice.
   *
   * @throws ChannelError, or any other error, where the receiver has not taken it
   */
  send(envelope: Envelope, signal: AbortSignal): Promise<void>;
  close?(): void;
}

/** A notice on its way. */
export interface Envelope {
  readonly notice: Notice;
  /** The same on each attempt. */
  readonly id: string;
  /** The same for all notices of an alert. */
  readonly alertId: string;
  /** Which Claviger speaks. */
  readonly origin: string;
}

/** Why a notice was not taken. */
export class ChannelError extends Error {
  /** True where the receiver will refuse the very same notice again. */
  readonly refused: boolean;

  constructor(message: string, options: { readonly refused?: boolean; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.refused = options.refused ?? false;
  }
}

/** Statuses that speak of the message itself; the other ones may change once somebody mends a key or an address. */
const REFUSED: ReadonlySet<number> = new Set([400, 413, 422]);

/** @throws ChannelError for a status that is none of 2xx */
export function requireTaken({ status }: PostAnswer): void {
  if (status >= 200 && status < 300) return;
  // What it says beside stays there: it may repeat the address, which with Slack is the secret.
  throw new ChannelError(`the receiver answered ${status}`, { refused: REFUSED.has(status) });
}
