/**
 * A query as the database is to get it: encrypted columns are written as ciphertexts and index terms, compared by these,
 * and selected together with what they are bound to. Whatever else a query does with an encrypted column is refused.
 *
 * One walk over the tree does it. A reference to an encrypted column that the walk meets anywhere but in the few places it
 * knows is an error, so what is not thought of here is refused too.
 *
 * @module
 */
import {
  AliasNode,
  AndNode,
  BinaryOperationNode,
  CastNode,
  ColumnNode,
  ColumnUpdateNode,
  DataTypeNode,
  DefaultInsertValueNode,
  IdentifierNode,
  OperationNodeTransformer,
  OperatorNode,
  OrNode,
  ParensNode,
  PrimitiveValueListNode,
  ReferenceNode,
  SelectAllNode,
  SelectionNode,
  TableNode,
  UnaryOperationNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
  WhereNode,
  type DeleteQueryNode,
  type FunctionNode,
  type HavingNode,
  type InsertQueryNode,
  type LimitNode,
  type MergeQueryNode,
  type OnConflictNode,
  type OnNode,
  type OperationNode,
  type OrderByItemNode,
  type RawNode,
  type ReturningNode,
  type RootOperationNode,
  type SelectQueryNode,
  type UpdateQueryNode,
  type WithNode,
} from 'kysely';
import type { FieldColumn, FieldTable } from '../declaration.ts';
import { allBindings, bindingsOf, indexesOf } from '../integration/bindings.ts';
import { invalid, refused, type Asked } from '../integration/refusals.ts';
import { comparisonOf, type AnyFields } from '../integration/search.ts';
import { Pending, pendingNode } from './pending.ts';
import type { ResultPart, ResultPlan, Window } from './result.ts';
import {
  columnNamed,
  referenceTo,
  resolve,
  resolveName,
  sourceOf,
  type DeclaredTables,
  type Resolved,
  type Source,
} from './scope.ts';

export interface Plan {
  /** With `Pending` values, which the jobs fill. */
  readonly node: RootOperationNode;
  readonly jobs: readonly (() => Promise<void>)[];
  readonly result: ResultPlan | null;
}

/** null where the query has nothing to do with a declared table. @throws UNSUPPORTED, INVALID_ARGUMENT */
export function planQuery(node: RootOperationNode, tables: DeclaredTables): Plan | null {
  // Raw SQL is its author's own.
  if (node.kind === 'RawNode') return null;
  const rewriter = new Rewriter(tables);
  const rewritten = rewriter.transformNode(node);
  return rewriter.touched ? { node: rewritten, jobs: rewriter.jobs, result: rewriter.result } : null;
}

/** A query in which columns are looked up. */
interface Frame {
  readonly sources: readonly Source[];
  /** Whether rows that were found by mistake can be told apart afterwards. */
  readonly canCheck: boolean;
  /** What the conditions say of single columns: `id = 5`. */
  readonly known: Known;
  readonly checks: Check[];
  /** Other names that the query gives to encrypted columns. */
  readonly aliases: ReadonlyMap<string, Resolved>;
}

type Known = (source: Source, sqlName: string) => unknown;

interface Check {
  readonly source: Source;
  readonly property: string;
  readonly matches: (value: unknown) => boolean;
}

/** Where in a condition something stands. */
interface Place {
  /** Nothing but `and` is around it. */
  readonly isConjunct: boolean;
  readonly isNegated: boolean;
}

const TOP: Place = { isConjunct: true, isNegated: false };
const INSIDE: Place = { isConjunct: false, isNegated: false };
const NEGATED: Place = { isConjunct: false, isNegated: true };
const NOTHING_KNOWN: Known = () => undefined;

function newFrame(sources: readonly Source[], more: Partial<Frame> = {}): Frame {
  return { sources, canCheck: false, known: NOTHING_KNOWN, checks: [], aliases: new Map(), ...more };
}

/** Begins the names of columns that are added to a selection. */
const ADDED = 'claviger_';

class Rewriter extends OperationNodeTransformer {
  readonly #tables: DeclaredTables;
  /** Innermost first. */
  readonly #frames: Frame[] = [];
  readonly jobs: (() => Promise<void>)[] = [];
  touched = false;
  result: ResultPlan | null = null;

  constructor(tables: DeclaredTables) {
    super();
    this.#tables = tables;
  }

  protected override transformSelectQuery(node: SelectQueryNode): SelectQueryNode {
    const isRoot = this.#isRoot();
    const withNode = this.transformNode(node.with);
    const sources = this.#sources([...(node.from?.froms ?? []), ...(node.joins ?? []).map(({ table }) => table)]);
    const canCheck = isRoot && isPlainSelection(node);
    const aliases = this.#within(newFrame(sources), () => this.#aliases(node.selections ?? []));
    const frame = newFrame(sources, { canCheck, aliases, known: knownFrom(node.where, sources) });
    return this.#within(frame, () => {
      const isDistinct =
        (node.distinctOn?.length ?? 0) > 0 ||
        (node.frontModifiers ?? []).some(({ modifier }) => modifier === 'Distinct');
      const rest = {
        ...super.transformSelectQuery({ ...without(node), selections: [] }),
        ...(withNode === undefined ? {} : { with: withNode }),
      };
      const decryptable: Asked | null =
        !isRoot || (node.setOperations?.length ?? 0) > 0 ? 'nested' : isDistinct ? 'distinct' : null;
      const { selections, parts, added } = this.#select(node.selections ?? [], frame, decryptable);
      if (!isRoot) return { ...rest, selections };
      const window = frame.checks.length === 0 ? null : windowOf(node);
      if (parts.length > 0 && node.explain === undefined) this.result = { parts, added, window };
      return { ...rest, selections, ...(window === null ? {} : NO_WINDOW) };
    });
  }

  protected override transformInsertQuery(node: InsertQueryNode): InsertQueryNode {
    const withNode = this.transformNode(node.with);
    const source = node.into === undefined ? null : sourceOf(node.into, this.#tables);
    const sources = source === null ? [] : this.#sources([node.into!]);
    // `excluded` is the row that could not be inserted.
    const excluded = { name: 'excluded', fields: source?.fields ?? null, table: TableNode.create('excluded') };
    const frame = newFrame([...sources, excluded]);
    const inserted = this.#within(newFrame([]), () => this.#insertedRows(node, source?.fields ?? null));
    return this.#within(frame, () => {
      const { with: _, into, values, columns, onConflict, returning, ...others } = node;
      const rest = super.transformInsertQuery({ ...others });
      return {
        ...rest,
        ...(into === undefined ? {} : { into }),
        ...(withNode === undefined ? {} : { with: withNode }),
        ...inserted,
        ...(onConflict === undefined ? {} : { onConflict: this.#onConflict(onConflict, node, source?.fields ?? null) }),
        ...this.#returning(returning, { ...frame, sources }),
      };
    });
  }

  protected override transformUpdateQuery(node: UpdateQueryNode): UpdateQueryNode {
    const withNode = this.transformNode(node.with);
    const target = node.table === undefined ? [] : [node.table];
    const others = [...(node.from?.froms ?? []), ...(node.joins ?? []).map(({ table }) => table)];
    const sources = this.#sources([...target, ...others]);
    const frame = newFrame(sources, { known: knownFrom(node.where, sources) });
    return this.#within(frame, () => {
      const { with: _, updates = [], returning, ...others } = node;
      const rest = super.transformUpdateQuery({ ...others });
      const [source] = sources;
      const { set, guards } =
        source === undefined || source.fields === null
          ? { set: this.transformNodeList(updates), guards: [] }
          : this.#updates(updates, source, source.fields, frame.known);
      return {
        ...rest,
        ...(withNode === undefined ? {} : { with: withNode }),
        updates: set,
        ...(rest.where === undefined ? {} : { where: guarded(rest.where, guards) }),
        ...this.#returning(returning, frame),
      };
    });
  }

  protected override transformDeleteQuery(node: DeleteQueryNode): DeleteQueryNode {
    const withNode = this.transformNode(node.with);
    const others = [...(node.using?.tables ?? []), ...(node.joins ?? []).map(({ table }) => table)];
    const sources = this.#sources([...node.from.froms, ...others]);
    const frame = newFrame(sources, { known: knownFrom(node.where, sources) });
    return this.#within(frame, () => {
      const { with: _, returning, ...others } = node;
      return {
        ...super.transformDeleteQuery({ ...others }),
        ...(withNode === undefined ? {} : { with: withNode }),
        ...this.#returning(returning, frame),
      };
    });
  }

  protected override transformMergeQuery(node: MergeQueryNode): MergeQueryNode {
    const sources = this.#sources([node.into, ...(node.using === undefined ? [] : [node.using.table])]);
    const declared = sources.find(({ fields }) => fields !== null);
    if (declared === undefined) return super.transformMergeQuery(node);
    throw invalid(`\`merge\` cannot encrypt: insert into \`${declared.name}\` with \`onConflict\`, or update it by id`);
  }

  protected override transformWith(node: WithNode): WithNode {
    for (const { name } of node.expressions) {
      const cte = name.table.table.identifier.name;
      if (this.#tables.has(cte))
        throw invalid(`give the common table expression \`${cte}\` another name than a table's`);
    }
    return super.transformWith(node);
  }

  protected override transformWhere(node: WhereNode): WhereNode {
    return { kind: 'WhereNode', where: this.#condition(node.where, TOP) };
  }

  protected override transformOn(node: OnNode): OnNode {
    return { kind: 'OnNode', on: this.#condition(node.on, INSIDE) };
  }

  protected override transformHaving(node: HavingNode): HavingNode {
    return { kind: 'HavingNode', having: this.#condition(node.having, INSIDE) };
  }

  /** Whoever gets here with an encrypted column has not thought of it. */
  protected override transformReference(node: ReferenceNode): ReferenceNode {
    const found = this.#resolve(node) ?? this.#aliased(node);
    if (found !== null) throw refused(found.fields.declared, found.column, 'express');
    if (SelectAllNode.is(node.column)) {
      const name = node.table?.table.identifier.name;
      const source = this.#frames.flatMap(({ sources }) => sources).find((each) => each.name === name);
      const [column] = source?.fields?.declared.columns.values() ?? [];
      if (column !== undefined) throw refused(source!.fields!.declared, column, 'express');
    }
    return super.transformReference(node);
  }

  protected override transformOrderByItem(node: OrderByItemNode): OrderByItemNode {
    const [alias] = this.#frames[0]?.aliases.values() ?? [];
    if (alias !== undefined && isPosition(node.orderBy)) throw refused(alias.fields.declared, alias.column, 'order');
    return super.transformOrderByItem(node);
  }

  protected override transformRaw(node: RawNode): RawNode {
    const text = node.sqlFragments.join(' ').toLowerCase();
    for (const { fields } of this.#frames.flatMap(({ sources }) => sources)) {
      if (fields === null) continue;
      for (const column of fields.declared.columns.values()) {
        if (hasWord(text, column.sqlName.toLowerCase())) throw refused(fields.declared, column, 'raw');
      }
    }
    return super.transformRaw(node);
  }

  /** `to_json(customers)` has all columns of the table in it. */
  protected override transformFunction(node: FunctionNode): FunctionNode {
    for (const argument of node.arguments) {
      if (!TableNode.is(argument)) continue;
      const name = argument.table.identifier.name;
      const source = this.#frames.flatMap(({ sources }) => sources).find((each) => each.name === name);
      const [column] = source?.fields?.declared.columns.values() ?? [];
      if (column !== undefined) throw refused(source!.fields!.declared, column, 'express');
    }
    return super.transformFunction(node);
  }

  #isRoot(): boolean {
    return this.nodeStack.length === 1;
  }

  #within<T>(frame: Frame, action: () => T): T {
    this.#frames.unshift(frame);
    try {
      return action();
    } finally {
      this.#frames.shift();
    }
  }

  #sources(nodes: readonly OperationNode[]): Source[] {
    const sources = nodes.map((node) => sourceOf(node, this.#tables));
    this.touched ||= sources.some(({ fields }) => fields !== null);
    return sources;
  }

  #scopes(): (readonly Source[])[] {
    return this.#frames.map(({ sources }) => sources);
  }

  #resolve(node: OperationNode): Resolved | null {
    if (ReferenceNode.is(node)) return resolve(node, this.#scopes());
    return ColumnNode.is(node) ? resolveName(node.column.name, null, this.#scopes()) : null;
  }

  /** By which an ordering or a condition may name a selected column, encrypted ones in all ways. */
  #aliases(selections: readonly SelectionNode[]): Map<string, Resolved> {
    const found = new Map<string, Resolved>();
    for (const { selection } of selections) {
      const inner = AliasNode.is(selection) ? selection.node : selection;
      const column = this.#resolve(inner);
      if (column === null) continue;
      const isNamed = AliasNode.is(selection) && IdentifierNode.is(selection.alias);
      found.set(isNamed ? selection.alias.name : column.column.sqlName, column);
    }
    return found;
  }

  #aliased(node: ReferenceNode): Resolved | null {
    if (node.table !== undefined || !ColumnNode.is(node.column)) return null;
    return this.#frames[0]?.aliases.get(node.column.column.name) ?? null;
  }

  // Conditions

  #condition(node: OperationNode, place: Place): OperationNode {
    if (AndNode.is(node)) return AndNode.create(this.#condition(node.left, place), this.#condition(node.right, place));
    if (ParensNode.is(node)) return ParensNode.create(this.#condition(node.node, place));
    if (OrNode.is(node)) {
      const inside = place.isNegated ? NEGATED : INSIDE;
      return OrNode.create(this.#condition(node.left, inside), this.#condition(node.right, inside));
    }
    if (UnaryOperationNode.is(node) && OperatorNode.is(node.operator) && node.operator.operator === 'not') {
      return UnaryOperationNode.create(node.operator, this.#condition(node.operand, NEGATED));
    }
    if (!BinaryOperationNode.is(node)) return this.transformNode(node);
    const found = this.#resolve(node.leftOperand);
    return found === null ? this.transformNode(node) : this.#comparison(node, found, place);
  }

  #comparison(node: BinaryOperationNode, { source, fields, column }: Resolved, place: Place): OperationNode {
    const refuse = (asked: Asked): Error => refused(fields.declared, column, asked);
    const operator = OperatorNode.is(node.operator) ? node.operator.operator : '';
    if (operator === 'is' || operator === 'is not') {
      if (!ValueNode.is(node.rightOperand) || node.rightOperand.value !== null) throw refuse('compare');
      return BinaryOperationNode.create(referenceTo(source, column.sqlName), node.operator, node.rightOperand);
    }
    const values = comparedValues(operator, node.rightOperand);
    if (values === null) throw refuse('compare');
    if (values.includes(null) || values.includes(undefined)) throw refuse('null');
    if (place.isNegated) throw refuse('negate');

    const comparison = comparisonOf(fields, column);
    const frame = this.#frames.find(({ sources }) => sources.includes(source))!;
    if (!comparison.isExact) {
      if (!frame.canCheck || frame !== this.#frames[0]) throw refuse('unchecked');
      if (!place.isConjunct) throw refuse('either');
      frame.checks.push({ source, property: column.property, matches: comparison.matcher(values) });
    }
    const tenant = this.#tenantOf(source, fields.declared, frame);
    const pending = new Pending();
    this.jobs.push(async () => pending.fillList(await comparison.terms(values, tenant)));
    return BinaryOperationNode.create(
      referenceTo(source, comparison.by.sqlName),
      OperatorNode.create('in'),
      pendingNode(pending),
    );
  }

  /** Whose rows are searched, where that is in a column. */
  #tenantOf(source: Source, { table, tenant }: FieldTable, { known }: Frame): string | undefined {
    if (typeof tenant === 'string') return undefined;
    const value = known(source, tenant.sqlName);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value);
    throw invalid(
      `a search in \`${table}\` says in whose rows: add \`where('${tenant.sqlName}', '=', …)\`, since each tenant has other keys`,
    );
  }

  // Selections

  /**
   * @param refusal why encrypted columns cannot be selected here; null where they can
   * @param qualified false where columns that are added must not be named in full
   */
  #select(
    selections: readonly SelectionNode[],
    frame: Frame,
    refusal: Asked | null,
    qualified = true,
  ): { selections: readonly SelectionNode[]; parts: ResultPart[]; added: string[] } {
    const outputs = new Map<Source, Map<string, string[]>>();
    const names = new Set<string>();
    const added: string[] = [];
    const give = (source: Source, fields: AnyFields, column: FieldColumn, name: string): void => {
      if (refusal !== null) throw refused(fields.declared, column, refusal);
      if (names.has(name)) throw invalid(`two selected columns are called \`${name}\`: give one an alias with \`as\``);
      names.add(name);
      const ofSource = outputs.get(source) ?? new Map<string, string[]>();
      outputs.set(source, ofSource.set(column.property, [...(ofSource.get(column.property) ?? []), name]));
    };
    const giveAll = (source: Source): void => {
      if (source.fields === null) return;
      const { declared } = source.fields;
      for (const column of declared.columns.values()) give(source, source.fields, column, column.sqlName);
      added.push(...indexesOf(declared).map(({ sqlName }) => sqlName));
    };
    const asked: string[] = [];
    const given = selections.map((node) => {
      const { selection } = node;
      if (SelectAllNode.is(selection)) {
        if (frame.sources.length > 1 && frame.sources.some(({ fields }) => fields !== null)) {
          throw invalid(
            "say whose columns are selected, `selectAll('table')`: those of several tables may be called alike",
          );
        }
        for (const source of frame.sources) giveAll(source);
        return node;
      }
      if (ReferenceNode.is(selection) && SelectAllNode.is(selection.column)) {
        const name = selection.table?.table.identifier.name;
        for (const source of frame.sources) if (source.name === name) giveAll(source);
        return node;
      }
      const aliased = AliasNode.is(selection) ? selection : null;
      const inner = aliased === null ? selection : aliased.node;
      const found = this.#resolve(inner);
      if (found === null) {
        asked.push(...namesOf(selection));
        return this.transformNode(node);
      }
      if (aliased !== null && !IdentifierNode.is(aliased.alias)) throw invalid('give encrypted columns plain aliases');
      const name = aliased === null ? found.column.sqlName : (aliased.alias as IdentifierNode).name;
      give(found.source, found.fields, found.column, name);
      return node;
    });
    // An index column that was asked for by name is given.
    const dropped = added.filter((name) => !asked.includes(name));

    const more: SelectionNode[] = [];
    const parts: ResultPart[] = [];
    const addColumn = (source: Source, sqlName: string): string => {
      const name = `${ADDED}${more.length}`;
      const column = qualified ? referenceTo(source, sqlName) : ReferenceNode.create(ColumnNode.create(sqlName));
      more.push(SelectionNode.create(AliasNode.create(column, IdentifierNode.create(name))));
      dropped.push(name);
      return name;
    };
    for (const { source, property } of frame.checks) {
      const { columns } = source.fields!.declared;
      const ofSource = outputs.get(source) ?? new Map<string, string[]>();
      outputs.set(source, ofSource);
      if (!ofSource.has(property)) ofSource.set(property, [addColumn(source, columns.get(property)!.sqlName)]);
    }
    for (const [source, ofSource] of outputs) {
      const fields = source.fields!;
      const columns = [...ofSource.keys()].map((property) => fields.declared.columns.get(property)!);
      parts.push({
        fields,
        outputs: ofSource,
        bindings: bindingsOf(fields.declared, columns).map(({ property, sqlName }) => ({
          property,
          name: addColumn(source, sqlName),
        })),
        checks: frame.checks.filter((check) => check.source === source),
      });
    }
    return { selections: [...given, ...more], parts, added: dropped };
  }

  #returning(node: ReturningNode | undefined, frame: Frame): { returning?: ReturningNode } {
    if (node === undefined) return {};
    const refusal = this.#isRoot() ? null : 'nested';
    const { selections, parts, added } = this.#select(node.selections, frame, refusal, frame.sources.length > 1);
    if (parts.length > 0) this.result = { parts, added, window: null };
    return { returning: { kind: 'ReturningNode', selections } };
  }

  // Writing

  #insertedRows(node: InsertQueryNode, fields: AnyFields | null): Pick<InsertQueryNode, 'columns' | 'values'> {
    const { columns = [], values } = node;
    const names = columns.map(({ column }) => column.name);
    const encrypted = fields === null ? [] : names.map((name) => columnNamed(fields.declared, name));
    if (fields === null || encrypted.every((column) => column === null)) {
      if (fields !== null) requireNoIndexes(fields.declared, names);
      return {
        ...(node.columns === undefined ? {} : { columns }),
        ...(values === undefined ? {} : { values: this.transformNode(values) }),
      };
    }
    const { declared } = fields;
    requireNoIndexes(declared, names);
    if (values === undefined || !ValuesNode.is(values)) {
      throw refused(
        declared,
        encrypted.find((column) => column !== null)!,
        'assign',
      );
    }
    const made = encrypted.flatMap((column) => column?.indexes ?? []);
    const bindings = allBindings(declared);
    const rows: Record<string, unknown>[] = [];
    const cells: { readonly row: number; readonly property: string; readonly pending: Pending }[] = [];
    const cell = (property: string): OperationNode => {
      const pending = new Pending();
      cells.push({ row: rows.length, property, pending });
      return pendingNode(pending);
    };
    const written = values.values.map((item) => {
      const nodes = PrimitiveValueListNode.is(item) ? item.values.map((value) => ValueNode.create(value)) : item.values;
      const row: Record<string, unknown> = {};
      const written = nodes.map((value, at) => {
        const column = encrypted[at] ?? null;
        const binding = bindings.find(({ sqlName }) => sqlName === names[at]);
        if (binding !== undefined && ValueNode.is(value)) row[binding.property] = value.value;
        if (column === null) return this.transformNode(value);
        if (DefaultInsertValueNode.is(value)) return value;
        if (!ValueNode.is(value)) throw refused(declared, column, 'assign');
        row[column.property] = value.value;
        return cell(column.property);
      });
      const terms = encrypted.flatMap((column) =>
        (column?.indexes ?? []).map(({ property }) =>
          row[column!.property] === undefined ? DefaultInsertValueNode.create() : cell(property),
        ),
      );
      rows.push(row);
      return ValueListNode.create([...written, ...terms]);
    });
    this.jobs.push(async () => {
      const stored = (await fields.encryptMany(rows)) as readonly Record<string, unknown>[];
      for (const { row, property, pending } of cells) pending.fillValue(stored[row]![property]);
    });
    return {
      columns: [...columns, ...made.map(({ sqlName }) => ColumnNode.create(sqlName))],
      values: ValuesNode.create(written),
    };
  }

  #onConflict(node: OnConflictNode, insert: InsertQueryNode, fields: AnyFields | null): OnConflictNode {
    const { columns = [], updates = [] } = node;
    if (fields === null) return this.transformNode(node);
    const { declared } = fields;
    const target = columns.map(({ column }) => column.name);
    for (const name of target) {
      const column = columnNamed(declared, name);
      if (column !== null && column.kind === 'random') throw refused(declared, column, 'express');
    }
    const { updates: _, ...rest } = node;
    const transformed = super.transformOnConflict(rest);
    const encrypted = updates.map((update) => columnNamed(declared, updatedName(update)));
    const written = encrypted.filter((column) => column !== null);
    requireNoIndexes(declared, updates.map(updatedName));
    if (written.length > 0) {
      const missing = bindingsOf(declared, written).find(({ sqlName }) => !target.includes(sqlName));
      if (missing !== undefined) {
        throw invalid(
          `an upsert of \`${declared.table}\` that encrypts has \`${missing.sqlName}\` among the columns of its ` +
            'conflict: the row that it updates may be another one, which the values are not bound to',
        );
      }
    }
    const set = updates.flatMap((update, at) => {
      const column = encrypted[at] ?? null;
      if (column === null) {
        requireUnbound(declared, update, isExcluded(update));
        return [this.transformNode(update)];
      }
      if (!isExcluded(update)) {
        if (ValueNode.is(update.value) && update.value.value === null) return nulled(column);
        throw invalid(
          `\`${declared.table}.${column.property}\` is set from the row that could not be inserted: \`eb.ref('excluded.${column.sqlName}')\``,
        );
      }
      const inserted = (insert.columns ?? []).some(({ column: { name } }) => name === column.sqlName);
      if (!inserted) throw invalid(`\`excluded.${column.sqlName}\` has no value: insert it as well`);
      return [column, ...column.indexes].map(({ sqlName }) =>
        ColumnUpdateNode.create(
          ColumnNode.create(sqlName),
          ReferenceNode.create(ColumnNode.create(sqlName), TableNode.create('excluded')),
        ),
      );
    });
    return { ...transformed, ...(node.updates === undefined ? {} : { updates: set }) };
  }

  #updates(
    updates: readonly ColumnUpdateNode[],
    source: Source,
    fields: AnyFields,
    known: Known,
  ): { set: readonly ColumnUpdateNode[]; guards: readonly OperationNode[] } {
    const { declared } = fields;
    requireNoIndexes(declared, updates.map(updatedName));
    const row: Record<string, unknown> = {};
    const cells: { readonly property: string; readonly pending: Pending }[] = [];
    const set = updates.flatMap((update) => {
      const column = columnNamed(declared, updatedName(update));
      if (column === null) {
        const value = ValueNode.is(update.value) ? update.value.value : undefined;
        requireUnbound(declared, update, value !== undefined && value === known(source, updatedName(update)));
        return [this.transformNode(update)];
      }
      if (!ValueNode.is(update.value)) throw refused(declared, column, 'assign');
      row[column.property] = update.value.value;
      return [column, ...column.indexes].map(({ property, sqlName }) => {
        const pending = new Pending();
        cells.push({ property, pending });
        return ColumnUpdateNode.create(ColumnNode.create(sqlName), pendingNode(pending));
      });
    });
    if (cells.length === 0) return { set, guards: [] };

    const written = Object.keys(row)
      .filter((property) => row[property] !== null)
      .map((property) => declared.columns.get(property)!);
    const bindings = bindingsOf(declared, written);
    for (const { property, sqlName } of bindings) {
      row[property] = known(source, sqlName);
      if (row[property] !== undefined) continue;
      throw invalid(
        `an update that encrypts columns of \`${declared.table}\` names the row that they are bound to: ` +
          `add \`where('${sqlName}', '=', …)\``,
      );
    }
    this.jobs.push(async () => {
      const stored = (await fields.encryptMany([row])) as readonly Record<string, unknown>[];
      for (const { property, pending } of cells) pending.fillValue(stored[0]![property]);
    });
    return { set, guards: bindings.flatMap(({ property, sqlName }) => guardOf(source, sqlName, row[property])) };
  }
}

/**
 * What the database finds equal need not be the same text: an upper-case UUID finds its row, whose id then is lower-case. A
 * value that is bound to the one could not be opened by the other, so a row is updated only where its id reads as given.
 */
function guardOf(source: Source, sqlName: string, value: unknown): OperationNode[] {
  if (value instanceof Uint8Array) return [];
  const text = CastNode.create(referenceTo(source, sqlName), DataTypeNode.create('text'));
  return [
    BinaryOperationNode.create(
      // In SQLite a cast keeps the column's collation, an expression has none.
      BinaryOperationNode.create(text, OperatorNode.create('||'), ValueNode.createImmediate('')),
      OperatorNode.create('='),
      ValueNode.create(String(value)),
    ),
  ];
}

function guarded({ where }: WhereNode, guards: readonly OperationNode[]): WhereNode {
  return WhereNode.create(guards.reduce((all, guard) => AndNode.create(all, guard), where));
}

function nulled(column: FieldColumn): ColumnUpdateNode[] {
  return [column, ...column.indexes].map(({ sqlName }) =>
    ColumnUpdateNode.create(ColumnNode.create(sqlName), ValueNode.create(null)),
  );
}

function updatedName({ column }: ColumnUpdateNode): string {
  if (ColumnNode.is(column)) return column.column.name;
  if (ReferenceNode.is(column) && ColumnNode.is(column.column)) return column.column.column.name;
  throw invalid('set columns by their names');
}

/** `email = excluded.email` */
function isExcluded(update: ColumnUpdateNode): boolean {
  const { value } = update;
  return (
    ReferenceNode.is(value) &&
    ColumnNode.is(value.column) &&
    value.table?.table.identifier.name === 'excluded' &&
    value.column.column.name === updatedName(update)
  );
}

function requireNoIndexes(table: FieldTable, names: readonly string[]): void {
  const index = indexesOf(table).find(({ sqlName }) => names.includes(sqlName));
  if (index !== undefined) throw invalid(`\`${table.table}.${index.sqlName}\` is made by encryption: leave it out`);
}

/** @param isSame the column keeps what it has */
function requireUnbound(table: FieldTable, update: ColumnUpdateNode, isSame: boolean): void {
  const name = updatedName(update);
  if (isSame || !allBindings(table).some(({ sqlName }) => sqlName === name)) return;
  throw invalid(
    `\`${table.table}.${name}\` cannot be changed: encrypted values are bound to it; insert a new row and delete this one`,
  );
}

/** The values that a column is compared with by `=` or `in`; null where it is anything else. */
function comparedValues(operator: string, node: OperationNode): readonly unknown[] | null {
  if (operator === '=') return ValueNode.is(node) ? [node.value] : null;
  if (operator !== 'in') return null;
  if (PrimitiveValueListNode.is(node)) return node.values;
  if (!ValueListNode.is(node)) return null;
  const values = node.values.filter((value) => ValueNode.is(value));
  return values.length === node.values.length ? values.map(({ value }) => value) : null;
}

/** What the top of a condition says of single columns by `=`. */
function knownFrom(where: WhereNode | undefined, sources: readonly Source[]): Known {
  const found = new Map<Source, Map<string, unknown>>();
  const visit = (node: OperationNode): void => {
    if (ParensNode.is(node)) visit(node.node);
    if (AndNode.is(node)) {
      visit(node.left);
      visit(node.right);
    }
    if (!BinaryOperationNode.is(node) || !OperatorNode.is(node.operator) || node.operator.operator !== '=') return;
    const { leftOperand: left, rightOperand: right } = node;
    if (!ReferenceNode.is(left) || !ColumnNode.is(left.column) || !ValueNode.is(right)) return;
    const qualifier = left.table?.table.identifier.name;
    const named = sources.filter(({ name }) => qualifier === undefined || name === qualifier);
    // An unqualified name among several tables may be anybody's.
    if (named.length !== 1) return;
    const columns = found.get(named[0]!) ?? new Map<string, unknown>();
    found.set(named[0]!, columns.set(left.column.column.name, right.value));
  };
  if (where !== undefined) visit(where.where);
  return (source, sqlName) => found.get(source)?.get(sqlName);
}

/** Each row of the result is one row of the tables, whose columns can be added to. */
function isPlainSelection(node: SelectQueryNode): boolean {
  const {
    selections = [],
    groupBy,
    having,
    setOperations = [],
    distinctOn = [],
    frontModifiers = [],
    fetch,
    top,
  } = node;
  if (groupBy !== undefined || having !== undefined || fetch !== undefined || top !== undefined) return false;
  if (setOperations.length + distinctOn.length + frontModifiers.length > 0) return false;
  return selections.every(({ selection }) => {
    const inner = AliasNode.is(selection) ? selection.node : selection;
    return SelectAllNode.is(inner) || ReferenceNode.is(inner);
  });
}

const NO_WINDOW = { limit: undefined, offset: undefined } as unknown as Pick<SelectQueryNode, 'limit' | 'offset'>;

/** Rows that were found by mistake must not count, so the database gives all and they are counted here. */
function windowOf({ limit, offset }: SelectQueryNode): Window {
  return { limit: countOf(limit?.limit, Infinity), offset: countOf(offset?.offset, 0) };
}

function countOf(node: LimitNode['limit'] | undefined, none: number): number {
  if (node === undefined) return none;
  const value = ValueNode.is(node) ? node.value : null;
  if (value === null) return none;
  const count = Number(value);
  if (ValueNode.is(node) && Number.isInteger(count) && count >= 0) return count;
  throw invalid('a search by a truncated index takes a plain number as its limit and offset');
}

/** Without what is transformed by itself. */
function without({ with: _, ...node }: SelectQueryNode): SelectQueryNode {
  return node;
}

/** By which names a selection that is not encrypted may stand in the row. */
function namesOf(selection: OperationNode): string[] {
  if (AliasNode.is(selection)) return IdentifierNode.is(selection.alias) ? [selection.alias.name] : [];
  return ReferenceNode.is(selection) && ColumnNode.is(selection.column) ? [selection.column.column.name] : [];
}

/** `order by 1` */
function isPosition(node: OperationNode): boolean {
  if (ValueNode.is(node)) return typeof node.value === 'number';
  return node.kind === 'RawNode' && /^[\s\d]+$/u.test((node as RawNode).sqlFragments.join(''));
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!isWordSign(text[at - 1]) && !isWordSign(text[at + word.length])) return true;
  }
  return false;
}

function isWordSign(sign: string | undefined): boolean {
  return sign !== undefined && /[\p{L}\p{N}_$]/u.test(sign);
}
