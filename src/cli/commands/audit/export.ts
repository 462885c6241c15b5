/**
 * `claviger audit export`: the log as files, in the layout of C2SP tlog-tiles with what opens its commitments beside.
 *
 * What is full never changes, so a second export into the same folder fetches only what is new. Openings can be
 * redacted, so they are fetched anew each time; and where records were redacted while the export ran, it goes on until it
 * has the records that say so.
 *
 * What a folder holds may be the only proof that the log was cut or made anew. So the log has to go on from the folder's
 * checkpoint, and nothing is written before that is shown.
 *
 * @module
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { tilePath } from '../../../audit/tiles.ts';
import { TILE_WIDTH } from '../../../audit/tree.ts';
import {
  MalformedError,
  parseVerifierKey,
  successionFinding,
  type Finding,
  type FindingKind,
  type VerifierKey,
} from '../../../audit/verifier/index.ts';
import type { ClavigerClient } from '../../../client/index.ts';
import { ClavigerError } from '../../../errors.ts';
import { CliCommand } from '../../command.ts';
import { fileError } from '../../input.ts';
import { progress } from '../../progress.ts';
import { UsageError } from '../../usage-error.ts';

/** Checkpoints that one request asks for. */
const CHECKPOINTS_PAGE = 1000;

export function exportCommand(): CliCommand {
  return new CliCommand('export')
    .description(
      'Write the whole log to a folder, to keep or to verify elsewhere; again to bring the folder up to date',
    )
    .argument('<folder>', 'made where it does not exist; left as it is where the log does not go on from what it holds')
    .examples('claviger audit export ./log', 'claviger audit verify ./log --key log.key')
    .run(async (session, _options, folder) => {
      requireFolder(folder);
      const told = progress(session.terminal);
      const client = session.client();
      const exported = async (): Promise<number> => {
        for (;;) {
          const begunAt = await newestTime(client);
          const size = await exportLog(client, folder, (done, of) => told.show(`${done} of ${of} records`));
          if (!(await redactedSince(client, begunAt))) return size;
        }
      };
      const size = await exported()
        .catch((error: unknown) => {
          throw withScope(error);
        })
        .finally(() => told.clear());
      session.answer({ folder, size }, () => `${size} records in ${folder}`);
    });
}

function requireFolder(folder: string): void {
  if (folder.trim() === '') throw new UsageError('the folder has no name; `.` is the one that you are in');
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new UsageError(`\`${folder}\` is a file; name a folder, which is made where it does not exist`);
  }
}

/** A refusal says what right it takes, as that of `claviger audit verify` does. */
function withScope(error: unknown): unknown {
  if (!(error instanceof ClavigerError) || error.code !== 'PERMISSION_DENIED') return error;
  const { code, message, cause } = error;
  return new ClavigerError(code, `${message}; exporting the log needs the role auditor in the system scope`, { cause });
}

/** Time of the newest record, by the server's clock. */
async function newestTime(client: ClavigerClient): Promise<string> {
  const { records } = await client.listAuditRecords({ limit: 1 });
  return records[0]!.time;
}

/** A page of a list may be empty though others follow: the server looks at so many records at once. */
async function redactedSince(client: ClavigerClient, since: string): Promise<boolean> {
  const wanted = { operation: 'RedactAuditRecords', outcome: 'OK', since, limit: 1 };
  for (let cursor: string | undefined; ;) {
    const { records, nextCursor } = await client.listAuditRecords({ ...wanted, cursor });
    if (records.length > 0) return true;
    if (nextCursor === null) return false;
    cursor = nextCursor;
  }
}

/** Brings a folder up to the newest checkpoint; gives the number of records. */
async function exportLog(
  client: ClavigerClient,
  folder: string,
  progressed: (done: number, of: number) => void,
): Promise<number> {
  const write = (path: string, content: string | Uint8Array): void => writeWhole(join(folder, path), content);
  const key = await client.getAuditLogKey();
  const checkpoint = await client.getAuditCheckpoint();
  const size = Number(checkpoint.split('\n')[1]);
  // What lies beyond it in the folder is of an export that was broken off, of a log that may have been another since.
  const shown = await requireSameLog(client, folder, key.trim(), checkpoint);
  const isThere = (path: string, end: number): boolean => end <= shown && existsSync(join(folder, path));
  // Whoever may not read records is refused here, and leaves no folder with a key and nothing else.
  await client.getAuditEntries({ tile: tilePath({ index: 0, width: Math.min(TILE_WIDTH, size) }) });
  write('key', key);
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const tile = tilePath({ index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) });
    if (!isThere(`tile/entries/${tile}`, Math.min(size, (index + 1) * TILE_WIDTH))) {
      write(`tile/entries/${tile}`, await client.getAuditEntries({ tile }));
    }
    write(`openings/${tile}`, await client.getAuditOpenings({ tile }));
    removePartials(folder, index, size);
    progressed(Math.min(size, (index + 1) * TILE_WIDTH), size);
  }
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
    for (let index = 0; index * TILE_WIDTH < width; index++) {
      const tile = `${level}/${tilePath({ index, width: Math.min(TILE_WIDTH, width - index * TILE_WIDTH) })}`;
      if (!isThere(`tile/${tile}`, Math.min(width, (index + 1) * TILE_WIDTH) * TILE_WIDTH ** level)) {
        write(`tile/${tile}`, await client.getAuditTile({ tile }));
      }
    }
  }
  await writeCheckpoints(client, join(folder, 'checkpoints'), size);
  // Last, so that a folder never has a checkpoint over records that it lacks.
  write('checkpoint', checkpoint);
  return size;
}

/** What to do with a folder that the log does not go on from. */
const NEXT: Readonly<Partial<Record<FindingKind, string>>> = {
  'other-origin': 'export each log into a folder of its own',
  'other-key':
    'export each log into a folder of its own; if both should be the same log, it was made anew, and this folder proves it',
  'old-checkpoint':
    'keep the folder, which proves what the server does not have any more, and export into another one to compare',
  fork: 'keep the folder, and export into another one: together they prove it',
  rewritten: 'keep the folder, and export into another one: together they prove it',
};
const NEXT_OTHERWISE = 'find out who changed the folder, and export into another one';

/**
 * A folder that holds a log already has to hold this one, and no more of it than there is.
 *
 * @returns the size of the folder's checkpoint, which the log goes on from; 0 where there is none
 * @throws CONFLICT; the folder is as it was
 */
async function requireSameLog(
  client: ClavigerClient,
  folder: string,
  key: string,
  checkpoint: string,
): Promise<number> {
  const refuse = ({ kind, message }: Pick<Finding, 'kind' | 'message'>): never => {
    const next = NEXT[kind] ?? NEXT_OTHERWISE;
    throw new ClavigerError('CONFLICT', `nothing was written into \`${folder}\`: ${kind}: ${message}; ${next}`);
  };
  const [keyFile, checkpointFile] = [join(folder, 'key'), join(folder, 'checkpoint')];
  const server = parseVerifierKey(key, 'log');
  const keyThere = contentOf(keyFile)?.toString().trim();
  if (keyThere !== undefined && keyThere !== key) refuse(otherKey(keyThere, keyFile, server));
  const note = contentOf(checkpointFile);
  if (note === null) return 0;
  const found = await successionFinding({
    key: server,
    older: { name: `the checkpoint in \`${folder}\``, note },
    newer: { name: 'the newest checkpoint of the server', note: Buffer.from(checkpoint) },
    prove: async (from, to) => (await client.proveAuditConsistency({ from, to })).hashes,
  });
  if (found !== null) refuse(found);
  return Number(note.toString().split('\n')[1]);
}

function otherKey(text: string, file: string, server: VerifierKey): Pick<Finding, 'kind' | 'message'> {
  try {
    const { name, id } = parseVerifierKey(text, 'log');
    return {
      kind: name === server.name ? 'other-key' : 'other-origin',
      message: `\`${file}\` is the key ${id} of the log \`${name}\`, and that of the server is the key ${server.id} of the log \`${server.name}\``,
    };
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return { kind: 'bad-note', message: `\`${file}\` ${error.message}` };
  }
}

/** A file of the folder; null where there is none. */
function contentOf(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError('read', path, cause);
  }
}

/** Page after page: a log that is always written gets hundreds of thousands a day. */
async function writeCheckpoints(client: ClavigerClient, path: string, size: number): Promise<void> {
  const file = attempt(path, () => openSync(`${path}.new`, 'w', 0o600));
  try {
    for (let after = 0; after < size;) {
      const content = await client.listAuditCheckpoints({ after, limit: CHECKPOINTS_PAGE });
      const page = content.split('\n').filter((line) => line !== '');
      const covered = page.filter((line) => sizeOf(line) <= size);
      attempt(path, () => writeFileSync(file, covered.map((line) => `${line}\n`).join('')));
      after = page.length < CHECKPOINTS_PAGE ? size : sizeOf(page.at(-1)!);
    }
  } finally {
    closeSync(file);
  }
  attempt(path, () => renameSync(`${path}.new`, path));
}

function sizeOf(line: string): number {
  return (JSON.parse(line) as { size: number }).size;
}

/** Openings of an earlier export, when their bundle had fewer records: they may have been redacted since. */
function removePartials(folder: string, index: number, size: number): void {
  const full = tilePath({ index, width: TILE_WIDTH });
  if ((index + 1) * TILE_WIDTH <= size) rmSync(join(folder, 'openings', `${full}.p`), { recursive: true, force: true });
}

/** Written beside and renamed: an export that is interrupted leaves no half of a file. */
function writeWhole(path: string, content: string | Uint8Array): void {
  attempt(path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

function attempt<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}
