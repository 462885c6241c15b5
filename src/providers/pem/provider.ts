/**
 * Keys in PEM, for a migration: private keys that sign and decrypt, public ones for verifying.
 *
 * A reference is `NAME@FINGERPRINT`, with SHA-256 over the public key (SPKI), so it names one key pair for ever: where a
 * file holds another key than it did, its reference is refused with KEY_STATE. Whoever can read such a file has the key;
 * the log says so at each start, and so do `probe` and the description of each key.
 *
 * @module
 */
import { oaepDecrypt } from '../../crypto/oaep.ts';
import type { PrivateHandle } from '../../crypto/key-material.ts';
import { sign } from '../../crypto/sign.ts';
import { ClavigerError } from '../../errors.ts';
import type { Spec, Usage } from '../../model/spec.ts';
import type { Log } from '../../ports/log.ts';
import { Declared } from '../declared.ts';
import { closedError, endedError } from '../ended.ts';
import type {
  BackingInfo,
  CallOptions,
  Capability,
  CipherFacet,
  Health,
  HomeKey,
  Made,
  Provider,
} from '../provider.ts';
import type { Adapter } from '../adapter.ts';
import { capabilitiesOf, usagesOf } from './algorithms.ts';
import { pemSchema, type PemConfig } from './config.ts';
import { pemError } from './errors.ts';
import { PemKeys } from './keys.ts';
import type { PemKey } from './material.ts';

const REFERENCE = /^(?<name>[A-Za-z0-9][A-Za-z0-9._-]{0,126})(?:@(?<fingerprint>[0-9a-f]{64}))?$/;

const WARNING =
  'a private key in PEM is for migrations only: whoever reads it has the key; move it into a keystore or an HSM';

export const pem: Adapter<PemConfig> = {
  kind: 'pem',
  schema: pemSchema,
  open: async (config, { log }) => {
    const keys = await PemKeys.open(config);
    await warn(config.name, keys, log);
    return new PemProvider(config.name, keys);
  },
};

interface Reference {
  readonly name: string;
  /** Null in what a person writes. */
  readonly fingerprint: string | null;
}

export class PemProvider implements Provider {
  readonly name: string;
  readonly kind = 'pem';
  readonly #keys: PemKeys;
  #isClosed = false;

  constructor(name: string, keys: PemKeys) {
    this.name = name;
    this.#keys = keys;
  }

  /** Those of the private keys that are there. */
  capabilities(): readonly Capability[] {
    const specs = this.#keys.names.map((name) => this.#keys.peek(name)!).filter(({ handle }) => handle !== null);
    return [...new Set(specs.map(({ spec }) => spec!))].flatMap(capabilitiesOf);
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    const wanted = parse(reference);
    return refOf(wanted.name, await this.#current(wanted, options));
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    const wanted = parse(ref);
    const key = await this.#current(wanted, options);
    return {
      ref: refOf(wanted.name, key),
      nativeId: `pem:sha256:${key.fingerprint}`,
      version: null,
      spec: key.spec,
      usage: usageOf(key),
      state: 'enabled',
      protection: 'software',
      publicKey: Buffer.from(key.publicKey),
      origin: 'external',
      claims: claimsOf(key),
    };
  }

  key(ref: string, spec: Spec): HomeKey {
    const wanted = parse(ref);
    const declared = new Declared(this.name, capabilitiesOf(spec));
    if (usagesOf(spec).length === 0) {
      throw new ClavigerError('UNSUPPORTED', `provider \`${this.name}\`: keys of spec \`${spec}\` are not kept in PEM`);
    }
    const known = this.#keys.peek(wanted.name);
    // Of a key that is here for verifying only, nothing can be asked.
    if (known !== undefined && known.handle === null) return { ref };
    const use = async (
      work: (handle: PrivateHandle) => Promise<Buffer>,
      options: CallOptions,
    ): Promise<Made<Buffer>> => {
      const value = await work(await this.#handle(wanted, spec, options));
      this.#requireOpen(options);
      return { value, version: null };
    };
    return {
      ref,
      sign: async (algorithm, input, options) => {
        declared.requireSign(spec, algorithm, input);
        return use((handle) => sign(handle, algorithm, input), options);
      },
      ...(usagesOf(spec).includes('encrypt-decrypt') && { cipher: cipherOf(spec, declared, use) }),
    };
  }

  async probe(options: CallOptions): Promise<Health> {
    this.#requireOpen(options);
    const { names } = this.#keys;
    const privates = names.filter((name) => this.#keys.peek(name)!.handle !== null);
    const failures = await Promise.all(names.map((name) => this.#keys.now(name).then(() => null, messageOf)));
    const failed = failures.filter((message) => message !== null);
    if (failed.length > 0) return { ok: false, detail: failed.join('; ') };
    const detail = `${names.length} keys in PEM, ${privates.length} of them private`;
    return { ok: true, detail: privates.length === 0 ? detail : `${detail}: ${WARNING}` };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #requireOpen({ signal }: CallOptions): void {
    if (this.#isClosed) throw closedError(this.name);
    if (signal.aborted) throw endedError(this.name, signal.reason);
  }

  /** @throws KEY_STATE where another key stands in its place */
  async #current({ name, fingerprint }: Reference, options: CallOptions): Promise<PemKey> {
    this.#requireOpen(options);
    const key = await this.#keys.now(name);
    if (fingerprint === null || fingerprint === key.fingerprint) return key;
    const says = `another key stands in its place: its public key has the fingerprint \`${key.fingerprint}\``;
    throw pemError('KEY_STATE', this.name, name, says);
  }

  async #handle(wanted: Reference, spec: Spec, options: CallOptions): Promise<PrivateHandle> {
    const key = await this.#current(wanted, options);
    if (key.handle === null) throw pemError('UNSUPPORTED', this.name, wanted.name, 'it is here for verifying only');
    if (key.spec === spec) return key.handle;
    throw pemError('KEY_USAGE', this.name, wanted.name, `it is a key of spec \`${key.spec}\`, not \`${spec}\``);
  }
}

function cipherOf(
  spec: Spec,
  declared: Declared,
  use: (work: (handle: PrivateHandle) => Promise<Buffer>, options: CallOptions) => Promise<Made<Buffer>>,
): CipherFacet {
  return {
    encrypt: async (algorithm) => {
      declared.require('encrypt', spec, algorithm);
      throw new ClavigerError('UNSUPPORTED', 'nothing new is encrypted under a key in PEM');
    },
    decrypt: async (algorithm, ciphertext, _context, options) => {
      declared.require('decrypt', spec, algorithm);
      return use((handle) => oaepDecrypt(handle, algorithm, ciphertext), options);
    },
  };
}

/** Null where the key does more than one thing. */
function usageOf({ spec }: PemKey): Usage | null {
  const usages = spec === null ? [] : usagesOf(spec);
  return usages.length === 1 ? usages[0]! : null;
}

function claimsOf({ form, handle, weakness, certificate }: PemKey): Readonly<Record<string, string>> {
  return {
    form,
    ...(handle === null ? { only: 'verifying' } : { warning: WARNING }),
    ...(weakness !== null && { weak: weakness }),
    ...(certificate !== null && { certificateSubject: certificate.subject, certificateNotAfter: certificate.notAfter }),
  };
}

/** Nobody shall forget that they are there. */
async function warn(provider: string, keys: PemKeys, log: Log): Promise<void> {
  for (const name of keys.names) {
    const { handle, weakness, fingerprint } = keys.peek(name)!;
    const fields = { provider, key: name, fingerprint };
    if (handle !== null) log.write('warn', `provider \`${provider}\`, key \`${name}\`: ${WARNING}`, fields);
    if (weakness !== null) {
      log.write('warn', `provider \`${provider}\`, key \`${name}\`: it is weak: ${weakness}; replace it`, fields);
    }
    if (handle !== null && (await keys.isOpenToOthers(name))) {
      log.write('warn', `provider \`${provider}\`, key \`${name}\`: others may read its file; chmod 600 it`, fields);
    }
  }
}

function parse(reference: string): Reference {
  const { name, fingerprint = null } = REFERENCE.exec(reference)?.groups ?? {};
  if (name !== undefined) return { name, fingerprint };
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    'a key in PEM is named `NAME` or `NAME@FINGERPRINT`, with the name of the configuration and 64 hexadecimal digits',
  );
}

function refOf(name: string, { fingerprint }: PemKey): string {
  return `${name}@${fingerprint}`;
}

function messageOf(error: Error): string {
  return error.message;
}
