/**
 * Starts a program and waits for it: the one way in which the tools run other programs.
 *
 * The programs of our development dependencies come first in the path, so that `oxlint` or `tsc` is the one of the lock
 * file, and `node` the one this process runs on. Output is kept, and shown line by line while it comes where asked.
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

export const ROOT = join(import.meta.dirname, '..');

/** Kept of one program's output; a check that prints more than this has said enough. */
const OUTPUT_CHARACTERS_MAX = 4_000_000;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Called with every line of output as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface Ran {
  readonly ok: boolean;
  /** Exit code; null where a signal ended the program, or it could not be started. */
  readonly code: number | null;
  /** Standard output alone. */
  readonly stdout: string;
  /** Standard output and standard error, in the order in which they came. */
  readonly output: string;
}

/** Runs a program to its end. Never rejects: a program that cannot be started is a failure with its reason as output. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    let output = '';
    let stdout = '';
    let rest = '';
    const child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, PATH: toolPath(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    });
    const take = (text: string): void => {
      if (output.length < OUTPUT_CHARACTERS_MAX) output += text;
      if (options.onLine === undefined) return;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine(line);
    };
    const outDecoder = new StringDecoder('utf8');
    const errDecoder = new StringDecoder('utf8');
    child.stdout.on('data', (chunk: Buffer) => {
      const text = outDecoder.write(chunk);
      stdout += text;
      take(text);
    });
    child.stderr.on('data', (chunk: Buffer) => take(errDecoder.write(chunk)));
    // A program that ends without reading its input closes the pipe; its exit code says what there is to say.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      resolve({ ok: false, code: null, stdout, output: `${output}cannot run \`${command}\`: ${error.message}\n` });
    });
    child.on('close', (code, signal) => {
      if (rest !== '') options.onLine?.(rest);
      if (signal !== null) output += `\`${command}\` was ended by ${signal}\n`;
      resolve({ ok: code === 0, code, stdout, output });
    });
  });
}

/** Like {@link run}, but a program that fails is an error that shows its last lines. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await run(command, args, options);
  if (ran.ok) return ran;
  const tail = ran.output.trimEnd().split('\n').slice(-30).join('\n');
  throw new Error(`\`${[command, ...args].join(' ')}\` failed (${ran.code ?? 'not started'}):\n${tail}`);
}

/** PATH with our own programs first. */
export function toolPath(): string {
  return [join(ROOT, 'node_modules', '.bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
}

/** Time for a reader: `340 ms`, `12.3 s`, `4 min 10 s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
