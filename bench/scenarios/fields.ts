/**
 * Field encryption: 10,000 values of 64 bytes, one a row, through `encryptMany` and `decryptMany` with the key in memory,
 * in turn with raw AES-256-GCM of the same bytes.
 *
 * In this process, with a server for the key that wraps the field key; no value goes to it. The rows are not stored.
 *
 * @module
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { ClavigerClient } from '../../src/client/index.ts';
import { createFieldKeyTables, fields, sqliteDatabase, sqlKeyStore } from '../../src/envelope/fields/index.ts';
import type { Scenario } from '../bench.ts';

const VALUES = 10_000;
const VALUE_BYTES = 64;
/** What a value's additional data come to. */
const AAD_BYTES = 96;
const TURNS = 25;

const ROWS = Array.from({ length: VALUES }, (_, at) => ({
  id: `01a20a5b-0000-7000-8000-${String(at).padStart(12, '0')}`,
  value: randomBytes(VALUE_BYTES / 2).toString('hex'),
}));

export const fieldEncryption: Scenario = {
  title: 'fields of 64 bytes, 10,000 at a time',
  takes: '30 s',
  run: async (bench) => {
    const { world } = await bench.serve();
    const { endpoint, token } = world.credentials;
    const key = await world.key('AES-256-GCM');
    using sqlite = new DatabaseSync(':memory:');
    const database = sqliteDatabase(sqlite);
    await createFieldKeyTables(database);
    const shared = { key, keys: sqlKeyStore(database), row: 'id' } as const;
    const service = new ClavigerClient({ endpoint, token });
    using random = fields(service, { ...shared, table: 'random', columns: { value: 'string' } });
    using indexed = fields(service, {
      ...shared,
      table: 'indexed',
      columns: { value: { type: 'string', index: { normalize: 'email', bits: 32 } } },
    });
    using deterministic = fields(service, {
      ...shared,
      table: 'deterministic',
      columns: { value: { type: 'string', deterministic: true } },
    });

    let wrong = 0;
    /** Of each, the fastest turn: what else runs on the machine only adds. */
    const fastestUs: Record<string, number> = {};
    const timed = async <T>(name: string, work: () => Promise<T> | T): Promise<T> => {
      const begunMs = performance.now();
      const done = await work();
      const us = (1000 * (performance.now() - begunMs)) / VALUES;
      fastestUs[name] = Math.min(us, fastestUs[name] ?? Infinity);
      return done;
    };
    for (let round = 1; round <= bench.rounds; round += 1) {
      for (let turn = 1; turn <= TURNS; turn += 1) {
        await timed('raw', rawAesGcm);
        const stored = await timed('encrypt', () => random.encryptMany(ROWS));
        const opened = await timed('decrypt', () => random.decryptMany(stored));
        await timed('deterministic', () => deterministic.encryptMany(ROWS));
        await timed('indexed', () => indexed.encryptMany(ROWS));
        if (opened.some(({ value }, at) => value !== ROWS[at]!.value)) wrong += 1;
      }
      bench.say(`${round}/${bench.rounds}  ${fastestUs['encrypt']!.toFixed(2)} µs a value`);
    }
    const of = (name: string): number => fastestUs[name]!;
    return {
      figures: {
        encryptUs: of('encrypt'),
        decryptUs: of('decrypt'),
        deterministicUs: of('deterministic'),
        indexedUs: of('indexed'),
        rawUs: of('raw'),
        encryptRatio: of('encrypt') / of('raw'),
        decryptRatio: of('decrypt') / of('raw'),
      },
      failures: wrong === 0 ? [] : [`${wrong} times the values did not come back as they went in`],
    };
  },
};

/** The same values under one key, with nonces that are there already. */
function rawAesGcm(): void {
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12);
  const aad = Buffer.alloc(AAD_BYTES);
  for (const { value } of ROWS) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(aad);
    cipher.update(value, 'utf8');
    cipher.final();
    cipher.getAuthTag();
  }
}
