/**
 * A dialect whose connections encrypt and decrypt.
 *
 * Plugins of Kysely rewrite queries synchronously, and a field key may first have to be fetched. What happens between a
 * query and its driver may take its time: so the driver's connections are wrapped, which sees queries as plugins left them,
 * in transactions and outside.
 *
 * @module
 */
import {
  SqliteAdapter,
  type AbortableOperationOptions,
  type CompiledQuery,
  type ControlConnectionProvider,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  type RootOperationNode,
  type TransactionSettings,
} from 'kysely';
import type { AnyFields } from '../integration/search.ts';
import { PendingFiller } from './pending.ts';
import { ResultReader, type ResultPlan, type Row } from './result.ts';
import { planQuery } from './rewrite.ts';
import { DeclaredTables } from './scope.ts';

/**
 * A dialect for tables with encrypted columns: queries of Kysely take and give plaintext, and the database has ciphertexts.
 *
 * Raw SQL (`sql` by itself) passes as it is, and sees ciphertexts.
 *
 * @param dialect of PostgreSQL or SQLite
 * @param tables what `fields(…)` gave, with SQL's names for columns
 * @example const db = new Kysely<Database>({ dialect: fieldsDialect(new PostgresDialect({ pool }), [customers]) });
 */
export function fieldsDialect(dialect: Dialect, tables: readonly AnyFields[]): Dialect {
  return new FieldsDialect(dialect, new DeclaredTables(tables));
}

class FieldsDialect implements Dialect {
  readonly #dialect: Dialect;
  readonly #tables: DeclaredTables;

  constructor(dialect: Dialect, tables: DeclaredTables) {
    this.#dialect = dialect;
    this.#tables = tables;
  }

  createDriver(): Driver {
    const onRollback =
      this.#dialect.createAdapter() instanceof SqliteAdapter ? () => this.#forgetKeys() : () => undefined;
    const compiler = this.#dialect.createQueryCompiler();
    return new FieldsDriver(this.#dialect.createDriver(), this.#tables, compiler, onRollback);
  }

  createQueryCompiler(): QueryCompiler {
    return this.#dialect.createQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return this.#dialect.createAdapter();
  }

  // eslint-disable-next-line typescript/no-explicit-any
  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return this.#dialect.createIntrospector(db);
  }

  /**
   * SQLite's key table may be behind the connection of the transaction: then a field key that was made in it is gone, and
   * must not be written with.
   */
  #forgetKeys(): void {
    for (const fields of this.#tables.all) fields.clear();
  }
}

type CompileQuery = QueryCompiler['compileQuery'];

class FieldsDriver implements Driver {
  readonly #driver: Driver;
  readonly #tables: DeclaredTables;
  readonly #compiler: QueryCompiler;
  readonly #onRollback: () => void;
  readonly #wrapped = new WeakMap<DatabaseConnection, FieldsConnection>();
  readonly savepoint?: NonNullable<Driver['savepoint']>;
  readonly rollbackToSavepoint?: NonNullable<Driver['rollbackToSavepoint']>;
  readonly releaseSavepoint?: NonNullable<Driver['releaseSavepoint']>;

  constructor(driver: Driver, tables: DeclaredTables, compiler: QueryCompiler, onRollback: () => void) {
    this.#driver = driver;
    this.#onRollback = onRollback;
    this.#tables = tables;
    this.#compiler = compiler;
    // Kysely asks whether a driver has them.
    for (const name of ['savepoint', 'rollbackToSavepoint', 'releaseSavepoint'] as const) {
      const method = driver[name]?.bind(driver);
      if (method === undefined) continue;
      this[name] = async (connection: DatabaseConnection, savepoint: string, compile: CompileQuery) => {
        await method(innerOf(connection), savepoint, compile);
        if (name === 'rollbackToSavepoint') this.#onRollback();
      };
    }
  }

  init(options?: AbortableOperationOptions): Promise<void> {
    return this.#driver.init(options);
  }

  async acquireConnection(options?: AbortableOperationOptions): Promise<DatabaseConnection> {
    const connection = await this.#driver.acquireConnection(options);
    const known = this.#wrapped.get(connection);
    if (known !== undefined) return known;
    const wrapped = new FieldsConnection(connection, this.#tables, this.#compiler);
    this.#wrapped.set(connection, wrapped);
    return wrapped;
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return this.#driver.beginTransaction(innerOf(connection), settings);
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#driver.commitTransaction(innerOf(connection));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await this.#driver.rollbackTransaction(innerOf(connection));
    } finally {
      this.#onRollback();
    }
  }

  releaseConnection(connection: DatabaseConnection, options?: AbortableOperationOptions): Promise<void> {
    return this.#driver.releaseConnection(innerOf(connection), options);
  }

  destroy(options?: AbortableOperationOptions): Promise<void> {
    return this.#driver.destroy(options);
  }
}

function innerOf(connection: DatabaseConnection): DatabaseConnection {
  return connection instanceof FieldsConnection ? connection.inner : connection;
}

class FieldsConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  readonly #tables: DeclaredTables;
  readonly #compiler: QueryCompiler;
  readonly cancelQuery?: NonNullable<DatabaseConnection['cancelQuery']>;
  readonly killSession?: NonNullable<DatabaseConnection['killSession']>;
  readonly collectSessionInfo?: NonNullable<DatabaseConnection['collectSessionInfo']>;

  constructor(inner: DatabaseConnection, tables: DeclaredTables, compiler: QueryCompiler) {
    this.inner = inner;
    this.#tables = tables;
    this.#compiler = compiler;
    // Kysely asks whether a connection has them.
    for (const name of ['cancelQuery', 'killSession'] as const) {
      const method = inner[name]?.bind(inner);
      if (method !== undefined) this[name] = (provider: ControlConnectionProvider) => method(provider);
    }
    const collect = inner.collectSessionInfo?.bind(inner);
    if (collect !== undefined) this.collectSessionInfo = () => collect();
  }

  async executeQuery<R>(compiled: CompiledQuery, options?: AbortableOperationOptions): Promise<QueryResult<R>> {
    const { query, result: plan } = await this.#encrypt(compiled);
    const result = await this.inner.executeQuery<R>(query, options);
    if (plan === null) return result;
    return { ...result, rows: (await new ResultReader(plan).read(result.rows as Row[])) as R[] };
  }

  async *streamQuery<R>(
    compiled: CompiledQuery,
    chunkSize: number,
    options?: AbortableOperationOptions,
  ): AsyncIterableIterator<QueryResult<R>> {
    const { query, result: plan } = await this.#encrypt(compiled);
    const reader = plan === null ? null : new ResultReader(plan);
    for await (const result of this.inner.streamQuery<R>(query, chunkSize, options)) {
      yield reader === null ? result : { ...result, rows: (await reader.read(result.rows as Row[])) as R[] };
      if (reader?.isFull === true) return;
    }
  }

  async #encrypt(compiled: CompiledQuery): Promise<{ query: CompiledQuery; result: ResultPlan | null }> {
    const plan = planQuery(compiled.query, this.#tables);
    if (plan === null) return { query: compiled, result: null };
    await Promise.all(plan.jobs.map((encrypt) => encrypt()));
    const node: RootOperationNode = new PendingFiller().transformNode(plan.node);
    return { query: this.#compiler.compileQuery(node, compiled.queryId), result: plan.result };
  }
}
