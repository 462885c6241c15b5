/**
 * The models of a Prisma schema, as far as the extension needs them: which fields are relations, and to what.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import { indexesOf } from '../integration/bindings.ts';
import { invalid } from '../integration/refusals.ts';
import type { AnyFields } from '../integration/search.ts';

export interface Model {
  readonly name: string;
  /** null where it is not declared. */
  readonly fields: AnyFields | null;
  /** Names of scalar fields, and their types. */
  readonly scalars: ReadonlyMap<string, string>;
  /** Names of relation fields, and their models. */
  readonly relations: ReadonlyMap<string, string>;
}

export type Models = ReadonlyMap<string, Model>;

interface FieldOfModel {
  readonly name: string;
  readonly kind: string;
  readonly type: string;
}

const PRISMA_TYPE = { text: 'String', bytes: 'Bytes' } as const;

/**
 * @param client of Prisma 6 or 7; it knows its own schema
 * @param tables by the name of their models
 * @throws INVALID_ARGUMENT where schema and declaration do not agree
 */
export function modelsOf(client: object, tables: Readonly<Record<string, AnyFields>>): Models {
  const { _runtimeDataModel: schema } = client as {
    _runtimeDataModel?: { models?: Record<string, { fields?: unknown }> };
  };
  if (schema?.models === undefined) {
    throw new ClavigerError(
      'UNSUPPORTED',
      'this client of Prisma does not tell its schema: give the one of `new PrismaClient`',
    );
  }
  const models = new Map<string, Model>();
  for (const [name, model] of Object.entries(schema.models)) {
    const all = model.fields as readonly FieldOfModel[];
    const ofKind = (isRelation: boolean): Map<string, string> =>
      new Map(all.filter(({ kind }) => (kind === 'object') === isRelation).map((field) => [field.name, field.type]));
    const fields = Object.hasOwn(tables, name) ? tables[name]! : null;
    models.set(name, { name, fields, scalars: ofKind(false), relations: ofKind(true) });
  }
  for (const [name, fields] of Object.entries(tables)) requireAgreement(models.get(name), name, fields);
  return models;
}

function requireAgreement(model: Model | undefined, name: string, { declared }: AnyFields): void {
  if (model === undefined) throw invalid(`the schema has no model \`${name}\``);
  const type = PRISMA_TYPE[declared.storage];
  for (const { property } of [...declared.columns.values(), ...indexesOf(declared)]) {
    const found = model.scalars.get(property);
    if (found === type) continue;
    throw invalid(
      `\`${name}.${property}\` is ${found ?? 'missing'} in the schema: with this \`storage\` it is a ${type}`,
    );
  }
  for (const bound of [declared.row, declared.subject, declared.tenant]) {
    if (bound === null || typeof bound === 'string' || model.scalars.has(bound.property)) continue;
    throw invalid(`the model \`${name}\` has no field \`${bound.property}\``);
  }
}

export function related(models: Models, model: Model, field: string): Model | null {
  const name = model.relations.get(field);
  return name === undefined ? null : (models.get(name) ?? null);
}

export type Part = Readonly<Record<string, unknown>>;

export function isPart(value: unknown): value is Part {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The parts of an argument that may be one or many. */
export function partsOf(value: unknown): readonly Part[] {
  return (Array.isArray(value) ? (value as unknown[]) : [value]).filter(isPart);
}
