import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fields, type FieldsOptions } from '../../src/envelope/fields/index.ts';
import { fieldsExtension, plain } from '../../src/envelope/fields/prisma/index.ts';
import type { PrismaPaths } from '../../tools/peers/prisma.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun, ROOT } from '../../tools/run.ts';
import {
  ADA,
  BOB,
  CUSTOMER_COLUMNS,
  customersOf,
  DATABASES,
  invalid,
  openDatabases,
  type DatabaseName,
  type Databases,
} from './fields-support.ts';

const PROVIDERS = { sqlite: 'sqlite', postgres: 'postgresql' } as const;

function schemaOf(name: DatabaseName): string {
  return `generator client {
  provider = "prisma-client"
  output   = "./client"
  importFileExtension = "ts"
  generatedFileExtension = "ts"
}
datasource db {
  provider = "${PROVIDERS[name]}"
}
model Customer {
  id         String  @id
  country    String?
  email      String?
  emailIndex String? @map("email_index")
  iban       String? @unique
  name       String?
  born       String?
  notes      String?
  visits     String?
  balance    String?
  active     String?
  orders     Order[]
  @@map("customers")
}
model Order {
  id         Int      @id
  customer   Customer @relation(fields: [customerId], references: [id])
  customerId String   @map("customer_id")
  item       String
  @@map("orders")
}
`;
}

const COLUMNS = {
  ...CUSTOMER_COLUMNS,
  email: { type: 'string', index: { normalize: 'email', bits: 256, column: 'emailIndex' } },
} as const;

type Options = Partial<FieldsOptions<any>>;
type Client = any;

interface Rows {
  rows(sql: string): Promise<readonly Record<string, unknown>[]>;
}

interface World {
  /** What a program has, whose types are tried by themselves at the end. */
  readonly db: Client;
  readonly database: Rows;
  readonly seenAs: (options: Options) => Client;
}

let databases: Databases;
const folders: string[] = [];
const generated = new Map<DatabaseName, Promise<string>>();
before(async () => {
  databases = await openDatabases();
});
after(async () => {
  await databases.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder with the client for a database in it, made once. */
function clientFolder(peer: PrismaPaths, name: DatabaseName): Promise<string> {
  const known = generated.get(name);
  if (known !== undefined) return known;
  const making = generate(peer, name);
  generated.set(name, making);
  return making;
}

async function generate(peer: PrismaPaths, name: DatabaseName): Promise<string> {
  const folder = mkdtempSync(join(peer.folder, 'generated-'));
  folders.push(folder);
  writeFileSync(join(folder, 'schema.prisma'), schemaOf(name));
  const args = [peer.cli, 'generate', '--schema', join(folder, 'schema.prisma')];
  await mustRun(process.execPath, args, { cwd: folder, env: peer.env });
  // Packages are found from here, which is below the peer's.
  const adapters =
    name === 'sqlite'
      ? "export { PrismaLibSql as Adapter } from '@prisma/adapter-libsql';"
      : "export { PrismaPg as Adapter } from '@prisma/adapter-pg';";
  writeFileSync(join(folder, 'packages.ts'), `${adapters}\nexport { PrismaClient } from './client/client.ts';\n`);
  return folder;
}

async function withWorld(
  t: TestContext,
  name: DatabaseName,
  body: (world: World) => Promise<void>,
  options: Options = {},
): Promise<void> {
  const peer = await requirePeer(t, 'prisma');
  if (peer === null) return;
  const database = await databases.open(t, name);
  if (database === null) return;
  const folder = await clientFolder(peer, name);
  const { Adapter, PrismaClient } = await import(pathToFileURL(join(folder, 'packages.ts')).href);
  const { api } = databases.world;
  const file = join(folder, `${crypto.randomUUID()}.db`);
  let rows: Rows = database;
  if (name === 'sqlite') {
    // The key table is in memory, and the tables that libSQL opens in a file.
    const sqlite = new DatabaseSync(file);
    for (const { sql } of await database.rows("SELECT sql FROM sqlite_master WHERE name IN ('customers', 'orders')")) {
      sqlite.exec(String(sql));
    }
    rows = {
      rows: (sql) =>
        Promise.resolve(
          sqlite
            .prepare(sql)
            .all()
            .map((row) => ({ ...row })),
        ),
    };
    t.after(() => sqlite.close());
  }
  const base = new PrismaClient({
    adapter: name === 'sqlite' ? new Adapter({ url: `file:${file}` }) : new Adapter(database.connection),
  });
  const seenAs = (more: Options): Client => {
    const customers = fields(api, {
      ...customersOf(databases, database),
      columns: COLUMNS,
      names: { emailIndex: 'email_index' },
      ...more,
    });
    return base.$extends(fieldsExtension(base as object, { Customer: customers }));
  };
  try {
    await body({ db: seenAs(options), database: rows, seenAs });
  } finally {
    await base.$disconnect();
    await database.close();
  }
}

/** Rows with typed fields are proxies of Prisma, which are not equal to what they show. */
const shown = (row: object): object => Object.fromEntries(Object.entries(row));

for (const name of DATABASES) {
  suite(`Prisma on ${name}`, () => {
    test('values of each type come back as they went in, and the database has none of them', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        assert.deepEqual(shown(await db.customer.create({ data: ADA })), ADA);
        assert.deepEqual((await db.customer.findMany()).map(shown), [ADA]);
        assert.deepEqual(shown(await db.customer.findUnique({ where: { id: 'c-1' } })), ADA);
        const [stored] = await database.rows('SELECT * FROM customers');
        const told = JSON.stringify({ ...stored, id: '', country: '' });
        for (const word of ['Ada', 'xample', 'DE0212', 'engines', '1815', 'false'])
          assert.ok(!told.includes(word), word);
      }));

    test('a selection has what was asked for, and relations are decrypted', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.customer.createMany({ data: [ADA, BOB] });
        await db.order.createMany({
          data: [
            { id: 1, customerId: 'c-1', item: 'cards' },
            { id: 2, customerId: 'c-2', item: 'tea' },
          ],
        });
        assert.deepEqual(await db.customer.findMany({ select: { email: true }, orderBy: { id: 'asc' } }), [
          { email: ADA.email },
          { email: BOB.email },
        ]);
        const { name: _, id: __, ...rest } = ADA;
        const some = await db.customer.findFirst({ omit: { id: true, name: true }, where: { id: 'c-1' } });
        assert.deepEqual(shown(some), rest);
        const orders = await db.order.findMany({
          where: { customer: { is: { email: 'BOB@example.org' } } },
          select: { item: true, customer: { select: { name: true, orders: { select: { id: true } } } } },
        });
        assert.deepEqual(orders, [{ item: 'tea', customer: { name: 'Bob', orders: [{ id: 2 }] } }]);
        const included = await db.order.findFirst({ where: { id: 1 }, include: { customer: true } });
        assert.deepEqual(shown(included.customer), ADA);
        const computing = db.$extends({
          result: { customer: { greeting: { needs: { name: true }, compute: (row: any) => `Dear ${row.name}` } } },
        });
        const computed = await computing.customer.findFirst({
          where: { id: 'c-1' },
          select: { greeting: true, name: true },
        });
        assert.equal(computed.greeting, 'Dear Ada');
        await assert.rejects(
          computing.customer.findFirst({ select: { greeting: true } }),
          invalid(/select that as well/),
        );
        const [term] = await db.customer.findMany({ select: { emailIndex: true } });
        assert.equal(typeof term.emailIndex, 'string');
      }));

    test('an indexed field is found in any way of writing, a deterministic one exactly and by `findUnique`', (t) =>
      withWorld(t, name, async ({ db }) => {
        assert.equal(await db.customer.findUnique({ where: { iban: ADA.iban } }), null);
        assert.deepEqual(await db.customer.findMany({ where: { email: 'a@b.c' } }), []);
        await db.customer.createMany({ data: [ADA, BOB] });
        const names = async (where: object): Promise<unknown[]> =>
          (await db.customer.findMany({ where, orderBy: { id: 'asc' } })).map((row: any) => row.name);
        assert.deepEqual(await names({ email: ' ada@EXAMPLE.org' }), ['Ada']);
        assert.deepEqual(await names({ email: { in: ['x@y.z', BOB.email] }, country: 'GB' }), ['Bob']);
        assert.deepEqual(await names({ OR: [{ email: { equals: BOB.email } }, { iban: ADA.iban }] }), ['Ada', 'Bob']);
        assert.deepEqual(await names({ born: null }), ['Bob']);
        assert.deepEqual(await names({ born: { not: null } }), ['Ada']);
        assert.equal((await db.customer.findUnique({ where: { iban: BOB.iban } })).name, 'Bob');
        assert.equal((await db.customer.findUniqueOrThrow({ where: { iban: BOB.iban } })).name, 'Bob');
        assert.equal(await db.customer.findUnique({ where: { iban: 'none' } }), null);
        await assert.rejects(db.customer.findUniqueOrThrow({ where: { iban: 'none' } }), { code: 'P2025' });
        assert.equal((await db.customer.findFirst({ where: { email: BOB.email } })).id, 'c-2');
        assert.equal(await db.customer.count({ where: { email: BOB.email } }), 1);
      }));

    test('rows that a truncated index finds by mistake are left out, and do not count for take and skip', (t) =>
      withWorld(
        t,
        name,
        async ({ db }) => {
          const data = Array.from({ length: 40 }, (_, n) => ({
            id: `c-${String(n).padStart(2, '0')}`,
            email: n % 8 === 3 ? 'wanted' : `other ${n}`,
          }));
          await db.customer.createMany({ data });
          const where = { email: 'Wanted' };
          const orderBy = { id: 'asc' };
          const ids = async (more: object): Promise<string[]> =>
            (await db.customer.findMany({ where, orderBy, ...more })).map((row: any) => row.id);
          assert.deepEqual(await ids({}), ['c-03', 'c-11', 'c-19', 'c-27', 'c-35']);
          assert.deepEqual(await ids({ take: 2, skip: 3 }), ['c-27', 'c-35']);
          assert.deepEqual(await db.customer.findMany({ where, orderBy, take: 1, select: { id: true } }), [
            { id: 'c-03' },
          ]);
          for (const attempt of [
            db.customer.findFirst({ where }),
            db.customer.count({ where }),
            db.customer.updateMany({ where, data: { country: 'X' } }),
            db.customer.deleteMany({ where }),
            db.customer.findMany({ where: { OR: [where, { id: 'x' }] } }),
            db.order.findMany({ where: { customer: { is: where } } }),
          ]) {
            await assert.rejects(attempt, { code: 'UNSUPPORTED', message: /truncated/ });
          }
        },
        {
          columns: {
            ...COLUMNS,
            email: { type: 'string', index: { normalize: 'case', bits: 1, column: 'emailIndex' } },
          },
        },
      ));

    test('an update encrypts for the row that it names, and its index follows; one that cannot tell is refused', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.customer.createMany({ data: [ADA, BOB] });
        const updated = await db.customer.update({
          where: { id: 'c-1' },
          data: { email: { set: 'new@example.org' }, name: null, country: 'IT' },
        });
        assert.deepEqual(shown(updated), { ...ADA, email: 'new@example.org', name: null, country: 'IT' });
        assert.equal((await db.customer.findFirst({ where: { email: 'new@example.org' } })).id, 'c-1');
        assert.equal(await db.customer.findFirst({ where: { email: ADA.email } }), null);
        await db.customer.updateMany({ where: { iban: BOB.iban }, data: { iban: 'X' } });
        await db.customer.updateMany({ where: { id: 'c-2' }, data: { name: 'Rob' } });
        assert.equal((await db.customer.findUnique({ where: { iban: 'X' } })).name, 'Rob');

        const refused: [Promise<unknown>, RegExp][] = [
          [db.customer.updateMany({ data: { name: 'x' } }), /add `id` to its `where`/],
          [db.customer.updateMany({ where: { id: { in: ['c-1'] } }, data: { name: 'x' } }), /add `id`/],
          [db.customer.update({ where: { iban: 'X' }, data: { name: 'x' } }), /by the id/],
          [db.customer.update({ where: { id: 'c-2' }, data: { id: 'c-9' } }), /cannot be changed/],
          [db.customer.update({ where: { id: 'c-2' }, data: { emailIndex: 'x' } }), /leave it out/],
          [db.customer.create({ data: { name: 'x' } }), /make it yourself/],
          [db.customer.create({ data: { id: 'c-9', name: 5 } }), /takes a string/],
          [
            db.customer.update({ where: { id: '01A20A5B-00AB-7000-8000-0000000000FF' }, data: { name: 'x' } }),
            /lower case/,
          ],
        ];
        for (const [attempt, words] of refused) await assert.rejects(attempt, invalid(words));
      }));

    test('an upsert inserts or updates, deletions give what was there, and equal values meet the unique constraint', (t) =>
      withWorld(t, name, async ({ db }) => {
        const upsert = (name: string) =>
          db.customer.upsert({
            where: { id: 'c-2' },
            create: { ...BOB, name },
            update: { name },
            select: { name: true },
          });
        assert.deepEqual(await upsert('first'), { name: 'first' });
        assert.deepEqual(await upsert('second'), { name: 'second' });
        await assert.rejects(db.customer.create({ data: { ...BOB, id: 'c-3' } }), { code: 'P2002' });
        assert.equal((await db.customer.delete({ where: { id: 'c-2' } })).email, BOB.email);
        assert.deepEqual(await db.customer.findMany(), []);
      }));

    test('what the database would do with ciphertexts is refused, at every depth', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.customer.createMany({ data: [ADA, BOB] });
        const nested = { id: 9, item: 'x' };
        const attempts: Record<string, () => Promise<unknown>> = {
          contains: () => db.customer.findMany({ where: { email: { contains: 'a' } } }),
          less: () => db.customer.findMany({ where: { name: { lt: 'x' } } }),
          not: () => db.customer.findMany({ where: { NOT: { email: 'x' } } }),
          unequal: () => db.customer.findMany({ where: { email: { not: 'x' } } }),
          none: () => db.order.findMany({ where: { customer: { isNot: { email: 'x' } } } }),
          'no index': () => db.customer.findMany({ where: { name: 'Ada' } }),
          order: () => db.customer.findMany({ orderBy: [{ email: 'asc' }] }),
          'order of a relation': () => db.order.findMany({ orderBy: { customer: { email: 'asc' } } }),
          distinct: () => db.customer.findMany({ distinct: ['iban'] }),
          group: () => db.customer.groupBy({ by: ['iban'] }),
          min: () => db.customer.aggregate({ _min: { email: true } }),
          'nested create': () =>
            db.order.create({ data: { ...nested, customer: { create: { id: 'c-9', email: 'plaintext' } } } }),
          'nested update': () =>
            db.order.update({ where: { id: 9 }, data: { customer: { update: { email: 'plaintext' } } } }),
          'nested connectOrCreate': () =>
            db.order.create({
              data: {
                ...nested,
                customer: { connectOrCreate: { where: { id: 'x' }, create: { id: 'x', name: 'p' } } },
              },
            }),
          'nested connect': () =>
            db.order.create({ data: { ...nested, customer: { connect: { iban: 'plaintext' } } } }),
          'deeper create': () =>
            db.customer.create({
              data: { id: 'c-9', orders: { create: { ...nested, customer: { create: { id: 'y', name: 'p' } } } } },
            }),
        };
        for (const [shape, run] of Object.entries(attempts)) {
          await assert.rejects(run, { name: 'ClavigerError', code: /^(UNSUPPORTED|INVALID_ARGUMENT)$/ }, shape);
        }
        assert.equal((await database.rows('SELECT id FROM customers')).length, 2);
        const created = await db.customer.create({
          data: { id: 'c-3', name: 'Eve', orders: { create: { id: 3, item: 'x' } } },
          include: { orders: true },
        });
        assert.equal(created.orders[0].item, 'x');
        await db.order.create({ data: { id: 4, item: 'y', customer: { connect: { id: 'c-3' } } } });
      }));

    test('values that were swapped between rows or columns, or are plaintext, are errors', (t) =>
      withWorld(t, name, async ({ db, database }) => {
        await db.customer.createMany({ data: [ADA, BOB] });
        await database.rows(
          "UPDATE customers SET name = (SELECT name FROM customers WHERE id = 'c-2') WHERE id = 'c-1'",
        );
        await assert.rejects(db.customer.findMany(), { code: 'INVALID_CIPHERTEXT', message: /name.*does not open/ });
        await database.rows("UPDATE customers SET name = email WHERE id = 'c-1'");
        await assert.rejects(db.customer.findMany({ select: { name: true } }), { code: 'INVALID_CIPHERTEXT' });
        await database.rows("UPDATE customers SET name = 'Ada' WHERE id = 'c-1'");
        await assert.rejects(db.customer.findMany(), { code: 'INVALID_CIPHERTEXT', message: /plaintext/ });
      }));

    test('each tenant has its own keys', (t) =>
      withWorld(
        t,
        name,
        async ({ db, database }) => {
          const email = 'ada@example.org';
          await db.customer.createMany({
            data: [
              { id: 'c-1', country: 'acme', email },
              { id: 'c-2', country: 'globex', email },
            ],
          });
          await assert.rejects(db.customer.findMany({ where: { email } }), invalid(/add `country` beside it/));
          const found = await db.customer.findMany({ where: { email, country: 'globex' }, select: { email: true } });
          assert.deepEqual(found, [{ email }]);
          await assert.rejects(
            db.customer.update({ where: { id: 'c-1' }, data: { email: 'x' } }),
            invalid(/add `country` to its `where`/),
          );
          await db.customer.update({ where: { id: 'c-1', country: 'acme' }, data: { email: 'x' } });
          await database.rows("UPDATE customers SET country = 'globex' WHERE id = 'c-1'");
          await assert.rejects(db.customer.findMany(), { code: 'INVALID_CIPHERTEXT' });
        },
        { tenant: { column: 'country' } },
      ));

    test('in transactions of both kinds it is as outside', (t) =>
      withWorld(t, name, async ({ db }) => {
        await db.$transaction([db.customer.create({ data: BOB }), db.order.count()]);
        await assert.rejects(
          db.$transaction(async (tx: Client) => {
            await tx.customer.create({ data: ADA });
            assert.equal((await tx.customer.findFirst({ where: { email: ADA.email } })).name, 'Ada');
            throw new Error('no');
          }),
          /no/,
        );
        assert.deepEqual(
          (await db.customer.findMany()).map((row: any) => row.name),
          ['Bob'],
        );
      }));

    test('a schema that is not as it is declared is refused', (t) =>
      withWorld(t, name, async ({ seenAs }) => {
        assert.throws(
          () => seenAs({ storage: 'bytes' }),
          invalid(/is String in the schema: with this `storage` it is a Bytes/),
        );
        assert.throws(
          () => seenAs({ columns: { ...COLUMNS, phone: 'string' } }),
          invalid(/`Customer.phone` is missing/),
        );
        await Promise.resolve();
      }));
  });
}

test('TypeScript knows the plain types of what is selected', async (t) => {
  const peer = await requirePeer(t, 'prisma');
  if (peer === null) return;
  const folder = await clientFolder(peer, 'sqlite');
  const source = join(ROOT, 'src/envelope/fields');
  const program = `import { PrismaClient } from './client/client.ts';
import { fields, type FieldsOptions } from '${source}/index.ts';
import { fieldsExtension, plain } from '${source}/prisma/index.ts';
declare const base: PrismaClient;
declare const service: Parameters<typeof fields>[0];
declare const options: Pick<FieldsOptions<never>, 'key' | 'keys'>;
const customers = fields(service, {
  ...options, table: 'customers', row: 'id', columns: { email: 'string', born: { type: 'date' }, balance: 'bigint' },
});
const db = base.$extends(fieldsExtension(base, { Customer: customers }));
const row = await db.customer.findFirstOrThrow({ select: { id: true, email: true, born: true, balance: true } });
export const id: string = row.id;
export const email: string | null = row.email;
export const born: Date | null = row.born;
export const balance: bigint | null = row.balance;
const [order] = await db.order.findMany({ include: { customer: true } });
export const nested: Date | null = order!.customer.born;
await db.customer.create({ data: { id: 'x', email: 'a@b.c', born: plain(new Date()) } });
// @ts-expect-error: a date is no text
export const wrong: string = row.born;
// @ts-expect-error: it is not selected
export const missing = row.name;
`;
  writeFileSync(join(folder, 'typed.ts'), program);
  const { compilerOptions } = { compilerOptions: { allowImportingTsExtensions: true, noEmit: true, strict: true } };
  const more = { target: 'es2024', lib: ['esnext'], module: 'nodenext', types: ['node'], skipLibCheck: true };
  const typeRoots = [join(ROOT, 'node_modules/@types')];
  const config = { compilerOptions: { ...compilerOptions, ...more, typeRoots }, files: ['typed.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await mustRun('tsc', ['-p', join(folder, 'tsconfig.json')]);
  assert.equal(typeof plain, 'function');
});
