/**
 * `claviger encrypt` and `decrypt` of a file of 1 GiB, beside `openssl enc -aes-256-ctr` of the same file. All three in
 * turn, several times, each with the start of its process and from a file that is in memory already.
 *
 * openssl authenticates nothing, and leaves its output in memory; ours is on the disk when the command ends. Between the
 * commands the disk is left to finish, so that nobody pays for what another wrote.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process';
import { createCipheriv, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Scenario } from '../bench.ts';
import { median } from '../stats.ts';

const MIB = 1024 * 1024;
const FILE_MIB = 1024;
const SAMPLE_MS = 20;
const CLI = join(import.meta.dirname, '..', '..', 'bin', 'claviger.js');
/** Any key serves. */
const KEY = '0'.repeat(64);
const IV = '0'.repeat(32);

interface Ran {
  readonly ms: number;
  readonly peakMib: number;
}

export const cliFile: Scenario = {
  title: 'a file of 1 GiB on the command line, beside openssl enc -aes-256-ctr',
  takes: '1 min',
  run: async (bench) => {
    if (spawnSync('openssl', ['version']).status !== 0) return { figures: {}, failures: ['there is no openssl here'] };
    const folder = mkdtempSync(join(bench.folder, 'claviger-bench-files-'));
    try {
      return await measured(bench, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function measured(bench: Bench, folder: string): ReturnType<Scenario['run']> {
  const { world } = await bench.serve();
  const { endpoint, token } = world.credentials;
  const env = { ...process.env, CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token };
  const key = await world.key('AES-256-GCM');
  const [plain, sealed, opened, theirs] = ['plain', 'sealed', 'opened', 'theirs'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  fill(plain);
  const openssl: number[] = [];
  const encrypt: Ran[] = [];
  const decrypt: Ran[] = [];
  const failures: string[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    for (const path of [sealed, opened, theirs]) rmSync(path, { force: true });
    const enc = ['enc', '-aes-256-ctr', '-K', KEY, '-iv', IV, '-in', plain, '-out', theirs];
    openssl.push((await ran('openssl', enc, env)).ms);
    encrypt.push(await ran(process.execPath, [CLI, 'encrypt', '--key', key, '--in', plain, '--out', sealed], env));
    decrypt.push(await ran(process.execPath, [CLI, 'decrypt', '--in', sealed, '--out', opened], env));
    if (spawnSync('cmp', ['-s', plain, opened]).status !== 0)
      failures.push('what was decrypted is not what was encrypted');
    const [theirMs, ourMs, backMs] = [openssl.at(-1)!, encrypt.at(-1)!.ms, decrypt.at(-1)!.ms].map(Math.round);
    bench.say(`${round}/${bench.rounds}  openssl ${theirMs} ms, encrypt ${ourMs} ms, decrypt ${backMs} ms`);
  }
  const ratio = (ours: readonly Ran[]): number => median(ours.map(({ ms }, at) => ms / openssl[at]!));
  return {
    figures: {
      encryptRatio: ratio(encrypt),
      decryptRatio: ratio(decrypt),
      opensslMs: median(openssl),
      encryptMs: median(encrypt.map(({ ms }) => ms)),
      decryptMs: median(decrypt.map(({ ms }) => ms)),
      encryptPeakMib: Math.max(...encrypt.map(({ peakMib }) => peakMib)),
      decryptPeakMib: Math.max(...decrypt.map(({ peakMib }) => peakMib)),
    },
    failures,
  };
}

/** Bytes that no file system can make shorter. */
function fill(path: string): void {
  const stream = createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16));
  const zeroes = Buffer.alloc(MIB);
  const fd = openSync(path, 'w');
  try {
    for (let mib = 0; mib < FILE_MIB; mib += 1) writeSync(fd, stream.update(zeroes));
  } finally {
    closeSync(fd);
  }
}

/** Runs a program to its end; it must succeed. */
async function ran(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  spawnSync('sync');
  const startMs = performance.now();
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  let peakKib = 0;
  const sampling = setInterval(() => (peakKib = Math.max(peakKib, peakKibOf(child.pid!))), SAMPLE_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  }).finally(() => clearInterval(sampling));
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}`);
  return { ms: performance.now() - startMs, peakMib: peakKib / 1024 };
}

/** Most memory that a process has had; 0 once it is gone. */
function peakKibOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
