/**
 * The few things that field encryption asks of an SQL database: one statement at a time. Ready for `node:sqlite` and for
 * `pg`; whatever else can run a statement can be given as an object of one method.
 *
 * @module
 */

export type SqlDialect = 'sqlite' | 'postgres';
export type SqlValue = string | number | bigint | Uint8Array | null;

export interface SqlResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows that the statement changed; 0 of a query. */
  readonly changes: number;
}

export interface SqlDatabase {
  readonly dialect: SqlDialect;
  /**
   * Runs one statement, by itself committed.
   *
   * @param sql with `?` for each parameter, in order
   */
  run(sql: string, parameters: readonly SqlValue[]): Promise<SqlResult>;
}

/** What is used of `DatabaseSync` of `node:sqlite`. */
export interface NodeSqlite {
  prepare(sql: string): {
    columns(): readonly unknown[];
    setReadBigInts(enabled: boolean): void;
    all(...parameters: SqlValue[]): unknown[];
    run(...parameters: SqlValue[]): { readonly changes: number | bigint };
  };
}

/** What is used of a `Pool` or `Client` of `pg`. */
export interface PgPool {
  query(sql: string, parameters: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** A database of `node:sqlite`. Set `PRAGMA busy_timeout`, or a writer elsewhere makes statements fail. */
export function sqliteDatabase(database: NodeSqlite): SqlDatabase {
  return {
    dialect: 'sqlite',
    run: async (sql, parameters) => {
      const statement = database.prepare(sql);
      if (statement.columns().length === 0) return { rows: [], changes: Number(statement.run(...parameters).changes) };
      // Ids beyond 2^53 are ids too.
      statement.setReadBigInts(true);
      return { rows: statement.all(...parameters) as SqlResult['rows'], changes: 0 };
    },
  };
}

/** A database behind a pool of `pg`. */
export function postgresDatabase(pool: PgPool): SqlDatabase {
  return {
    dialect: 'postgres',
    run: async (sql, parameters) => {
      let count = 0;
      const numbered = sql.replaceAll('?', () => `$${(count += 1)}`);
      const values = parameters.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
      const { rows, rowCount } = await pool.query(numbered, values);
      return { rows: rows as SqlResult['rows'], changes: rows.length > 0 ? 0 : (rowCount ?? 0) };
    },
  };
}

/** `"customers"`, `"shop"."customers"`. */
export function quoted(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}
