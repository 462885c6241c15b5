/**
 * `claviger hsm bench`: signatures a second of a token, for numbers of lanes.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import type { SigningAlgorithmName } from '../../../model/algorithm.ts';
import { algorithmsOf, type Spec } from '../../../model/spec.ts';
import type { Pkcs11Config, Pkcs11Provider } from '../../../providers/pkcs11/index.ts';
import { integer } from '../../arguments.ts';
import { CliCommand } from '../../command.ts';
import type { Session } from '../../session.ts';
import { table } from '../../table.ts';
import { deviceOf, openDevice, withDevice, type DeviceOptions } from './device.ts';

const SPECS = ['P-256', 'P-384', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519'] as const;
const LANES_MAX = 256;
const SECONDS_MAX = 600;
const CALL_MS_MAX = 30_000;
/** Callers for each lane: a lane has its next call while its answer is under way. */
const CALLERS_A_LANE = 16;

interface BenchOptions extends DeviceOptions {
  readonly lanes: readonly number[];
  readonly hosts: number;
  readonly seconds: number;
  readonly spec: (typeof SPECS)[number];
}

interface Measured {
  readonly hosts: number;
  readonly lanes: number;
  readonly callers: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function benchCommand(): CliCommand {
  return withDevice(new CliCommand('bench'))
    .description('Measure signatures a second for numbers of lanes; the key for it is made and destroyed')
    .option('--lanes <list>', 'sessions of each host process, such as 1,4,16', lanesOf, [1])
    .option('--hosts <n>', 'host processes', integer(1, 64), 1)
    .option('--seconds <n>', 'time for each number of lanes', integer(1, SECONDS_MAX), 5)
    .addOption(new Option('--spec <spec>', 'kind of key').choices(SPECS).default('P-256'))
    .examples(
      'claviger hsm bench --config claviger.yaml --provider hsm-1 --lanes 1,2,4',
      'claviger hsm bench --token prod --vendor cloudhsm --pin-file pin --hosts 2 --lanes 8,16,32 --spec RSA-2048',
    )
    .run<BenchOptions>(bench);
}

async function bench(session: Session, options: BenchOptions): Promise<void> {
  const { terminal } = session;
  const config = await deviceOf(terminal, options);
  const measured: Measured[] = [];
  for (const lanes of options.lanes) {
    terminal.say(`${options.spec}, ${options.hosts} × ${lanes} lanes, ${options.seconds} s`);
    measured.push(await measure(session, config, options, lanes));
  }
  session.answer({ spec: options.spec, measured }, () =>
    table(
      ['HOSTS', 'LANES', 'CALLERS', 'PER SECOND', 'MEAN ms', 'P50 ms', 'P99 ms'],
      measured.map((row) => Object.values(row).map(String)),
    ),
  );
}

async function measure(
  { terminal }: Session,
  config: Pkcs11Config,
  { hosts, seconds, spec }: BenchOptions,
  lanes: number,
): Promise<Measured> {
  const provider = await openDevice(terminal, { ...config, hosts, lanes });
  const name = `bench-${randomBytes(6).toString('hex')}`;
  const { ref } = await provider.lifecycle.create({ spec, usage: 'sign-verify', name, tags: {} }, within());
  try {
    const callers = hosts * lanes * CALLERS_A_LANE;
    const timesMs = (await signing(provider, ref, spec, callers, seconds)).toSorted((a, b) => a - b);
    const at = (share: number): number => rounded(timesMs[Math.floor(timesMs.length * share)] ?? 0);
    const sum = timesMs.reduce((total, ms) => total + ms, 0);
    const perSecond = Math.round(timesMs.length / seconds);
    return { hosts, lanes, callers, perSecond, meanMs: rounded(sum / timesMs.length), p50Ms: at(0.5), p99Ms: at(0.99) };
  } finally {
    await provider.lifecycle.destroy(ref, within());
    await provider.close();
  }
}

/** Milliseconds of each call. */
async function signing(
  provider: Pkcs11Provider,
  ref: string,
  spec: Spec,
  callers: number,
  seconds: number,
): Promise<readonly number[]> {
  const key = provider.key(ref, spec);
  const names = algorithmsOf(spec, 'sign-verify') as readonly SigningAlgorithmName[];
  const name = names.find((one) => one.startsWith('RSASSA_PKCS1')) ?? names[0]!;
  const message = randomBytes(64);
  const timesMs: number[] = [];
  const endsAt = performance.now() + seconds * 1000;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < endsAt;) {
      await key.sign!(name, { message }, within());
      const after = performance.now();
      timesMs.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return timesMs;
}

const NEVER = new AbortController().signal;

function within(): { readonly signal: AbortSignal; readonly timeoutMs: number } {
  return { signal: NEVER, timeoutMs: CALL_MS_MAX };
}

function lanesOf(text: string): readonly number[] {
  const lanes = text.split(',').map(Number);
  if (lanes.every((count) => Number.isInteger(count) && count >= 1 && count <= LANES_MAX)) return lanes;
  throw new InvalidArgumentError(`It must be whole numbers from 1 to ${LANES_MAX}, such as 1,4,16.`);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
