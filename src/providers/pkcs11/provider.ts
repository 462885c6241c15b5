/**
 * A token behind a PKCS#11 library as a home of keys.
 *
 * Retries and failover between the host processes of the one token are the supervisor's; those between providers are not
 * here.
 *
 * @module
 */
import { createPublicKey, verify } from 'node:crypto';
import { importMaterial } from '../../crypto/key-material.ts';
import { ClavigerError } from '../../errors.ts';
import { algorithmsOf, isAsymmetric, specRow, type Spec } from '../../model/spec.ts';
import type { Random } from '../../ports/random.ts';
import type { BackingInfo, CallOptions, Capability, Health, KeyLifecycle, Provider, WantedKey } from '../provider.ts';
import { inParts } from '../random-bytes.ts';
import { Abilities, abilityName, SPEC_MECHANISMS } from './algorithms.ts';
import { CANARY_LABEL, CANARY_SPEC } from './canary.ts';
import { TokenClient } from './client.ts';
import { integrityError } from './errors.ts';
import { Pkcs11Key, type KeyDesk } from './key.ts';
import type { Profile } from './profiles.ts';
import type { FoundKey, MechanismInfo, TokenFacts } from './protocol.ts';
import { publicKeyOf, specOf, usageOf } from './public-key.ts';
import { idOf, parseReference, refOf } from './reference.ts';
import type { Supervisor, TokenStatus } from './supervisor.ts';
import { importTemplates, newKeyTemplates, type KeyPlan } from './templates.ts';

/** Of PKCS#11 tools and vendors alike. */
const ID_BYTES = 16;
const RANDOM_BYTES_MAX = 1024;
/** SPKIs kept; each is at most 600 bytes. */
const PUBLIC_KEYS_MAX = 10_000;
const PROOF = Buffer.from('claviger/new-key');

export class Pkcs11Provider implements Provider {
  readonly name: string;
  readonly kind = 'pkcs11';
  readonly lifecycle: KeyLifecycle;
  readonly #profile: Profile;
  readonly #supervisor: Supervisor;
  readonly #client: TokenClient;
  readonly #random: Random;
  readonly #publicKeys = new Map<string, Buffer>();
  #abilities: { readonly of: readonly MechanismInfo[] | null; readonly abilities: Abilities };

  constructor(name: string, profile: Profile, supervisor: Supervisor, random: Random) {
    this.name = name;
    this.#profile = profile;
    this.#supervisor = supervisor;
    this.#client = new TokenClient(supervisor, profile.vagueDecryptCodes);
    this.#random = random;
    this.#abilities = { of: null, abilities: new Abilities(null, profile) };
    this.lifecycle = {
      create: this.#create.bind(this),
      destroy: this.#destroy.bind(this),
      ...(profile.importsPlain ? { importMaterial: this.#import.bind(this) } : {}),
    };
  }

  /** What the token said of itself; null before it was reached. */
  get facts(): TokenFacts | null {
    return this.#supervisor.facts;
  }

  /** SHA-256 of the canary's public key, as the configuration takes it; null where there is no canary. */
  get canaryFingerprint(): string | null {
    return this.#supervisor.canaryFingerprint;
  }

  status(): TokenStatus {
    return this.#supervisor.status();
  }

  capabilities(): readonly Capability[] {
    return this.#can().list;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    await this.#reached(options);
    const found = await this.#client.find(parseReference(reference, { ...this.facts!, provider: this.name }), options);
    if (found.id !== '') return refOf(found.id);
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `the key \`${reference}\` has no CKA_ID; give it one with the vendor’s tool`,
    );
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    return this.#infoOf(await this.#client.find({ id: idOf(ref).toString('hex') }, options));
  }

  key(ref: string, spec: Spec): Pkcs11Key {
    const id = idOf(ref);
    if (SPEC_MECHANISMS[spec] === undefined) throw this.#unsupported(spec);
    const desk: KeyDesk = {
      provider: this.name,
      client: this.#client,
      random: this.#random,
      vagueCodes: this.#profile.vagueDecryptCodes,
      maxDataBytes: this.#profile.maxDataBytes,
      abilities: () => this.#can(),
      publicKey: (key, options) => this.#publicKey(key, options),
    };
    return new Pkcs11Key(desk, id, spec);
  }

  async random(bytes: number, options: CallOptions): Promise<Buffer> {
    return inParts(bytes, RANDOM_BYTES_MAX, async (count) => {
      const part = await this.#client.random(count, options);
      if (part.length !== count) throw integrityError(this.name, 'the token gave too few random bytes');
      return part;
    });
  }

  async probe(options: CallOptions): Promise<Health> {
    try {
      await this.#client.ping(options);
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error;
      return { ok: false, detail: error.message };
    }
    const { label, model, serial, firmware } = this.facts!;
    const { ready } = this.status();
    return {
      ok: true,
      detail: `token \`${label}\`, ${model} ${firmware}, serial number ${serial}; host processes: ${ready}`,
    };
  }

  close(): Promise<void> {
    return this.#supervisor.close();
  }

  /** Makes the canary, where the rights of the user allow it; without one a zeroized token is found later. */
  async makeCanary(options: CallOptions): Promise<FoundKey> {
    const plan = this.#plan({ spec: CANARY_SPEC, usage: 'sign-verify', name: CANARY_LABEL, tags: {} });
    return this.#client.generate(CANARY_SPEC, CANARY_LABEL, newKeyTemplates(plan, this.#profile), options);
  }

  async #create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo> {
    await this.#reached(options);
    const { spec, usage, name } = wanted;
    this.#requireUsable('create', wanted);
    const plan = this.#plan(wanted);
    const found = await this.#client.generate(spec, name, newKeyTemplates(plan, this.#profile), options);
    const info = this.#infoOf(found);
    if (info.spec === spec && usage === 'sign-verify') await this.#requireSigns(info, options);
    if (info.spec === spec) return info;
    await this.#client.destroy(found.id, options);
    throw integrityError(this.name, 'the token made another key than it was told to');
  }

  /** A new pair signs once, and its own public key verifies it: FIPS 140-3, the pairwise consistency test. */
  async #requireSigns({ ref, spec, publicKey }: BackingInfo, options: CallOptions): Promise<void> {
    const [algorithm] = algorithmsOf(spec!, 'sign-verify');
    const key = this.key(ref, spec!);
    // PSS would need its padding told to verify; PKCS#1 serves the same end.
    const name = specRow(spec!).family === 'rsa' ? 'RSASSA_PKCS1_V1_5_SHA_256' : algorithm;
    const hash = name === 'ED25519_SHA_512' ? null : name!.slice(-7).replace('_', '').toLowerCase();
    const { value } = await key.sign!(name as never, { message: PROOF }, options);
    const valid =
      publicKey !== null &&
      verify(hash, PROOF, createPublicKey({ key: publicKey, format: 'der', type: 'spki' }), value);
    if (valid) return;
    await this.#client.destroy(idOf(ref).toString('hex'), options);
    const message = 'a signature of the new key does not verify, so the key was destroyed';
    throw integrityError(this.name, message);
  }

  async #import(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    await this.#reached(options);
    this.#requireUsable('import', wanted);
    using checked = importMaterial(wanted.spec, material).privateMaterial;
    const templates = importTemplates(this.#plan(wanted), checked.reveal(), this.#profile);
    return this.#infoOf(await this.#client.import(wanted.name, templates, options));
  }

  async #destroy(ref: string, options: CallOptions): Promise<void> {
    const id = idOf(ref).toString('hex');
    await this.#client.destroy(id, options);
    this.#publicKeys.delete(id);
  }

  #plan({ spec, usage, name }: WantedKey): KeyPlan {
    return { spec, usage, id: this.#random.bytes(ID_BYTES), label: name, wrapMode: this.#can().wrapMode };
  }

  /** @throws UNSUPPORTED where the token could make such a key, or not even that, and not use it */
  #requireUsable(operation: 'create' | 'import', { spec, usage }: WantedKey): void {
    const can = this.#can();
    const uses = can.list.filter(
      (ability) => ability.spec === spec && USAGE_OPERATIONS[usage]?.includes(ability.operation),
    );
    if (!can.has(abilityName(operation, spec)) || uses.length === 0) throw this.#unsupported(spec);
  }

  async #publicKey(id: Buffer, options: CallOptions): Promise<Buffer> {
    const name = id.toString('hex');
    const known = this.#publicKeys.get(name);
    if (known !== undefined) return known;
    const { publicKey } = await this.describe(refOf(name), options);
    if (publicKey === null) throw new ClavigerError('KEY_USAGE', `the key \`${refOf(name)}\` shows no public key`);
    if (this.#publicKeys.size >= PUBLIC_KEYS_MAX) this.#publicKeys.clear();
    this.#publicKeys.set(name, publicKey);
    return publicKey;
  }

  #infoOf(found: FoundKey): BackingInfo {
    const { serial, label: token, model } = this.facts!;
    const spec = specOf(found);
    return {
      ref: refOf(found.id),
      nativeId: `pkcs11:${serial}/${found.id}`,
      version: null,
      spec,
      usage: usageOf(found, spec),
      state: 'enabled',
      protection: this.#profile.protection,
      publicKey: spec === null || isAsymmetric(spec) ? publicKeyOf(found) : null,
      origin: found.local ? 'provider' : 'external',
      claims: {
        label: found.label,
        token,
        model,
        local: String(found.local),
        alwaysSensitive: String(found.alwaysSensitive),
        neverExtractable: String(found.neverExtractable),
        imported: String(!found.local),
      },
    };
  }

  #can(): Abilities {
    const mechanisms = this.facts?.mechanisms ?? null;
    if (this.#abilities.of !== mechanisms) {
      this.#abilities = { of: mechanisms, abilities: new Abilities(mechanisms, this.#profile) };
    }
    return this.#abilities.abilities;
  }

  /** What a token can do and who it is, is known when a host has been there. */
  async #reached(options: CallOptions): Promise<void> {
    if (this.facts === null) await this.#client.ping(options);
  }

  #unsupported(spec: Spec): ClavigerError {
    return new ClavigerError('UNSUPPORTED', `the token of \`${this.name}\` has no keys of spec \`${spec}\` for that`);
  }
}

/** What a key is made for. */
const USAGE_OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  'encrypt-decrypt': ['wrap', 'decrypt'],
  'sign-verify': ['sign'],
  mac: ['mac'],
  'key-agreement': ['agree'],
};
