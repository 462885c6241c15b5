/**
 * What is to be reached, as data: each target names a figure of a part of the run, and a bound for it.
 *
 * They hold for two cores, load included. A target is met or missed only where its figure was measured.
 *
 * @module
 */

/** Figures by part (a case, a scenario, the comparison) and name. */
export type Figures = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Target {
  readonly part: string;
  readonly figure: string;
  /** What is measured, for a reader. */
  readonly what: string;
  readonly unit: string;
  /** `below` is strict. */
  readonly bound: { readonly atLeast: number } | { readonly atMost: number } | { readonly below: number };
}

export interface Outcome {
  readonly part: string;
  readonly figure: string;
  readonly what: string;
  readonly value: number;
  /** `≥ 17,500/s`. */
  readonly bound: string;
  readonly unit: string;
  readonly met: boolean;
}

export const TARGETS: readonly Target[] = [
  target('p256-sign', 'requestsPerSecond', 'P-256 signatures', '/s', { atLeast: 17_500 }),
  target('aes-encrypt-1k', 'requestsPerSecond', 'AES-256-GCM encryptions of 1 KiB', '/s', { atLeast: 18_000 }),
  target('p256-sign-batch', 'itemsPerSecond', 'P-256 signatures in batches of 100', '/s', { atLeast: 40_000 }),
  target('aes-encrypt-batch', 'itemsPerSecond', 'AES-256-GCM encryptions of 1 KiB in batches of 100', '/s', {
    atLeast: 60_000,
  }),
  target('rsa2048-pss-sign', 'shareOfRaw', 'RSA-2048 PSS, share of the raw rate of all cores', '', { atLeast: 0.75 }),
  target('p256-sign', 'cpuUs', 'processor time of a P-256 signature, bearer token', ' µs', { atMost: 90 }),
  target('p256-sign', 'mainCpuUs', 'of it on the main thread', ' µs', { atMost: 70 }),
  target('p256-sign-aws', 'cpuUs', 'processor time of a P-256 signature, SigV4', ' µs', { atMost: 105 }),

  target('steady', 'meanMs', 'P-256 at 10,000/s, open loop: mean', ' ms', { below: 10 }),
  target('steady', 'p99Ms', 'P-256 at 10,000/s, open loop: p99', ' ms', { below: 25 }),
  target('steady', 'failures', 'P-256 at 10,000/s, open loop: failures', '', { atMost: 0 }),

  target('mixed', 'p99Ratio', 'p99 of P-256 beside saturated RSA-4096 and ML-DSA ÷ alone', '', { atMost: 3 }),
  target('slow-disk', 'requestsPerSecond', 'P-256 with 5 ms a commit, 256 connections', '/s', { atLeast: 10_000 }),
  target('slow-client', 'p99Ratio', 'p99 of good clients beside slow ones ÷ alone', '', { atMost: 2 }),
  target('idle-connections', 'p99Ratio', 'p99 of good clients beside 10,000 idle connections ÷ alone', '', {
    atMost: 2,
  }),
  target('idle-connections', 'kibPerConnection', 'memory of an idle connection', ' KiB', { atMost: 32 }),
  target('idle-connections', 'lost', 'idle connections that were lost', '', { atMost: 0 }),
  target('flood', 'refusedPerSecond', 'strangers refused', '/s', { atLeast: 30_000 }),
  target('flood', 'p99Ratio', 'p99 of good clients beside the flood ÷ alone', '', { atMost: 2 }),
  target('flood', 'uncounted', 'refusals that the log does not count', '', { atMost: 0 }),
  target('flood', 'recordsPerSecond', 'records that the flood makes', '/s', { atMost: 20 }),
  target('homes', 'overheadUs', 'processor time of a group beside the call of a provider', ' µs', { atMost: 15 }),
  target('homes', 'wrapsRatio', '100 wraps at once over three homes ÷ the slowest home', '', { atMost: 1.3 }),
  target('hsm', 'shareOfDirect', 'P-256 through one SoftHSM host process ÷ a direct synchronous caller', '', {
    atLeast: 0.7,
  }),
  target('cli-file', 'encryptRatio', 'claviger encrypt of 1 GiB ÷ openssl enc -aes-256-ctr', '', { atMost: 2 }),
  target('cli-file', 'decryptRatio', 'claviger decrypt of 1 GiB ÷ openssl enc -aes-256-ctr', '', { atMost: 2 }),
  target('fields', 'encryptUs', 'a field of 64 bytes in `encryptMany` of 10,000', ' µs', { atMost: 8 }),
  target('envelope', 'messageEncryptRatio', 'a message of 1 KiB ÷ raw AES-256-GCM', '', { atMost: 4 }),
  target('envelope', 'messageDecryptRatio', 'a message of 1 KiB, read ÷ raw AES-256-GCM', '', { atMost: 6 }),
  target('envelope', 'messageEncryptOfSdk', 'time of the SDK for a message of 1 KiB ÷ ours', '', { atLeast: 12 }),
  target('envelope', 'messageDecryptOfSdk', 'time of the SDK for a message of 1 KiB, read ÷ ours', '', { atLeast: 12 }),
  target('envelope', 'stream64KiBEncryptRatio', 'a stream, frames of 64 KiB ÷ raw', '', { atMost: 2 }),
  target('envelope', 'stream64KiBDecryptRatio', 'a stream, frames of 64 KiB, read ÷ raw', '', { atMost: 2 }),
  target('envelope', 'stream64KiBEncryptOfSdk', 'time of the SDK for such a stream ÷ ours', '', { atLeast: 2 }),
  target('envelope', 'stream64KiBDecryptOfSdk', 'time of the SDK for such a stream, read ÷ ours', '', { atLeast: 2 }),
  target('envelope', 'stream1MiBEncryptRatio', 'a stream, frames of 1 MiB ÷ raw', '', { atMost: 1.25 }),
  target('envelope', 'stream1MiBDecryptRatio', 'a stream, frames of 1 MiB, read ÷ raw', '', { atMost: 1.7 }),
  target('envelope', 'peakMib', 'memory of a stream of 1 GiB above idle', ' MiB', { atMost: 64 }),
  target('soak', 'mibPerHour', 'growth of memory at 60 % of the limit', ' MiB/hour', { atMost: 16 }),
  target('soak', 'descriptorsGained', 'descriptors gained', '', { atMost: 0 }),
  target('soak', 'failures', 'failures of the soak', '', { atMost: 0 }),

  target('vault', 'signRatio', 'P-256 signatures ÷ those of Vault Transit', '', { atLeast: 3 }),
  target('vault', 'encryptRatio', 'AES-256-GCM encryptions of 1 KiB ÷ those of Vault Transit', '', { atLeast: 3 }),
];

/** What became of each target whose figure was measured, in the order of the targets. */
export function outcomesOf(figures: Figures, targets: readonly Target[] = TARGETS): readonly Outcome[] {
  return targets.flatMap(({ part, figure, what, unit, bound }) => {
    const value = figures[part]?.[figure];
    if (value === undefined) return [];
    return [{ part, figure, what, value, unit, bound: boundText(bound, unit), met: isMet(value, bound) }];
  });
}

/** NaN meets nothing. */
function isMet(value: number, bound: Target['bound']): boolean {
  if ('atLeast' in bound) return value >= bound.atLeast;
  if ('atMost' in bound) return value <= bound.atMost;
  return value < bound.below;
}

function boundText(bound: Target['bound'], unit: string): string {
  if ('atLeast' in bound) return `≥ ${figureText(bound.atLeast)}${unit}`;
  if ('atMost' in bound) return `≤ ${figureText(bound.atMost)}${unit}`;
  return `< ${figureText(bound.below)}${unit}`;
}

/** `MET     P-256 signatures: 18,204/s, ≥ 17,500/s`. */
export function outcomeText({ what, value, unit, bound, met }: Outcome): string {
  return `${met ? 'MET' : 'MISSED'}  ${what}: ${figureText(value)}${unit}, to be ${bound}`;
}

/** Three digits that matter, and no thousandths of a thousand. */
export function figureText(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function target(part: string, figure: string, what: string, unit: string, bound: Target['bound']): Target {
  return { part, figure, what, unit, bound };
}
