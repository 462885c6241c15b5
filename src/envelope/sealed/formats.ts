/**
 * Formats by name, and by the name of a file.
 *
 * @module
 */
import { env } from './env.ts';
import type { Format, FormatName } from './format.ts';
import { json } from './json.ts';
import { yaml } from './yaml.ts';

export const FORMATS: Readonly<Record<FormatName, Format>> = { json, yaml, env };

const ENDINGS: readonly (readonly [ending: RegExp, format: Format])[] = [
  [/\.jsonc?$/i, json],
  [/\.ya?ml$/i, yaml],
  [/\.env$/i, env],
  // .env.production, .env.sealed
  [/(?:^|[\\/])\.env\.[^\\/]+$/i, env],
];

/** The format that the name of a file says; null where it says none. */
export function formatOfFile(path: string): Format | null {
  return ENDINGS.find(([ending]) => ending.test(path))?.[1] ?? null;
}
