/**
 * Where the time goes: sums up the profiles that V8 wrote of the server's threads.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Functions that are listed of each thread. */
const LISTED = 45;

export function profileSummary(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  return files.map((name) => summary(join(folder, name))).join('\n\n');
}

function summary(file: string): string {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const selfUs = new Map<number, number>();
  for (const [at, id] of samples.entries()) selfUs.set(id, (selfUs.get(id) ?? 0) + timeDeltas[at]!);
  const byFunction = new Map<string, number>();
  let busyUs = 0;
  for (const { id, callFrame } of nodes) {
    const time = selfUs.get(id) ?? 0;
    const name = callFrame.functionName === '' ? '(anonymous)' : callFrame.functionName;
    if (name === '(idle)' || name === '(program)') continue;
    busyUs += time;
    const place = callFrame.url.replace(/^.*\/(?=src\/|node_modules\/)/, '').replace(/^.*node_modules\//, '');
    const key = place === '' ? name : `${name}  ${place}:${callFrame.lineNumber + 1}`;
    byFunction.set(key, (byFunction.get(key) ?? 0) + time);
  }
  const sorted = [...byFunction].toSorted(([, a], [, b]) => b - a).slice(0, LISTED);
  const lines = sorted.map(([name, time]) => `${((100 * time) / busyUs).toFixed(1).padStart(6)} %  ${name}`);
  return [`${file}: ${(busyUs / 1e6).toFixed(2)} s busy`, ...lines].join('\n');
}
