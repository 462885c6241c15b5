/**
 * The verifier against a real server: whoever edits the database of a running service is found, over HTTP and in an export.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import {
  folderSource,
  parseVerifierKey,
  urlSource,
  verifyLog,
  verifyReceipt,
  type FindingKind,
  type LogReport,
} from '../../src/audit/verifier/index.ts';
import type { VerifyOptions } from '../../src/audit/verifier/verify-log.ts';
import { askVerifier, requirePeer } from '../../tools/peers/require.ts';
import { startCliWorld, type CliWorld } from '../support/cli.ts';
import { checkpointNote, fixtureKey } from '../support/log-fixture.ts';
import { startTestServer } from '../support/server.ts';
import { query } from '../support/store-files.ts';

let world: CliWorld;
let key: string;
/** A signature in the first tile of a log that fills two. */
let index: number;
/** The store as it was halfway. */
let backup: string;
before(async () => {
  world = await startCliWorld({ config: 'audit: { retentionDays: 0 }' });
  const { client } = world.server;
  key = (await client.getAuditLogKey()).trim();
  writeFileSync(join(world.folder, 'log.key'), key);
  const [signer, cipher] = [await client.createKey({ spec: 'P-256' }), await client.createKey({ spec: 'AES-256-GCM' })];
  const message = Buffer.from('hello');
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      ...Array.from({ length: 40 }, () => client.sign({ key: signer.id, message })),
      ...Array.from({ length: 15 }, (_, n) =>
        client.encrypt({ key: cipher.id, plaintext: message, context: { n: `${n}` } }),
      ),
      client.signBatch({ key: signer.id, items: [{ message }, { message }, { message }] }),
    ]);
    // A forged token, and a key that does not exist.
    await world.server.fetch('GET', '/v1/keys', undefined, { token: 'clv_forged' });
    await assert.rejects(client.describeKey({ key: 'alias:nowhere' }));
    if (round === 5) backup = await backUp();
  }
  await everythingIsCovered();
  ({ idx: index } = query(
    world.server.folder,
    "SELECT min(idx) AS idx FROM records WHERE operation = 'Sign' AND idx > 100",
  )[0] as {
    idx: number;
  });
});
after(() => world.stop());

/** A receipt waits for the checkpoint that covers its record. */
async function everythingIsCovered(): Promise<void> {
  const { client } = world.server;
  const { records } = await client.listAuditRecords({ limit: 1 });
  await client.getAuditReceipt({ requestId: records[0]!.requestId });
}

/** Copies the data folder as backups do; gives the folder. */
async function backUp(): Promise<string> {
  await everythingIsCovered();
  const { folder } = world.server;
  const copy = join(world.folder, 'backup');
  cpSync(folder, copy, { recursive: true, filter: (path) => !path.includes('claviger.db') && !path.endsWith('.lock') });
  const db = new DatabaseSync(join(folder, 'claviger.db'), { timeout: 5000 });
  db.prepare('VACUUM INTO ?').run(join(copy, 'claviger.db'));
  db.close();
  return copy;
}

function verifyLive(options: Partial<VerifyOptions> = {}): Promise<LogReport> {
  const { endpoint, token } = world.server;
  return verifyLog(urlSource({ endpoint, token }), { key: parseVerifierKey(key), ...options });
}

type Edit = (db: DatabaseSync, last: number) => void;

/** Edits the database, looks, and puts back what was there. */
async function whileEdited(edit: Edit, look: () => Promise<void>): Promise<void> {
  const db = new DatabaseSync(join(world.server.folder, 'claviger.db'), { timeout: 5000 });
  try {
    // Before anything is read: a checkpoint that were made between copy and edit would never be put back.
    db.exec('BEGIN IMMEDIATE');
    const { last } = db.prepare('SELECT max(idx) AS last FROM records').get() as { last: number };
    for (const table of ['records', 'tree_hashes', 'checkpoints']) {
      db.exec(`CREATE TEMP TABLE was_${table} AS SELECT * FROM main.${table}`);
    }
    edit(db, last);
    db.exec('COMMIT');
    try {
      await look();
    } finally {
      // What the service wrote meanwhile stays.
      db.exec(`BEGIN IMMEDIATE; DELETE FROM records WHERE idx <= ${last}; INSERT INTO records SELECT * FROM was_records;
        REPLACE INTO tree_hashes SELECT * FROM was_tree_hashes; REPLACE INTO checkpoints SELECT * FROM was_checkpoints; COMMIT`);
    }
  } finally {
    db.close();
  }
}

async function requireFound(
  edit: Edit,
  kind: FindingKind,
  index: number | null,
  options: Partial<VerifyOptions> = {},
): Promise<void> {
  await whileEdited(edit, async () => {
    const { findings } = await verifyLive(options);
    assert.deepEqual([findings[0]?.kind, findings[0]?.index], [kind, index], findings[0]?.message ?? 'whole');
  });
}

describe('the log of a running server', () => {
  test('is whole: over HTTP, as an export, and as the verifier in Go sees it', async (t) => {
    const live = await verifyLive();
    assert.deepEqual(live.findings, []);
    assert.ok(live.log!.records > 512 && live.log!.batches === 10, JSON.stringify(live.log));
    await world.ok(['audit', 'export', 'whole']);
    const printed = await world.ok(['audit', 'verify', 'whole', '--key', 'log.key']);
    assert.match(printed, /verified: every record of whole is what was signed$/);
    const golog = await requirePeer(t, 'golog');
    if (golog === null) return;
    const folder = join(world.folder, 'whole');
    assert.deepEqual(await askVerifier(golog.verifier, [{ op: 'log', key, folder }]), [{ valid: true }]);
  });

  test('goes on from every checkpoint that it ever gave', async () => {
    const lines = (await world.server.client.listAuditCheckpoints({ after: 0, limit: 1000 })).trim().split('\n');
    const notes = lines.map((line) => (JSON.parse(line) as { note: string }).note);
    const since = notes.map((note) => ({ name: 'an older one', note: Buffer.from(note) }));
    const { findings, log } = await verifyLive({ since });
    assert.deepEqual(findings, []);
    assert.equal(log!.since.length, notes.length);
  });

  test('is verified by the command line over HTTP, which remembers it', async () => {
    const { endpoint } = world.server;
    await world.ok(['audit', 'verify', endpoint, '--key', 'log.key']);
    const again = await world.ok(['audit', 'verify', `${endpoint}/v1/audit/log/`, '--key', 'log.key']);
    assert.match(again, /goes on from +size \d+/);
  });

  test('is not read by whoever lacks the system scope, and they are told what it takes', async () => {
    const { token } = await world.server.client.createToken({ name: 'tenant-auditor', roles: ['auditor'] });
    const env = { CLAVIGER_TOKEN: token! };
    const run = await world.run(['audit', 'verify', world.server.endpoint, '--key', 'log.key', '--no-remember'], {
      env,
    });
    assert.equal(run.code, 5, run.stderr + run.stdout);
    assert.match(run.stderr, /verifying a whole log needs the role auditor in the system scope/);
  });

  test('gives receipts that verify offline, until a letter of them is changed', async () => {
    const { records } = await world.server.client.listAuditRecords({ limit: 20 });
    for (const { requestId } of records) {
      const printed = await world.server.client.getAuditReceipt({ requestId });
      const json = JSON.stringify(printed);
      const good = verifyReceipt(json, { key: parseVerifierKey(key) });
      assert.deepEqual([good.findings, good.receipt!.record.requestId], [[], requestId]);
      const changed = verifyReceipt(json.replace('"latencyUs\\":', '"latencyUs\\":1'), { key: parseVerifierKey(key) });
      assert.equal(changed.findings.length, 1);
    }
  });
});

describe('a database that was edited is found out', () => {
  const change = (sql: string) => (db: DatabaseSync) => {
    assert.ok(db.prepare(sql).run().changes > 0, 'nothing was edited');
  };
  const replaceIn = (column: string, from: string, to: string, at = index): string =>
    `UPDATE records SET ${column} = CAST(replace(CAST(${column} AS TEXT), '${from}', '${to}') AS ${column === 'entry' ? 'BLOB' : 'TEXT'}) WHERE idx = ${at}`;
  test('a record changed', () =>
    requireFound(change(replaceIn('entry', '"OK"', '"KEY_DISABLED"')), 'record-changed', index));

  test('the clock set back', () =>
    requireFound(change(replaceIn('entry', '"time":"2', '"time":"1')), 'record-changed', index));

  test('a record changed, and its leaf hash with it', () =>
    whileEdited(
      (db) => {
        change(replaceIn('entry', '"OK"', '"KEY_DISABLED"'))(db);
        const { entry } = db.prepare(`SELECT entry FROM records WHERE idx = ${index}`).get() as { entry: Uint8Array };
        const leaf = leafOf(entry);
        db.prepare('UPDATE records SET leaf = ? WHERE idx = ?').run(leaf, index);
      },
      async () => {
        const [first] = (await verifyLive()).findings;
        assert.equal(first!.kind, 'root-differs');
        const [, from, to] = /^records (\d+) to (\d+) are not those/.exec(first!.message) ?? [];
        assert.ok(Number(from) <= index && index <= Number(to), first!.message);
      },
    ));

  test('two records swapped', () =>
    requireFound(
      (db) =>
        db.exec(
          'UPDATE records SET idx = -1 WHERE idx = 120; UPDATE records SET idx = 120 WHERE idx = 130; UPDATE records SET idx = 130 WHERE idx = -1',
        ),
      'records-swapped',
      120,
    ));

  test('the entries of two records swapped', () =>
    requireFound(
      (db) => {
        const entries = db.prepare('SELECT idx, entry FROM records WHERE idx IN (120, 130) ORDER BY idx').all();
        const put = db.prepare('UPDATE records SET entry = ? WHERE idx = ?');
        put.run(entries[0]!['entry'] as Uint8Array, 130);
        put.run(entries[1]!['entry'] as Uint8Array, 120);
      },
      'records-swapped',
      120,
    ));

  test('an opening changed', () =>
    requireFound(change(replaceIn('openings', '127.0.0.1', '127.0.0.2')), 'opening-changed', index));

  test('an opening missing without redaction', () =>
    requireFound(change(`UPDATE records SET openings = '{}' WHERE idx = ${index}`), 'opening-missing', index, {
      sleep: () => Promise.resolve(),
    }));

  test('the items of a batch changed', async () => {
    const [{ idx }] = query(world.server.folder, 'SELECT min(idx) AS idx FROM records WHERE items IS NOT NULL') as [
      { idx: number },
    ];
    await requireFound(change(replaceIn('items', '\\"OK', '\\"INTERNAL', idx)), 'items-changed', idx);
  });

  test('a leaf hash changed', () =>
    requireFound(change(`UPDATE records SET leaf = zeroblob(32) WHERE idx = ${index}`), 'tile-changed', index));

  test('a tile changed', () =>
    requireFound(
      change('UPDATE tree_hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = 1'),
      'tile-changed',
      null,
    ));

  test('a signature changed', () =>
    requireFound(
      change(`UPDATE checkpoints SET note = substr(note, 1, length(note) - 12) || 'AAAA' || substr(note, -8)
        WHERE size = (SELECT min(size) FROM checkpoints)`),
      'bad-signature',
      null,
    ));

  test('the checkpoints signed by another key', () =>
    requireFound(
      (db) => {
        const other = fixtureKey(parseVerifierKey(key).name);
        const put = db.prepare('UPDATE checkpoints SET note = ? WHERE size = ?');
        for (const { size, note } of db.prepare('SELECT size, note FROM checkpoints').all() as {
          size: number;
          note: string;
        }[]) {
          put.run(checkpointNote(other, size, Buffer.from(note.split('\n')[2]!, 'base64')), size);
        }
      },
      'other-key',
      null,
    ));

  test('the newest checkpoints taken out of the list', () =>
    requireFound((db) => db.exec('DELETE FROM checkpoints WHERE size > 300'), 'checkpoint-unlisted', null));

  test('an old backup put back', async () => {
    const since = [{ name: 'the newest one', note: Buffer.from(await world.server.client.getAuditCheckpoint()) }];
    const old = await startTestServer({ folder: backup });
    try {
      const { endpoint, token } = old;
      const source = urlSource({ endpoint, token });
      const alone = await verifyLog(source, { key: parseVerifierKey(key) });
      assert.deepEqual(alone.findings, [], 'for whoever knows nothing newer it is whole');
      const { findings } = await verifyLog(source, { key: parseVerifierKey(key), since });
      assert.equal(findings[0]?.kind, 'old-checkpoint');
      // It goes on, past what was seen, and has told two stories then.
      for (let n = 0; n < 20; n++) {
        await Promise.all(Array.from({ length: 50 }, () => old.client.generateRandom({ bytes: 1 })));
      }
      const { records } = await old.client.listAuditRecords({ limit: 1 });
      await old.client.getAuditReceipt({ requestId: records[0]!.requestId });
      const later = await verifyLog(source, { key: parseVerifierKey(key), since });
      assert.equal(later.findings[0]?.kind, 'rewritten', later.findings[0]?.message ?? 'whole');
    } finally {
      await old.stop();
    }
  });

  test('in an export as well: a record removed, deleted, and one inserted', async () => {
    // Leaves stay where they were signed, and so do the numbers of the rows that the service goes on from.
    const moved = (by: number, from: number, to: number): string => `UPDATE records SET (entry, openings, items) =
      (SELECT entry, openings, items FROM was_records AS was WHERE was.idx = records.idx + ${by}) WHERE idx BETWEEN ${from} AND ${to}`;
    const edits: Readonly<Record<string, readonly [kind: FindingKind, edit: Edit]>> = {
      removed: ['record-removed', (db, last) => db.exec(moved(1, index, last - 1))],
      deleted: ['record-removed', (db) => db.exec(`DELETE FROM records WHERE idx = ${index}`)],
      inserted: [
        'record-inserted',
        (db, last) => {
          db.exec(moved(-1, index + 1, last));
          change(replaceIn('entry', '"OK"', '"KEY_DISABLED"'))(db);
        },
      ],
    };
    for (const [name, [kind, edit]] of Object.entries(edits)) {
      await whileEdited(edit, async () => {
        await world.ok(['audit', 'export', name]);
        const { findings } = await verifyLog(folderSource(join(world.folder, name)), { key: parseVerifierKey(key) });
        assert.deepEqual(
          [findings[0]?.kind, findings[0]?.index],
          [kind, index],
          `${name}: ${findings[0]?.message ?? 'whole'}`,
        );
        const ran = await world.run(['audit', 'verify', name, '--key', 'log.key', '--no-remember']);
        assert.equal(ran.code, 1, ran.stdout);
      });
    }
  });

  test('and is whole again once all is put back', async () => {
    const { findings } = await verifyLive();
    assert.deepEqual(findings, []);
  });
});

describe('a redaction', () => {
  test('leaves a log that verifies, and says how many records have forgotten', async (t) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await world.ok(['audit', 'redact', '--before', new Date().toISOString()]);
    const live = await verifyLive();
    assert.deepEqual([live.findings, live.warnings], [[], []]);
    assert.ok(live.log!.redacted > 512, JSON.stringify(live.log));
    await world.ok(['audit', 'export', 'redacted']);
    const printed = await world.ok(['audit', 'verify', 'redacted', '--key', 'log.key']);
    assert.match(printed, /openings +[\d,]+ opened, [\d,]+ redacted/);
    const golog = await requirePeer(t, 'golog');
    if (golog === null) return;
    const folder = join(world.folder, 'redacted');
    assert.deepEqual(await askVerifier(golog.verifier, [{ op: 'log', key, folder }]), [{ valid: true }]);
  });
});

function leafOf(entry: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest();
}
