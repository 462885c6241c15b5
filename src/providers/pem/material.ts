/**
 * A key out of PEM or DER: PKCS#1 (RFC 8017, appendix A.1), PKCS#8 (RFC 5958), encrypted PKCS#8, SEC 1 (RFC 5915), OpenSSL's
 * own encryption (`DEK-Info`), SPKI and certificates (RFC 5280).
 *
 * Left out: OpenSSH's format, PKCS#12, DSA, curves that no spec of ours has.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, hash, X509Certificate, type KeyObject } from 'node:crypto';
import { pemBlocks, type PemBlock } from '../../bytes/pem.ts';
import { importMaterial, loadPrivate, specOfKey, type PrivateHandle } from '../../crypto/key-material.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import { usagesOf } from './algorithms.ts';
import { decryptionWords, UnfitPem } from './errors.ts';

/** NIST SP 800-131A rev. 2, section 3: shorter RSA keys are disallowed. */
const RSA_BITS_MIN = 2048;

export interface PemKey {
  /** Null of a weak key that was allowed: no spec has it. */
  readonly spec: Spec | null;
  /** SPKI DER. */
  readonly publicKey: Buffer;
  /** SHA-256 over it, hex. */
  readonly fingerprint: string;
  /** Null where it is for verifying only. */
  readonly handle: PrivateHandle | null;
  /** How it was written, for people. */
  readonly form: string;
  /** What is weak about it; null where nothing is. */
  readonly weakness: string | null;
  /** Null where it did not come from one. */
  readonly certificate: { readonly subject: string; readonly notAfter: string } | null;
}

export interface ReadOptions {
  readonly passphrase?: string | undefined;
  readonly publicKeyOnly: boolean;
  readonly allowWeak: boolean;
}

type Form = 'private' | 'public' | 'certificate';

/** Label of a block → what it holds, and how people call it. */
const LABELS: ReadonlyMap<string, readonly [form: Form, called: string]> = new Map([
  ['PRIVATE KEY', ['private', 'PKCS#8']],
  ['ENCRYPTED PRIVATE KEY', ['private', 'encrypted PKCS#8']],
  ['RSA PRIVATE KEY', ['private', 'PKCS#1']],
  ['EC PRIVATE KEY', ['private', 'SEC 1']],
  ['PUBLIC KEY', ['public', 'public key']],
  ['RSA PUBLIC KEY', ['public', 'PKCS#1 public key']],
  ['CERTIFICATE', ['certificate', 'certificate']],
]);

/** Labels that people try, and what to do with them. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['OPENSSH PRIVATE KEY', 'it is in the format of OpenSSH; convert a copy: `ssh-keygen -p -m PKCS8 -f COPY`'],
  ['DSA PRIVATE KEY', 'it is a DSA key, which is not supported'],
  ['CERTIFICATE REQUEST', 'it is a certificate request; give the key or the certificate'],
  ['TRUSTED CERTIFICATE', 'it is an OpenSSL trusted certificate; convert it: `openssl x509 -in OLD.pem -out NEW.pem`'],
]);

/** DER is tried as each of these. */
const DER_PRIVATE = [
  ['pkcs8', 'PKCS#8'],
  ['pkcs1', 'PKCS#1'],
  ['sec1', 'SEC 1'],
] as const;
const DER_PUBLIC = [
  ['spki', 'public key'],
  ['pkcs1', 'PKCS#1 public key'],
] as const;

interface Parsed {
  readonly key: KeyObject;
  readonly form: string;
  readonly certificate?: X509Certificate;
}

/**
 * The one key of a text.
 *
 * @throws UnfitPem
 */
export function readKey(bytes: Buffer, options: ReadOptions): PemKey {
  const parsed = parse(bytes, options.passphrase);
  const { key, form, certificate } = parsed;
  const publicKey = key.type === 'public' ? key : createPublicKey(key);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const weakness = weaknessOf(publicKey);
  const spec = specOfKey(publicKey);
  if (weakness !== null && !options.allowWeak) {
    throw new UnfitPem(`it is weak: ${weakness}; make a new key, or set \`allowWeak\` to see it described`);
  }
  if (weakness === null && (spec === null || usagesOf(spec).length === 0)) {
    throw new UnfitPem(`it is a key that no spec has: ${kindOf(publicKey)}`);
  }
  const isPrivate = key.type === 'private' && !options.publicKeyOnly && spec !== null;
  return {
    spec,
    publicKey: spki,
    fingerprint: hash('sha256', spki),
    handle: isPrivate ? soundHandle(spec, key) : null,
    form,
    weakness,
    certificate:
      certificate === undefined
        ? null
        : { subject: certificate.subject, notAfter: certificate.validToDate.toISOString() },
  };
}

function parse(bytes: Buffer, passphrase: string | undefined): Parsed {
  const text = bytes.toString('latin1');
  const blocks = pemBlocks(bytes.toString('utf8'));
  if (blocks.length > 0) return parsePem(blocks, passphrase);
  if (text.includes('-----BEGIN ')) throw new UnfitPem('its PEM is cut off: a block has no end of its own');
  return parseDer(bytes, passphrase);
}

/** A private key goes before everything, as in a file that holds it with its certificates. */
function parsePem(blocks: readonly PemBlock[], passphrase: string | undefined): Parsed {
  const of = (form: Form): readonly PemBlock[] => blocks.filter(({ label }) => LABELS.get(label)?.[0] === form);
  const [privateKeys, publicKeys, certificates] = [of('private'), of('public'), of('certificate')];
  if (privateKeys.length + (privateKeys.length === 0 ? publicKeys.length : 0) > 1) {
    throw new UnfitPem('it holds several keys; give each its own file and name');
  }
  // Of a chain, the first certificate is the one of the key (RFC 8446, section 4.4.2).
  const [block] = [...privateKeys, ...publicKeys, ...certificates];
  if (block === undefined) {
    const labels = blocks.map(({ label }) => label);
    const known = labels.map((label) => ELSEWHERE.get(label)).find((words) => words !== undefined);
    throw new UnfitPem(known ?? `it holds no key, but ${labels.join(', ')}`);
  }
  const called = LABELS.get(block.label)![1];
  if (block === privateKeys[0]) return { key: openPem(block, passphrase), form: formOf(block, called) };
  try {
    if (block !== certificates[0]) return { key: createPublicKey(block.text), form: called };
    const certificate = new X509Certificate(block.text);
    return { key: certificate.publicKey, form: called, certificate };
  } catch (cause) {
    throw new UnfitPem(`its ${called} is damaged`, { cause });
  }
}

function formOf(block: PemBlock, called: string): string {
  return block.isEncrypted && block.label !== 'ENCRYPTED PRIVATE KEY' ? `${called}, encrypted by OpenSSL` : called;
}

function openPem({ text, isEncrypted }: PemBlock, passphrase: string | undefined): KeyObject {
  if (isEncrypted && passphrase === undefined) throw new UnfitPem('it is encrypted; give its `passphrase`');
  try {
    return createPrivateKey({ key: text, ...(isEncrypted ? { passphrase } : {}) });
  } catch (cause) {
    throw new UnfitPem(isEncrypted ? decryptionWords(cause) : 'its private key is damaged', { cause });
  }
}

function parseDer(bytes: Buffer, passphrase: string | undefined): Parsed {
  const plain = passphrase === undefined ? {} : { passphrase };
  for (const [type, form] of DER_PRIVATE) {
    const key = tried(() => createPrivateKey({ key: bytes, format: 'der', type, ...plain }));
    if (key !== null) return { key, form };
  }
  for (const [type, form] of DER_PUBLIC) {
    const key = tried(() => createPublicKey({ key: bytes, format: 'der', type }));
    if (key !== null) return { key, form };
  }
  const certificate = tried(() => new X509Certificate(bytes));
  if (certificate !== null) return { key: certificate.publicKey, form: 'certificate', certificate };
  throw new UnfitPem('it is neither PEM nor a key in DER (or the passphrase is wrong)');
}

function tried<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

/** Checked as an imported key is: OpenSSL would sign around a wrong part. */
function soundHandle(spec: Spec, key: KeyObject): PrivateHandle {
  using pkcs8 = new SecretBytes(key.export({ format: 'der', type: 'pkcs8' }));
  try {
    using material = importMaterial(spec, pkcs8.reveal()).privateMaterial;
    return loadPrivate(spec, material.reveal());
  } catch (cause) {
    throw new UnfitPem(cause instanceof ClavigerError ? cause.message : 'its parts do not belong together', { cause });
  }
}

function weaknessOf(key: KeyObject): string | null {
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  const isWeak = key.asymmetricKeyType?.startsWith('rsa') === true && modulusLength! < RSA_BITS_MIN;
  return isWeak ? `RSA with ${modulusLength} bits` : null;
}

function kindOf(key: KeyObject): string {
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return `${key.asymmetricKeyType}, ${modulusLength} bits, exponent ${publicExponent}`;
  return [key.asymmetricKeyType, namedCurve].filter((part) => part !== undefined).join(', ');
}
