/**
 * Options with defaults.
 *
 * @module
 */

/** Without what is undefined, which would stand in the way of a default. */
export function defined<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
