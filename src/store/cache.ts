/**
 * Keys, aliases, credentials and tenants as the event loop last read them.
 *
 * An entry lives until its entity changes: the ledger names what changed before any answer of that group leaves. What
 * is not found is not remembered, so a new key is seen at once. Every value is a new object after a change, so caches
 * further up may hang on the object's identity.
 *
 * @module
 */
import type { Alias, KeyWithVersions } from '../model/key.ts';
import type { Credential, Tenant } from '../model/principal.ts';
import { entity } from './change.ts';
import type { StoreReader } from './contract.ts';

/** Entries kept; a key with its versions is about 2 KiB. */
const ENTRIES_MAX = 50_000;

export class StoreCache {
  readonly #store: StoreReader;
  readonly #entries = new Map<string, unknown>();
  #hits = 0;
  #misses = 0;
  /** Raised by every drop, so that a read that began before a drop is not remembered after it. */
  #drops = 0;

  constructor(store: StoreReader) {
    this.#store = store;
  }

  /** The store itself, for lists and for what is read rarely. */
  get store(): StoreReader {
    return this.#store;
  }

  /** How often something was asked for and was at hand, or was not; and how much is kept. */
  get counts(): { readonly hits: number; readonly misses: number; readonly entries: number } {
    return { hits: this.#hits, misses: this.#misses, entries: this.#entries.size };
  }

  key(id: string): KeyWithVersions | null | Promise<KeyWithVersions | null> {
    return this.#get(entity.key(id), () => this.#store.key(id));
  }

  alias(tenantId: string, name: string): Alias | null | Promise<Alias | null> {
    return this.#get(entity.alias(tenantId, name), () => this.#store.alias(tenantId, name));
  }

  credential(id: string): Credential | null | Promise<Credential | null> {
    return this.#get(entity.credential(id), () => this.#store.credential(id));
  }

  /** By access key id; the id of a credential never changes, so the way to it is remembered apart from it. */
  credentialByAccessKey(accessKeyId: string): Credential | null | Promise<Credential | null> {
    const known = this.#entries.get(`x:${accessKeyId}`) as string | undefined;
    return known === undefined ? this.#findByAccessKey(accessKeyId) : this.credential(known);
  }

  tenant(id: string): Tenant | null | Promise<Tenant | null> {
    return this.#get(entity.tenant(id), () => this.#store.tenant(id));
  }

  drop(entities: readonly string[]): void {
    this.#drops += 1;
    for (const name of entities) this.#entries.delete(name);
  }

  async #findByAccessKey(accessKeyId: string): Promise<Credential | null> {
    const found = await this.#store.credentialByAccessKey(accessKeyId);
    if (found !== null) this.#remember(`x:${accessKeyId}`, found.id);
    return found === null ? null : this.credential(found.id);
  }

  #get<T extends object>(name: string, load: () => Promise<T | null>): T | null | Promise<T | null> {
    const found = this.#entries.get(name) as T | undefined;
    if (found === undefined) return this.#load(name, load);
    this.#hits += 1;
    return found;
  }

  async #load<T extends object>(name: string, load: () => Promise<T | null>): Promise<T | null> {
    const drops = this.#drops;
    this.#misses += 1;
    const value = await load();
    // Callers that missed together share the first one's object, so that its identity means something.
    const meanwhile = this.#entries.get(name) as T | undefined;
    if (meanwhile !== undefined) return meanwhile;
    if (value !== null && drops === this.#drops) this.#remember(name, value);
    return value;
  }

  #remember(name: string, value: unknown): void {
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(name, value);
  }
}
