/**
 * Reads the files of NIST's CAVP and their like: lines of `name = value`, in records, under headings in brackets.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface VectorRecord {
  /** Text of the last heading before it. */
  readonly heading: string;
  /** A line without `=`, such as `FAIL`, is a field with an empty value. */
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * All records of a file. A blank line ends a record; so does a second field of the same name.
 *
 * @param headings which headings count, where a file has others below them
 */
export async function readRecords(folder: string, file: string, headings = /./u): Promise<readonly VectorRecord[]> {
  const records: VectorRecord[] = [];
  let heading = '';
  let fields: Record<string, string> = {};
  const end = (): void => {
    if (Object.keys(fields).length > 0) records.push({ heading, fields });
    fields = {};
  };
  for (const raw of (await readFile(join(folder, file), 'utf8')).split('\n')) {
    const line = raw.trim();
    if (line.startsWith('#')) continue;
    const bracketed = /^\[(.*)\]$/u.exec(line)?.[1];
    if (line === '' || bracketed !== undefined) {
      end();
      if (bracketed !== undefined && headings.test(bracketed)) heading = bracketed;
      continue;
    }
    const [name = '', value = ''] = line.split(/\s*=\s*/u, 2);
    if (name in fields) end();
    fields[name] = value;
  }
  end();
  return records;
}

/** Bytes of a hexadecimal number or string; one with an odd count of digits gets a zero before it. */
export function hexBytes(hex: string): Buffer {
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}
