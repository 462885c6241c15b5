/**
 * One attempt at an operation: what it read, what was decided, and the facts for its record.
 *
 * The checks come in one order: resolve the key → authorise → usage → state → limits. `useKey`, `manageKey` and
 * `readKey` are that order; operations call one of them first and cannot release anything without.
 *
 * @module
 */
import type { DraftItem } from '../audit/record.ts';
import { ClavigerError } from '../errors.ts';
import { requireContext, type EncryptionContext } from '../model/encryption-context.ts';
import { keyArn, parseKeyName, printable } from '../model/ids.ts';
import type { Key, KeyVersion, KeyWithVersions } from '../model/key.ts';
import type { OperationName } from '../model/operation.ts';
import { BATCH_OPERATIONS, policyAction, USE_COMPROMISED, type PolicyAction } from '../model/operation.ts';
import type { Principal, Tenant } from '../model/principal.ts';
import type { Usage } from '../model/spec.ts';
import { isDestroyed, requireUsable, type UseKind } from '../model/state.ts';
import type { PolicyResource } from '../policy/engine.ts';
import type { Span } from '../ports/tracing.ts';
import type { KeyHandle } from '../providers/key-handle.ts';
import { entity } from '../store/change.ts';
import type { VersionHomes } from './homes.ts';
import type { Call } from './operation.ts';
import type { Services } from './services.ts';
import { tracedHandle } from './traced-handle.ts';

/** What a record says of an operation beside who, when and how it ended. */
export interface Facts {
  keyId: string | null;
  keyVersion: number | null;
  provider: string | null;
  backing: string | null;
  failovers: readonly string[];
  missingHomes: readonly string[];
  algorithm: string | null;
  digest: string | null;
  context: EncryptionContext | null;
  /** Of ReEncrypt: the context of the new ciphertext. */
  destinationContext: EncryptionContext | null;
  resource: string | null;
  items: readonly DraftItem[] | null;
  /** Of RedactAuditRecords: the records whose openings went, `[from, to)`. */
  redaction: { readonly from: number; readonly to: number } | null;
}

export const NO_FACTS: Readonly<Facts> = {
  keyId: null,
  keyVersion: null,
  provider: null,
  backing: null,
  failovers: [],
  missingHomes: [],
  algorithm: null,
  digest: null,
  context: null,
  destinationContext: null,
  resource: null,
  items: null,
  redaction: null,
};

/** Before the name of a home whose data key was at hand: it has done its work for another request. */
export const FROM_CACHE = 'cache:';

/** What refuses every home that this call would ask. */
const ANY_HOME = 'any home';

/** Versions that are tried, newest first, for a signature, MAC or RSA ciphertext that names none. */
const CANDIDATES_MAX = 16;

/** How a key is to be used. */
export interface Use {
  readonly usage: Usage;
  readonly kind: UseKind;
  /** Items of a batch; 1 otherwise. */
  readonly items?: number;
  readonly context?: EncryptionContext;
}

export class Scope {
  readonly services: Services;
  readonly operation: OperationName;
  readonly call: Call;
  readonly principal: Principal;
  /** Entities that this attempt read. */
  readonly read: string[];
  readonly facts: Facts = { ...NO_FACTS };
  policies: readonly string[] = [];
  /** True once a policy has permitted something; nothing is released before. */
  authorized = false;
  /** True where homes were asked: the answer says which. */
  served = false;
  /** Of a signature by one of several key pairs: which one. */
  thumbprint: string | null = null;
  readonly #memo: Map<string, unknown>;
  #shared: Map<string, Shared<unknown>> | null = null;

  constructor(
    services: Services,
    operation: OperationName,
    call: Call,
    principal: Principal,
    memo: Map<string, unknown>,
  ) {
    this.services = services;
    this.operation = operation;
    this.call = call;
    this.principal = principal;
    this.read = [entity.credential(principal.id)];
    this.#memo = memo;
  }

  note(facts: Partial<Facts>): void {
    Object.assign(this.facts, facts);
  }

  /** Runs `make` in the first attempt only: for work that a later attempt can keep, such as a generated key. */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    if (!this.#memo.has(name)) this.#memo.set(name, await make());
    return this.#memo.get(name) as T;
  }

  /** What an earlier attempt did outside of the store, see `OutsideWork`; undefined where nothing was done yet. */
  done<T>(name: string): T | undefined {
    return this.#memo.get(outsideName(name)) as T | undefined;
  }

  /** Resolve → authorise → usage → state → limits, for a cryptographic operation. */
  async useKey(name: string, use: Use): Promise<KeyWithVersions> {
    const found = await this.resolve(name);
    this.checkUse(found.key, use);
    return found;
  }

  /** The checks of `useKey` for a key that is resolved already. */
  checkUse(key: Key, use: Use): void {
    if (use.context !== undefined) this.note({ context: requireContext(use.context) });
    this.authorize({ kind: 'key', key }, use.context);
    this.requireUse(key, use);
  }

  /** Usage → state → limits, for a key whose use is authorised. */
  requireUse(key: Key, { usage, kind, items = 1 }: Use): void {
    if (key.usage !== usage) {
      throw new ClavigerError('KEY_USAGE', `key ${key.id} is for \`${key.usage}\`, not for \`${usage}\``, {
        resource: key.id,
      });
    }
    requireUsable(key, kind, () => this.mayUseCompromised(key));
    this.services.limiter.spend(this.principal.id, 'crypto', items);
  }

  /** Resolve → authorise → limits, for a change of a key. */
  async manageKey(name: string): Promise<KeyWithVersions> {
    const found = await this.resolve(name);
    this.authorize({ kind: 'key', key: found.key });
    this.spendChange();
    return found;
  }

  /** Resolve → authorise, for what only reads. */
  async readKey(name: string): Promise<KeyWithVersions> {
    const found = await this.resolve(name);
    this.authorize({ kind: 'key', key: found.key });
    return found;
  }

  /** Authorise → limits, for a change that is not of one key. */
  manageTenant(tenantId: string = this.principal.tenantId): void {
    this.authorize({ kind: 'tenant', tenantId });
    this.spendChange();
  }

  readTenant(tenantId: string = this.principal.tenantId): void {
    this.authorize({ kind: 'tenant', tenantId });
  }

  spendChange(): void {
    if (this.call.gateway !== 'job') this.services.limiter.spend(this.principal.id, 'change', 1);
  }

  /**
   * Finds the key that a caller named. A key of another tenant is not found, and nothing tells it from an unknown one.
   *
   * @throws KEY_NOT_FOUND; INVALID_ARGUMENT for a malformed ARN
   */
  async resolve(text: string): Promise<KeyWithVersions> {
    this.note({ resource: text.slice(0, 256) });
    const found = await this.#find(text);
    const hidden = found !== null && this.call.gateway === 'aws' && isDestroyed(found.key.state);
    if (found === null || hidden || found.key.tenantId !== this.principal.tenantId) {
      throw new ClavigerError('KEY_NOT_FOUND', `key \`${printable(text)}\` does not exist`);
    }
    this.note({ keyId: found.key.id, resource: null });
    return found;
  }

  /** @throws PERMISSION_DENIED */
  authorize(
    resource: PolicyResource,
    encryptionContext?: EncryptionContext,
    action: PolicyAction = policyAction(this.operation),
  ): void {
    const { principal, call } = this;
    const decision = this.services.policy.decide({
      principal,
      action,
      resource,
      context: {
        sourceAddress: call.source,
        gateway: call.gateway,
        ...(encryptionContext === undefined ? {} : { encryptionContext }),
      },
    });
    this.policies = decision.policies;
    if (!decision.allowed) {
      throw new ClavigerError(
        'PERMISSION_DENIED',
        `\`${principal.name}\` may not ${action} here; a security officer or an auditor sees why with \`claviger policy explain\``,
      );
    }
    this.authorized = true;
  }

  /** The version that protects. */
  primary(found: KeyWithVersions): KeyVersion {
    return this.version(found, found.key.primaryVersion);
  }

  /** @throws INVALID_ARGUMENT where the key has no such version */
  version(found: KeyWithVersions, version: number): KeyVersion {
    const row = found.versions.find((candidate) => candidate.version === version);
    if (row === undefined) {
      throw new ClavigerError('INVALID_ARGUMENT', `key ${found.key.id} has no version ${version}`);
    }
    return row;
  }

  /**
   * The version to process with: the one that the caller named, or the primary one.
   *
   * @throws INVALID_ARGUMENT where the key has no such version; KEY_STATE where its state forbids the use
   */
  versionFor(found: KeyWithVersions, keyVersion: number | undefined): KeyVersion {
    const version = this.version(found, keyVersion ?? found.key.primaryVersion);
    this.requireVersionUsable(found.key, version);
    return version;
  }

  /**
   * The versions that may have made what carries no version: the one that the caller named, or the usable ones, newest
   * first.
   */
  candidates(found: KeyWithVersions, keyVersion: number | undefined): readonly KeyVersion[] {
    if (keyVersion !== undefined) return [this.versionFor(found, keyVersion)];
    const { key, versions } = found;
    const usable = versions.filter(
      ({ state }) =>
        state === 'Active' || state === 'Deactivated' || (state === 'Compromised' && this.mayUseCompromised(key)),
    );
    return usable.toReversed().slice(0, CANDIDATES_MAX);
  }

  /** @throws KEY_STATE where the state of this version, apart from its key's, forbids to process with it */
  requireVersionUsable({ id, ...key }: Key, { version, state }: KeyVersion): void {
    const named = { id: `${id} version ${version}`, state, deletionAt: null, materialPresent: true };
    requireUsable(named, 'process', () => this.mayUseCompromised({ id, ...key }));
  }

  /** The handle of a version in the built-in keystore; `handleOf` of handles.ts knows every home. */
  handle({ key }: KeyWithVersions, version: KeyVersion): KeyHandle | Promise<KeyHandle> {
    const { software } = this.services;
    this.#requireUnexpired(key, version);
    this.note({ keyVersion: version.version, provider: software.name });
    const handle = software.key({ tenantId: key.tenantId, keyId: key.id, version: version.version, spec: key.spec });
    return this.call.trace === null ? handle : this.#traced(handle, this.call.trace);
  }

  #requireUnexpired(key: Key, version: KeyVersion): void {
    // The job that takes expired material away comes round only once a minute.
    if (version.expiresAt !== null && version.expiresAt <= this.services.clock.now()) {
      throw new ClavigerError('KEY_STATE', `the imported material of key ${key.id} has expired; import it again`);
    }
  }

  /**
   * Where a version of a key with several homes lives now.
   *
   * @throws the refusal of one of its homes, as long as that stands
   */
  async homes({ key }: KeyWithVersions, version: KeyVersion): Promise<VersionHomes> {
    this.note({ keyVersion: version.version });
    this.requireUnpinned();
    this.#requireUnexpired(key, version);
    this.requireUnrefused(key, version);
    const { name } = await this.tenant(key.tenantId);
    return this.services.homes.ofVersion(key, version, name);
  }

  /** @throws the refusal of a home that stands for a version */
  requireUnrefused({ id }: Key, { refusal }: KeyVersion): void {
    if (refusal === null) return;
    this.note({ provider: refusal.provider });
    throw new ClavigerError(
      refusal.code,
      `home \`${refusal.provider}\` of key ${id} refuses it since ${new Date(refusal.at).toISOString()}; no other home is asked until it answers again`,
      { resource: id },
    );
  }

  /**
   * Keeps a home's refusal for this call: another attempt, or another item of a batch, ends with it too, and asks nobody.
   *
   * @param what it is of, where it is not of all that the call asks homes for
   */
  pin(refusal: ClavigerError, facts: Partial<Facts>, what: string = ANY_HOME): void {
    this.note(facts);
    this.#memo.set(pinName(what), { refusal, facts } satisfies Pinned);
  }

  /** @throws what was pinned, noted as it was then */
  requireUnpinned(what: string = ANY_HOME): void {
    const pinned = this.#memo.get(pinName(what)) as Pinned | undefined;
    if (pinned === undefined) return;
    this.note(pinned.facts);
    throw pinned.refusal;
  }

  /** Notes who did the work, who was asked before, and who has no part in it; several notes of one call add up. */
  noteServed(providers: readonly string[], failovers: readonly string[], missingHomes: readonly string[]): void {
    const { facts } = this;
    this.served = true;
    const served = facts.provider === null ? providers : [...facts.provider.split(','), ...providers];
    this.note({
      provider: [...new Set(served)].join(',') || null,
      failovers: [...new Set([...facts.failovers, ...failovers])],
      missingHomes: [...new Set([...facts.missingHomes, ...missingHomes])],
    });
  }

  /**
   * Within a batch, what `make` gives for the first item that asks; null for a call that is no batch.
   *
   * @param wipe called when the batch is done, see `wipeShared`
   */
  async sharedInBatch<T>(name: string, make: () => Promise<T>, wipe: (made: T) => void): Promise<T | null> {
    if (!(this.operation in BATCH_OPERATIONS)) return null;
    this.#shared ??= new Map();
    const known = this.#shared.get(name) as Shared<T> | undefined;
    if (known !== undefined) return known.made;
    const made = make();
    this.#shared.set(name, { made, wipe: () => void made.then(wipe, () => undefined) });
    return made;
  }

  /** Wipes what the items of a batch have shared. */
  wipeShared(): void {
    for (const { wipe } of this.#shared?.values() ?? []) wipe();
  }

  /**
   * Asks homes, within a span of its own where the request is traced.
   *
   * @throws DRY_RUN where nothing is to be done: what a home does may cost, and stands in its own log
   */
  async askHomes<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.call.dryRun) {
      throw new ClavigerError('DRY_RUN', 'nothing of ours refuses the request; homes are not asked in a dry run');
    }
    const span = this.call.trace?.child(name) ?? null;
    try {
      return await work();
    } finally {
      span?.end();
    }
  }

  async tenant(id: string = this.principal.tenantId): Promise<Tenant> {
    const tenant = await this.services.cache.tenant(id);
    if (tenant === null) throw new ClavigerError('NOT_FOUND', 'tenant does not exist');
    return tenant;
  }

  /** The ARN of a key of the caller's tenant; at hand, where the tenant is. */
  arn(keyId: string): string | Promise<string> {
    const { cache, region } = this.services;
    const known = cache.tenant(this.principal.tenantId);
    if (known !== null && !(known instanceof Promise)) return keyArn(region, known.accountId, keyId);
    return this.tenant().then(({ accountId }) => keyArn(region, accountId, keyId));
  }

  async #traced(handle: KeyHandle | Promise<KeyHandle>, span: Span): Promise<KeyHandle> {
    return tracedHandle(await handle, this.services.software.name, span);
  }

  async #find(text: string): Promise<KeyWithVersions | null> {
    const { cache, region } = this.services;
    const name = parseKeyName(text);
    if (name.accountId !== null) {
      const { accountId } = await this.tenant();
      if (name.accountId !== accountId || name.region !== region) return null;
    }
    let keyId = name.value;
    if (name.kind === 'alias') {
      this.read.push(entity.alias(this.principal.tenantId, name.value));
      const alias = await cache.alias(this.principal.tenantId, name.value);
      if (alias === null) return null;
      keyId = alias.keyId;
    }
    this.read.push(entity.key(keyId));
    return cache.key(keyId);
  }

  /** Whether a policy lets the caller process with a compromised key; the use is told to the operator. */
  mayUseCompromised(key: Key): boolean {
    const { principal, call, services } = this;
    const decision = services.policy.decide({
      principal,
      action: USE_COMPROMISED,
      resource: { kind: 'key', key },
      context: { sourceAddress: call.source, gateway: call.gateway },
    });
    if (decision.allowed) {
      this.policies = [...this.policies, ...decision.policies];
      services.log.write('warn', 'a compromised key is used, as a policy allows', {
        keyId: key.id,
        operation: this.operation,
      });
    }
    return decision.allowed;
  }
}

interface Shared<T> {
  readonly made: Promise<T>;
  readonly wipe: () => void;
}

interface Pinned {
  readonly refusal: ClavigerError;
  readonly facts: Partial<Facts>;
}

function pinName(what: string): string {
  return `refused by ${what}`;
}

/** The name under which the result of outside work is remembered for the next attempt. */
export function outsideName(name: string): string {
  return `outside ${name}`;
}
