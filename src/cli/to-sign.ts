/**
 * What is signed or verified: a digest that the caller has, a message of up to 4,096 bytes, or a longer one, which is
 * hashed here while it is read. The server gives the same signature for a message and for its digest.
 *
 * ML-DSA signs no plain hash but mu, SHAKE256 over the public key's hash and the message (FIPS 204, algorithm 7, line 6),
 * so each version of a key has its own.
 *
 * @module
 */
import { createHash, createPublicKey, hash, type Hash } from 'node:crypto';
import type { ClavigerClient } from '../client/index.ts';
import { ClavigerError } from '../errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../model/algorithm.ts';
import { INPUT_BYTES_MAX } from '../operations/crypto-input.ts';
import { digestOf, inputChunks, readInput } from './input.ts';
import { progress } from './progress.ts';
import type { Terminal } from './terminal.ts';

const MU_BYTES = 64;
/** No context, of which FIPS 204 says its kind and its length. */
const PURE_WITHOUT_CONTEXT = Buffer.from([0, 0]);
const MEGABYTE = 1024 * 1024;

export interface SignedInputOptions {
  readonly key: string;
  readonly algorithm?: SigningAlgorithmName;
  readonly digest?: boolean;
  readonly input?: string;
}

/** One form of the input; where each version has its own, the version it is for. */
export interface ToSign {
  readonly message?: Uint8Array;
  readonly digest?: Uint8Array;
  readonly algorithm?: SigningAlgorithmName;
  readonly keyVersion?: number;
}

interface Hashing {
  readonly hash: Hash;
  readonly keyVersion?: number;
}

/**
 * Reads what is to be signed or verified.
 *
 * @param versions the versions of the key that may have signed, where each has a form of its own
 */
export async function readToSign(
  terminal: Terminal,
  client: ClavigerClient,
  options: SignedInputOptions,
  versions: (key: string) => Promise<readonly number[]>,
): Promise<readonly ToSign[]> {
  const { key, algorithm: named, input } = options;
  const known = named === undefined ? {} : { algorithm: named };
  if (options.digest === true) return [{ digest: digestOf(await readInput(terminal, input)), ...known }];

  const head: Buffer[] = [];
  let length = 0;
  let hashings: readonly Hashing[] | null = null;
  let algorithm = named;
  const shown = progress(terminal);
  for await (const chunk of inputChunks(terminal, input)) {
    length += chunk.length;
    if (length > INPUT_BYTES_MAX && hashings === null) {
      algorithm ??= await preferredAlgorithm(client, key);
      hashings = await hashingsOf(client, key, algorithm, versions);
      for (const part of head) for (const each of hashings) each.hash.update(part);
    }
    if (hashings === null) head.push(chunk);
    else for (const each of hashings) each.hash.update(chunk);
    shown.show(`${Math.floor(length / MEGABYTE)} MiB hashed …`);
  }
  shown.clear();
  if (hashings !== null && terminal.errors.isTty) {
    terminal.say(
      `the message has ${length} bytes: it was hashed here for ${algorithm}, which makes no difference to the signature`,
    );
  }
  // Who takes digests only is given one, however short the message.
  if (hashings === null && named !== undefined && !SIGNING_ALGORITHMS[named].takesMessage) {
    hashings = await hashingsOf(client, key, named, versions);
    for (const part of head) for (const each of hashings) each.hash.update(part);
  }
  if (hashings === null) return [{ message: Buffer.concat(head), ...known }];
  return hashings.map(({ hash, ...version }) => ({ digest: hash.digest(), algorithm: algorithm!, ...version }));
}

async function preferredAlgorithm(client: ClavigerClient, key: string): Promise<SigningAlgorithmName> {
  const { algorithms, usage, id } = await client.describeKey({ key });
  const [first] = algorithms;
  if (usage !== 'sign-verify' || first === undefined) {
    throw new ClavigerError('KEY_USAGE', `key ${id} is for \`${usage}\`, it signs nothing`);
  }
  return first as SigningAlgorithmName;
}

async function hashingsOf(
  client: ClavigerClient,
  key: string,
  algorithm: SigningAlgorithmName,
  versions: (key: string) => Promise<readonly number[]>,
): Promise<readonly Hashing[]> {
  const { scheme, hash: name } = SIGNING_ALGORITHMS[algorithm];
  if (scheme === 'ml-dsa') {
    return Promise.all((await versions(key)).map((keyVersion) => muOf(client, key, keyVersion)));
  }
  if (name !== null) return [{ hash: createHash(name) }];
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `the message has more than ${INPUT_BYTES_MAX} bytes, and ${algorithm} signs no digest; use ED25519_PH_SHA_512, and verify with it as well`,
  );
}

async function muOf(client: ClavigerClient, key: string, keyVersion: number): Promise<Hashing> {
  const { publicKey } = await client.getPublicKey({ key, keyVersion });
  const { pub } = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }).export({
    format: 'jwk',
  }) as { pub: string };
  const ofPublicKey = hash('shake256', Buffer.from(pub, 'base64url'), {
    outputEncoding: 'buffer',
    outputLength: MU_BYTES,
  });
  const mu = createHash('shake256', { outputLength: MU_BYTES }).update(ofPublicKey).update(PURE_WITHOUT_CONTEXT);
  return { hash: mu, keyVersion };
}
