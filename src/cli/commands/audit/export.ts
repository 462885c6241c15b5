/**
 * `claviger audit export`: the log as files, in the layout of C2SP tlog-tiles with what opens its commitments beside.
 *
 * What is full never changes, so a second export into the same folder fetches only what is new. Openings can be
 * redacted, so they are fetched anew each time; and where records were redacted while the export ran, it goes on until it
 * has the records that say so.
 *
 * @module
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tilePath } from '../../../audit/tiles.ts';
import { TILE_WIDTH } from '../../../audit/tree.ts';
import type { ClavigerClient } from '../../../client/index.ts';
import { CliCommand } from '../../command.ts';
import { fileError } from '../../input.ts';
import { progress } from '../../progress.ts';

/** Checkpoints that one request asks for. */
const CHECKPOINTS_PAGE = 1000;

export function exportCommand(): CliCommand {
  return new CliCommand('export')
    .description(
      'Write the whole log to a folder, to keep or to verify elsewhere; again to bring the folder up to date',
    )
    .argument('<folder>', 'made where it does not exist')
    .examples('claviger audit export ./log', 'claviger audit verify ./log --key log.key')
    .run(async (session, _options, folder) => {
      const told = progress(session.terminal);
      const client = session.client();
      let size: number;
      let begunAt: string;
      do {
        begunAt = await newestTime(client);
        size = await exportLog(client, folder, (done, of) => told.show(`${done} of ${of} records`));
      } while (await redactedSince(client, begunAt));
      told.clear();
      session.answer({ folder, size }, () => `${size} records in ${folder}`);
    });
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
  write('key', await client.getAuditLogKey());
  const checkpoint = await client.getAuditCheckpoint();
  const size = Number(checkpoint.split('\n')[1]);
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const tile = tilePath({ index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) });
    if (!existsSync(join(folder, 'tile/entries', tile))) {
      write(`tile/entries/${tile}`, await client.getAuditEntries({ tile }));
    }
    write(`openings/${tile}`, await client.getAuditOpenings({ tile }));
    removePartials(folder, index, size);
    progressed(Math.min(size, (index + 1) * TILE_WIDTH), size);
  }
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
    for (let index = 0; index * TILE_WIDTH < width; index++) {
      const tile = `${level}/${tilePath({ index, width: Math.min(TILE_WIDTH, width - index * TILE_WIDTH) })}`;
      if (!existsSync(join(folder, 'tile', tile))) {
        write(`tile/${tile}`, await client.getAuditTile({ tile }));
      }
    }
  }
  await writeCheckpoints(client, join(folder, 'checkpoints'), size);
  // Last, so that a folder never has a checkpoint over records that it lacks.
  write('checkpoint', checkpoint);
  return size;
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
