/** `claviger audit export`: of a log with more of everything than one request gives, and into a folder that holds one. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { runCli, startCliWorld, type CliWorld } from '../support/cli.ts';
import { makeFirstReleaseStore } from '../support/first-release.ts';
import { removeFolder, startTestServer, testFolder, type TestServer } from '../support/server.ts';
import { query } from '../support/store-files.ts';

const RECORDS = 2600;

const folder = testFolder();
let server: TestServer;
before(async () => {
  await makeFirstReleaseStore(folder, RECORDS);
  server = await startTestServer({ folder });
  // A checkpoint comes four times a second: these stand for ten minutes of it.
  const db = new DatabaseSync(join(folder, 'claviger.db'), { timeout: 5000 });
  const add = db.prepare('INSERT INTO checkpoints (size, note) VALUES (?, ?)');
  db.exec('BEGIN IMMEDIATE');
  for (let size = 1; size < RECORDS; size++) add.run(size, `note ${size}`);
  db.exec('COMMIT');
  db.close();
});
after(async () => {
  await server.stop();
  removeFolder(folder);
});

test('an export has every checkpoint up to its own, once and in order, and leaves nothing half written', async () => {
  const target = join(folder, 'export');
  const env = { CLAVIGER_ENDPOINT: server.endpoint, CLAVIGER_TOKEN: server.token };
  for (const time of ['first', 'second']) {
    const { code, stdout, stderr } = await runCli(['audit', 'export', target, '--json'], { env });
    assert.equal(code, 0, `${time}: ${stderr}`);
    const { size } = JSON.parse(stdout) as { size: number };
    assert.ok(size >= RECORDS);
    const lines = readFileSync(join(target, 'checkpoints'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      query(folder, 'SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size', size).map((row) => ({
        ...row,
      })),
    );
    const names = readdirSync(target, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      names.filter((name) => name.endsWith('.new')),
      [],
    );
  }
});

describe('a folder that holds a log already', () => {
  let world: CliWorld;
  /** The store as it was before the export. */
  let backup: string;
  before(async () => {
    world = await startCliWorld();
    await grow(world.server, 300);
    backup = backUp(world);
    await grow(world.server, 300);
    await world.ok(['audit', 'key', '-o', 'log.key']);
    await world.ok(['audit', 'export', 'log']);
  });
  after(() => world.stop());

  /** The export is refused, and every file of the folder is as it was. */
  async function requireUntouched(name: string, message: RegExp, { endpoint, token }: TestServer): Promise<void> {
    const before = filesOf(join(world.folder, name));
    const env = { CLAVIGER_ENDPOINT: endpoint, CLAVIGER_TOKEN: token };
    const { stdout } = await world.refused(1, message, ['audit', 'export', name], { env });
    assert.equal(stdout, '');
    assert.deepEqual(filesOf(join(world.folder, name)), before);
  }

  test('is brought up to date where the log has gone on', async () => {
    const sizeOf = (name: string): number =>
      Number(readFileSync(join(world.folder, name, 'checkpoint'), 'utf8').split('\n')[1]);
    cpSync(join(world.folder, 'log'), join(world.folder, 'older'), { recursive: true });
    const then = sizeOf('older');
    await grow(world.server, 300);
    await world.ok(['audit', 'export', 'older']);
    assert.ok(sizeOf('older') >= then + 300);
    await world.ok(['audit', 'verify', 'older', '--key', 'log.key', '--since', 'log/checkpoint', '--no-remember']);
  });

  test('is left as it is by a server whose store is an older one, also once that has grown past it', async () => {
    const old = await startTestServer({ folder: backup });
    try {
      await requireUntouched(
        'log',
        /nothing was written into `log`: old-checkpoint: the newest checkpoint of the server has size \d+, but the checkpoint in `log` has size \d+ already; keep the folder/,
        old,
      );
      await grow(old, 700);
      await requireUntouched('log', /nothing was written into `log`: rewritten: .*; keep the folder, and export/, old);
    } finally {
      await old.stop();
    }
  });

  test('is left as it is by the server of another log, also where only its checkpoint is left', async () => {
    const other = await startTestServer();
    try {
      const message =
        /`log\/key` is the key [0-9a-f]{8} of the log `claviger\/.*`, and that of the server is .*; export each log into a folder of its own/;
      await requireUntouched('log', message, other);
      mkdirSync(join(world.folder, 'keyless'));
      cpSync(join(world.folder, 'log', 'checkpoint'), join(world.folder, 'keyless', 'checkpoint'));
      await requireUntouched('keyless', /other-origin: the checkpoint in `keyless` is one of the log/, other);
    } finally {
      await other.stop();
    }
  });

  test('is left as it is where its key or its checkpoint is none', async () => {
    for (const [file, message] of [
      ['key', /bad-note: `broken-key\/key` is not a verifier key.*; find out who changed the folder/],
      ['checkpoint', /bad-note: the checkpoint in `broken-checkpoint` .*; find out who changed the folder/],
    ] as const) {
      const name = `broken-${file}`;
      cpSync(join(world.folder, 'log'), join(world.folder, name), { recursive: true });
      writeFileSync(join(world.folder, name, file), 'none\n');
      await requireUntouched(name, message, world.server);
    }
  });

  test('is not believed where no checkpoint of it covers what it has: that is fetched anew', async () => {
    cpSync(join(world.folder, 'log'), join(world.folder, 'torn'), { recursive: true });
    // As an export that was broken off leaves it, of a log that has been restored and grown differently since.
    rmSync(join(world.folder, 'torn', 'checkpoint'));
    for (const path of ['tile/entries/000', 'tile/0/000']) {
      const file = join(world.folder, 'torn', path);
      writeFileSync(file, readFileSync(file).fill(7));
    }
    await world.ok(['audit', 'export', 'torn']);
    await world.ok(['audit', 'verify', 'torn', '--key', 'log.key', '--no-remember']);
  });

  test('and has only a key, of an export that was cut short, is filled', async () => {
    mkdirSync(join(world.folder, 'begun'));
    cpSync(join(world.folder, 'log', 'key'), join(world.folder, 'begun', 'key'));
    await world.ok(['audit', 'export', 'begun']);
    await world.ok(['audit', 'verify', 'begun', '--key', 'log.key', '--no-remember']);
  });

  test('is not made for whoever lacks the system scope, and they are told what it takes', async () => {
    for (const roles of [['auditor'], ['crypto-user']] as const) {
      const { token } = await world.server.client.createToken({ name: roles[0], roles });
      await world.refused(
        5,
        /exporting the log needs the role auditor in the system scope/,
        ['audit', 'export', 'refused'],
        { env: { CLAVIGER_TOKEN: token! } },
      );
      assert.equal(existsSync(join(world.folder, 'refused')), false);
    }
  });

  test('has a name, and is no file', async () => {
    await world.refused(2, /the folder has no name/, ['audit', 'export', '']);
    await world.refused(2, /`log\.key` is a file; name a folder/, ['audit', 'export', 'log.key']);
    assert.equal(existsSync(join(world.folder, 'checkpoint')), false);
  });
});

/** So many records more, with a checkpoint over them. */
async function grow({ client }: TestServer, records: number): Promise<void> {
  for (let done = 0; done < records; done += 50) {
    await Promise.all(Array.from({ length: 50 }, () => client.generateRandom({ bytes: 1 })));
  }
  const { records: newest } = await client.listAuditRecords({ limit: 1 });
  await client.getAuditReceipt({ requestId: newest[0]!.requestId });
}

/** Copies the data folder as backups do; gives the folder. */
function backUp({ server: { folder: data }, folder: to }: CliWorld): string {
  const copy = join(to, 'backup');
  cpSync(data, copy, { recursive: true, filter: (path) => !path.includes('claviger.db') && !path.endsWith('.lock') });
  const db = new DatabaseSync(join(data, 'claviger.db'), { timeout: 5000 });
  db.prepare('VACUUM INTO ?').run(join(copy, 'claviger.db'));
  db.close();
  return copy;
}

function filesOf(folder: string): ReadonlyMap<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => statSync(join(folder, path)).isFile()).toSorted();
  return new Map(files.map((path) => [path, readFileSync(join(folder, path), 'base64')]));
}
