/**
 * What alerts remember, in memory and in the store: small named values, of which each says when it changed.
 *
 * @module
 */
import type { HousekeepingChange } from '../../store/change.ts';
import type { AlertStateKind, AlertStateRow } from '../../store/contract.ts';

/** Values of one kind, the one that was touched longest ago first; those beyond the limit are forgotten. */
export class KeptMap<T> {
  readonly #kind: AlertStateKind;
  readonly #entriesMax: number;
  readonly #entries = new Map<string, T>();
  readonly #changed = new Set<string>();

  constructor(kind: AlertStateKind, entriesMax: number, rows: readonly AlertStateRow[]) {
    this.#kind = kind;
    this.#entriesMax = entriesMax;
    for (const row of rows) if (row.kind === kind) this.#entries.set(row.name, JSON.parse(row.value) as T);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): T | undefined {
    return this.#entries.get(name);
  }

  entries(): IterableIterator<[string, T]> {
    return this.#entries.entries();
  }

  values(): IterableIterator<T> {
    return this.#entries.values();
  }

  /** Sets a value that will be kept. */
  set(name: string, value: T): void {
    this.#entries.delete(name);
    this.#entries.set(name, value);
    this.#changed.add(name);
    if (this.#entries.size > this.#entriesMax) this.delete(this.#entries.keys().next().value!);
  }

  /** Sets a value that was there, which does not count as touching it. */
  replace(name: string, value: T): void {
    this.#entries.set(name, value);
    this.#changed.add(name);
  }

  delete(name: string): void {
    if (this.#entries.delete(name)) this.#changed.add(name);
  }

  /** What has changed since the last call, for the store. */
  changes(): HousekeepingChange[] {
    const changes = [...this.#changed].map((name): HousekeepingChange => {
      const value = this.#entries.get(name);
      return value === undefined
        ? { drop: 'alertState', kind: this.#kind, name }
        : { put: 'alertState', kind: this.#kind, name, value: JSON.stringify(value) };
    });
    this.#changed.clear();
    return changes;
  }
}
