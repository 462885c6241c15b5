/**
 * One line about long work, on standard error and on a terminal only; it goes when the work is done.
 *
 * @module
 */
import type { Terminal } from './terminal.ts';

/** Work that is shorter needs no words. */
const SILENT_MS = 400;
const CLEAR = '\r\u001B[2K';

export interface Progress {
  show(text: string): void;
  clear(): void;
}

export function progress({ errors }: Terminal): Progress {
  const startMs = performance.now();
  let shown = false;
  return {
    show: (text) => {
      if (!errors.isTty || performance.now() - startMs < SILENT_MS) return;
      shown = true;
      errors.stream.write(`${CLEAR}${text}`);
    },
    clear: () => {
      if (shown) errors.stream.write(CLEAR);
      shown = false;
    },
  };
}
