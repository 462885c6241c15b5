/**
 * What is measured: for each case the key, the request, and a check that the answer to it is right.
 *
 * @module
 */
import { constants, createPublicKey, hash, randomBytes, verify, type KeyObject } from 'node:crypto';
import type { Spec } from '../src/model/spec.ts';
import type { LoadResult } from './load.ts';
import type { RawName } from './raw.ts';
import { bearer, jsonPlan, type RequestPlan } from './requests.ts';
import type { World } from './world.ts';

export interface Prepared {
  readonly plan: RequestPlan;
  /** Throws where the answer to the request is not right. */
  readonly check: (answer: LoadResult['firstAnswer']) => Promise<void>;
}

export interface Case {
  readonly title: string;
  /** Operations in one request. */
  readonly items: number;
  readonly raw: RawName;
  readonly prepare: (world: World) => Promise<Prepared>;
}

const BATCH_ITEMS = 100;
const message = randomBytes(32);
const digest = hash('sha256', message, 'buffer');
const text = randomBytes(1024);

export const CASES: Readonly<Record<string, Case>> = {
  'p256-sign': {
    title: 'P-256 sign, 32 B message',
    items: 1,
    raw: 'p256-sign',
    prepare: (world) => signing(world, 'P-256', { message: message.toBase64() }, p256Verifies),
  },
  'p256-sign-digest': {
    title: 'P-256 sign, digest',
    items: 1,
    raw: 'p256-sign',
    prepare: (world) => signing(world, 'P-256', { digest: digest.toBase64() }, p256Verifies),
  },
  'p256-sign-aws': {
    title: 'P-256 sign, AWS protocol with SigV4',
    items: 1,
    raw: 'p256-sign',
    prepare: awsSigning,
  },
  'p256-verify': { title: 'P-256 verify', items: 1, raw: 'p256-verify', prepare: verifying },
  'aes-encrypt-1k': {
    title: 'AES-256-GCM encrypt, 1 KiB',
    items: 1,
    raw: 'aes-encrypt-1k',
    prepare: encrypting,
  },
  'aes-decrypt-1k': { title: 'AES-256-GCM decrypt, 1 KiB', items: 1, raw: 'aes-decrypt-1k', prepare: decrypting },
  'hmac-sha256': { title: 'HMAC-SHA-256, 32 B', items: 1, raw: 'hmac-sha256', prepare: authenticating },
  'ed25519-sign': {
    title: 'Ed25519 sign',
    items: 1,
    raw: 'ed25519-sign',
    prepare: (world) =>
      signing(world, 'Ed25519', { message: message.toBase64() }, (key, signature) =>
        verify(null, message, key, signature),
      ),
  },
  'rsa2048-pss-sign': {
    title: 'RSA-2048 PSS sign',
    items: 1,
    raw: 'rsa2048-pss-sign',
    prepare: (world) =>
      signing(world, 'RSA-2048', { message: message.toBase64(), algorithm: 'RSASSA_PSS_SHA_256' }, pssVerifies),
  },
  'rsa4096-pss-sign': {
    title: 'RSA-4096 PSS sign',
    items: 1,
    raw: 'rsa4096-pss-sign',
    prepare: (world) =>
      signing(world, 'RSA-4096', { message: message.toBase64(), algorithm: 'RSASSA_PSS_SHA_256' }, pssVerifies),
  },
  'ml-dsa-65-sign': {
    title: 'ML-DSA-65 sign',
    items: 1,
    raw: 'ml-dsa-65-sign',
    prepare: (world) =>
      signing(world, 'ML-DSA-65', { message: message.toBase64() }, (key, signature) =>
        verify(null, message, key, signature),
      ),
  },
  'p256-sign-batch': { title: 'P-256 sign, batch of 100', items: BATCH_ITEMS, raw: 'p256-sign', prepare: batchSigning },
  'aes-encrypt-batch': {
    title: 'AES-256-GCM encrypt 1 KiB, batch of 100',
    items: BATCH_ITEMS,
    raw: 'aes-encrypt-1k',
    prepare: batchEncrypting,
  },
};

type Verifies = (key: KeyObject, signature: Uint8Array) => boolean;

const p256Verifies: Verifies = (key, signature) => verify('sha256', message, key, signature);
const pssVerifies: Verifies = (key, signature) =>
  verify(
    'sha256',
    message,
    { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
    signature,
  );

async function signing(world: World, spec: Spec, input: object, verifies: Verifies): Promise<Prepared> {
  const key = await world.key(spec);
  const publicKey = await publicKeyOf(world, key);
  return {
    plan: rest(world, key, 'sign', input),
    check: async ({ body }) => {
      const { signature } = JSON.parse(body) as { signature: string };
      requireRight(verifies(publicKey, Buffer.from(signature, 'base64')), 'the signature does not verify');
    },
  };
}

async function awsSigning(world: World): Promise<Prepared> {
  const keyId = await world.key('P-256');
  const publicKey = await publicKeyOf(world, keyId);
  const { awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey, region } = world.credentials;
  return {
    plan: { kind: 'aws-sign', keyId, accessKeyId, secretAccessKey, region },
    check: async ({ body, sent }) => {
      const { Message } = JSON.parse(sent) as { Message: string };
      const { Signature } = JSON.parse(body) as { Signature: string };
      const signed = Buffer.from(Message, 'base64');
      requireRight(
        verify('sha256', signed, publicKey, Buffer.from(Signature, 'base64')),
        'the signature does not verify',
      );
    },
  };
}

async function verifying(world: World): Promise<Prepared> {
  const key = await world.key('P-256');
  const { signature } = await world.client.sign({ key, message });
  return {
    plan: rest(world, key, 'verify', { message: message.toBase64(), signature: signature.toBase64() }),
    check: async ({ body }) =>
      requireRight((JSON.parse(body) as { valid: boolean }).valid, 'a good signature was refused'),
  };
}

async function encrypting(world: World): Promise<Prepared> {
  const key = await world.key('AES-256-GCM');
  return {
    plan: rest(world, key, 'encrypt', { plaintext: text.toBase64() }),
    check: ({ body }) => decrypts(world, key, (JSON.parse(body) as { ciphertext: string }).ciphertext),
  };
}

async function decrypting(world: World): Promise<Prepared> {
  const key = await world.key('AES-256-GCM');
  const { ciphertext } = await world.client.encrypt({ key, plaintext: text });
  return {
    plan: rest(world, key, 'decrypt', { ciphertext: ciphertext.toBase64() }),
    check: async ({ body }) => {
      const { plaintext } = JSON.parse(body) as { plaintext: string };
      requireRight(text.equals(Buffer.from(plaintext, 'base64')), 'the plaintext is another');
    },
  };
}

async function authenticating(world: World): Promise<Prepared> {
  const key = await world.key('HMAC-SHA-256');
  return {
    plan: rest(world, key, 'generateMac', { message: message.toBase64() }),
    check: async ({ body }) => {
      const { mac } = JSON.parse(body) as { mac: string };
      const { valid } = await world.client.verifyMac({ key, message, mac: Buffer.from(mac, 'base64') });
      requireRight(valid, 'the MAC does not verify');
    },
  };
}

async function batchSigning(world: World): Promise<Prepared> {
  const key = await world.key('P-256');
  const publicKey = await publicKeyOf(world, key);
  const items = Array.from({ length: BATCH_ITEMS }, () => ({ message: message.toBase64() }));
  return {
    plan: rest(world, key, 'signBatch', { items }),
    check: async ({ body }) => {
      const { results } = JSON.parse(body) as { results: { signature: string }[] };
      requireRight(results.length === BATCH_ITEMS, 'the batch came back short');
      for (const { signature } of results) {
        requireRight(p256Verifies(publicKey, Buffer.from(signature, 'base64')), 'a signature does not verify');
      }
    },
  };
}

async function batchEncrypting(world: World): Promise<Prepared> {
  const key = await world.key('AES-256-GCM');
  const items = Array.from({ length: BATCH_ITEMS }, () => ({ plaintext: text.toBase64() }));
  return {
    plan: rest(world, key, 'encryptBatch', { items }),
    check: async ({ body }) => {
      const { results } = JSON.parse(body) as { results: { ciphertext: string }[] };
      requireRight(results.length === BATCH_ITEMS, 'the batch came back short');
      for (const { ciphertext } of results) await decrypts(world, key, ciphertext);
    },
  };
}

async function decrypts({ client }: World, key: string, ciphertext: string): Promise<void> {
  const { plaintext } = await client.decrypt({ key, ciphertext: Buffer.from(ciphertext, 'base64') });
  requireRight(text.equals(plaintext), 'the ciphertext opens to something else');
}

function rest({ credentials }: World, key: string, verb: string, input: object): RequestPlan {
  return jsonPlan(`/v1/keys/${key}:${verb}`, bearer(credentials.token), input);
}

async function publicKeyOf({ client }: World, key: string): Promise<KeyObject> {
  const { publicKey } = await client.getPublicKey({ key });
  return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
}

function requireRight(right: boolean, wrong: string): void {
  if (!right) throw new Error(wrong);
}
