/**
 * `claviger audit export`: the log as files, in the layout of C2SP tlog-tiles with what opens its commitments beside.
 *
 * What is full never changes, so a second export into the same folder fetches only what is new. Openings can be
 * redacted, so they are fetched anew each time; and where records were redacted while the export ran, it goes on until it
 * has the records that say so.
 *
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tilePath } from '../../../audit/tiles.ts';
import { TILE_WIDTH } from '../../../audit/tree.ts';
import type { ClavigerClient } from '../../../client/index.ts';
import { ClavigerError } from '../../../errors.ts';
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
      let redacted = await redactedRecords(client);
      for (;;) {
        size = await exportLog(client, folder, (done, of) => told.show(`${done} of ${of} records`));
        const before = redacted;
        redacted = await redactedRecords(client);
        if (redacted === before) break;
      }
      told.clear();
      session.answer({ folder, size }, () => `${size} records in ${folder}`);
    });
}

/** Changes with every redaction. */
async function redactedRecords(client: ClavigerClient): Promise<number> {
  const { records } = await client.listAuditRecords({ operation: 'RedactAuditRecords', outcome: 'OK', limit: 1 });
  return records[0]?.index ?? -1;
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
  write('checkpoints', await allCheckpoints(client, size));
  // Last, so that a folder never has a checkpoint over records that it lacks.
  write('checkpoint', checkpoint);
  return size;
}

async function allCheckpoints(client: ClavigerClient, size: number): Promise<string> {
  const lines: string[] = [];
  for (let after = 0; ;) {
    const content = await client.listAuditCheckpoints({ after, limit: CHECKPOINTS_PAGE });
    const page = content.split('\n').filter((line) => line !== '');
    const sizes = page.map((line) => (JSON.parse(line) as { size: number }).size);
    lines.push(...page.filter((_, at) => sizes[at]! <= size));
    after = sizes.at(-1) ?? size;
    if (page.length < CHECKPOINTS_PAGE || after >= size) return lines.map((line) => `${line}\n`).join('');
  }
}

/** Openings of an earlier export, when their bundle had fewer records: they may have been redacted since. */
function removePartials(folder: string, index: number, size: number): void {
  const full = tilePath({ index, width: TILE_WIDTH });
  if ((index + 1) * TILE_WIDTH <= size) rmSync(join(folder, 'openings', `${full}.p`), { recursive: true, force: true });
}

/** Written beside and renamed: an export that is interrupted leaves no half of a file. */
function writeWhole(path: string, content: string | Uint8Array): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (cause) {
    if (cause instanceof ClavigerError) throw cause;
    throw fileError('write', path, cause);
  }
}
