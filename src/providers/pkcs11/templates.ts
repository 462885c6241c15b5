/**
 * The attributes of keys that we make: on the token, private, sensitive, never to leave, not to be changed, for one purpose,
 * under a random id.
 *
 * @module
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { ClavigerError } from '../../errors.ts';
import { isAsymmetric, specRow, type Spec, type Usage } from '../../model/spec.ts';
import { SPEC_MECHANISMS, type WrapMode } from './algorithms.ts';
import { CKA, CKO, type AttributeName } from './cryptoki.ts';
import type { Profile } from './profiles.ts';
import type { AttributeValue, Template } from './protocol.ts';

type Attributes = Readonly<Partial<Record<AttributeName, AttributeValue>>>;

export interface KeyTemplates {
  /** Of the private or secret key. */
  readonly own: Template;
  /** Of the public key; null for a secret one. */
  readonly shared: Template | null;
}

export interface KeyPlan {
  readonly spec: Spec;
  readonly usage: Usage;
  readonly id: Buffer;
  readonly label: string;
  readonly wrapMode: WrapMode | null;
}

const EXPONENT = Buffer.from('010001', 'hex');

/** What a key may do: these, and explicitly nothing else. */
const PURPOSES: Readonly<
  Record<Exclude<Usage, 'kem'>, { readonly own: AttributeName[]; readonly shared: AttributeName[] }>
> = {
  'encrypt-decrypt': { own: ['DECRYPT'], shared: ['ENCRYPT'] },
  'sign-verify': { own: ['SIGN'], shared: ['VERIFY'] },
  'key-agreement': { own: ['DERIVE'], shared: ['DERIVE'] },
  mac: { own: ['SIGN', 'VERIFY'], shared: [] },
};
const OWN_PURPOSES = ['DECRYPT', 'SIGN', 'UNWRAP', 'DERIVE'] as const;
const SECRET_PURPOSES = ['ENCRYPT', 'DECRYPT', 'SIGN', 'VERIFY', 'WRAP', 'UNWRAP', 'DERIVE'] as const;

/** @throws UNSUPPORTED for a spec without mechanisms */
export function newKeyTemplates(plan: KeyPlan, profile: Profile): KeyTemplates {
  const { spec } = plan;
  const { curve } = mechanismsOf(spec);
  const { family, size } = specRow(spec);
  const own = ownAttributes(plan);
  if (!isAsymmetric(spec)) return { own: template({ ...own, VALUE_LEN: size! }, profile), shared: null };
  const parts: Attributes =
    family === 'rsa' ? { MODULUS_BITS: size!, PUBLIC_EXPONENT: EXPONENT } : { EC_PARAMS: Buffer.from(curve!, 'hex') };
  return { own: template(own, profile), shared: template({ ...sharedAttributes(plan), ...parts }, profile) };
}

/**
 * As `newKeyTemplates`, with the material in them.
 *
 * @param material raw bytes of a symmetric key, PKCS#8 DER of another; it fits the spec
 */
export function importTemplates(plan: KeyPlan, material: Uint8Array, profile: Profile): KeyTemplates {
  const { spec } = plan;
  const { keyType, curve } = mechanismsOf(spec);
  const own: Attributes = { ...ownAttributes(plan), KEY_TYPE: keyType };
  if (!isAsymmetric(spec)) {
    return { own: template({ ...own, CLASS: CKO.SECRET_KEY, VALUE: material }, profile), shared: null };
  }
  const shared: Attributes = { ...sharedAttributes(plan), CLASS: CKO.PUBLIC_KEY, KEY_TYPE: keyType };
  const key = createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' });
  const jwk = key.export({ format: 'jwk' }) as Readonly<Record<string, string>>;
  const part = (name: string): Buffer => Buffer.from(jwk[name]!, 'base64url');
  const privateClass: Attributes = { ...own, CLASS: CKO.PRIVATE_KEY };
  if (specRow(spec).family === 'rsa') {
    const open: Attributes = { MODULUS: part('n'), PUBLIC_EXPONENT: part('e') };
    const closed: Attributes = {
      PRIVATE_EXPONENT: part('d'),
      PRIME_1: part('p'),
      PRIME_2: part('q'),
      EXPONENT_1: part('dp'),
      EXPONENT_2: part('dq'),
      COEFFICIENT: part('qi'),
    };
    return {
      own: template({ ...privateClass, ...open, ...closed }, profile),
      shared: template({ ...shared, ...open }, profile),
    };
  }
  const params: Attributes = { EC_PARAMS: Buffer.from(curve!, 'hex') };
  const point = createPublicKey(key).export({ format: 'raw-public' });
  return {
    own: template({ ...privateClass, ...params, VALUE: part('d') }, profile),
    shared: template({ ...shared, ...params, EC_POINT: octetString(point) }, profile),
  };
}

function ownAttributes({ spec, usage, id, label, wrapMode }: KeyPlan): Attributes {
  const secret = !isAsymmetric(spec);
  const all = secret ? SECRET_PURPOSES : OWN_PURPOSES;
  const wanted = secret && usage === 'encrypt-decrypt' ? aesPurposes(wrapMode) : purposesOf(usage).own;
  return {
    TOKEN: true,
    PRIVATE: true,
    SENSITIVE: true,
    EXTRACTABLE: false,
    MODIFIABLE: false,
    ID: id,
    LABEL: Buffer.from(label),
    ...Object.fromEntries(all.map((name) => [name, wanted.includes(name)])),
  };
}

function sharedAttributes({ usage, id, label }: KeyPlan): Attributes {
  const purposes = purposesOf(usage).shared;
  return {
    TOKEN: true,
    PRIVATE: false,
    MODIFIABLE: false,
    ID: id,
    LABEL: Buffer.from(label),
    ...Object.fromEntries(purposes.map((name) => [name, true])),
  };
}

function aesPurposes(mode: WrapMode | null): readonly AttributeName[] {
  return mode?.kind === 'kw' ? ['WRAP', 'UNWRAP'] : ['ENCRYPT', 'DECRYPT'];
}

function purposesOf(usage: Usage): { readonly own: AttributeName[]; readonly shared: AttributeName[] } {
  if (usage === 'kem') throw new ClavigerError('UNSUPPORTED', 'PKCS#11 tokens have no keys for `kem` here');
  return PURPOSES[usage];
}

function mechanismsOf(spec: Spec): NonNullable<(typeof SPEC_MECHANISMS)[Spec]> {
  const mechanisms = SPEC_MECHANISMS[spec];
  if (mechanisms !== undefined) return mechanisms;
  throw new ClavigerError('UNSUPPORTED', `PKCS#11 tokens have no keys of spec \`${spec}\` here`);
}

function template(attributes: Attributes, { templateDrop, templateForce }: Profile): Template {
  const isPublic = !('SENSITIVE' in attributes);
  const wanted = { ...attributes, ...(isPublic ? {} : templateForce) };
  const names = (Object.keys(wanted) as AttributeName[]).filter((name) => !templateDrop.includes(name));
  return new Map(names.map((name) => [CKA[name], wanted[name]!]));
}

/** At most 133 bytes, of P-521: one byte of length behind its mark. */
function octetString(bytes: Buffer): Buffer {
  const header = bytes.length < 0x80 ? [0x04, bytes.length] : [0x04, 0x81, bytes.length];
  return Buffer.concat([Buffer.from(header), bytes]);
}
