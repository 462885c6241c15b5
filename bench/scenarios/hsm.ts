/**
 * P-256 through one host process of a SoftHSM token, beside the same library called directly and synchronously by a
 * process that does nothing else. Both in turn, several times, so that a slow minute hits both.
 *
 * It shows what the host process, its socket and the supervisor cost; not what an HSM behind a network does.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemRandom } from '../../src/crypto/random.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { silentLog } from '../../src/ports/log.ts';
import { openPkcs11, pkcs11Schema } from '../../src/providers/pkcs11/index.ts';
import { PEERS } from '../../tools/peers/index.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { mustRun } from '../../tools/run.ts';
import type { Scenario } from '../bench.ts';
import { median } from '../stats.ts';

const LABEL = 'bench';
/** Callers at once: as many as connections in the cases. */
const CALLERS = 64;
const CALL_MS = 30_000;
const DIGEST = createHash('sha256').update('bench').digest();

export const hsm: Scenario = {
  title: 'P-256 through one SoftHSM host process, beside the library called directly',
  takes: '40 s',
  run: async (bench) => {
    const paths = await findPeer(PEERS.softhsm);
    if (paths === null) return { figures: {}, failures: ['SoftHSM is not installed: `npm run peers -- softhsm`'] };
    const folder = mkdtempSync(join(tmpdir(), 'claviger-bench-hsm-'));
    const tokens = join(folder, 'tokens');
    mkdirSync(tokens);
    const conf = join(folder, 'softhsm2.conf');
    writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
    const env = { SOFTHSM2_CONF: conf };
    const pin = randomBytes(8).toString('hex');
    try {
      await mustRun(paths.util, ['--init-token', '--free', '--label', LABEL, '--pin', pin, '--so-pin', pin], { env });
      const config = pkcs11Schema.parse({
        kind: 'pkcs11',
        name: 'bench',
        profile: 'softhsm',
        library: paths.library,
        tokenLabel: LABEL,
        pin,
        env,
        hosts: 1,
      });
      const ports = { clock: systemClock, random: systemRandom, log: silentLog };
      const direct: number[] = [];
      const through: number[] = [];
      for (let round = 1; round <= bench.rounds; round += 1) {
        direct.push(await directRate(paths.library, { ...env, PIN: pin }, bench.warmUpMs, bench.windowMs));
        const provider = await openPkcs11(config, ports);
        try {
          const wanted = { spec: 'P-256', usage: 'sign-verify', name: `bench-${round}`, tags: {} } as const;
          const { ref } = await provider.lifecycle.create(wanted, within());
          const key = provider.key(ref, 'P-256');
          const sign = async (): Promise<void> => {
            await key.sign!('ECDSA_SHA_256', { digest: DIGEST }, within());
          };
          await rate(sign, bench.warmUpMs);
          through.push(await rate(sign, bench.windowMs));
          await provider.lifecycle.destroy(ref, within());
        } finally {
          await provider.close();
        }
        const [ours, theirs] = [Math.round(through.at(-1)!), Math.round(direct.at(-1)!)];
        bench.say(`${round}/${bench.rounds}  ${ours}/s through a host process, ${theirs}/s directly`);
      }
      const ratios = through.map((ours, at) => ours / direct[at]!);
      return {
        figures: { requestsPerSecond: median(through), directPerSecond: median(direct), shareOfDirect: median(ratios) },
        failures: [],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Calls a second, `CALLERS` of them always under way. */
async function rate(call: () => Promise<void>, forMs: number): Promise<number> {
  const begunMs = performance.now();
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - begunMs < forMs) {
      await call();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (count * 1000) / (performance.now() - begunMs);
}

async function directRate(
  library: string,
  env: Readonly<Record<string, string>>,
  warmUpMs: number,
  windowMs: number,
): Promise<number> {
  const program = join(import.meta.dirname, '../hsm-direct.ts');
  const args = [program, library, LABEL, String(warmUpMs), String(windowMs)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } });
  return Number(stdout);
}

function within(): { readonly signal: AbortSignal; readonly timeoutMs: number } {
  return { signal: NEVER, timeoutMs: CALL_MS };
}

const NEVER = new AbortController().signal;
