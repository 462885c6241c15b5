/**
 * A store as the first release left it: no tree above the leaves, no checkpoints, no key of the log.
 *
 * @module
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sealRecord } from '../../src/audit/record.ts';
import { systemRandom } from '../../src/crypto/random.ts';
import { fileUnseal } from '../../src/seal/root-key.ts';
import { Keyring } from '../../src/seal/keyring.ts';
import { SQLITE_MIGRATIONS } from '../../src/store/migrations/sqlite.ts';
import { databasePath, migrate } from '../../src/store/sqlite/open.ts';
import { draft, TENANT } from '../unit/audit/jobs.ts';

export const FIRST_LOG_ID = '5b1c9e0e-7a0e-4c0f-8c9e-3d0a1b2c3d4e';

/** Makes it, with its root key in `root.key` beside it. */
export async function makeFirstReleaseStore(folder: string, records: number): Promise<void> {
  using root = await fileUnseal(join(folder, 'root.key'), systemRandom).create();
  const keyring = new Keyring(root, systemRandom, () => Promise.resolve(null));
  const path = databasePath(folder);
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA journal_mode = WAL');
    migrate(db, path, SQLITE_MIGRATIONS.slice(0, 1));
    db.exec('BEGIN');
    const setting = db.prepare('INSERT INTO settings (name, value) VALUES (?, ?)');
    setting.run('log-id', FIRST_LOG_ID);
    setting.run('root-check', keyring.rootCheck().toString('base64'));
    db.prepare("INSERT INTO tenants VALUES (?, 'default', '123456789012', 1, ?)").run(
      TENANT,
      keyring.newTenantKey(TENANT),
    );
    const record = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    for (let index = 0; index < records; index++) {
      const made = draft({ requestId: `first-release-${index}` });
      const { tenantId, requestId, keyId, principal, operation, atMs } = made;
      const placed = { logId: FIRST_LOG_ID, index, timeMs: atMs, latencyUs: 100, outcome: 'OK' };
      const { entry, leaf, openings, items } = sealRecord(made, placed, systemRandom);
      const filters = [atMs, tenantId, requestId, keyId, principal, operation, 'OK'];
      record.run(index, ...filters, entry, leaf, openings, items);
    }
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}
