/**
 * The whole of a terminal: drawn over in place, so that nothing flickers, and given back as it was.
 *
 * @module
 */
import type { ReadStream, WriteStream } from 'node:tty';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Terminal } from '../terminal.ts';

/** Another screen, without a cursor; and the one from before with it. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
/** From here to there a terminal shows nothing half drawn (synchronized output); others ignore it. */
const BEGIN = '\u001b[?2026h\u001b[H';
const END = '\u001b[J\u001b[?2026l';
const TO_LINE_END = '\u001b[K';

/** q, Q, Ctrl-C, Ctrl-D, Escape alone. */
const QUIT: ReadonlySet<string> = new Set(['q', 'Q', '\u0003', '\u0004', '\u001b']);

export interface Size {
  readonly width: number;
  readonly height: number;
}

export class FullScreen implements Disposable {
  readonly #output: WriteStream;
  readonly #input: ReadStream;
  readonly #over = new AbortController();
  readonly #onKey = (key: Buffer): void => {
    if (QUIT.has(key.toString())) this.#over.abort();
  };
  readonly #onSignal = (): void => this.#over.abort();
  readonly #onResize = (): void => this.#redraw();
  #lines: (size: Size) => readonly string[] = () => [];

  /** @param terminal whose output is a terminal */
  constructor(terminal: Terminal) {
    this.#output = terminal.output.stream as WriteStream;
    this.#input = terminal.input.stream as ReadStream;
    this.#output.write(ENTER);
    this.#output.on('resize', this.#onResize);
    if (terminal.input.isTty) {
      this.#input.setRawMode(true);
      this.#input.on('data', this.#onKey);
    }
    process.on('SIGTERM', this.#onSignal).on('SIGINT', this.#onSignal);
  }

  show(lines: readonly string[]): void {
    this.draw(() => lines);
  }

  /** Shows lines that are made for the size of the screen; they are made anew when it changes. */
  draw(lines: (size: Size) => readonly string[]): void {
    this.#lines = lines;
    this.#redraw();
  }

  /** Waits; false at once when somebody wants to leave. */
  async pause(milliseconds: number): Promise<boolean> {
    return sleep(milliseconds, true, { signal: this.#over.signal }).catch(() => false);
  }

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#onSignal).off('SIGINT', this.#onSignal);
    this.#output.off('resize', this.#onResize);
    if (this.#input.isTTY) {
      this.#input.off('data', this.#onKey);
      this.#input.setRawMode(false);
      this.#input.pause();
    }
    this.#output.write(LEAVE);
  }

  #redraw(): void {
    const size = { width: this.#output.columns, height: this.#output.rows };
    const lines = this.#lines(size).slice(0, size.height);
    this.#output.write(`${BEGIN}${lines.map((line) => `${line}${TO_LINE_END}`).join('\r\n')}${END}`);
  }
}
