/**
 * Inputs at random that can be had again: texts and bytes made by small changes of good ones, and out of nothing.
 *
 * @module
 */
import type { Random } from '../../ports/random.ts';

/** Characters that parsers trip over. */
const TROUBLE = [
  '',
  '/',
  '//',
  '..',
  '../',
  '%2f',
  '%00',
  '\0',
  '\n',
  '\r\n',
  ' ',
  ':',
  '@',
  '?',
  '#',
  '&',
  '=',
  ';',
  '\\',
  '"',
  "'",
  '`',
  '{}',
  '[]',
  '*',
  'é',
  '\u{1f511}',
  '\ud800',
  '\u202e',
  '__proto__',
  'constructor',
];
/** Longer than any reference. */
const LONG_CHARS = 5000;

/** mulberry32: enough to draw from, and the same on every machine. */
export class Draw implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to `below`, without it. */
  number(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.number(256)));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.number(choices.length)]!;
  }
}

/** A text that is nearly this one, or nothing like it. */
export function brokenText(draw: Draw, text: string): string {
  const at = draw.number(text.length + 1);
  const end = Math.min(text.length, at + 1 + draw.number(8));
  switch (draw.number(7)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at + 1);
    case 2:
      return text.slice(0, at) + draw.of(TROUBLE) + text.slice(at);
    case 3:
      return text.slice(0, at) + draw.of(TROUBLE) + text.slice(end);
    case 4:
      return text.slice(0, at) + text.slice(at, end).repeat(2) + text.slice(end);
    case 5:
      return text + draw.of(['a', '/', text]).repeat(1 + draw.number(Math.ceil(LONG_CHARS / (text.length + 1))));
    default:
      return draw.bytes(draw.number(64)).toString(draw.of(['latin1', 'base64', 'hex'] as const));
  }
}

/** Bytes that are nearly these, or nothing like them; never these. */
export function brokenBytes(draw: Draw, bytes: Buffer): Buffer {
  const broken = changedBytes(draw, bytes);
  return broken.equals(bytes) ? Buffer.concat([bytes, Buffer.of(0)]) : broken;
}

function changedBytes(draw: Draw, bytes: Buffer): Buffer {
  const at = draw.number(bytes.length);
  const copy = Buffer.from(bytes);
  switch (draw.number(5)) {
    case 0:
      copy[at]! ^= 1 << draw.number(8);
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy.subarray(0, at), draw.bytes(1 + draw.number(16)), copy.subarray(at)]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), draw.bytes(bytes.length - at)]);
    default:
      return draw.bytes(draw.number(2 * bytes.length));
  }
}

/** Positions spread over a length: all of a short one, the ends of a long one always. */
export function positions(length: number, most: number): readonly number[] {
  if (length <= most) return Array.from({ length }, (_, at) => at);
  return Array.from({ length: most }, (_, n) => Math.floor((n * (length - 1)) / (most - 1)));
}

/** The bytes with one bit changed. */
export function flipped(bytes: Uint8Array, at: number, bit = at % 8): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1 << bit;
  return copy;
}
