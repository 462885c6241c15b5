/**
 * What is done with the rows of a query: decrypted, checked where a truncated index found them, and freed of the columns
 * that were added for it.
 *
 * @module
 */
import type { NamedProperty } from '../declaration.ts';
import type { AnyFields } from '../integration/search.ts';

export type Row = Readonly<Record<string, unknown>>;

/** What a row has of one declared table. */
export interface ResultPart {
  readonly fields: AnyFields;
  /** Names in the row under which an encrypted column stands, by property. */
  readonly outputs: ReadonlyMap<string, readonly string[]>;
  /** Names in the row of what values are bound to. */
  readonly bindings: readonly { readonly property: string; readonly name: string }[];
  /** Tests that decrypted values must pass, or the row was found by mistake. */
  readonly checks: readonly { readonly property: string; readonly matches: (value: unknown) => boolean }[];
}

export interface ResultPlan {
  readonly parts: readonly ResultPart[];
  /** Names in the row of what nobody asked for. */
  readonly added: readonly string[];
  /** Set where rows are to be left out and counted here, because some were found by mistake. */
  readonly window: Window | null;
}

export interface Window {
  readonly offset: number;
  readonly limit: number;
}

/** Reads the rows of one execution, which may come in several portions. */
export class ResultReader {
  readonly #plan: ResultPlan;
  #passed = 0;

  constructor(plan: ResultPlan) {
    this.#plan = plan;
  }

  /** There is no more that is wanted. */
  get isFull(): boolean {
    const { window } = this.#plan;
    return window !== null && this.#passed >= window.offset + window.limit;
  }

  /** @throws INVALID_CIPHERTEXT where a value does not open */
  async read(rows: readonly Row[]): Promise<Row[]> {
    const decrypted = await Promise.all(this.#plan.parts.map((part) => decryptPart(part, rows)));
    const read: Row[] = [];
    for (const [at, row] of rows.entries()) {
      const values = decrypted.map((part) => part[at]!);
      if (!this.#plan.parts.every((part, index) => passes(part, values[index]!))) continue;
      this.#passed += 1;
      if (!this.#isWanted()) continue;
      const complete: Record<string, unknown> = { ...row };
      for (const [index, { outputs }] of this.#plan.parts.entries()) {
        for (const [property, names] of outputs) for (const name of names) complete[name] = values[index]![property];
      }
      for (const name of this.#plan.added) delete complete[name];
      read.push(complete);
    }
    return read;
  }

  #isWanted(): boolean {
    const { window } = this.#plan;
    return window === null || (this.#passed > window.offset && this.#passed <= window.offset + window.limit);
  }
}

function decryptPart({ fields, outputs, bindings }: ResultPart, rows: readonly Row[]): Promise<Row[]> {
  const columns: readonly NamedRow[] = [
    ...[...outputs].map(([property, [name]]) => ({ property, name: name! })),
    ...bindings,
  ];
  const parts = rows.map((row) => Object.fromEntries(columns.map(({ property, name }) => [property, row[name]])));
  return fields.decryptMany(parts) as Promise<Row[]>;
}

interface NamedRow extends Pick<NamedProperty, 'property'> {
  readonly name: string;
}

function passes({ checks }: ResultPart, values: Row): boolean {
  return checks.every(({ property, matches }) => matches(values[property]));
}
