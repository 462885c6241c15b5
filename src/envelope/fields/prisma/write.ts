/**
 * What a query of Prisma writes.
 *
 * @module
 */
import { allBindings, bindingsOf, indexesOf } from '../integration/bindings.ts';
import { invalid, refused } from '../integration/refusals.ts';
import { plainValue } from './filter.ts';
import { isPart, related, type Model, type Models, type Part } from './model.ts';

const UPPER_CASE_UUID = /^(?=.*[A-F])[\dA-Fa-f]{8}(-[\dA-Fa-f]{4}){3}-[\dA-Fa-f]{12}$/u;

/**
 * The data of rows, encrypted; each is bound to what stands in itself, or in `key` where it changes a row that is there.
 *
 * @param key what the query's condition says of the row; null for new rows
 * @throws INVALID_ARGUMENT, UNSUPPORTED
 */
export async function encryptData(
  models: Models,
  model: Model,
  rows: readonly Part[],
  key: Part | null,
): Promise<readonly Part[]> {
  for (const row of rows) requireNothingNested(models, model, row);
  const { fields } = model;
  if (fields === null) return rows;
  const { declared } = fields;
  const plain = rows.map((row) => {
    const term = indexesOf(declared).find(({ property }) => row[property] !== undefined);
    if (term !== undefined) throw invalid(`\`${model.name}.${term.property}\` is made by encryption: leave it out`);
    const values: Record<string, unknown> = {};
    for (const [name, column] of declared.columns) {
      if (row[name] === undefined) continue;
      values[name] = valueOf(row[name]);
      if (values[name] === undefined) throw refused(declared, column, 'assign');
    }
    const written = Object.keys(values).filter((name) => values[name] !== null);
    const bindings = bindingsOf(
      declared,
      written.map((name) => declared.columns.get(name)!),
    );
    if (key === null) for (const { property } of bindings) values[property] = row[property];
    else {
      requireUnmoved(model, row, key);
      for (const { property } of bindings) {
        values[property] = plainValue(key[property]);
        if (values[property] !== undefined) continue;
        throw invalid(
          `an update that encrypts fields of \`${model.name}\` names the row that they are bound to: ` +
            `add \`${property}\` to its \`where\``,
        );
      }
    }
    for (const { property } of bindings) requireSpelling(model, property, values[property]);
    return values;
  });
  const encrypted = (await fields.encryptMany(plain)) as readonly Part[];
  const made = [...declared.columns.values(), ...indexesOf(declared)].map(({ property }) => property);
  return rows.map((row, at) => {
    const stored = encrypted[at]!;
    const changed: Record<string, unknown> = { ...row };
    for (const name of made) if (stored[name] !== undefined) changed[name] = stored[name];
    return changed;
  });
}

/** `x` of `x` and of `{ set: x }`; of JSON, whatever it is. */
function valueOf(value: unknown): unknown {
  return isPart(value) && Object.keys(value).length === 1 && Object.hasOwn(value, 'set') ? value['set'] : value;
}

function requireUnmoved(model: Model, row: Part, key: Part): void {
  for (const { property } of allBindings(model.fields!.declared)) {
    const value = plainValue(row[property]);
    if (row[property] === undefined || (value !== undefined && value === plainValue(key[property]))) continue;
    throw invalid(`\`${model.name}.${property}\` cannot be changed: encrypted values are bound to it`);
  }
}

/** A column of the type UUID finds an upper-case id, and gives it back in lower case, by which nothing would open. */
function requireSpelling(model: Model, property: string, value: unknown): void {
  if (typeof value !== 'string' || !UPPER_CASE_UUID.test(value)) return;
  throw invalid(`\`${model.name}.${property}\` is bound to values as it is spelled: give UUIDs in lower case`);
}

/** @throws UNSUPPORTED where a relation writes encrypted fields */
function requireNothingNested(models: Models, model: Model, data: Part): void {
  for (const [name, value] of Object.entries(data)) {
    const other = related(models, model, name);
    if (other !== null) requireUntouched(models, other, value);
  }
}

/** Nothing in these arguments, of whatever depth, names an encrypted field. */
export function requireUntouched(models: Models, model: Model, value: unknown): void {
  if (Array.isArray(value)) {
    for (const one of value as unknown[]) requireUntouched(models, model, one);
    return;
  }
  if (!isPart(value)) return;
  for (const [name, part] of Object.entries(value)) {
    if (model.fields?.declared.columns.has(name) === true && part !== undefined) {
      throw invalid(
        `\`${model.name}.${name}\` is encrypted, and cannot be written or searched through a relation: ` +
          `write rows of \`${model.name}\` by themselves`,
      );
    }
    requireUntouched(models, related(models, model, name) ?? model, part);
  }
}
