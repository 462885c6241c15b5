/**
 * The process as commands see it: standard streams, environment and current folder, and what to show to whom.
 *
 * Results go to standard output and nothing else does; words to a person go to standard error, so that a pipe carries
 * only results. Colours appear on a terminal only, and never where NO_COLOR is set (no-color.org).
 *
 * @module
 */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';

export type Environment = Readonly<Record<string, string | undefined>>;
export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export interface Stream<S> {
  readonly stream: S;
  readonly isTty: boolean;
}

export interface Terminal {
  readonly env: Environment;
  /** Absolute path of the current folder. */
  readonly folder: string;
  readonly input: Stream<Readable>;
  readonly output: Stream<Writable>;
  readonly errors: Stream<Writable>;
  /** A line of a result. */
  print(line: string): void;
  /** A line to whoever looks on. */
  say(line: string): void;
  /** Waits while the reader is slower than we are; false once nobody reads any more. */
  hasReader(): Promise<boolean>;
  /** Text in a colour, where the stream that it goes to shows colours. */
  styled(colour: Colour, text: string, to?: 'output' | 'errors'): string;
}

/** The terminal of this process. */
export function processTerminal(env: Environment = process.env): Terminal {
  const { stdin, stdout, stderr } = process;
  let read = true;
  // Who reads no further has what they wanted: the rest is dropped, and the command ends as it would have.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    read = false;
  });
  stderr.on('error', () => undefined);
  return {
    env,
    folder: process.cwd(),
    input: { stream: stdin, isTty: stdin.isTTY },
    output: { stream: stdout, isTty: stdout.isTTY },
    errors: { stream: stderr, isTty: stderr.isTTY },
    print: (line) => void stdout.write(`${line}\n`),
    say: (line) => void stderr.write(`${line}\n`),
    hasReader: async () => {
      // An error ends the wait as well; what it means is decided above.
      if (read && stdout.writableNeedDrain) await once(stdout, 'drain').catch(() => undefined);
      return read;
    },
    styled: (colour, text, to = 'output') =>
      styleText(colour, text, { stream: to === 'output' ? stdout : stderr, validateStream: true }),
  };
}
