/**
 * A program in a process of its own, in which node:ffi is switched off.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs the text of a module to its end; it must succeed. */
export async function runWithoutFfi(program: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const options = ['--no-experimental-ffi', '--input-type=module', '--eval', program];
  return promisify(execFile)(process.execPath, options);
}
