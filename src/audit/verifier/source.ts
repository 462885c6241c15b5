/**
 * Where a verifier reads a log from: a folder that `claviger audit export` wrote, or a server.
 *
 * @module
 */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClavigerError, type ErrorCode } from '../../errors.ts';

/** A bundle of entries has at most 16 MiB; openings of 256 batches with their contexts may have more. */
const FILE_BYTES_MAX = 256 << 20;
const TIMEOUT_MS = 30_000;
/** Checkpoints in one answer of the server. */
const PAGE_CHECKPOINTS = 1000;
/** A server that restarts, or asks for patience, is asked again: after 0.2, 0.4, 0.8 and 1.6 seconds. */
const ATTEMPTS_MAX = 5;
const FIRST_PAUSE_MS = 200;
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface LogSource {
  /** How messages name it. */
  readonly name: string;
  /** Whether it may grow while it is read. */
  readonly live: boolean;
  /** A file of the layout by its path; null where there is none. @throws ClavigerError where it cannot be read */
  read(path: string): Promise<Uint8Array | null>;
  /** Lines of the list of checkpoints, those above a size at least; null where there is no list. */
  checkpoints(afterSize: number): Promise<AsyncIterable<string> | null>;
}

/** A folder with the layout of `claviger audit export`. */
export function folderSource(folder: string): LogSource {
  return {
    name: folder,
    live: false,
    read: async (path) => {
      const file = join(folder, path);
      try {
        const { size } = await stat(file);
        if (size > FILE_BYTES_MAX) throw tooLarge(file);
        return await readFile(file);
      } catch (cause) {
        if (isMissing(cause)) return null;
        throw unreadable(file, cause);
      }
    },
    checkpoints: async () => {
      const file = join(folder, 'checkpoints');
      const found = await stat(file).catch((cause: unknown) => {
        if (isMissing(cause)) return null;
        throw unreadable(file, cause);
      });
      return found === null ? null : linesOf(file);
    },
  };
}

export interface UrlSourceOptions {
  /** `https://kms.example.com:8550`; the log is below `/v1/audit/log/` of it. */
  readonly endpoint: string;
  readonly token: string;
  readonly fetch?: typeof globalThis.fetch;
}

/** The log of a server. The token needs the role auditor in the system scope. */
export function urlSource({ endpoint, token, fetch = globalThis.fetch }: UrlSourceOptions): LogSource {
  const base = `${endpoint.replace(/\/+$/, '')}/v1/audit/log/`;
  const read = async (path: string): Promise<Uint8Array | null> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await fetch(`${base}${path}`, {
          headers: { authorization: `Bearer ${token}` },
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        if (response.status === 404) {
          await response.body?.cancel();
          return null;
        }
        if (response.ok) return await bodyOf(response, `${base}${path}`);
        const refusal = await refusalOf(response, path);
        if (!AGAIN.has(response.status) || attempt >= ATTEMPTS_MAX) throw refusal;
      } catch (cause) {
        if (cause instanceof ClavigerError) throw cause;
        if (attempt >= ATTEMPTS_MAX) {
          throw new ClavigerError('PROVIDER_UNAVAILABLE', `cannot reach ${endpoint}: ${reasonOf(cause)}`, { cause });
        }
      }
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  };
  return { name: endpoint, live: true, read, checkpoints: async (afterSize) => pages(read, afterSize) };
}

type Read = LogSource['read'];

/** The pages of the list, one line after another; null where the server has no list. */
async function pages(read: Read, afterSize: number): Promise<AsyncIterable<string> | null> {
  const page = async (after: number): Promise<readonly string[] | null> => {
    const bytes = await read(`checkpoints?after=${after}&limit=${PAGE_CHECKPOINTS}`);
    return bytes === null ? null : Buffer.from(bytes).toString().split('\n').filter(Boolean);
  };
  // `after` is exclusive, and the empty log may have a checkpoint.
  const first = await page(afterSize);
  if (first === null) return null;
  return (async function* () {
    for (let lines = first; lines.length > 0;) {
      yield* lines;
      const next = sizeOf(lines.at(-1)!);
      if (next === null) return;
      lines = (await page(next)) ?? [];
    }
  })();
}

/** The size in a line of the list; null where it has none, which whoever reads the line will tell. */
function sizeOf(line: string): number | null {
  try {
    const { size } = JSON.parse(line) as { size?: unknown };
    return typeof size === 'number' ? size : null;
  } catch {
    return null;
  }
}

async function bodyOf(response: Response, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > FILE_BYTES_MAX) throw tooLarge(url);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function refusalOf(response: Response, path: string): Promise<ClavigerError> {
  const { status } = response;
  const told = (await response.json().catch(() => null)) as { detail?: unknown } | null;
  const detail = typeof told?.detail === 'string' ? told.detail : `the server answered ${status}`;
  const code: ErrorCode =
    status === 401
      ? 'UNAUTHENTICATED'
      : status === 403
        ? 'PERMISSION_DENIED'
        : AGAIN.has(status)
          ? 'PROVIDER_UNAVAILABLE'
          : 'INTERNAL';
  const next = status === 403 ? '; verifying a whole log needs the role auditor in the system scope' : '';
  return new ClavigerError(code, `cannot read \`${path}\`: ${detail}${next}`);
}

function tooLarge(name: string): ClavigerError {
  return new ClavigerError('LIMIT_EXCEEDED', `\`${name}\` has more than ${FILE_BYTES_MAX} bytes; no file of a log has`);
}

/** @throws INVALID_ARGUMENT where it cannot be read, on the way too */
async function* linesOf(file: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): ClavigerError {
  if (cause instanceof ClavigerError) return cause;
  return new ClavigerError('INVALID_ARGUMENT', `cannot read \`${file}\`: ${(cause as Error).message}`, { cause });
}

function isMissing(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
}

/** What a failed fetch says, which hides it in its cause. */
function reasonOf(thrown: unknown): string {
  const { cause, message } = thrown as { cause?: { code?: string; message?: string }; message: string };
  return cause?.code ?? cause?.message ?? message;
}
