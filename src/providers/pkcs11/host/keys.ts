/**
 * Objects of the token: found by class and CKA_ID, remembered by their handles, and read as far as they say something.
 *
 * @module
 */
import { CKA, CKO } from '../cryptoki.ts';
import { CLASS_NUMBERS, type FindRequest, type FoundKey, type KeyClass } from '../protocol.ts';
import { nativeOf, Refusal, type Attribute, type Handle, type PKCS11 } from './module.ts';

/** Handles remembered; each is a few hundred bytes. */
const HANDLES_MAX = 10_000;
/** Objects of one search: a label that more keys have is no name. */
const FOUND_MAX = 64;

const USES = [
  ['encrypt', CKA.ENCRYPT],
  ['decrypt', CKA.DECRYPT],
  ['wrap', CKA.WRAP],
  ['unwrap', CKA.UNWRAP],
  ['sign', CKA.SIGN],
  ['derive', CKA.DERIVE],
] as const;

export class Keys {
  readonly #pkcs11: PKCS11;
  readonly #handles = new Map<string, Handle>();

  constructor(pkcs11: PKCS11) {
    this.#pkcs11 = pkcs11;
  }

  /** @throws Refusal where the token has no such key, or several */
  handle(session: Handle, name: string, keyClass: number, id: Uint8Array): Handle {
    const known = this.#handles.get(name);
    if (known !== undefined) return known;
    const found = this.search(session, [
      { type: CKA.CLASS, value: keyClass },
      { type: CKA.ID, value: Buffer.from(id) },
    ]);
    const handle = onlyOne(found, Buffer.from(id).toString('hex'));
    if (this.#handles.size >= HANDLES_MAX) this.#handles.clear();
    this.#handles.set(name, handle);
    return handle;
  }

  forget(name: string): void {
    this.#handles.delete(name);
  }

  forgetAll(): void {
    this.#handles.clear();
  }

  search(session: Handle, template: Attribute[]): Handle[] {
    this.#pkcs11.C_FindObjectsInit(session, template);
    try {
      return this.#pkcs11.C_FindObjects(session, FOUND_MAX);
    } finally {
      this.#pkcs11.C_FindObjectsFinal(session);
    }
  }

  /** Private and secret keys with this id or label. */
  find(session: Handle, { id, label }: FindRequest): FoundKey[] {
    const named: Attribute[] = [
      ...(id === undefined ? [] : [{ type: CKA.ID, value: Buffer.from(id, 'hex') }]),
      ...(label === undefined ? [] : [{ type: CKA.LABEL, value: Buffer.from(label) }]),
    ];
    const classes = Object.entries(CLASS_NUMBERS) as [KeyClass, number][];
    return classes.flatMap(([keyClass, number]) =>
      this.search(session, [{ type: CKA.CLASS, value: number }, ...named]).map((handle) =>
        this.describe(session, handle, keyClass),
      ),
    );
  }

  describe(session: Handle, key: Handle, keyClass: KeyClass): FoundKey {
    const id = this.#bytes(session, key, CKA.ID) ?? Buffer.alloc(0);
    const parts = keyClass === 'private' ? this.#publicParts(session, key, id) : [key];
    const first = (type: number): string | null => {
      for (const part of parts) {
        const value = this.#bytes(session, part, type);
        if (value !== null && value.length > 0) return value.toString('hex');
      }
      return null;
    };
    return {
      keyClass,
      id: id.toString('hex'),
      label: (this.#bytes(session, key, CKA.LABEL) ?? Buffer.alloc(0)).toString(),
      keyType: this.#number(session, key, CKA.KEY_TYPE) ?? -1,
      uses: USES.filter(([, type]) => this.#flag(session, key, type)).map(([use]) => use),
      local: this.#flag(session, key, CKA.LOCAL),
      alwaysSensitive: this.#flag(session, key, CKA.ALWAYS_SENSITIVE),
      neverExtractable: this.#flag(session, key, CKA.NEVER_EXTRACTABLE),
      sensitive: this.#flag(session, key, CKA.SENSITIVE),
      extractable: this.#flag(session, key, CKA.EXTRACTABLE),
      valueBytes: keyClass === 'secret' ? this.#number(session, key, CKA.VALUE_LEN) : null,
      ...(keyClass === 'private'
        ? {
            modulus: first(CKA.MODULUS),
            publicExponent: first(CKA.PUBLIC_EXPONENT),
            curve: first(CKA.EC_PARAMS),
            point: first(CKA.EC_POINT),
            spki: first(CKA.PUBLIC_KEY_INFO),
          }
        : { modulus: null, publicExponent: null, curve: null, point: null, spki: null }),
    };
  }

  /** The public key with the same id, where there is one, then the private key: some modules have all there. */
  #publicParts(session: Handle, key: Handle, id: Buffer): Handle[] {
    if (id.length === 0) return [key];
    const found = this.search(session, [
      { type: CKA.CLASS, value: CKO.PUBLIC_KEY },
      { type: CKA.ID, value: id },
    ]);
    return found.length === 1 ? [found[0]!, key] : [key];
  }

  /** Null where the object has no such attribute, or shows it to nobody. */
  #bytes(session: Handle, key: Handle, type: number): Buffer | null {
    try {
      const value = this.#pkcs11.C_GetAttributeValue(session, key, [{ type }])[0]?.value;
      return value instanceof Buffer ? value : null;
    } catch (error) {
      if (ABSENT.has(nativeOf(error) ?? 0)) return null;
      throw error;
    }
  }

  #flag(session: Handle, key: Handle, type: number): boolean {
    return this.#bytes(session, key, type)?.[0] === 1;
  }

  /** CK_ULONG has the size and order of the machine; our machines are little-endian. */
  #number(session: Handle, key: Handle, type: number): number | null {
    const bytes = this.#bytes(session, key, type);
    return bytes === null || bytes.length < 4 ? null : bytes.readUInt32LE(0);
  }
}

/** CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID. */
const ABSENT: ReadonlySet<number> = new Set([0x11, 0x12]);

function onlyOne(found: readonly Handle[], id: string): Handle {
  const [handle, another] = found;
  if (handle === undefined) throw noSuchKey({ id });
  if (another === undefined) return handle;
  throw new Refusal({ code: 'CONFLICT', message: `several keys of the token have the id \`${id}\`` });
}

export function noSuchKey({ id, label }: FindRequest): Refusal {
  const name = id === undefined ? `label \`${label}\`` : `id \`${id}\``;
  return new Refusal({ code: 'KEY_NOT_FOUND', message: `the token has no key with the ${name}` });
}
