/**
 * What waits for an answer, by the number that the answer names. Numbers are small and used again.
 *
 * Not a `Map` or `Set`: where entries come and go, V8 gives those a new table every few times, and links the table before
 * to it, entries and all. Once one of these tables has become old, collections of the young generation find all that came
 * after it reachable, and requests that were answered long ago become old themselves until the whole heap is collected.
 *
 * @module
 */

export class Waiting<T extends object> {
  readonly #values: (T | null)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  /** The number under which it waits from now on. */
  add(value: T): number {
    const number = this.#free.pop() ?? this.#values.length;
    this.#values[number] = value;
    return number;
  }

  /** What waited under the number, which is free from now on; null where nothing did. */
  take(number: number): T | null {
    const value = this.#values[number] ?? null;
    if (value === null) return null;
    this.#values[number] = null;
    this.#free.push(number);
    return value;
  }

  /** All that waited. */
  takeAll(): T[] {
    return [...this.#values.keys()].flatMap((number) => this.take(number) ?? []);
  }
}
