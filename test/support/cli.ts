/**
 * The command line for tests: the real binary as a child process, with an environment of its own.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder, startTestServer, testFolder, type TestServer, type TestServerOptions } from './server.ts';

export const BINARY = join(import.meta.dirname, '..', '..', 'bin', 'claviger.js');
/** Time for one command; a machine that is busy with other tests takes its time. */
const COMMAND_TIME_MS_MAX = 30_000;
/** Halves the time that a command takes to start. */
const COMPILE_CACHE = join(tmpdir(), 'claviger-test-compile-cache');

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: Uint8Array | string;
  /** After so long it is killed. */
  readonly timeMs?: number;
}

export interface CliRun {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `claviger` to its end. Nothing of our own environment reaches it but the path. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  return runProgram(process.execPath, [BINARY, ...args], options);
}

/** Runs a shell line to its end. */
export function runShell(line: string, options: CliOptions = {}): Promise<CliRun> {
  return runProgram('bash', ['-c', line], options);
}

async function runProgram(program: string, args: readonly string[], options: CliOptions): Promise<CliRun> {
  const child = start(program, args, options);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout!.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr!.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin!.on('error', () => undefined);
  child.stdin!.end(options.input ?? '');
  const code = await ended(child);
  const bytes = Buffer.concat(output);
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(errors).toString() };
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** What was printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves once a stream has shown a text. */
  shown(text: string | RegExp): Promise<void>;
  /** Sends a signal and gives the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `claviger` and leaves it running. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = start(process.execPath, [BINARY, ...args], options);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const end = ended(child);
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    shown: async (text) => {
      const untilMs = performance.now() + COMMAND_TIME_MS_MAX;
      const seen = (): boolean =>
        [stdout, stderr].some((all) => (typeof text === 'string' ? all.includes(text) : text.test(all)));
      while (!seen()) {
        const over = child.exitCode !== null || child.signalCode !== null || performance.now() > untilMs;
        assert.ok(!over, `it never showed ${String(text)}:\n${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return end;
    },
  };
}

function start(
  program: string,
  args: readonly string[],
  { env = {}, cwd = tmpdir(), timeMs = COMMAND_TIME_MS_MAX }: CliOptions,
): ChildProcess {
  return spawn(program, args, {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeMs,
    killSignal: 'SIGKILL',
  });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });
}

export interface CliWorld {
  readonly server: TestServer;
  /** Current folder of every command; removed at the end. */
  readonly folder: string;
  /** Runs a command against the server. */
  run(args: readonly string[], options?: CliOptions): Promise<CliRun>;
  /** As `run`, and it must succeed; gives what was printed, without the last newline. */
  ok(args: readonly string[], options?: CliOptions): Promise<string>;
  /** As `ok`, with `--json`. */
  json(args: readonly string[], options?: CliOptions): Promise<any>;
  /** As `run`, and it must be refused with this exit code and message. */
  refused(code: number, message: RegExp, args: readonly string[], options?: CliOptions): Promise<CliRun>;
  stop(): Promise<void>;
}

/** A server, and a command line that knows it from the environment. */
export async function startCliWorld(options: TestServerOptions = {}): Promise<CliWorld> {
  const server = await startTestServer(options);
  const folder = testFolder();
  const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
  const run: CliWorld['run'] = (args, more = {}) =>
    runCli(args, { cwd: folder, ...more, env: { ...env, ...more.env } });
  const ok: CliWorld['ok'] = async (args, more) => {
    const { code, stdout, stderr } = await run(args, more);
    assert.equal(code, 0, `claviger ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout.replace(/\n$/, '');
  };
  return {
    server,
    folder,
    run,
    ok,
    json: async (args, more) => JSON.parse(await ok([...args, '--json'], more)) as unknown,
    refused: async (code, message, args, more) => {
      const ran = await run(args, more);
      assert.match(ran.stderr, message);
      assert.equal(ran.code, code, ran.stderr);
      return ran;
    },
    stop: async () => {
      await server.stop();
      removeFolder(folder);
    },
  };
}
