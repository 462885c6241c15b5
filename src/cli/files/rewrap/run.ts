/**
 * Many files, some at a time, and what became of each.
 *
 * The report is written file by file, so an end in the middle leaves it true. Nobody needs it to go on: what is done
 * already shows in the files themselves.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { CommitmentPolicy } from '../../../envelope/index.ts';
import { ERRORS, toClavigerError, type ErrorCode } from '../../../errors.ts';
import { EXIT, exitCodeOf, type ExitCode } from '../../exit-codes.ts';
import { fileError } from '../../input.ts';
import type { Session } from '../../session.ts';
import { progress } from '../../progress.ts';
import { plain } from '../../table.ts';
import { sizeText } from '../meter.ts';
import { Unfinished } from '../unfinished.ts';
import { KeysNow } from './keys-now.ts';
import { rewrapFile, type Rewrapped, type RewrapTerms } from './one-file.ts';
import { filesOf, type Found, type TreeOptions } from './tree.ts';

const SHOW_MS = 100;
const REPORT_MODE = 0o644;

export interface RewrapRun extends TreeOptions {
  readonly keys: readonly string[];
  readonly context: Readonly<Record<string, string>>;
  readonly commitmentPolicy: CommitmentPolicy | undefined;
  readonly dryRun: boolean;
  readonly concurrency: number;
  /** Where a line for each file is added. */
  readonly report: string | undefined;
}

type Outcome = Rewrapped['outcome'] | 'skipped' | 'failed';

/** What became of a file, as a line of the report. */
type Entry = { readonly file: string; readonly outcome: Outcome } & (
  Omit<Rewrapped, 'outcome'> | { readonly error: { readonly code: ErrorCode; readonly message: string } }
);

/** These stand for every file that would come. */
const ENDS_ALL: ReadonlySet<ErrorCode> = new Set(['UNAUTHENTICATED']);

/** @returns the exit code: 0 where every file is as it should be, else that of the failures where they have one in common */
export async function rewrapAll(session: Session, paths: readonly string[], run: RewrapRun): Promise<ExitCode> {
  const { terminal } = session;
  const service = session.client();
  using unfinished = new Unfinished(terminal);
  using tally = new Tally(session, run.report);
  const terms: RewrapTerms = {
    ...run,
    service,
    keysNow: new KeysNow(service),
    unfinished,
    terminal,
    onBytes: (bytes) => tally.bytes(bytes),
  };
  const files = filesOf(paths, run);
  const worker = async (): Promise<void> => {
    for (const found of files) {
      await one(found, terms, tally);
      if (tally.isStopped) return;
      // A tree of files that are current is no reason to keep a signal waiting.
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: run.concurrency }, worker));
  return tally.end();
}

async function one({ path, unfit, named }: Found, terms: RewrapTerms, tally: Tally): Promise<void> {
  if (unfit !== null) return tally.add({ file: path, outcome: named ? 'failed' : 'skipped', error: told(unfit) });
  try {
    const done = await rewrapFile(path, terms);
    if (done.outcome !== 'other' || !named) return tally.add({ file: path, ...done });
    const message = `\`${path}\` is neither a message of the AWS Encryption SDK nor a ciphertext blob`;
    tally.add({ file: path, outcome: 'failed', error: { code: 'INVALID_ARGUMENT', message } });
  } catch (thrown) {
    tally.add({ file: path, outcome: 'failed', error: told(toClavigerError(thrown)) });
  }
}

function told({ code, message }: { readonly code: ErrorCode; readonly message: string }): {
  readonly code: ErrorCode;
  readonly message: string;
} {
  return { code, message };
}

/** Counts, shows and writes down what became of files. */
class Tally implements Disposable {
  readonly #session: Session;
  readonly #report: { readonly path: string; readonly fd: number } | null;
  readonly #counts: Record<Outcome, number> = { rewrapped: 0, due: 0, current: 0, other: 0, skipped: 0, failed: 0 };
  readonly #failures = new Set<ExitCode>();
  readonly #progress;
  #bytes = 0;
  #shownMs = 0;
  isStopped = false;

  /** @throws ClavigerError where the report cannot be written */
  constructor(session: Session, report: string | undefined) {
    this.#session = session;
    this.#progress = progress(session.terminal);
    try {
      this.#report = report === undefined ? null : { path: report, fd: openSync(report, 'a', REPORT_MODE) };
    } catch (cause) {
      throw fileError('write', report!, cause);
    }
  }

  bytes(more: number): void {
    this.#bytes += more;
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < SHOW_MS) return;
    this.#shownMs = nowMs;
    this.#progress.show(`${this.#words()}  ${sizeText(this.#bytes)} read`);
  }

  add(entry: Entry): void {
    this.#counts[entry.outcome] += 1;
    if (entry.outcome === 'failed' && 'error' in entry) {
      this.#failures.add(exitCodeOf(entry.error.code));
      this.isStopped ||= ENDS_ALL.has(entry.error.code) || isOfServer(entry.error.code);
    }
    this.#write(entry);
    this.#show(entry);
  }

  end(): ExitCode {
    this.#progress.clear();
    const { terminal, json } = this.#session;
    if (json) terminal.print(JSON.stringify({ summary: { ...this.#counts, stopped: this.isStopped } }));
    else terminal.print(this.#words());
    if (this.isStopped) terminal.say('stopped: every other file would fail like the last; run the same command again');
    if (this.#failures.size === 0) return EXIT.ok;
    return this.#failures.size === 1 ? [...this.#failures][0]! : EXIT.failed;
  }

  [Symbol.dispose](): void {
    if (this.#report !== null) closeSync(this.#report.fd);
  }

  #write(entry: Entry): void {
    if (this.#report === null) return;
    try {
      writeSync(this.#report.fd, `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`);
    } catch (cause) {
      throw fileError('write', this.#report.path, cause);
    }
  }

  #show(entry: Entry): void {
    const { terminal, json } = this.#session;
    if (json) return terminal.print(JSON.stringify(entry));
    const { outcome, file } = entry;
    if (outcome === 'current') return;
    this.#progress.clear();
    if (!('error' in entry)) {
      const missing = entry.missingHomes ?? [];
      const notes = [
        ...(entry.signatureDropped === true ? ['its signature is gone: what is written has none'] : []),
        ...(missing.length > 0 ? [`still missing: ${missing.join(', ')}`] : []),
      ];
      return terminal.print(plain([`${outcome}  ${file}`, ...notes].join('  ')));
    }
    terminal[outcome === 'failed' ? 'say' : 'print'](plain(`${outcome}  ${file}: ${entry.error.message}`));
  }

  #words(): string {
    return Object.entries(this.#counts)
      .filter(([outcome, count]) => count > 0 || outcome === 'rewrapped' || outcome === 'failed')
      .map(([outcome, count]) => `${outcome} ${count}`)
      .join(', ');
  }
}

/** The server as a whole cannot work, whichever file comes. */
function isOfServer(code: ErrorCode): boolean {
  return code !== 'THROTTLED' && ERRORS[code].disposition !== 'fatal' && ERRORS[code].disposition !== 'pending';
}
