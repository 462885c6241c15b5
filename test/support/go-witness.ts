/**
 * The witness in Go, as a process on a folder and a port of its own.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { mustRun } from '../../tools/run.ts';
import type { GoPaths } from '../../tools/peers/go.ts';

export interface GoWitness {
  readonly url: string;
  /** Its verifier key. */
  readonly key: string;
  stop(): Promise<void>;
}

export interface GoWitnessOptions {
  /** Its key and the last checkpoint that it signed are kept here. */
  readonly state: string;
  readonly name: string;
  /** Verifier key of the log. */
  readonly logKey: string;
  readonly mlDsa?: boolean;
  /** Where it listens; a free port where it is not given. */
  readonly address?: string;
}

export async function startGoWitness(
  { verifier: [program = ''] }: GoPaths,
  options: GoWitnessOptions,
): Promise<GoWitness> {
  const { state, name, logKey, mlDsa = false, address = '127.0.0.1:0' } = options;
  const args = ['serve', '--state', state, '--name', name, '--log', logKey, '--address', address];
  const child: ChildProcess = spawn(program, [...args, ...(mlDsa ? ['--ml-dsa'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout! }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('the witness did not start'))),
  ])) as [string];
  const { url, key } = JSON.parse(line) as { url: string; key: string };
  return {
    url,
    key,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** What the Go program reads of a cosigned checkpoint: its size. Throws where a signature is missing or false. */
export async function verifyInGo(
  { verifier: [program = ''] }: GoPaths,
  note: string,
  keys: { readonly logKey: string; readonly witnessKey: string; readonly mlDsa?: boolean },
): Promise<number> {
  const args = ['verify', '--log', keys.logKey, '--witness', keys.witnessKey, ...(keys.mlDsa ? ['--ml-dsa'] : [])];
  const { stdout } = await mustRun(program, args, { input: note });
  return Number(stdout);
}
