/**
 * The release, as package.json has it.
 *
 * @module
 */
import { readFileSync } from 'node:fs';

// Both src/server/ and dist/server/ lie two folders below package.json.
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const VERSION = manifest.version;
