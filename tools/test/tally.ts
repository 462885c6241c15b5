/**
 * Counts what the tests said, and prints it: a line for each file as it ends, all failures in full at the end.
 *
 * @module
 */
import { duration } from '../run.ts';
import type { EndEvent } from './events.ts';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Failure {
  readonly title: string;
  readonly text: string;
}

export class Tally {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #print: (line: string) => void;
  readonly #failures: Failure[] = [];
  /** Reason → names of what was skipped for it. */
  readonly #skips = new Map<string, string[]>();

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Opens the account of one test file, known to the reader as `name`. */
  file(name: string): FileTally {
    return new FileTally(name, this);
  }

  pass(): void {
    this.counts.passed += 1;
  }

  /** Without text: what failed lies inside and has been told. */
  fail(title: string, text: string | undefined): void {
    this.counts.failed += 1;
    if (text !== undefined) this.#failures.push({ title, text });
  }

  skip(title: string, reason: string): void {
    this.counts.skipped += 1;
    const titles = this.#skips.get(reason) ?? [];
    titles.push(title);
    this.#skips.set(reason, titles);
  }

  print(line: string): void {
    this.#print(line);
  }

  /** Shows what tests printed. */
  printed(output: string): void {
    if (output.trim() !== '') this.#print(`it printed:\n${indent(output.trimEnd())}`);
  }

  /** Prints skips by reason, failures in full, and as the very last line the three counts. Gives the exit code. */
  close(): 0 | 1 {
    for (const [reason, titles] of this.#skips) {
      this.#print(`\nskipped ${titles.length}: ${reason === '' ? '(no reason given)' : reason}`);
      for (const title of titles.slice(0, 5)) this.#print(`  ${title}`);
      if (titles.length > 5) this.#print(`  and ${titles.length - 5} more`);
    }
    for (const [index, { title, text }] of this.#failures.entries()) {
      this.#print(`\nfailure ${index + 1} of ${this.#failures.length}: ${title}\n${indent(text)}`);
    }
    const { passed, failed, skipped } = this.counts;
    if (passed + failed === 0) this.#print('\nno test has run, which counts as a failure');
    this.#print(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
    return failed > 0 || passed + failed === 0 ? 1 : 0;
  }
}

/** The account of one file. */
export class FileTally {
  readonly #name: string;
  readonly #tally: Tally;
  readonly #counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  #durationMs = 0;

  constructor(name: string, tally: Tally) {
    this.#name = name;
    this.#tally = tally;
  }

  add(event: EndEvent): void {
    if (event.nesting === 0) this.#durationMs += event.durationMs;
    const title = [this.#name, ...event.path].join(' › ');
    if (event.of === 'file' && event.outcome === 'passed') {
      this.#fail(this.#name, 'the file registers no test; add one, or take `.test` from its name');
    } else if (event.outcome === 'failed') {
      // A suite counts where it failed by itself (a hook), not where a test of it did.
      if (event.of !== 'suite' || event.error !== undefined) this.#fail(title, event.error);
    } else if (event.outcome === 'skipped') {
      this.#counts.skipped += 1;
      this.#tally.skip(title, event.reason ?? '');
    } else if (event.of === 'test') {
      this.#counts.passed += 1;
      this.#tally.pass();
    }
  }

  get failed(): boolean {
    return this.#counts.failed > 0;
  }

  /** Prints the file's line. A fault is why its process did not end in order. */
  close(fault: string | null = null): void {
    if (fault !== null) this.#fail(this.#name, fault);
    const { passed, failed, skipped } = this.#counts;
    const parts = [`${passed} passed`, failed > 0 ? `${failed} FAILED` : '', skipped > 0 ? `${skipped} skipped` : ''];
    const counts = parts.filter((part) => part !== '').join(', ');
    this.#tally.print(`${failed > 0 ? 'FAILED' : 'ok    '}  ${this.#name}  ${counts}  ${duration(this.#durationMs)}`);
  }

  #fail(title: string, text: string | undefined): void {
    this.#counts.failed += 1;
    this.#tally.fail(title, text);
  }
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gmu, '  ');
}
