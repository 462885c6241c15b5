/**
 * One file, moved to its keys: a message by decrypting it and encrypting it anew as it streams, a blob by the server.
 *
 * A message is not given other wraps in place: its header's tag is made under a key and an IV that a second tag would
 * share, and two tags tell whoever has both the key that authenticates.
 *
 * @module
 */
import { constants, type Stats } from 'node:fs';
import type { CommitmentPolicy, MessageHeader } from '../../../envelope/index.ts';
import type { KeyService } from '../../../envelope/key-service.ts';
import { ClavigerError } from '../../../errors.ts';
import type { EncryptionContext } from '../../../model/encryption-context.ts';
import type { ClavigerApi } from '../../../operations/index.ts';
import { rawOrBase64 } from '../../input.ts';
import type { Terminal } from '../../terminal.ts';
import { describeBlob, describeKeys, type DescribedBlob, type DescribedKey } from '../describe.ts';
import { headerOf } from '../header-of.ts';
import { KIND_BYTES, kindOf } from '../kind.ts';
import { decryption, DECRYPTION_KEEPS_BYTES, encryption, frameBytesOf } from '../message.ts';
import { pump } from '../pump.ts';
import { remembering } from '../remembering.ts';
import { fileSource, type Source } from '../source.ts';
import { openTarget } from '../target.ts';
import type { Unfinished } from '../unfinished.ts';
import { isOf, type KeyNow, type KeysNow } from './keys-now.ts';

/** Stands in the context of a signed message: the key of its signature. */
const SIGNATURE_PAIR = 'aws-crypto-public-key';
/** No blob is longer, nor base64 text of one. */
const BLOB_TEXT_BYTES_MAX = 64 * 1024;
const AWS_PROVIDER = 'aws-kms';

export interface RewrapTerms {
  readonly service: KeyService & Pick<ClavigerApi, 'rewrap' | 'reEncrypt'>;
  readonly keysNow: KeysNow;
  /** New keys; empty for the current versions of those that the file has. */
  readonly keys: readonly string[];
  /** Of blobs, which do not store it, and pairs that messages do not store. */
  readonly context: EncryptionContext;
  readonly commitmentPolicy: CommitmentPolicy | undefined;
  readonly dryRun: boolean;
  readonly unfinished: Unfinished;
  readonly terminal: Terminal;
  readonly onBytes: (bytes: number) => void;
}

/** A key, and its version where the wrapped data key tells it. */
export interface NamedKey {
  readonly key: string;
  readonly version?: number;
}

export interface Rewrapped {
  /** `current` and `other` are left alone; `due` is what a dry run would do. */
  readonly outcome: 'rewrapped' | 'current' | 'due' | 'other';
  readonly kind: 'message' | 'blob' | null;
  readonly from: readonly NamedKey[];
  readonly to: readonly NamedKey[];
  readonly bytes: number;
  /** Whether it was signed: what is written is not. */
  readonly signatureDropped?: boolean;
  readonly missingHomes?: readonly string[];
}

/** @throws ClavigerError where it stays as it is although it should not */
export async function rewrapFile(path: string, terms: RewrapTerms): Promise<Rewrapped> {
  // Between the look and the opening it may have become a link, or a pipe that nobody writes to.
  await using source = fileSource(path, constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stats = source.stats!;
  const kind = stats.isFile() ? kindOf(await source.first(KIND_BYTES)) : 'other';
  if (kind === 'message') return await rewrapMessage(path, stats, source, terms);
  if (kind === 'blob' || kind === 'base64') return await rewrapBlob(path, stats, source, terms);
  return other(stats);
}

function other({ size }: Stats): Rewrapped {
  return { outcome: 'other', kind: null, from: [], to: [], bytes: size };
}

async function rewrapMessage(path: string, stats: Stats, source: Source, terms: RewrapTerms): Promise<Rewrapped> {
  const header = await headerOf(source);
  const described = describeKeys(header.encryptedDataKeys);
  const context = { ...callersContext(header), ...terms.context };
  const wanted = await wantedKeys(path, described, context, terms);
  const shown = {
    kind: 'message',
    from: described.map(namedKey),
    to: wanted.map(namedNow),
    bytes: stats.size,
  } as const;
  const isCurrent =
    described.length === wanted.length &&
    wanted.every((now) => described.some(({ key, blob }) => key === now.arn && isOf(blob, now)));
  if (isCurrent) return { outcome: 'current', ...shown };
  requireOneName(path, stats);
  if (terms.dryRun) return { outcome: 'due', ...shown };
  const missingHomes = await streamAnew(path, stats, source, header, context, wanted, terms);
  const signatureDropped = header.suite.signature !== null;
  return { outcome: 'rewrapped', ...shown, ...(signatureDropped ? { signatureDropped } : {}), missingHomes };
}

async function streamAnew(
  path: string,
  stats: Stats,
  source: Source,
  header: MessageHeader,
  context: EncryptionContext,
  wanted: readonly KeyNow[],
  { service: client, commitmentPolicy, context: given, unfinished, terminal, onBytes }: RewrapTerms,
): Promise<readonly string[]> {
  const { service, reasonOf } = remembering(client);
  await using target = openTarget(terminal, path, { unfinished, force: true, mode: stats.mode, insteadOf: stats });
  const opening = decryption({ service, keys: [], context: given, commitmentPolicy });
  // What was authenticated only stays so.
  const requiredContext = Object.keys(given).filter((name) => !Object.hasOwn(header.context, name));
  const frameBytes = header.contentType === 'framed' ? header.frameBytes : frameBytesOf(stats.size);
  const keys = wanted.map(({ arn }) => arn);
  const making = encryption({ service, keys, context, requiredContext, frameBytes });
  try {
    await pump(source, [opening, making], DECRYPTION_KEEPS_BYTES, target, onBytes);
  } catch (error) {
    throw reasonOf(error);
  }
  await target.finish();
  return await making.missingHomes;
}

async function rewrapBlob(path: string, stats: Stats, source: Source, terms: RewrapTerms): Promise<Rewrapped> {
  const { service, context, keys, dryRun, unfinished, terminal } = terms;
  const written = await source.first(BLOB_TEXT_BYTES_MAX + 1);
  const ciphertext = rawOrBase64(written);
  const blob = written.length > BLOB_TEXT_BYTES_MAX ? null : describeBlob(ciphertext);
  if (blob === null) return other(stats);
  if (keys.length > 1) throw refusal(path, 'it is a blob, which has one key; rewrap blobs apart from messages');
  const now = await terms.keysNow.of(keys[0] ?? blob.keyId, context);
  const shown = { kind: 'blob', from: [namedBlob(blob)], to: [namedNow(now)], bytes: stats.size } as const;
  if (isOf(blob, now)) return { outcome: 'current', ...shown };
  requireOneName(path, stats);
  if (dryRun) return { outcome: 'due', ...shown };
  const isSameVersion = blob.keyId === now.blob.keyId && blob.keyVersion === now.blob.keyVersion;
  const made = isSameVersion
    ? await service.rewrap({ key: blob.keyId, ciphertext, context })
    : await service.reEncrypt({
        key: blob.keyId,
        ciphertext,
        context,
        destinationKey: now.arn,
        destinationContext: context,
      });
  const { missingHomes = [] } = made;
  if (ciphertext.equals(made.ciphertext)) return { outcome: 'current', ...shown, missingHomes };
  await using target = openTarget(terminal, path, { unfinished, force: true, mode: stats.mode, insteadOf: stats });
  const content = written === ciphertext ? made.ciphertext : Buffer.from(`${made.ciphertext.toBase64()}\n`);
  await target.write([Buffer.from(content)]);
  await target.finish();
  return { outcome: 'rewrapped', ...shown, missingHomes };
}

/** The keys that the file is to have, as they are now. */
async function wantedKeys(
  path: string,
  described: readonly DescribedKey[],
  context: EncryptionContext,
  { keys, keysNow }: RewrapTerms,
): Promise<readonly KeyNow[]> {
  if (keys.length > 0) return Promise.all(keys.map((key) => keysNow.of(key, context)));
  const foreign = described.find(({ provider, blob }) => provider !== AWS_PROVIDER || blob === null);
  if (foreign !== undefined) {
    throw refusal(
      path,
      `\`${foreign.provider}\` \`${foreign.key}\` opens it too, which is no key of this server; say with --key which keys it is to have`,
    );
  }
  return Promise.all([...new Set(described.map(({ key }) => key))].map((key) => keysNow.of(key, context)));
}

/** As the caller gave it: a signed message has a pair of its own. */
function callersContext({ context }: MessageHeader): EncryptionContext {
  return Object.fromEntries(Object.entries(context).filter(([name]) => name !== SIGNATURE_PAIR));
}

function requireOneName(path: string, { nlink }: Stats): void {
  if (nlink === 1) return;
  throw refusal(path, `it has ${nlink} names (hard links), and the others would keep the old file; copy it first`);
}

function namedKey({ provider, key, blob }: DescribedKey): NamedKey {
  const name = provider === AWS_PROVIDER ? key : `${provider} ${key}`;
  return blob === null ? { key: name } : { key: name, version: blob.keyVersion };
}

function namedBlob({ keyId, keyVersion }: DescribedBlob): NamedKey {
  return { key: keyId, version: keyVersion };
}

function namedNow({ arn, blob }: KeyNow): NamedKey {
  return { key: arn, version: blob.keyVersion };
}

function refusal(path: string, reason: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', `cannot rewrap \`${path}\`: ${reason}`);
}
