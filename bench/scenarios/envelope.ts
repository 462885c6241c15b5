/**
 * Messages: what the format costs beside AES-256-GCM alone, and beside the official SDK for JavaScript; and the memory that
 * a stream takes.
 *
 * Without a server: a raw AES keyring behind a cache of data keys; the SDK with the same keyring, as it comes and, for
 * messages, behind its own cache too. Beside raw in one process, in short turns; beside the SDK in processes of their own, in
 * turns that are long enough for garbage to be collected, as there both leave much of it.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench, Scenario } from '../bench.ts';

const FRAMES = { '64KiB': 65_536, '1MiB': 1_048_576 } as const;
/** What is in a process together, and how long its turns are. */
interface Together {
  readonly works: readonly string[];
  readonly turnMs: number;
}
const SHORT_MS = 2;
const LONG_MS = 100;
const MESSAGES = together(['Encrypt', 'Decrypt'], ['sdk', 'sdkCached']);
const STREAMS = together(['EncryptStream', 'DecryptStream'], ['sdk']);

function together(works: readonly string[], sdks: readonly string[]): readonly Together[] {
  return works.flatMap((work) => [
    { works: [`raw${work}`, `our${work}`], turnMs: SHORT_MS },
    ...['our', ...sdks].map((whose) => ({ works: [`${whose}${work}`], turnMs: LONG_MS })),
  ]);
}

export const envelope: Scenario = {
  title: 'messages of the AWS Encryption SDK beside AES-256-GCM alone, and beside the SDK for JavaScript',
  takes: '4 min',
  run: async (bench) => {
    const figures: Record<string, number> = { ...(await messages(bench)) };
    for (const [name, frameBytes] of Object.entries(FRAMES))
      Object.assign(figures, await streams(bench, name, frameBytes));
    figures['peakMib'] = await peakMib(bench);
    return { figures, failures: [] };
  },
};

async function messages(bench: Bench): Promise<Record<string, number>> {
  const { short, long } = await measured(bench, MESSAGES, FRAMES['64KiB']);
  bench.say(
    `1 KiB, to write and to read: raw ${pair(short, 'rawEncrypt', 'rawDecrypt')}, ours ${pair(short, 'ourEncrypt', 'ourDecrypt')}; in long turns ours ${pair(long, 'ourEncrypt', 'ourDecrypt')}, SDK ${pair(long, 'sdkEncrypt', 'sdkDecrypt')}, with its cache ${pair(long, 'sdkCachedEncrypt', 'sdkCachedDecrypt')} µs`,
  );
  return {
    messageEncryptUs: short['ourEncrypt']!,
    messageDecryptUs: short['ourDecrypt']!,
    messageEncryptRatio: short['ourEncrypt']! / short['rawEncrypt']!,
    messageDecryptRatio: short['ourDecrypt']! / short['rawDecrypt']!,
    messageEncryptOfSdk: long['sdkEncrypt']! / long['ourEncrypt']!,
    messageDecryptOfSdk: long['sdkDecrypt']! / long['ourDecrypt']!,
    messageEncryptOfCachedSdk: long['sdkCachedEncrypt']! / long['ourEncrypt']!,
    messageDecryptOfCachedSdk: long['sdkCachedDecrypt']! / long['ourDecrypt']!,
  };
}

async function streams(bench: Bench, name: string, frameBytes: number): Promise<Record<string, number>> {
  const { short, long } = await measured(bench, STREAMS, frameBytes);
  bench.say(
    `4 MiB in frames of ${name}, to write and to read: raw ${pair(short, 'rawEncryptStream', 'rawDecryptStream')}, ours ${pair(short, 'ourEncryptStream', 'ourDecryptStream')}; in long turns ours ${pair(long, 'ourEncryptStream', 'ourDecryptStream')}, SDK ${pair(long, 'sdkEncryptStream', 'sdkDecryptStream')} µs`,
  );
  return {
    [`stream${name}EncryptRatio`]: short['ourEncryptStream']! / short['rawEncryptStream']!,
    [`stream${name}DecryptRatio`]: short['ourDecryptStream']! / short['rawDecryptStream']!,
    [`stream${name}EncryptOfSdk`]: long['sdkEncryptStream']! / long['ourEncryptStream']!,
    [`stream${name}DecryptOfSdk`]: long['sdkDecryptStream']! / long['ourDecryptStream']!,
  };
}

type Least = Readonly<Record<string, number>>;

/** Microseconds that each work takes once, in its fastest turn of all rounds. */
async function measured(
  bench: Bench,
  all: readonly Together[],
  frameBytes: number,
): Promise<{ readonly short: Least; readonly long: Least }> {
  const [short, long]: Record<string, number>[] = [{}, {}];
  for (let round = 1; round <= bench.rounds; round += 1)
    for (const { works, turnMs } of all) {
      const numbers = [frameBytes, turnMs, bench.windowMs / 2500].map(String);
      const us = await program('envelope-work.ts', works.join(','), ...numbers);
      const least = turnMs === SHORT_MS ? short! : long!;
      for (const [work, once] of Object.entries(us)) least[work] = Math.min(once, least[work] ?? Infinity);
    }
  return { short: short!, long: long! };
}

/** How far the memory of a process of its own rises above where it was, while 1 GiB is encrypted and decrypted again. */
async function peakMib(bench: Bench): Promise<number> {
  const { idleMib, peakMib: most } = await program('envelope-memory.ts');
  bench.say(`1 GiB: ${idleMib!.toFixed(0)} MiB idle, ${most!.toFixed(0)} MiB at most`);
  return most! - idleMib!;
}

async function program(file: string, ...args: readonly string[]): Promise<Least> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, '..', file), ...args]);
  return JSON.parse(stdout) as Record<string, number>;
}

function pair(us: Least, one: string, other: string): string {
  return `${us[one]!.toFixed(1)} and ${us[other]!.toFixed(1)}`;
}
