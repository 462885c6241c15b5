/**
 * Where the root key is kept: a file, or a file that a passphrase wraps (Argon2id, RFC 9106). Both hold one JSON line.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { decodeBase64, decodeBase64Bytes, encodeBase64Bytes } from '../bytes/base64.ts';
import { derivePassphraseKey, PASSPHRASE_PARAMETERS } from '../crypto/passphrase.ts';
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { XaesKey } from '../crypto/xaes.ts';
import { ClavigerError } from '../errors.ts';
import type { Random } from '../ports/random.ts';

export const ROOT_KEY_BYTES = 32;
const SALT_BYTES = 16;
/** Shorter ones are guessed, whatever Argon2id costs. */
export const PASSPHRASE_BYTES_MIN = 12;
const EMPTY = Buffer.alloc(0);
const WRAP_AAD = Buffer.from('claviger/root-key/v1');

/** Gives the root key: the contract of every unseal method. */
export interface Unseal {
  /** For the operator: what unseals, and whether it is fit for production. */
  readonly description: string;
  /** True where there is a root key already. */
  exists(): boolean;
  /** Makes a new root key; refused where there is one. */
  create(): Promise<SecretBytes>;
  /** @throws SEALED where the root key cannot be had */
  unseal(): Promise<SecretBytes>;
}

const plainFile = z.strictObject({ format: z.literal('claviger-root-key-v1'), key: z.string() });
const wrappedFile = z.strictObject({
  format: z.literal('claviger-wrapped-root-key-v1'),
  salt: z.string(),
  memoryKib: z.number().int(),
  passes: z.number().int(),
  parallelism: z.number().int(),
  sealed: z.string(),
});

/** A file that holds the root key as it is, mode 0600: for development, or a file system that protects it. */
export function fileUnseal(path: string, random: Random): Unseal {
  return {
    description: `root key in the file ${path}, readable by whoever reads that file`,
    exists: () => existsSync(path),
    create: async () => {
      const key = new SecretBytes(random.bytes(ROOT_KEY_BYTES));
      using text = new SecretBytes(plainText(key));
      await writeNew(path, text.reveal());
      return key;
    },
    unseal: async () => {
      using text = new SecretBytes(readOwn(path));
      return rootKeyOf(keyIn(text.reveal(), path));
    },
  };
}

/**
 * A file that holds the root key wrapped by a passphrase.
 *
 * @throws INVALID_ARGUMENT for a passphrase that is too short
 */
export function passphraseUnseal(path: string, passphrase: SecretBytes, random: Random): Unseal {
  if (passphrase.length < PASSPHRASE_BYTES_MIN) {
    throw new ClavigerError('INVALID_ARGUMENT', `the passphrase has at least ${PASSPHRASE_BYTES_MIN} characters`);
  }
  return {
    description: `root key in the file ${path}, wrapped by a passphrase (Argon2id)`,
    exists: () => existsSync(path),
    create: async () => {
      const key = new SecretBytes(random.bytes(ROOT_KEY_BYTES));
      const salt = random.bytes(SALT_BYTES);
      using wrapping = await derivePassphraseKey(passphrase, salt, PASSPHRASE_PARAMETERS);
      using wrappingKey = new XaesKey(wrapping.reveal());
      const sealed = wrappingKey.seal(key.reveal(), WRAP_AAD, random);
      const { memoryKib, passes, parallelism } = PASSPHRASE_PARAMETERS;
      const content = {
        format: 'claviger-wrapped-root-key-v1',
        salt: salt.toString('base64'),
        memoryKib,
        passes,
        parallelism,
        sealed: sealed.toString('base64'),
      };
      await writeNew(path, Buffer.from(`${JSON.stringify(content)}\n`));
      return key;
    },
    unseal: async () => {
      const { salt, sealed, memoryKib, passes, parallelism } = parsedAs(wrappedFile, readOwn(path), path);
      using wrapping = await derivePassphraseKey(passphrase, decodeBase64(salt, 'salt'), {
        memoryKib,
        passes,
        parallelism,
      });
      using wrappingKey = new XaesKey(wrapping.reveal());
      try {
        return rootKeyOf(wrappingKey.open(decodeBase64(sealed, 'sealed root key'), WRAP_AAD));
      } catch (cause) {
        throw new ClavigerError('SEALED', `the passphrase does not open the root key in \`${path}\``, { cause });
      }
    },
  };
}

function rootKeyOf(bytes: Buffer): SecretBytes {
  if (bytes.length !== ROOT_KEY_BYTES) throw new ClavigerError('SEALED', `a root key has ${ROOT_KEY_BYTES} bytes`);
  return new SecretBytes(bytes);
}

/** A file of a plain root key: never a string, which nobody could zero. */
function plainText(key: SecretBytes): Buffer {
  using base64 = new SecretBytes(encodeBase64Bytes(key.reveal()));
  return Buffer.concat([Buffer.from('{"format":"claviger-root-key-v1","key":"'), base64.reveal(), Buffer.from('"}\n')]);
}

/** The key of such a file; the rest of it is read as JSON. @throws SEALED */
function keyIn(text: Buffer, path: string): Buffer {
  const named = text.indexOf('"key"');
  const start = text.indexOf('"', named + '"key"'.length) + 1;
  const end = text.indexOf('"', start);
  const isThere = named !== -1 && start !== 0 && end !== -1;
  parsedAs(plainFile, isThere ? Buffer.concat([text.subarray(0, start), text.subarray(end)]) : EMPTY, path);
  return decodeBase64Bytes(text.subarray(start, end), 'root key');
}

/** A file that is its owner's alone. @throws SEALED */
function readOwn(path: string): Buffer {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new Error('others may read it; run chmod 600 on it');
    }
    return readFileSync(path);
  } catch (cause) {
    throw new ClavigerError('SEALED', `cannot read the root key \`${path}\`: ${(cause as Error).message}`, { cause });
  }
}

function parsedAs<T>(schema: z.ZodType<T>, text: Buffer, path: string): T {
  try {
    return schema.parse(JSON.parse(text.toString()));
  } catch (cause) {
    throw new ClavigerError('SEALED', `the root key file \`${path}\` is not in the expected form`, { cause });
  }
}

/**
 * Writes a file that must not exist yet, all of it or nothing, and has it on the disk before it returns: losing it loses
 * every key, and a start that was killed must leave none that is half written.
 */
async function writeNew(path: string, content: Buffer): Promise<void> {
  const beside = `${path}.new`;
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Unlike a rename, it refuses where the name is taken.
    await link(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
  await syncFolder(dirname(path));
}

/** Until then a power cut can take a new file's name away. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
