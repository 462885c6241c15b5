/**
 * The token as the adapter uses it: a dozen calls, each one frame to a host process.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { CallOptions } from '../provider.ts';
import { SPEC_MECHANISMS } from './algorithms.ts';
import type { Spec } from '../../model/spec.ts';
import {
  encodeTemplate,
  fields,
  GCM_MODES,
  jsonBody,
  OP,
  USE_NAMES,
  useHead,
  WRAP_NAMES,
  type FindRequest,
  type FoundKey,
  type GcmMode,
  type KeyClass,
  type UseName,
  type WrapName,
} from './protocol.ts';
import type { Supervisor } from './supervisor.ts';
import type { KeyTemplates } from './templates.ts';

/** A key and the mechanism that it is used with, as they stand in a frame. */
export type KeyUse = Buffer;

export function signUse(name: UseName, keyClass: KeyClass, id: Buffer): KeyUse {
  return useHead(USE_NAMES.indexOf(name), keyClass, id);
}

export function gcmUse(mode: GcmMode, id: Buffer): KeyUse {
  return useHead(GCM_MODES.indexOf(mode), 'secret', id);
}

export function wrapUse(name: WrapName, id: Buffer): KeyUse {
  return useHead(WRAP_NAMES.indexOf(name), 'secret', id);
}

export function deriveUse(id: Buffer): KeyUse {
  return useHead(0, 'private', id);
}

export class TokenClient {
  readonly #supervisor: Supervisor;
  /** Answers to a ciphertext that may be about the ciphertext. */
  readonly #vague: readonly number[];

  constructor(supervisor: Supervisor, vague: readonly number[]) {
    this.#supervisor = supervisor;
    this.#vague = vague;
  }

  /** A signature or a MAC. */
  sign(use: KeyUse, input: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.sign, parts: [use, input] }, options);
  }

  decrypt(use: KeyUse, ciphertext: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.decrypt, parts: [use, ciphertext], vague: this.#vague }, options);
  }

  /** Nonce ‖ ciphertext ‖ tag. */
  seal(use: KeyUse, nonce: Buffer, aad: Buffer, plaintext: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.seal, parts: [use, fields(nonce, aad, plaintext)] }, options);
  }

  open(use: KeyUse, aad: Buffer, sealed: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.open, parts: [use, fields(aad, sealed)], vague: this.#vague }, options);
  }

  wrap(use: KeyUse, dataKey: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.wrap, parts: [use, dataKey] }, options);
  }

  unwrap(use: KeyUse, wrapped: Uint8Array, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.unwrap, parts: [use, wrapped], vague: this.#vague }, options);
  }

  derive(use: KeyUse, point: Buffer, secretBytes: number, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.derive, parts: [use, uint16(secretBytes), point] }, options);
  }

  random(bytes: number, options: CallOptions): Promise<Buffer> {
    return this.#supervisor.call({ op: OP.random, parts: [uint16(bytes)] }, options);
  }

  async ping(options: CallOptions): Promise<void> {
    await this.#supervisor.call({ op: OP.ping, parts: [] }, options);
  }

  /**
   * The one key with this id or label.
   *
   * @throws KEY_NOT_FOUND, CONFLICT
   */
  async find(request: FindRequest, options: CallOptions): Promise<FoundKey> {
    const parts = [jsonBody({ ...request, required: true })];
    const found = keysOf(await this.#supervisor.call({ op: OP.find, parts }, options));
    if (found.length === 1) return found[0]!;
    const name = request.id === undefined ? `label \`${request.label}\`` : `id \`${request.id}\``;
    throw new ClavigerError('CONFLICT', `${found.length} keys of the token have the ${name}; name one by its id`);
  }

  /** Made inside the token; never repeated. */
  async generate(spec: Spec, label: string, { own, shared }: KeyTemplates, options: CallOptions): Promise<FoundKey> {
    const mechanism = Buffer.alloc(4);
    mechanism.writeUInt32BE(SPEC_MECHANISMS[spec]!.generate);
    const templates = [own, ...(shared === null ? [] : [shared])].map(encodeTemplate);
    const parts = [fields(mechanism, Buffer.from(label), ...templates)];
    const made = keyOf(await this.#supervisor.change({ op: OP.generate, parts }, options));
    await this.#supervisor.renewHosts();
    return made;
  }

  async import(label: string, { own, shared }: KeyTemplates, options: CallOptions): Promise<FoundKey> {
    const templates = [own, ...(shared === null ? [] : [shared])].map(encodeTemplate);
    const part = fields(Buffer.from(label), ...templates);
    try {
      const made = keyOf(await this.#supervisor.change({ op: OP.import, parts: [part] }, options));
      await this.#supervisor.renewHosts();
      return made;
    } finally {
      for (const secret of [part, ...templates]) secret.fill(0);
    }
  }

  async destroy(id: string, options: CallOptions): Promise<void> {
    await this.#supervisor.change({ op: OP.destroy, parts: [jsonBody({ id })] }, options);
  }
}

function keysOf(body: Buffer): readonly FoundKey[] {
  return JSON.parse(body.toString()) as readonly FoundKey[];
}

function keyOf(body: Buffer): FoundKey {
  return JSON.parse(body.toString()) as FoundKey;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
