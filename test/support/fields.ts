/**
 * What tests of field encryption work with: a real service, and a key table in a database in memory.
 *
 * @module
 */
import { DatabaseSync } from 'node:sqlite';
import {
  createFieldKeyTables,
  fields,
  sqliteDatabase,
  sqlKeyStore,
  type ColumnDeclarations,
  type Fields,
  type FieldKeyStore,
  type FieldsOptions,
  type SqlDatabase,
} from '../../src/envelope/fields/index.ts';
import type { KeyService } from '../../src/envelope/key-service.ts';
import { openTestService, type TestService } from './service.ts';

export interface FieldsWorld {
  readonly service: TestService;
  /** The service's operations, counted. */
  readonly api: KeyService;
  readonly calls: { generateDataKey: number; decrypt: number; find: number };
  /** Id of the key that wraps field keys. */
  readonly key: string;
  readonly sqlite: DatabaseSync;
  readonly database: SqlDatabase;
  readonly keys: FieldKeyStore;
  /** Field encryption with a cache of its own, as another process has it. */
  make<const Columns extends ColumnDeclarations>(
    options: Omit<FieldsOptions<Columns>, 'key' | 'keys'> & { readonly key?: string },
  ): Fields<Columns>;
  /** Puts a row into a table, by the names of its columns. */
  insert(table: string, row: Readonly<Record<string, unknown>>): Promise<void>;
  remove(): Promise<void>;
}

export async function openFieldsWorld(): Promise<FieldsWorld> {
  const service = await openTestService();
  const { id: key } = await service.api.createKey({ spec: 'AES-256-GCM' });
  const sqlite = new DatabaseSync(':memory:');
  const database = sqliteDatabase(sqlite);
  await createFieldKeyTables(database);
  const calls = { generateDataKey: 0, decrypt: 0, find: 0 };
  const api: KeyService = {
    generateDataKey: (input) => {
      calls.generateDataKey += 1;
      return service.api.generateDataKey(input);
    },
    decrypt: (input) => {
      calls.decrypt += 1;
      return service.api.decrypt(input);
    },
    encrypt: (input) => service.api.encrypt(input),
    describeKey: (input) => service.api.describeKey(input),
  };
  const store = sqlKeyStore(database);
  const keys: FieldKeyStore = {
    ...store,
    find: (scopes) => {
      calls.find += 1;
      return store.find(scopes);
    },
  };
  const made: Disposable[] = [];
  return {
    service,
    api,
    calls,
    key,
    sqlite,
    database,
    keys,
    make: (options) => {
      const one = fields(api, { key, keys, clock: service.clock, ...options });
      made.push(one);
      return one;
    },
    insert: async (table, row) => {
      const names = Object.keys(row);
      await database.run(
        `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
        names.map((name) => row[name] as string),
      );
    },
    remove: async () => {
      for (const one of made) one[Symbol.dispose]();
      sqlite.close();
      await service.remove();
    },
  };
}
