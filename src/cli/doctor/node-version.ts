/**
 * Whether this Node is new enough.
 *
 * @module
 */
import { fail, ok, type Finding } from './finding.ts';

const NODE_MAJOR_MIN = 26;

export function checkNode(version: string): Finding {
  const major = Number(version.split('.')[0]);
  if (major >= NODE_MAJOR_MIN) return ok('node', version);
  return fail('node', `${version} is too old`, `install Node ${NODE_MAJOR_MIN} or newer from https://nodejs.org`);
}
