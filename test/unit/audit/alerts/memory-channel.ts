/** A channel whose receiver is the test. */
import type { Notice } from '../../../../src/audit/alerts/alert.ts';
import type { Channel, Envelope } from '../../../../src/audit/alerts/channels/index.ts';
import { SEVERITIES, type Severity } from '../../../../src/audit/alerts/rules.ts';

export interface MemoryChannel extends Channel {
  readonly envelopes: readonly Envelope[];
  /** `kind rule subject` of what was taken. */
  lines(): readonly string[];
  /** Thrown from now on; null takes everything. */
  failWith(error: Error | null): void;
  /** Attempts, those that failed included. */
  readonly attempts: number;
}

export function memoryChannel(name = 'memory', severities: readonly Severity[] = SEVERITIES): MemoryChannel {
  const envelopes: Envelope[] = [];
  let failure: Error | null = null;
  let attempts = 0;
  return {
    name,
    kind: 'memory',
    severities,
    envelopes,
    get attempts() {
      return attempts;
    },
    lines: () => envelopes.map(({ notice }) => lineOf(notice)),
    failWith: (error) => {
      failure = error;
    },
    send: async (envelope) => {
      attempts += 1;
      if (failure !== null) throw failure;
      envelopes.push(envelope);
    },
  };
}

export function lineOf({ kind, alert }: Notice): string {
  return `${kind} ${alert.rule} ${alert.subject}`;
}
