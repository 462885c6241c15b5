/**
 * Runs test files in one process of their own, and ends that process whatever they do.
 *
 * node:test ends a test that waits for too long, not a loop that never yields, which would hold up everything. So the
 * runner keeps the time of the whole itself, and ends the process group, with any server that a test has left behind.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ROOT, duration, toolPath } from '../run.ts';
import { EVENTS_FD, type EndEvent, type TestEvent } from './events.ts';
import { ASKABLE, standstill } from './standstill.ts';

const REPORTER = join(import.meta.dirname, 'reporter.ts');
const EVENTS_FD_NUMBER = 3;
/** Every process and thread of a test would strip the types of some hundred files anew. */
const COMPILED = join(ROOT, 'node_modules', '.cache', 'compiled');
/** Kept of what a batch prints: its end. */
const OUTPUT_CHARACTERS_MAX = 200_000;

export interface BatchEnd {
  /** Why the process itself failed, apart from its tests; null where it ended in order. */
  readonly fault: string | null;
  /** What the tests printed. */
  readonly output: string;
}

export interface TimeLimits {
  /** For a test or a hook. */
  readonly testMs: number;
  /** For all of a batch. */
  readonly batchMs: number;
}

/**
 * Runs the files one after the other in one new process. Where a test or the whole takes too long, the output tells what the
 * process was doing then.
 */
export function runBatch(
  files: readonly string[],
  { testMs, batchMs }: TimeLimits,
  onEnd: (event: EndEvent) => void,
): Promise<BatchEnd> {
  const child = spawn(
    process.execPath,
    [
      ...ASKABLE,
      '--test',
      '--test-isolation=none',
      '--test-force-exit',
      `--test-timeout=${testMs}`,
      `--test-reporter=${REPORTER}`,
      ...files.map(literalPattern),
    ],
    {
      cwd: ROOT,
      env: environment(),
      // A group of its own, so that it can be ended with everything that it started.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    },
  );
  let output = '';
  let inOrder = false;
  let late = false;
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  createInterface({ input: child.stdio[EVENTS_FD_NUMBER] as Readable }).on('line', (line) => {
    const event = JSON.parse(line) as TestEvent;
    if (event.kind === 'summary') inOrder = true;
    else {
      if (event.late) void look();
      onEnd(event);
    }
  });
  let looking: Promise<void> | null = null;
  /** Once: what stands still goes on standing still. */
  const look = (): Promise<void> =>
    (looking ??= standstill(child.pid!, () => output).then((found) => keep(Buffer.from(`\n${found}\n`))));
  const timer = setTimeout(() => {
    late = true;
    void look().finally(() => endGroup(child));
  }, batchMs);

  return new Promise((resolve) => {
    const end = (fault: string | null): void => {
      clearTimeout(timer);
      endGroup(child);
      RUNNING.delete(child);
      resolve({ fault, output });
    };
    RUNNING.add(child);
    child.on('error', (error) => end(`the test process could not be started: ${error.message}`));
    // A program left behind may hold the pipes open; it is ended with its group, and then they close.
    child.on('exit', () => endGroup(child));
    child.on('close', (code, signal) => {
      if (late) end(`it was ended after ${duration(batchMs)}`);
      else if (!inOrder) end(`the test process ended early, with ${signal ?? `exit code ${code}`}`);
      else end(null);
    });
  });
}

const RUNNING = new Set<ChildProcess>();

// Groups of their own do not hear the terminal's interrupt.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of RUNNING) endGroup(child);
    process.exit(130);
  });
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

/** `node --test` takes patterns: what is special in a pattern is escaped. */
function literalPattern(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!]/gu, String.raw`\$&`);
}

function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  return { NODE_COMPILE_CACHE: COMPILED, ...rest, PATH: toolPath(), [EVENTS_FD]: String(EVENTS_FD_NUMBER) };
}
