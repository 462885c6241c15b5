/**
 * Questions on the terminal.
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

/** An answer that is shown. @throws InterruptedError */
export function ask(terminal: Terminal, question: string): Promise<string> {
  return answered(terminal, terminal.errors.stream, question);
}

/** An answer that is not shown. @throws InterruptedError */
export function askSecret(terminal: Terminal, question: string): Promise<string> {
  return answered(terminal, new Writable({ write: (_chunk, _encoding, done) => done() }), question);
}

function answered({ input, errors }: Terminal, echo: Writable, question: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = createInterface({ input: input.stream, output: echo, terminal: true, historySize: 0 });
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
