/**
 * Bytes to a file or standard output: as they are in a pipe or file, in base64 on a terminal.
 *
 * @module
 */
import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import { Option } from 'commander';
import type { CliCommand } from './command.ts';
import { fileError } from './input.ts';
import { jsonOf, type Session } from './session.ts';
import type { Terminal } from './terminal.ts';

export interface OutputOptions {
  readonly output?: string | undefined;
  readonly base64?: boolean;
  readonly hex?: boolean;
  readonly raw?: boolean;
}

/** Files with secrets are for their owner only. */
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const PERMISSIONS = 0o777;
const OTHERS = 0o077;

/** Adds `--output`, `--base64`, `--hex` and `--raw`. */
export function withOutput<C extends CliCommand>(command: C, what: string): C {
  return command
    .option('-o, --output <file>', `write ${what} here; \`-\` is standard output`)
    .addOption(new Option('--base64', 'write base64 text, as on a terminal').conflicts(['hex', 'raw']))
    .addOption(new Option('--hex', 'write hexadecimal text').conflicts(['base64', 'raw']))
    .addOption(new Option('--raw', 'write the bytes as they are, also on a terminal').conflicts(['base64', 'hex']));
}

/** Writes the bytes of a result, or with `--json` the whole of it. */
export function writeResult(
  { terminal, json }: Session,
  result: object,
  bytes: Uint8Array,
  options: OutputOptions,
  secret = false,
): void {
  if (json) writeText(terminal, jsonOf(result), options.output, secret);
  else writeBytes(terminal, bytes, options, secret);
}

/** Writes bytes where and how the options say. */
function writeBytes(terminal: Terminal, bytes: Uint8Array, options: OutputOptions, secret = false): void {
  const { output, base64 = false, hex = false, raw = false } = options;
  const toTerminal = output === undefined || output === '-';
  if (hex) return writeText(terminal, Buffer.from(bytes).toString('hex'), output, secret);
  if (base64 || (toTerminal && !raw && terminal.output.isTty)) {
    return writeText(terminal, bytes.toBase64(), output, secret);
  }
  if (toTerminal) terminal.output.stream.write(bytes);
  else writeFile(output, bytes, secret);
}

/** Writes a text with a newline at its end. */
export function writeText(terminal: Terminal, text: string, output: string | undefined, secret = false): void {
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if (output === undefined || output === '-') terminal.output.stream.write(whole);
  else writeFile(output, whole, secret);
}

/** What is secret is for its owner only, also where a file that others may read was there before. */
export function writeFile(path: string, content: Uint8Array | string, secret: boolean): void {
  try {
    if (secret) writeSecret(path, content);
    else writeFileSync(path, content, { mode: PUBLIC_MODE });
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

function writeSecret(path: string, content: Uint8Array | string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, SECRET_MODE);
  try {
    const stats = fstatSync(file);
    if (stats.isFile()) {
      if ((stats.mode & OTHERS) !== 0) fchmodSync(file, stats.mode & PERMISSIONS & ~OTHERS);
      ftruncateSync(file);
    }
    writeFileSync(file, content);
  } finally {
    closeSync(file);
  }
}
