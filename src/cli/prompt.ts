/**
 * A question on the terminal whose answer is not shown.
 *
 * @module
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Terminal } from './terminal.ts';

/** Ctrl-C at a question. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** @throws InterruptedError */
export function askSecret({ input, errors }: Terminal, question: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: input.stream, output: nowhere, terminal: true, historySize: 0 });
  errors.stream.write(question);
  lines.on('line', (line) => {
    resolve(line);
    lines.close();
  });
  lines.on('SIGINT', () => {
    reject(new InterruptedError('interrupted'));
    lines.close();
  });
  lines.on('close', () => {
    errors.stream.write('\n');
    // Ctrl-D.
    resolve('');
  });
  return promise;
}
