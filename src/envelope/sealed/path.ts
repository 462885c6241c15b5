/**
 * Where a value stands in a document: names of keys and positions in lists, from the outside in.
 *
 * A path has two forms. As text it is for people, and for the patterns that select values: `db.hosts[0].password`. As
 * bytes it is part of what each sealed value is bound to; there a list's element is an element, whichever, so that a new
 * one at the front leaves the ciphertexts of the others as they are. What the order is, the file's MAC says.
 *
 * @module
 */
import { lengthPrefixed } from '../../bytes/length-prefixed.ts';

export interface Path {
  /** Counts from 0; only YAML has more than one. */
  readonly document: number;
  readonly steps: readonly (string | number)[];
}

const KEY = Buffer.of(0x01);
const ELEMENT = Buffer.of(0x02);
const DOCUMENT = 0x03;

/** `a.b[0]["odd key"]`; values of documents behind the first start with `#2:`. */
export function pathText({ document, steps }: Path): string {
  const words = steps.map((step, at) => {
    if (typeof step === 'number') return `[${step}]`;
    if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
    return at === 0 ? step : `.${step}`;
  });
  return `${document === 0 ? '' : `#${document + 1}:`}${steps.length === 0 ? '.' : words.join('')}`;
}

/** spec/sealed-config.md, "The path": injective, but for positions in lists. */
export function encodePath({ document, steps }: Path): Buffer {
  const parts: Buffer[] = [];
  if (document > 0) {
    const part = Buffer.alloc(5, DOCUMENT);
    part.writeUInt32BE(document, 1);
    parts.push(part);
  }
  for (const step of steps) {
    if (typeof step === 'number') parts.push(ELEMENT);
    else parts.push(KEY, lengthPrefixed(Buffer.from(step)));
  }
  return Buffer.concat(parts);
}
